//! The public keys of an identity provider, read at their address, which the config names and nobody else.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use image_sync_webhook::proof::{IdentityKeys, JwkSet};
use reqwest::redirect;
use time::OffsetDateTime;
use tokio::sync::Mutex;

/// How long keys are used: providers announce new ones days before.
const FRESH: Duration = Duration::from_secs(3600);
/// The shortest time between two requests for keys, however many tokens name one that is not there.
const PAUSE: Duration = Duration::from_secs(60);
/// How long the address may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// The longest answer that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// The keys at an address.
pub(crate) fn keys_at(url: &str) -> Arc<dyn IdentityKeys> {
    Arc::new(KeysAt::new(url))
}

struct KeysAt {
    url: String,
    client: Result<reqwest::Client, String>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keys: Option<Arc<JwkSet>>,
    /// When they were asked for last.
    asked: Option<OffsetDateTime>,
}

impl KeysAt {
    fn new(url: &str) -> Self {
        let client = reqwest::Client::builder()
            .https_only(true)
            .redirect(redirect::Policy::none())
            .timeout(PATIENCE)
            .build();
        Self {
            url: url.to_owned(),
            client: client.map_err(|error| error.to_string()),
            known: Mutex::default(),
        }
    }

    async fn read(&self) -> Result<JwkSet, String> {
        let client = self.client.as_ref().map_err(Clone::clone)?;
        let told = |error: reqwest::Error| error.without_url().to_string();
        let answer = client.get(&self.url).send().await.map_err(told)?;
        let mut answer = answer.error_for_status().map_err(told)?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(told)? {
            if body.len() + piece.len() > LONGEST {
                return Err(format!("the answer is longer than {LONGEST} bytes"));
            }
            body.extend_from_slice(&piece);
        }
        JwkSet::parse(&body)
    }
}

#[async_trait]
impl IdentityKeys for KeysAt {
    async fn keys(&self, again: bool, now: OffsetDateTime) -> Result<Arc<JwkSet>, String> {
        // Held over the request: all who wait for keys get those of one answer.
        let mut known = self.known.lock().await;
        let since = known.asked.map(|asked| now - asked);
        let is_older_than = |time: Duration| since.is_none_or(|since| since >= time);
        if is_older_than(FRESH) || again && is_older_than(PAUSE) {
            known.asked = Some(now);
            match self.read().await {
                Ok(keys) => known.keys = Some(Arc::new(keys)),
                Err(error) => {
                    tracing::warn!(url = self.url, error, "no keys of the identity provider");
                }
            }
        }
        known
            .keys
            .clone()
            .ok_or_else(|| format!("no keys could be had from {}", self.url))
    }
}
