//! Names and addresses: each container has a loopback address of its own, so that all of them listen on the ports that
//! their files say.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};

/// Networks of one test program, which does not start the next one before the last one is over.
static NETWORKS: AtomicU8 = AtomicU8::new(1);

/// A network of containers.
#[derive(Debug)]
pub struct Network {
    number: u8,
    hosts: Vec<(String, Ipv4Addr)>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            number: NETWORKS.fetch_add(1, Ordering::Relaxed),
            hosts: Vec::new(),
        }
    }
}

impl Network {
    /// The address of a new container of this name.
    ///
    /// # Panics
    /// If there are more than 250.
    #[expect(clippy::expect_used, reason = "without the address there is no test")]
    pub fn join(&mut self, name: &str) -> Ipv4Addr {
        let host = u8::try_from(self.hosts.len() + 2).expect("fewer than 250 containers");
        let address = Ipv4Addr::new(127, 77, self.number, host);
        self.hosts.push((name.to_owned(), address));
        address
    }

    /// The address of the first container of this name.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    #[expect(clippy::expect_used, reason = "without the address there is no test")]
    pub fn address(&self, name: &str) -> Ipv4Addr {
        let mut hosts = self.hosts.iter();
        let found = hosts.find(|(host, _)| host == name);
        found.expect("a container of this name").1
    }

    /// The file `/etc/hosts` of all of them.
    #[must_use]
    pub fn hosts_file(&self) -> String {
        let line = |(name, address): &(String, Ipv4Addr)| format!("{address} {name}\n");
        self.hosts.iter().map(line).collect()
    }
}
