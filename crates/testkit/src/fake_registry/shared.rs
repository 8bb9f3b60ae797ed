//! What all connections of one registry share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::auth::Auth;
use super::auth::token_service::TokenService;
use super::behaviour::Behaviour;
use super::faults::Faults;
use super::records::Records;
use super::store::Store;
use crate::sync::lock::{read, written};

pub(super) struct Shared {
    pub(super) url: String,
    pub(super) store: Arc<Store>,
    pub(super) records: Records,
    pub(super) faults: Faults,
    pub(super) tokens: Option<TokenService>,
    pub(super) auth: RwLock<Auth>,
    behaviour: RwLock<Arc<Behaviour>>,
    latency_micros: AtomicU64,
}

impl Shared {
    pub(super) fn new(
        url: String,
        store: Arc<Store>,
        recording: bool,
        tokens: Option<TokenService>,
        auth: Auth,
        behaviour: Behaviour,
    ) -> Self {
        Self {
            url,
            store,
            records: Records::new(recording),
            faults: Faults::default(),
            tokens,
            auth: RwLock::new(auth),
            behaviour: RwLock::new(Arc::new(behaviour)),
            latency_micros: AtomicU64::new(0),
        }
    }

    pub(super) fn behaviour(&self) -> Arc<Behaviour> {
        read(&self.behaviour).clone()
    }

    pub(super) fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(Arc::make_mut(&mut written(&self.behaviour)));
    }

    pub(super) fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_micros.load(Ordering::Relaxed))
    }

    pub(super) fn set_latency(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency_micros.store(micros, Ordering::Relaxed);
    }
}
