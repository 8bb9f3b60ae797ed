//! The pauses of hosts that share a label, and so a gauge.

use std::collections::BTreeMap;
use std::sync::Mutex;

use image_sync_shared::panics::lock;

/// Hosts kept, at most: whoever publishes jobs chooses them.
const MAX_KEPT: usize = 64;

/// Until when each of them is left alone, in seconds since 1970.
#[derive(Debug, Default)]
pub(super) struct OtherPauses(Mutex<BTreeMap<String, i64>>);

impl OtherPauses {
    /// Notes the pause of a host, which may be a shorter one than before. Returns when the last one of all ends.
    pub(super) fn note(&self, host: &str, until: i64) -> i64 {
        let mut kept = lock(&self.0);
        kept.insert(host.to_owned(), until);
        if kept.len() > MAX_KEPT {
            // The one that ends first, as it is the last one to end that is asked for.
            let first = kept.iter().min_by_key(|(_, until)| **until);
            let first = first.map(|(host, _)| host.clone());
            first.and_then(|host| kept.remove(&host));
        }
        kept.values().copied().max().unwrap_or(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pause_is_shown_until_its_own_host_answers() {
        let pauses = OtherPauses::default();
        assert_eq!(pauses.note("a.test", 900), 900);
        assert_eq!(pauses.note("b.test", 300), 900);
        assert_eq!(pauses.note("a.test", 100), 300);
    }

    #[test]
    fn of_many_hosts_those_are_kept_that_are_paused_longest() {
        let pauses = OtherPauses::default();
        pauses.note("longest.test", 1_000);
        for number in 0..500 {
            let host = format!("h{number}.test");
            assert_eq!(pauses.note(&host, number), 1_000);
        }
        assert_eq!(pauses.0.lock().unwrap().len(), MAX_KEPT);
    }
}
