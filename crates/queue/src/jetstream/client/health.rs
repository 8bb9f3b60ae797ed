//! What a client is kept from at this moment by a server that it is connected to.
//!
//! A server whose disk is full does not say so: what is written to a stream, or all that is asked of `JetStream`, has no answer
//! any more. So every request notes here how it ended, and this alone says what cannot be done: once in the log, and in
//! [`Health::hindrance`] for as long as it lasts. A server that is away is no business of this.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use image_sync_shared::panics::lock;
use tokio::time::Instant;

use crate::jetstream::names::{RequestKind, StreamKind};

/// For how long in a row something may not be done before that is told.
pub(super) const TOLERATED: Duration = Duration::from_secs(3);
/// For how long what failed last is taken to be as it was, if nobody tries again.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The server gives no answer, although it is there.
    Silence,
    /// The server says that it, or the account, has no room, or that it cannot write.
    NoStorage(String),
    /// It says something else.
    Refusal(String),
}

impl Cause {
    /// Whether making room at the server may end it.
    fn is_of_storage(&self) -> bool {
        !matches!(self, Self::Refusal(_))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence => f.write_str("NATS gives no answer, as where its disk is full"),
            Self::NoStorage(said) => write!(f, "the storage of NATS is full or broken ({said})"),
            Self::Refusal(said) => f.write_str(said),
        }
    }
}

/// Something that is not done.
#[derive(Clone, Debug)]
struct OngoingFailure {
    cause: Cause,
    /// Since when.
    since: Instant,
    /// When it was tried last.
    last: Instant,
}

impl OngoingFailure {
    fn is_told(&self) -> bool {
        // That is the server's own word. Silence may be over in a moment.
        matches!(self.cause, Cause::NoStorage(_))
            || self.last.duration_since(self.since) >= TOLERATED
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        now.duration_since(self.last) >= FORGOTTEN
    }
}

/// What is known of one kind of requests.
#[derive(Debug, Default)]
struct KindHealth {
    /// When something was done last.
    last_success: Option<Instant>,
    failure: Option<OngoingFailure>,
}

#[derive(Debug, Default)]
struct HealthState {
    /// Of each store, what is only asked for before what is written.
    kinds: [[KindHealth; 2]; StreamKind::ALL.len()],
    /// Whether the log says that something cannot be done.
    is_told: bool,
    /// Whether it says too that the connection was made anew for it.
    is_reconnect_told: bool,
}

/// What a client knows of its server.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<HealthState>);

impl Health {
    /// Something was done, which was asked at `start`. What was asked before the last failure may have been done before it.
    pub(super) fn succeeded(&self, asked: RequestKind, start: Instant) {
        let mut state = lock(&self.0);
        let kind = &mut state.kinds[asked.stream as usize][usize::from(asked.writes)];
        kind.last_success = Some(Instant::now());
        let ended = kind.failure.take_if(|failure| failure.last <= start);
        if ended.is_some() && state.is_told && state.told().next().is_none() {
            (state.is_told, state.is_reconnect_told) = (false, false);
            drop(state);
            tracing::info!("NATS does what it is asked again: going on");
        }
    }

    /// Something was not done, which was asked at `start`.
    pub(super) fn failed(&self, asked: RequestKind, cause: Cause, start: Instant) {
        let last = Instant::now();
        let mut state = lock(&self.0);
        state.forget(last);
        let kind = &mut state.kinds[asked.stream as usize][usize::from(asked.writes)];
        // What others did meanwhile says that it is not the server.
        let begin = kind
            .last_success
            .map_or(start, |last_success| last_success.max(start));
        let since = kind.failure.as_ref().map_or(begin, |kind| kind.since);
        let failure = OngoingFailure { cause, since, last };
        kind.failure = Some(failure.clone());
        if !failure.is_told() {
            return;
        }
        let is_first = !std::mem::replace(&mut state.is_told, true);
        drop(state);
        let (cannot, why) = (asked.not_done(), failure.cause);
        if is_first {
            tracing::warn!(
                cannot, %why,
                "cannot go on: trying until it is over (a server whose disk was full may need a restart once there is room)"
            );
        } else {
            tracing::debug!(cannot, %why, "cannot go on");
        }
    }

