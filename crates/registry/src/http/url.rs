//! What two URLs have in common, and how a server is named in messages.

use reqwest::Url;

/// `HOST` or `HOST:PORT` of a URL.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether two URLs have the same scheme, host and port, so that credentials for one are for the other too.
pub(crate) fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// Whether a server at `from` may send whoever asks it on to `to`: over HTTP, and never from HTTPS to plain HTTP.
pub(crate) fn may_lead_to(from: &Url, to: &Url) -> bool {
    match to.scheme() {
        "https" => true,
        "http" => from.scheme() == "http",
        _ => false,
    }
}

/// Whether a URL leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(::url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(::url::Host::Ipv4(address)) => address.is_loopback(),
        Some(::url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |a: &str, b: &str| same_origin(&a.parse().unwrap(), &b.parse().unwrap());
        assert!(same("https://a/x", "https://a:443/y?z"));
        assert!(!same("https://a", "http://a"));
        assert!(!same("https://a", "https://a:444"));
        assert!(!same("https://a", "https://b"));
        assert!(!same("http://127.0.0.1:80", "http://localhost:80"));
    }

    #[test]
    fn https_leads_to_https_alone_and_http_to_both() {
        let leads = |a: &str, b: &str| may_lead_to(&a.parse().unwrap(), &b.parse().unwrap());
        assert!(leads("https://a", "https://b") && leads("http://a", "https://b"));
        assert!(leads("http://a", "http://b") && !leads("https://a", "http://a"));
        assert!(!leads("http://a", "file:///b") && !leads("https://a", "ftp://a"));
    }

    #[test]
    fn tells_loopback_hosts() {
        for yes in [
            "http://localhost:1",
            "http://127.1.2.3",
            "http://[::1]:5000",
            "http://a.localhost",
        ] {
            assert!(is_loopback(&yes.parse().unwrap()), "{yes}");
        }
        for no in [
            "http://localhost.example",
            "http://128.0.0.1",
            "http://[::2]",
            "http://10.0.0.1",
        ] {
            assert!(!is_loopback(&no.parse().unwrap()), "{no}");
        }
    }
}
