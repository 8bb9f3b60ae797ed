//! What kind of place an IP address is (the special-purpose registries of RFC 6890, and what clouds have put there).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address is, the most public first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum AddressClass {
    /// Anyone's, on the Internet.
    Public,
    /// Inside somebody's own network.
    Private,
    /// This machine.
    Loopback,
    /// Nowhere that a registry could be: link-local, unspecified, multicast, reserved, or where a cloud tells machines their secrets.
    Forbidden,
}

/// Addresses at which clouds serve metadata and credentials, outside the link-local range: Azure, Oracle, Alibaba.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(100, 100, 100, 200),
];

impl AddressClass {
    /// The class of an address. One that carries an IPv4 address is of the class of that one too, whichever is stricter.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => {
                let carried = carried(address).map(of_v4).max();
                carried.map_or_else(|| of_v6(address), |carried| carried.max(of_v6(address)))
            }
        }
    }

    /// In words, for errors.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Loopback => "loopback",
            Self::Forbidden => "link-local, multicast, reserved or metadata",
        }
    }
}

fn of_v4(address: Ipv4Addr) -> AddressClass {
    if METADATA_V4.contains(&address) {
        return AddressClass::Forbidden;
    }
    match address.octets() {
        [127, ..] => AddressClass::Loopback,
        [0 | 224..=255, ..] | [169, 254, ..] => AddressClass::Forbidden,
        // Shared address space (RFC 6598), IETF protocol assignments and benchmarking stand beside RFC 1918.
        [10, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [100, 64..=127, ..]
        | [192, 0, 0, _]
        | [198, 18..=19, ..] => AddressClass::Private,
        _ => AddressClass::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> AddressClass {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
        // Amazon's own services have the ULA prefix fd00:ec2::/32, Google's metadata server has fd20:ce::254.
        [0, 0, 0, 0, 0, 0, 0, 0]
        | [0xfe80..=0xfebf | 0xff00..=0xffff, ..]
        | [0xfd00, 0x0ec2, ..]
        | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254] => AddressClass::Forbidden,
        // Unique local (RFC 4193), site-local (RFC 3879), and NAT64 of a network's own (RFC 8215).
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] | [0x0064, 0xff9b, 1, ..] => AddressClass::Private,
        _ => AddressClass::Public,
    }
}

/// The IPv4 addresses to which packets for an IPv6 address are brought on.
fn carried(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let (first, second) = match address.segments() {
        // Unspecified and loopback are no IPv4-compatible addresses.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => (None, None),
        // IPv4-compatible and IPv4-mapped (RFC 4291, section 2.5.5), translated (RFC 2765), NAT64 (RFC 6052 and RFC 8215),
        // ISATAP with any prefix (RFC 5214), 6to4 (RFC 3056).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x0064, 0xff9b, 0 | 1, _, _, _, high, low]
        | [_, _, _, _, 0 | 0x0200, 0x5efe, high, low]
        | [0x2002, high, low, ..] => (Some(v4(high, low)), None),
        // Teredo (RFC 4380): the server, and the client with its bits inverted.
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            (Some(v4(high, low)), Some(v4(!client_high, !client_low)))
        }
        _ => (None, None),
    };
    first.into_iter().chain(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_all(class: AddressClass, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(
                AddressClass::of(address.parse().unwrap()),
                class,
                "{address}"
            );
        }
    }

    #[test]
    fn what_is_on_the_internet_is_public() {
        assert_all(
            AddressClass::Public,
            &[
                "1.1.1.1",
                "9.255.255.255",
                "11.0.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "126.255.255.255",
                "128.0.0.0",
                "169.253.255.255",
                "169.255.0.0",
                "172.15.255.255",
                "172.32.0.0",
                "192.167.255.255",
                "192.169.0.0",
                "198.17.255.255",
                "198.20.0.0",
                "223.255.255.255",
                "2606:4700:4700::1111",
                "fbff::1",
                "::ffff:1.1.1.1",
                "64:ff9b::1.1.1.1",
                "2002:101:101::",
            ],
        );
    }

    #[test]
    fn private_ranges_are_private_to_their_ends() {
        assert_all(
            AddressClass::Private,
            &[
                "10.0.0.0",
                "10.255.255.255",
                "172.16.0.0",
                "172.31.255.255",
                "192.168.0.0",
                "192.168.255.255",
                "100.64.0.0",
                "100.127.255.255",
                "192.0.0.1",
                "198.18.0.0",
                "198.19.255.255",
                "fc00::",
                "fdff:ffff::1",
                "fec0::1",
                "feff::1",
                "64:ff9b:1::1.1.1.1",
            ],
        );
    }

    #[test]
    fn this_machine_is_loopback() {
        assert_all(
            AddressClass::Loopback,
            &["127.0.0.0", "127.0.0.1", "127.255.255.255", "::1"],
        );
    }

    #[test]
    fn link_local_multicast_reserved_and_metadata_addresses_are_forbidden() {
        assert_all(
            AddressClass::Forbidden,
            &[
                "0.0.0.0",
                "0.1.2.3",
                "169.254.0.0",
                "169.254.169.254",
                "169.254.170.2",
                "169.254.255.255",
                "100.100.100.200",
                "168.63.129.16",
                "192.0.0.192",
                "224.0.0.1",
                "239.255.255.255",
                "240.0.0.1",
                "255.255.255.255",
                "::",
                "fe80::1",
                "febf::1",
                "ff02::1",
                "fd00:ec2::254",
                "fd00:ec2::23",
                "fd20:ce::254",
            ],
        );
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_address_is_what_counts() {
        use AddressClass as C;
        for (class, v4, hex) in [
            (C::Private, "10.1.2.3", "a01:203"),
            (C::Loopback, "127.0.0.1", "7f00:1"),
            (C::Forbidden, "169.254.169.254", "a9fe:a9fe"),
            (C::Forbidden, "100.100.100.200", "6464:64c8"),
        ] {
            let six_to_four = format!("2002:{hex}::1");
            let teredo_server = format!("2001:0:{hex}::fefe:fefe");
            assert_all(class, &[&six_to_four, &teredo_server]);
            for prefix in [
                "::",
                "::ffff:",
                "::ffff:0:",
                "64:ff9b::",
                "2001:db8::5efe:",
                "2001:db8::200:5efe:",
            ] {
                assert_all(
                    class,
                    &[&format!("{prefix}{v4}"), &format!("{prefix}{hex}")],
                );
            }
        }
        // The inverted bits of 10.1.2.3 and 169.254.169.254.
        assert_all(C::Private, &["2001:0:101:101::f5fe:fdfc"]);
        assert_all(C::Forbidden, &["2001:0:101:101::5601:5601"]);
        assert_all(C::Forbidden, &["64:ff9b:1::169.254.169.254"]);
    }
}
