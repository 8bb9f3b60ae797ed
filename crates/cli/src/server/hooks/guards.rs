//! Who may ask: the senders of the config with their proofs, and scripts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::HeaderMap;
use image_sync_shared::config::webhooks::{Sender, Webhooks};
use image_sync_shared::panics::lock;
use image_sync_shared::ports::clock::Clock;
use image_sync_webhook::proof::{Head, IdentityKeys, Proof, ProofError, Verdict};
use image_sync_webhook::rate::Rate;
use tokio::time::Instant;

/// One sender, for one of its registries or for all.
struct Guard {
    registry: Option<String>,
    proof: Proof,
}

/// What a request has proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proven {
    /// Who sends it: it speaks for this registry, or for those that its payload names.
    By(Option<String>),
    /// Nothing yet: the body is signed.
    NeedsBody,
    /// Nothing.
    Refused,
}

impl Proven {
    pub(super) fn is_refused(&self) -> bool {
        *self == Self::Refused
    }
}

/// Who may ask.
pub(crate) struct Guards {
    senders: BTreeMap<Sender, Vec<Guard>>,
    script: Option<Proof>,
    /// Whether who is not in the config proves nothing and is heard all the same.
    is_open: bool,
    rates: Mutex<BTreeMap<Sender, Rate>>,
    clock: Arc<dyn Clock>,
}

impl Guards {
    /// Those of a config. Files of secrets are read now, so that what is wrong with them is told before anything is served; keys at
    /// an address are those that `keys_at` finds there. With `is_open`, whoever is not in the config needs no proof.
    pub(crate) fn open(
        webhooks: &Webhooks,
        is_open: bool,
        keys_at: &dyn Fn(&str) -> Arc<dyn IdentityKeys>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProofError> {
        let mut senders: BTreeMap<Sender, Vec<Guard>> = BTreeMap::new();
        for (sender, several) in &webhooks.senders {
            for settings in several {
                let proof = Proof::new(*sender, &settings.proof, keys_at)?;
                senders.entry(*sender).or_default().push(Guard {
                    registry: settings.registry.clone(),
                    proof,
                });
            }
        }
        let script = webhooks.api_secret_file.as_deref();
        Ok(Self {
            senders,
            script: script.map(Proof::by_authorization).transpose()?,
            is_open,
            rates: Mutex::default(),
            clock,
        })
    }

    /// Whether there is a proof by which this sender would be heard, or none is needed.
    pub(super) fn are_open_for(&self, sender: Sender) -> bool {
        self.is_open || self.senders.contains_key(&sender)
    }

    /// What a request has proven before its body is read. Each proof is looked at, whichever fits.
    pub(super) async fn before_body(
        &self,
        sender: Sender,
        headers: &HeaderMap,
        path_secret: Option<&str>,
        client_certificate: bool,
    ) -> Proven {
        let Some(guards) = self.senders.get(&sender) else {
            let proven = self.is_open.then_some(Proven::By(None));
            return proven.unwrap_or(Proven::Refused);
        };
        let head = Head {
            headers,
            path_secret,
            client_certificate,
            now: self.clock.now(),
        };
        let mut proven = Proven::Refused;
        for guard in guards {
            match guard.proof.before_body(&head).await {
                Verdict::Proven if !matches!(proven, Proven::By(_)) => {
                    proven = Proven::By(guard.registry.clone());
                }
                Verdict::NeedsBody if proven.is_refused() => proven = Proven::NeedsBody,
                _ => {}
            }
        }
        proven
    }

    /// What a request has proven with its body.
    pub(super) fn with_body(&self, sender: Sender, headers: &HeaderMap, body: &[u8]) -> Proven {
        let head = Head {
            headers,
            path_secret: None,
            client_certificate: false,
            now: self.clock.now(),
        };
        let mut proven = Proven::Refused;
        for guard in self.senders.get(&sender).into_iter().flatten() {
            let is_proven = guard.proof.with_body(&head, body);
            if is_proven && proven.is_refused() {
                proven = Proven::By(guard.registry.clone());
            }
        }
        proven
    }

    /// Whether a request is that of a script.
    pub(super) async fn is_script(&self, headers: &HeaderMap) -> bool {
        let Some(proof) = &self.script else {
            return self.is_open;
        };
        let head = Head {
            headers,
            path_secret: None,
            client_certificate: false,
            now: self.clock.now(),
        };
        proof.before_body(&head).await == Verdict::Proven
    }

    /// Takes one request of a sender, or says when it may come again.
    pub(super) fn take(&self, sender: Sender) -> Result<(), Duration> {
        let now = Instant::now().into_std();
        let mut rates = lock(&self.rates);
        rates
            .entry(sender)
            .or_insert_with(|| Rate::new(now))
            .take(now)
    }
}