    /// What cannot be done at this moment, and why, if there is anything.
    pub(super) fn hindrance(&self) -> Option<String> {
        let mut state = lock(&self.0);
        state.forget(Instant::now());
        let told = |(asked, failure): (RequestKind, &OngoingFailure)| {
            format!("cannot {}: {}", asked.not_done(), failure.cause)
        };
        let all: Vec<String> = state.told().map(told).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Whether it is news that the connection is made anew: once for as long as something cannot be done.
    pub(super) fn is_reconnect_news(&self) -> bool {
        let mut state = lock(&self.0);
        !state.is_told || !std::mem::replace(&mut state.is_reconnect_told, true)
    }

    /// Whether making room at the server may let something be done there that cannot be done now.
    pub(super) fn lacks_room(&self, asked: RequestKind) -> bool {
        let state = lock(&self.0);
        let failure = state.kinds[asked.stream as usize][usize::from(asked.writes)]
            .failure
            .as_ref();
        failure.is_some_and(|failure| failure.is_told() && failure.cause.is_of_storage())
    }
}

impl HealthState {
    fn told(&self) -> impl Iterator<Item = (RequestKind, &OngoingFailure)> {
        let all = StreamKind::ALL.into_iter().zip(&self.kinds);
        let all = all.flat_map(|(stream, kind)| {
            let asked = [false, true].map(|writes| RequestKind { stream, writes });
            asked.into_iter().zip(kind)
        });
        all.filter_map(|(asked, kind)| {
            let told = kind.failure.as_ref().filter(|failure| failure.is_told());
            told.map(|failure| (asked, failure))
        })
    }

    /// Nobody tries any more what failed long ago: whether it could be done now, nobody knows.
    fn forget(&mut self, now: Instant) {
        for kind in self.kinds.iter_mut().flatten() {
            kind.failure.take_if(|failure| failure.is_forgotten(now));
        }
        let is_any = self.told().next().is_some();
        self.is_told &= is_any;
        self.is_reconnect_told &= is_any;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LOGS: RequestKind = written(StreamKind::Logs);

    const fn written(stream: StreamKind) -> RequestKind {
        RequestKind {
            stream,
            writes: true,
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn refused() -> Cause {
        Cause::Refusal("no".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn silence_counts_once_it_lasts() {
        let health = Health::default();
        let start = Instant::now();
        advance(TOLERATED.saturating_sub(SECOND)).await;
        health.failed(LOGS, Cause::Silence, start);
        assert_eq!(health.hindrance(), None);
        advance(SECOND).await;
        health.failed(LOGS, Cause::Silence, start);
        let why = health.hindrance().unwrap();
        assert!(why.contains("write the logs of runs"), "{why}");
        assert!(why.contains("no answer"), "{why}");
        assert!(health.lacks_room(LOGS) && !health.lacks_room(written(StreamKind::Jobs)));
        health.succeeded(written(StreamKind::Jobs), Instant::now());
        assert!(health.hindrance().is_some(), "another store");
        health.succeeded(LOGS, Instant::now());
        assert_eq!(health.hindrance(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_said_to_be_without_storage_counts_at_once() {
        let health = Health::default();
        let full = Cause::NoStorage("insufficient resources".to_owned());
        health.failed(written(StreamKind::Leases), full, Instant::now());
        let why = health.hindrance().unwrap();
        assert!(
            why.contains("full or broken (insufficient resources)"),
            "{why}"
        );
        assert!(health.lacks_room(written(StreamKind::Leases)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reconnect_is_news_once_for_as_long_as_something_cannot_be_done() {
        let health = Health::default();
        assert!(health.is_reconnect_news() && health.is_reconnect_news());
        let full = || Cause::NoStorage("insufficient resources".to_owned());
        for _ in 0..2 {
            health.failed(LOGS, full(), Instant::now());
            assert!(health.is_reconnect_news());
            assert!(!health.is_reconnect_news());
            health.succeeded(LOGS, Instant::now());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_many_requests_that_fails_counts_for_nothing() {
        let health = Health::default();
        let start = Instant::now();
        for _ in 0..20 {
            advance(SECOND).await;
            health.succeeded(LOGS, Instant::now());
            health.failed(LOGS, Cause::Silence, start);
            assert_eq!(health.hindrance(), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_again_and_again_counts_but_waits_for_no_room() {
        let health = Health::default();
        health.failed(LOGS, refused(), Instant::now());
        assert_eq!(health.hindrance(), None);
        advance(5 * SECOND).await;
        health.failed(LOGS, refused(), Instant::now());
        let why = "cannot write the logs of runs: no";
        assert_eq!(health.hindrance().as_deref(), Some(why));
        assert!(!health.lacks_room(LOGS));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_tries_any_more_is_forgotten() {
        let health = Health::default();
        let full = Cause::NoStorage("insufficient resources".to_owned());
        health.failed(written(StreamKind::Reports), full, Instant::now());
        advance(FORGOTTEN.saturating_sub(SECOND)).await;
        assert!(health.hindrance().is_some());
        advance(SECOND).await;
        assert_eq!(health.hindrance(), None);
    }
}
