//! How many requests to one host are under way.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use image_sync_shared::config::RegistrySettings;
use image_sync_shared::job::Remote;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests to one host under way at the same time, where its settings do not say.
const MAX_CONNECTIONS: usize = 64;

/// Leave to have requests under way, one per host. Dropping it gives it back.
pub(crate) struct Permits {
    held: Vec<(String, OwnedSemaphorePermit)>,
}

impl Permits {
    /// Whether a request to `host` may be under way.
    pub(crate) fn cover(&self, host: &str) -> bool {
        self.held.iter().any(|(held, _)| held == host)
    }
}

/// Counts the requests under way, host by host. A host's mirrors count as the host.
pub(crate) struct Hosts {
    limits: BTreeMap<String, usize>,
    semaphores: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Hosts {
    /// Counts up to each registry's `max_connections`.
    pub(crate) fn new(registries: &BTreeMap<String, RegistrySettings>) -> Self {
        let limit = |(host, settings): (&String, &RegistrySettings)| {
            Some((host.clone(), settings.max_connections?.max(1)))
        };
        Self {
            limits: registries.iter().filter_map(limit).collect(),
            semaphores: Mutex::default(),
        }
    }

    /// Waits for one permit for each host of `remotes`. Folders need none. The hosts are taken in the order of their
    /// names, so that no two callers hold what the other waits for.
    pub(crate) async fn acquire(&self, remotes: &[&Remote]) -> Permits {
        let hosts: BTreeSet<&str> = remotes
            .iter()
            .filter_map(|remote| remote.repository.host())
            .collect();
        let mut held = Vec::with_capacity(hosts.len());
        for host in hosts {
            // A semaphore that is never closed always grants in the end.
            let permit = self.semaphore(host).acquire_owned().await;
            held.extend(permit.map(|permit| (host.to_owned(), permit)));
        }
        Permits { held }
    }

    fn semaphore(&self, host: &str) -> Arc<Semaphore> {
        let mut semaphores = self
            .semaphores
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(semaphore) = semaphores.get(host) {
            return Arc::clone(semaphore);
        }
        let limit = self.limits.get(host).copied().unwrap_or(MAX_CONNECTIONS);
        let semaphore = Arc::new(Semaphore::new(limit));
        semaphores.insert(host.to_owned(), Arc::clone(&semaphore));
        semaphore
    }
}
