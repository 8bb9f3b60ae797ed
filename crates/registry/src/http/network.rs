//! Which addresses requests may go to: a registry must not make this program ask inside of somebody's network for it.

mod address;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use image_sync_shared::failure::FailureClass;
use image_sync_shared::panics::lock;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use tokio::net::lookup_host;

pub(crate) use self::address::AddressClass;

use super::RequestError;
use super::url::authority;

/// How far a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reach {
    /// Anywhere: the user has named the place.
    Named,
    /// To addresses of this class and of the more public ones: a registry has named the place.
    UpTo(AddressClass),
}

/// An address to which a registry leads and which it may not.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{host} is at the {} address {address}", class.in_words())]
pub(crate) struct AddressRefused {
    host: String,
    address: IpAddr,
    class: AddressClass,
}

/// How names become addresses, and what kind of places those are.
pub(crate) struct Network {
    names: Arc<dyn Resolve>,
    /// The most public class of address that each name had which a user has named. One public address is enough: what
    /// answers there is on the Internet, whatever else its DNS says.
    seen: Mutex<HashMap<String, AddressClass>>,
}

impl Network {
    /// The system's own.
    pub(crate) fn system() -> Self {
        Self {
            names: Arc::new(SystemResolver),
            seen: Mutex::default(),
        }
    }

    /// One that has these names.
    #[cfg(test)]
    pub(crate) fn of_names(names: Arc<dyn Resolve>) -> Self {
        Self {
            names,
            seen: Mutex::default(),
        }
    }

    /// What kind of place a registry is at, as far as its name was resolved; public where it was not.
    pub(crate) fn class_of(&self, registry: &Url) -> AddressClass {
        if let Some(address) = address_in(registry) {
            return AddressClass::of(address);
        }
        let seen = lock(&self.seen);
        let name = registry.host_str().unwrap_or_default();
        seen.get(name).copied().unwrap_or(AddressClass::Public)
    }

    /// How far a registry at `home` may lead.
    pub(crate) fn reach_from(&self, home: &Url) -> Reach {
        Reach::UpTo(match self.class_of(home) {
            // A user who has a registry there has named that address and no other.
            AddressClass::Forbidden => AddressClass::Private,
            class => class,
        })
    }

    /// What resolves names for requests that may go as far as `reach`.
    pub(crate) fn resolver(self: &Arc<Self>, reach: Reach) -> Arc<dyn Resolve> {
        let network = Arc::clone(self);
        Arc::new(Resolver { network, reach })
    }

    /// Notes what kind of place a name leads to that the user has named.
    fn note(&self, name: &str, addresses: &[SocketAddr]) {
        let classes = addresses
            .iter()
            .map(|address| AddressClass::of(address.ip()));
        if let Some(class) = classes.min() {
            let mut seen = lock(&self.seen);
            let known = seen.entry(name.to_owned()).or_insert(class);
            *known = class.min(*known);
        }
    }
}

impl AddressRefused {
    /// The failure it is where `registry` led there.
    pub(crate) fn request_error(&self, registry: &str) -> RequestError {
        let hint = match self.class {
            AddressClass::Forbidden => String::new(),
            _ => format!(
                "; if that is right, add to the config: registries: {{\"{registry}\": {{allow_private: true}}}}"
            ),
        };
        RequestError::new(
            FailureClass::Denied,
            format!("{registry} leads inside: {self}, which is not asked{hint}"),
        )
    }
}

/// Refuses a URL with an address instead of a name, which no resolver gets to see.
pub(crate) fn check(url: &Url, reach: Reach) -> Result<(), AddressRefused> {
    match address_in(url) {
        Some(address) => judge(authority(url), address, reach),
        None => Ok(()),
    }
}

/// Those addresses of a name that may be reached; an error where there are none but others.
fn allowed(
    name: &str,
    addresses: Vec<SocketAddr>,
    reach: Reach,
) -> Result<Vec<SocketAddr>, AddressRefused> {
    let mut refused = Ok(());
    let mut allowed = addresses;
    allowed.retain(|address| {
        let verdict = judge(name.to_owned(), address.ip(), reach);
        let is_allowed = verdict.is_ok();
        if !is_allowed {
            refused = verdict;
        }
        is_allowed
    });
    match allowed.as_slice() {
        [] => refused.map(|()| allowed),
        _ => Ok(allowed),
    }
}

