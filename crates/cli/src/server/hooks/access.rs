//! The access log: one line for each request, without what it proved itself with.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use image_sync_shared::config::webhooks::Sender;
use image_sync_shared::panics::lock;
use tracing::{debug, info, warn};

use super::answer::Answer;
use crate::server::connections::Peer;

/// How often requests that were refused are told of; each of them at level debug.
const REFUSALS: Duration = Duration::from_secs(10);

/// When refused requests were told of last, and how many there were since.
static REFUSED: Mutex<Option<(Instant, u64)>> = Mutex::new(None);

/// A request, as far as it is known.
pub(super) struct Access {
    path: String,
    peer: SocketAddr,
    began: Instant,
    /// Whether it has proven who sends it.
    pub(super) is_proven: bool,
    pub(super) delivery: Option<String>,
    pub(super) bytes: usize,
    events: usize,
    stored: usize,
}

impl Access {
    /// That of an event.
    pub(super) fn of_event(sender: Sender, peer: &Peer, has_secret_in_path: bool) -> Self {
        let secret = if has_secret_in_path { "/***" } else { "" };
        Self::begin(format!("/v1/hooks/{sender}{secret}"), peer)
    }

    /// That of a script, for a path without a secret.
    pub(super) fn begin(path: String, peer: &Peer) -> Self {
        Self {
            path,
            peer: peer.address,
            began: Instant::now(),
            is_proven: false,
            delivery: None,
            bytes: 0,
            events: 0,
            stored: 0,
        }
    }

    /// How many events it had, and to how many of them there are jobs.
    pub(super) fn came_to(&mut self, events: usize, stored: usize) {
        (self.events, self.stored) = (events, stored);
    }

    pub(super) fn end(self, answer: &Answer) {
        let Self {
            path,
            peer,
            bytes,
            events,
            stored,
            ..
        } = self;
        let status = answer.status.as_u16();
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let delivery = self.delivery.unwrap_or_default();
        if !self.is_proven {
            debug!(%peer, path, status, "refused");
            tell_of_refusal(&path, peer);
        } else if answer.status.is_success() {
            info!(%peer, path, status, delivery, bytes, events, stored, ms, "request");
        } else {
            let why = answer.why();
            warn!(%peer, path, status, delivery, bytes, ms, why, "request");
        }
    }
}

/// Who guesses secrets does not fill the log.
fn tell_of_refusal(path: &str, peer: SocketAddr) {
    let mut refused = lock(&REFUSED);
    let (told, count) = refused.map_or((None, 0), |(told, count)| (Some(told), count));
    let count = count + 1;
    if told.is_some_and(|told| told.elapsed() < REFUSALS) {
        *refused = told.map(|told| (told, count));
        return;
    }
    *refused = Some((Instant::now(), 0));
    warn!(path, %peer, requests = count, "requests without a valid proof of their sender");
}
