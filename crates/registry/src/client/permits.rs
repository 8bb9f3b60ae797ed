//! How many requests to one host are under way.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use image_sync_shared::config::RegistrySettings;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::transfer::request_limits::{
    RequestEnd, RequestLimits, RequestPermit,
};
use image_sync_shared::run::job::Remote;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests to one host under way at the same time, where its settings do not say.
const MAX_CONNECTIONS: usize = 64;

/// Permits to have requests under way, one per host. Dropping it gives them back, but those that others have too.
pub(crate) struct Permits {
    held: Vec<(String, Arc<dyn RequestPermit>)>,
}

impl Permits {
    /// Waits for one permit for each host of `remotes`. Folders need none. The hosts are taken in the order of their
    /// names, so that no two callers hold what the other waits for.
    pub(super) async fn acquire(limits: &dyn RequestLimits, remotes: &[&Remote]) -> Self {
        let hosts: BTreeSet<&str> = remotes
            .iter()
            .filter_map(|remote| remote.repository.host())
            .collect();
        let mut held = Vec::with_capacity(hosts.len());
        for host in hosts {
            held.push((host.to_owned(), Arc::from(limits.acquire(host).await)));
        }
        Self { held }
    }

    /// Those for the host of `remote`, to be given back apart from the others.
    pub(crate) fn only(&self, remote: &Remote) -> Self {
        let of_host = |(host, _): &&(String, _)| Some(host.as_str()) == remote.repository.host();
        Self {
            held: self.held.iter().filter(of_host).cloned().collect(),
        }
    }

    /// Whether a request to `host` may be under way.
    pub(crate) fn cover(&self, host: &str) -> bool {
        self.held.iter().any(|(held, _)| held == host)
    }

    /// A request to `host`, or to a mirror of it, has ended.
    pub(super) fn ended(&self, host: &str, end: RequestEnd) {
        let held = self.held.iter().find(|(held, _)| held == host);
        held.inspect(|(_, permit)| permit.ended(end));
    }
}

/// As many requests as the settings of each registry say, however they end.
pub struct FixedLimits {
    limits: BTreeMap<String, usize>,
    semaphores: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl FixedLimits {
    /// Up to each registry's `max_connections`.
    #[must_use]
    pub fn new(registries: &BTreeMap<String, RegistrySettings>) -> Self {
        let limit = |(host, settings): (&String, &RegistrySettings)| {
            Some((host.clone(), settings.max_connections?.max(1)))
        };
        Self {
            limits: registries.iter().filter_map(limit).collect(),
            semaphores: Mutex::default(),
        }
    }

    fn semaphore(&self, host: &str) -> Arc<Semaphore> {
        let mut semaphores = lock(&self.semaphores);
        if let Some(semaphore) = semaphores.get(host) {
            return Arc::clone(semaphore);
        }
        let limit = self.limits.get(host).copied().unwrap_or(MAX_CONNECTIONS);
        let semaphore = Arc::new(Semaphore::new(limit));
        semaphores.insert(host.to_owned(), Arc::clone(&semaphore));
        semaphore
    }
}

#[async_trait]
impl RequestLimits for FixedLimits {
    async fn acquire(&self, host: &str) -> Box<dyn RequestPermit> {
        // A semaphore that is never closed always grants in the end.
        let permit = self.semaphore(host).acquire_owned().await;
        Box::new(FixedPermit { _held: permit.ok() })
    }
}

struct FixedPermit {
    _held: Option<OwnedSemaphorePermit>,
}

impl RequestPermit for FixedPermit {
    fn ended(&self, _: RequestEnd) {}
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use image_sync_shared::failure::Side;
    use image_sync_shared::run::job::{Access, Trust};

    use super::*;

    fn remote(repository: &str) -> Remote {
        Remote {
            side: Side::Source,
            repository: repository.parse().unwrap(),
            trust: Trust::Verified,
            access: Access::Pull,
        }
    }

    fn one_at_a_time() -> FixedLimits {
        let one = RegistrySettings {
            max_connections: Some(1),
            ..RegistrySettings::default()
        };
        let hosts = ["a.example", "b.example"].map(|host| (host.to_owned(), one.clone()));
        FixedLimits::new(&BTreeMap::from(hosts))
    }

    #[tokio::test]
    async fn transfers_in_opposite_directions_do_not_wait_for_each_other() {
        let limits = one_at_a_time();
        let (a, b) = (remote("a.example/x"), remote("b.example/x"));
        let transfer = |number: usize| {
            let ends = if number.is_multiple_of(2) {
                [&a, &b]
            } else {
                [&b, &a]
            };
            let limits = &limits;
            async move {
                let permits = Permits::acquire(limits, &ends).await;
                tokio::task::yield_now().await;
                assert!(permits.cover("a.example") && permits.cover("b.example"));
            }
        };
        join_all((0..100).map(transfer)).await;
    }

    #[tokio::test]
    async fn two_ends_on_one_host_take_one_permit_and_a_folder_none() {
        let limits = one_at_a_time();
        let (one, two) = (remote("a.example/x"), remote("a.example/y"));
        let folder = remote("oci:folder");
        let permits = Permits::acquire(&limits, &[&one, &two, &folder]).await;
        assert_eq!(permits.held.len(), 1);
        assert!(!permits.cover("b.example"));
        let again = [&one];
        let mut next = Box::pin(Permits::acquire(&limits, &again));
        tokio::select! {
            biased;
            _ = &mut next => panic!("there is one permit, and it is taken"),
            () = tokio::task::yield_now() => {}
        }
        drop(permits);
        next.await;
    }
}
