//! The grammar of references (OCI distribution spec, section "Pulling manifests"; Docker's reference grammar for hosts
//! and short names).
//!
//! Written by hand: the regular expression of the OCI crates costs every process 18 MB of memory, and it knows no IPv6
//! addresses.

use std::net::Ipv6Addr;

use crate::text::excerpt;

/// The longest name, in bytes.
const MAX_NAME: usize = 255;
/// The longest host, in bytes: that of a name in the DNS (RFC 1035, section 2.3.4), and its port.
const MAX_HOST: usize = 255 + ":65535".len();

/// Splits `PLACE[:TAG]`. What follows a colon before the last slash is a port.
pub(super) fn split_tag(text: &str) -> (&str, Option<&str>) {
    let last_component = text.rfind('/').map_or(0, |slash| slash + 1);
    match text[last_component..].split_once(':') {
        Some((_, tag)) => (&text[..text.len() - tag.len() - 1], Some(tag)),
        None => (text, None),
    }
}

/// Splits `[HOST/]NAME`. The first component is a host if it could not be part of a name, or is `localhost`.
pub(super) fn split_host(place: &str) -> (Option<&str>, &str) {
    match place.split_once('/') {
        Some((host, name)) if host == "localhost" || host.contains(['.', ':', '[']) => {
            (Some(host), name)
        }
        _ => (None, place),
    }
}

/// Whether `host` is `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`.
pub(super) fn check_host(host: &str) -> Result<(), String> {
    if host.len() > MAX_HOST {
        return Err(format!("the host is longer than {MAX_HOST} characters"));
    }
    let in_brackets = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (address, port, is_address) = if let Some((address, port)) = in_brackets {
        (address, port, address.parse::<Ipv6Addr>().is_ok())
    } else {
        let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
        (name, port, name.split('.').all(is_label))
    };
    if !is_address {
        return Err(format!("{:?} is not a host", excerpt(address)));
    }
    let is_port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok());
    if is_port {
        Ok(())
    } else {
        Err(format!(
            "{:?} is not a port",
            excerpt(port.trim_start_matches(':'))
        ))
    }
}

/// Whether `name` is a `<name>` of the distribution spec.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    if name.len() > MAX_NAME {
        return Err(format!("the name is longer than {MAX_NAME} characters"));
    }
    match name.split('/').find(|component| !is_component(component)) {
        None => Ok(()),
        Some("") => Err("a component of the name is empty".to_owned()),
        Some(component) if component.bytes().any(|b| b.is_ascii_uppercase()) => Err(format!(
            "{component:?} has uppercase letters, and names are lowercase"
        )),
        Some(component) => Err(format!(
            "{component:?} is not made of lowercase letters and digits with '.', '_', '__' or '-' between them"
        )),
    }
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let ends_well = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    ends_well(bytes.first())
        && ends_well(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

fn is_component(component: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let separators = component
        .split(|c: char| c.is_ascii() && is_word(c as u8))
        .filter(|text| !text.is_empty());
    let is_separator =
        |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|b| b == b'-');
    let ends_well = |byte: Option<u8>| byte.is_some_and(is_word);
    ends_well(component.bytes().next())
        && ends_well(component.bytes().next_back())
        && separators.into_iter().all(is_separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_of_names() {
        for name in ["a", "a/b/c", "a.b", "a_b", "a__b", "a---b", "0", "a-b_c.d"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in [
            "", "a//b", "/a", "a/", "A", ".a", "a.", "a..b", "a___b", "a._b", "a b", "é", "a:b",
            "..", "a/../b",
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name(&"a".repeat(255)).is_ok() && check_name(&"a".repeat(256)).is_err());
    }

    #[test]
    fn hosts() {
        for host in [
            "a",
            "a.io",
            "a-b.io:443",
            "127.0.0.1:5000",
            "[::1]",
            "[::1]:5000",
            "EXAMPLE.com",
        ] {
            assert_eq!(check_host(host), Ok(()), "{host}");
        }
        for host in [
            "", "a..b", "-a", "a_b.io", "a:", "a:b", "a:99999", "::1", "[::1", "[x]:5", "[::1]5",
            "a:1:2", "u:p@h",
        ] {
            assert!(check_host(host).is_err(), "{host}");
        }
    }

    #[test]
    fn tags_and_ports_are_told_apart() {
        assert_eq!(split_tag("localhost:5000/a"), ("localhost:5000/a", None));
        assert_eq!(
            split_tag("localhost:5000/a:1"),
            ("localhost:5000/a", Some("1"))
        );
        assert_eq!(split_tag("[::1]:5000/a:1"), ("[::1]:5000/a", Some("1")));
        assert_eq!(split_tag("a:1"), ("a", Some("1")));
        assert_eq!(split_host("a/b"), (None, "a/b"));
        assert_eq!(split_host("a.io/b"), (Some("a.io"), "b"));
        assert_eq!(split_host("localhost/b"), (Some("localhost"), "b"));
    }
}
