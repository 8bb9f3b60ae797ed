//! What is known of the referrers API of each host.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use image_sync_shared::panics::lock;
use tokio::time::Instant;

/// How long a host is taken as one without the API before it is asked again: it may be another release by then.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(60 * 60);

/// A clone shares it.
#[derive(Clone, Default)]
pub(in crate::distribution) struct KnownReferrersApis(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    /// Hosts without the API, and when that was found out.
    without: HashMap<String, Instant>,
    /// Hosts that have given a list.
    with: HashSet<String>,
    /// Hosts that have given what was asked for by its type.
    filtering: HashSet<String>,
}

impl KnownReferrersApis {
    /// Whether `host` need not be asked.
    pub(super) fn is_missing(&self, host: &str) -> bool {
        let known = lock(&self.0);
        let asked = known.without.get(host);
        asked.is_some_and(|asked| asked.elapsed() < ASKED_AGAIN_AFTER)
    }

    /// Notes that `host` says it has no such API. One that has given a list has it, if not for each of its repositories.
    pub(super) fn note_missing(&self, host: &str) {
        let mut known = lock(&self.0);
        if !known.with.contains(host) {
            known.without.insert(host.to_owned(), Instant::now());
        }
    }

    /// Notes that `host` has given a list.
    pub(super) fn note_list(&self, host: &str) {
        let mut known = lock(&self.0);
        if !known.with.contains(host) {
            known.with.insert(host.to_owned());
            known.without.remove(host);
        }
    }

    /// Whether an empty list of one type says that there is none of that type.
    pub(super) fn filters(&self, host: &str) -> bool {
        lock(&self.0).filtering.contains(host)
    }

    /// Notes that `host` has given what was asked for by its type.
    pub(super) fn note_filter(&self, host: &str) {
        lock(&self.0).filtering.insert(host.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_host_without_the_api_is_asked_again_after_an_hour() {
        let known = KnownReferrersApis::default();
        assert!(!known.is_missing("r.example"));
        known.note_missing("r.example");
        assert!(known.clone().is_missing("r.example") && !known.is_missing("other.example"));
        tokio::time::advance(ASKED_AGAIN_AFTER).await;
        assert!(!known.is_missing("r.example"));
    }

    #[test]
    fn a_host_that_has_given_a_list_has_the_api() {
        let known = KnownReferrersApis::default();
        known.note_missing("r.example");
        known.note_list("r.example");
        known.note_missing("r.example");
        assert!(!known.is_missing("r.example"));
    }
}