fn judge(host: String, address: IpAddr, reach: Reach) -> Result<(), AddressRefused> {
    let class = AddressClass::of(address);
    match reach {
        Reach::UpTo(limit) if class > limit => Err(AddressRefused {
            host,
            address,
            class,
        }),
        Reach::Named | Reach::UpTo(_) => Ok(()),
    }
}

/// The address that stands in a URL in the place of a name.
fn address_in(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        url::Host::Domain(_) => None,
        url::Host::Ipv4(address) => Some(address.into()),
        url::Host::Ipv6(address) => Some(address.into()),
    }
}

/// Looks at addresses when they are resolved for a connection, so that none can be another one by then.
struct Resolver {
    network: Arc<Network>,
    reach: Reach,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (network, reach) = (Arc::clone(&self.network), self.reach);
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let addresses: Vec<_> = network.names.resolve(name).await?.collect();
            // Only places that the user has named tell from where a registry leads. What it leads to must not change
            // that.
            if reach == Reach::Named {
                network.note(&host, &addresses);
            }
            let allowed = allowed(&host, addresses, reach)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The names of the system.
struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is put in by who connects.
            let addresses: Vec<_> = lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Network {
        Network::of_names(Arc::new(SystemResolver))
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn socket(address: &str) -> SocketAddr {
        (address.parse::<IpAddr>().unwrap(), 0).into()
    }

    #[test]
    fn a_registry_leads_as_far_inside_as_it_is_itself() {
        let network = network();
        for (registry, furthest, refused) in [
            ("https://1.1.1.1", "http://8.8.8.8", "http://10.0.0.1"),
            ("https://r.example", "http://8.8.8.8", "http://127.0.0.1"),
            ("http://10.0.0.1", "http://192.168.0.1", "http://[::1]"),
            (
                "http://127.0.0.1",
                "http://127.0.0.2",
                "http://169.254.169.254",
            ),
            ("http://[::1]", "http://10.0.0.1", "http://0.0.0.0"),
            (
                "http://169.254.1.1",
                "http://10.0.0.1",
                "http://169.254.1.2",
            ),
        ] {
            let reach = network.reach_from(&url(registry));
            assert_eq!(check(&url(furthest), reach), Ok(()), "{registry}");
            let refusal = check(&url(refused), reach);
            assert!(refusal.is_err(), "{registry} {refused}");
        }
        let anywhere = check(&url("http://169.254.169.254"), Reach::Named);
        assert_eq!(anywhere, Ok(()));
    }

    #[test]
    fn an_address_in_another_spelling_is_the_same_address() {
        let reach = Reach::UpTo(AddressClass::Public);
        for spelling in [
            "http://0x7f000001/",
            "http://2130706433/",
            "http://0177.1/",
            "http://127.1/",
            "http://[::ffff:7f00:1]/",
            "http://[0:0:0:0:0:ffff:10.0.0.1]/",
            "http://①⓪.0.0.1/",
        ] {
            assert!(check(&url(spelling), reach).is_err(), "{spelling}");
        }
    }

    #[test]
    fn a_name_is_as_public_as_its_most_public_address_ever_was() {
        let network = network();
        let registry = url("https://r.example");
        network.note("r.example", &[socket("127.0.0.1")]);
        assert_eq!(network.class_of(&registry), AddressClass::Loopback);
        network.note("r.example", &[socket("127.0.0.1"), socket("1.1.1.1")]);
        network.note("r.example", &[socket("127.0.0.1")]);
        assert_eq!(network.class_of(&registry), AddressClass::Public);
        network.note("r.example", &[]);
        assert_eq!(
            network.class_of(&url("https://s.example")),
            AddressClass::Public
        );
    }

    #[test]
    fn of_several_addresses_those_are_left_that_may_be_reached() {
        let reach = Reach::UpTo(AddressClass::Public);
        let (public, private) = (socket("1.1.1.1"), socket("10.0.0.1"));
        let left = allowed("cdn.example", vec![private, public], reach);
        assert_eq!(left, Ok(vec![public]));
        let refused = allowed("cdn.example", vec![private], reach);
        assert_eq!(
            refused.unwrap_err().request_error("r.example").answer,
            "r.example leads inside: cdn.example is at the private address 10.0.0.1, which is not asked; \
             if that is right, add to the config: registries: {\"r.example\": {allow_private: true}}"
        );
        let metadata = check(&url("http://169.254.169.254/x?y"), reach);
        assert_eq!(
            metadata.unwrap_err().request_error("r.example").answer,
            "r.example leads inside: 169.254.169.254 is at the link-local, multicast, reserved or metadata address \
             169.254.169.254, which is not asked"
        );
    }
}
