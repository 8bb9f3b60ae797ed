//! Which hosts are reached without a proxy: `NO_PROXY` as Go's tools read it (golang.org/x/net/http/httpproxy).

use std::net::IpAddr;

use reqwest::Url;
use url::Host;

/// What `NO_PROXY` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Exceptions(Vec<Exception>);

/// One of its entries.
#[derive(Debug, PartialEq, Eq)]
struct Exception {
    hosts: Hosts,
    /// The only port for which it holds.
    port: Option<u16>,
}

#[derive(Debug, PartialEq, Eq)]
enum Hosts {
    /// All.
    All,
    /// Addresses whose first bits are those of `address`.
    Network { address: IpAddr, bits: u8 },
    /// The hosts below a domain, and with `itself` the one of that name too.
    Below { domain: String, itself: bool },
}

impl Exceptions {
    /// Reads entries that commas or blanks separate. One that cannot be understood holds for nothing, as with Go.
    pub(crate) fn parse(text: &str) -> Self {
        let entries = text.split(|c: char| c == ',' || c.is_whitespace());
        Self(entries.filter_map(Exception::parse).collect())
    }

    /// Whether they hold for the host and port of `url`.
    pub(crate) fn hold(&self, url: &Url) -> bool {
        let port = url.port_or_known_default();
        let holds = |exception: &Exception| {
            let for_port = exception.port.is_none() || exception.port == port;
            for_port && url.host().is_some_and(|host| exception.hosts.has(&host))
        };
        self.0.iter().any(holds)
    }
}

impl Exception {
    /// `*`, `NAME`, `.NAME`, `*.NAME`, `ADDRESS`, all with `:PORT` or without, or `ADDRESS/BITS`.
    fn parse(entry: &str) -> Option<Self> {
        if let Some(hosts) = network(entry) {
            return Some(Self { hosts, port: None });
        }
        let (host, port) = split_port(entry)?;
        let hosts = match host {
            "*" => Hosts::All,
            _ => match host.parse::<IpAddr>() {
                Ok(address) => all_bits(address),
                Err(_) => below(host)?,
            },
        };
        Some(Self { hosts, port })
    }
}

impl Hosts {
    fn has(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Self::All, _) => true,
            (Self::Below { domain, itself }, Host::Domain(name)) => {
                match name.strip_suffix(domain.as_str()) {
                    Some("") => *itself,
                    Some(below) => below.ends_with('.'),
                    None => false,
                }
            }
            (Self::Network { address, bits }, Host::Ipv4(host)) => {
                in_network(IpAddr::V4(*host), *address, *bits)
            }
            (Self::Network { address, bits }, Host::Ipv6(host)) => {
                in_network(IpAddr::V6(*host), *address, *bits)
            }
            _ => false,
        }
    }
}

/// `ADDRESS/BITS` (RFC 4632, section 3.1).
fn network(entry: &str) -> Option<Hosts> {
    let (address, bits) = entry.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let bits: u8 = bits.parse().ok()?;
    (bits <= length(address)).then_some(Hosts::Network { address, bits })
}

fn all_bits(address: IpAddr) -> Hosts {
    let address = address.to_canonical();
    Hosts::Network {
        address,
        bits: length(address),
    }
}

fn length(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Splits `HOST[:PORT]`, where an IPv6 address with a port is in brackets. None without a host or with a port that is none.
fn split_port(entry: &str) -> Option<(&str, Option<u16>)> {
    let in_brackets = entry
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'));
    let (host, port) = match (in_brackets, entry.split_once(':')) {
        (Some((host, rest)), _) => (host, rest.strip_prefix(':')),
        (None, Some((host, port))) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    };
    let port = match port {
        None | Some("") => None,
        Some(port) => Some(port.parse().ok()?),
    };
    (!host.is_empty()).then_some((host, port))
}

fn below(host: &str) -> Option<Hosts> {
    let domain = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
    let itself = domain.is_none();
    let domain = domain.unwrap_or(host);
    // As URLs have it: in lower case, and in ASCII.
    let Ok(Host::Domain(domain)) = Host::parse(domain) else {
        return None;
    };
    Some(Hosts::Below { domain, itself })
}

fn in_network(host: IpAddr, network: IpAddr, bits: u8) -> bool {
    // Shifting by all bits is no shift.
    match (host.to_canonical(), network) {
        (IpAddr::V4(host), IpAddr::V4(network)) => {
            let differ = u32::from(host) ^ u32::from(network);
            differ.checked_shr(32 - u32::from(bits)).unwrap_or(0) == 0
        }
        (IpAddr::V6(host), IpAddr::V6(network)) => {
            let differ = u128::from(host) ^ u128::from(network);
            differ.checked_shr(128 - u32::from(bits)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(entries: &str, url: &str) -> bool {
        Exceptions::parse(entries).hold(&url.parse().unwrap())
    }

    #[test]
    fn entries_hold_for_what_go_has_them_hold_for() {
        for (entries, url) in [
            ("*", "https://r.example"),
            ("r.example", "https://r.example"),
            ("r.example", "https://a.r.example:5000"),
            ("R.Example", "https://r.example"),
            ("r.example:443", "https://r.example/v2/"),
            ("r.example:5000", "http://r.example:5000"),
            (".r.example", "https://a.b.r.example"),
            ("*.r.example", "https://a.r.example"),
            (".r.example:80", "http://a.r.example"),
            ("other.example, r.example", "https://r.example"),
            ("other.example r.example", "https://r.example"),
            ("bücher.example", "https://xn--bcher-kva.example"),
            ("10.0.0.7", "http://10.0.0.7:5000"),
            ("10.0.0.7:5000", "http://10.0.0.7:5000"),
            ("10.0.0.0/8", "http://10.1.2.3"),
            ("10.0.0.0/31", "http://10.0.0.1"),
            ("0.0.0.0/0", "http://192.0.2.1"),
            ("2001:db8::/32", "http://[2001:db8::1]:5000"),
            ("2001:db8::1", "http://[2001:db8::1]:5000"),
            ("[2001:db8::1]", "http://[2001:db8::1]:5000"),
            ("[2001:db8::1]:5000", "http://[2001:db8::1]:5000"),
            ("::/0", "http://[2001:db8::1]"),
        ] {
            assert!(holds(entries, url), "{entries} {url}");
        }
    }

    #[test]
    fn entries_hold_for_nothing_else() {
        for (entries, url) in [
            ("", "https://r.example"),
            (",, ,", "https://r.example"),
            ("r.example", "https://notr.example"),
            ("r.example", "https://r.example.evil.example"),
            (".r.example", "https://r.example"),
            ("*.r.example", "https://r.example"),
            ("r.example:5000", "https://r.example"),
            ("r.example:http", "http://r.example"),
            (":80", "http://r.example"),
            ("10.0.0.7:80", "http://10.0.0.7:5000"),
            ("10.0.0.0/31", "http://10.0.0.2"),
            ("10.0.0.0/33", "http://10.0.0.0"),
            ("0.0.0.0/0", "http://[2001:db8::1]"),
            ("0.0.0.0/0", "http://r.example"),
            ("10.0.0.7", "http://r.example"),
            ("*foo.example", "http://barfoo.example"),
        ] {
            assert!(!holds(entries, url), "{entries} {url}");
        }
    }
}
