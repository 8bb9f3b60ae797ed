//! Names with addresses that a test chooses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::*;

/// Where the registries of tests are.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// A public address at which nothing is (RFC 5737).
const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

struct NameResolver;

impl Resolve for NameResolver {
    fn resolve(&self, name: Name) -> Resolving {
        // A public address beside the one that answers makes a public place of a name.
        let addresses = match name.as_str() {
            "registry.example" | "localhost" => vec![HERE, PUBLIC],
            "inner.example" => vec![HERE],
            "metadata.example" => vec![IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254))],
            _ => Vec::new(),
        };
        let addresses = addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, 0));
        Box::pin(async move { Ok(Box::new(addresses) as Addrs) })
    }
}

/// A network on which registry.example and localhost are public, inner.example is on loopback, and
/// metadata.example on a link-local address.
pub(super) fn network() -> Network {
    Network::of_names(Arc::new(NameResolver))
}

/// `NAME:PORT`, with the port of a registry.
pub(super) fn called(name: &str, registry: &FakeRegistry) -> String {
    let port = registry.host().rsplit_once(':').unwrap().1;
    format!("{name}:{port}")
}
