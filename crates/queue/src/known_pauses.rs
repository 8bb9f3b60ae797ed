//! The pauses that are known in this process: those that are over are dropped.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use image_sync_shared::panics::lock;
use image_sync_shared::ports::clock::later;
use image_sync_shared::ports::queue::host_pauses::{HostPause, LONGEST_PAUSE};
use time::OffsetDateTime;

/// The pauses by their hosts.
#[derive(Default)]
pub(crate) struct KnownPauses {
    pauses: Mutex<HashMap<String, HostPause>>,
    /// Since when the pauses counted that were lifted last.
    lifted: Mutex<HashMap<String, OffsetDateTime>>,
}

impl KnownPauses {
    /// Takes over what was said last of a host by another process, whose clock may be wrong.
    pub(crate) fn learn(&self, mut pause: HostPause, now: OffsetDateTime) {
        let lifted = lock(&self.lifted);
        let is_lifted = |at: &OffsetDateTime| pause.since <= *at;
        // Heard of late: that pause was ended before.
        if lifted.get(&pause.host).is_some_and(is_lifted) {
            return;
        }
        pause.since = pause.since.min(now);
        pause.until = end(&pause, LONGEST_PAUSE);
        insert(&mut lock(&self.pauses), pause, now);
    }

    /// Adds a pause that begins now, unless the host is left alone for longer already. Says whether it was not left alone
    /// until now.
    pub(crate) fn prolong(&self, pause: HostPause, longest: Duration) -> bool {
        let now = pause.since;
        let mut pauses = lock(&self.pauses);
        let before = pauses.get(&pause.host).map(|known| end(known, longest));
        if before.is_none_or(|before| before < pause.until) {
            insert(&mut pauses, pause, now);
        }
        before.is_none_or(|before| before <= now)
    }

    /// Forgets the pause of `host`.
    pub(crate) fn forget(&self, host: &str) -> Option<HostPause> {
        lock(&self.pauses).remove(host)
    }

    /// Forgets the pause of `host` that counted since then, also where it is learnt of after this.
    pub(crate) fn lift(&self, host: &str, since: OffsetDateTime) {
        let mut lifted = lock(&self.lifted);
        lifted.retain(|_, at| later(*at, LONGEST_PAUSE) > since);
        lifted.insert(host.to_owned(), since);
        lock(&self.pauses).remove(host);
    }

    /// Until when `host` is left alone, where that is after `now`.
    pub(crate) fn until(
        &self,
        host: &str,
        longest: Duration,
        now: OffsetDateTime,
    ) -> Option<OffsetDateTime> {
        let pauses = lock(&self.pauses);
        let until = end(pauses.get(host)?, longest);
        (until > now).then_some(until)
    }

    /// All that are not over at `now`, by host.
    pub(crate) fn all(&self, now: OffsetDateTime) -> Vec<HostPause> {
        let pauses = lock(&self.pauses);
        let mut all: Vec<HostPause> = pauses
            .values()
            .filter(|pause| pause.until > now)
            .cloned()
            .collect();
        all.sort_by(|one, other| one.host.cmp(&other.host));
        all
    }
}

/// Hosts come and go, so each new pause drops those that are over.
fn insert(pauses: &mut HashMap<String, HostPause>, pause: HostPause, now: OffsetDateTime) {
    pauses.insert(pause.host.clone(), pause);
    pauses.retain(|_, pause| pause.until > now);
}

/// When a pause ends for whoever honours it for `longest` at most.
pub(crate) fn end(pause: &HostPause, longest: Duration) -> OffsetDateTime {
    pause.until.min(later(pause.since, longest))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
    const HOUR: Duration = Duration::from_secs(3600);

    fn pause(host: &str, since: OffsetDateTime, until: OffsetDateTime) -> HostPause {
        HostPause {
            host: host.to_owned(),
            since,
            until,
            reason: "429".to_owned(),
        }
    }

    #[test]
    fn pauses_that_are_over_take_no_memory() {
        let known = KnownPauses::default();
        for minute in 0..1000 {
            let now = NOW + Duration::from_secs(60 * minute);
            let (own, others) = (format!("own{minute}.test"), format!("others{minute}.test"));
            known.prolong(pause(&own, now, now + HOUR), HOUR);
            known.learn(pause(&others, now, now + HOUR), now);
        }
        assert_eq!(lock(&known.pauses).len(), 2 * 60);
    }

    #[test]
    fn a_pause_that_was_lifted_is_not_learnt_late_and_a_newer_one_is() {
        let known = KnownPauses::default();
        let until = || known.until("a.test", HOUR, NOW);
        known.learn(pause("a.test", NOW - HOUR / 2, NOW + HOUR), NOW);
        known.lift("a.test", NOW - HOUR / 2);
        assert_eq!(until(), None);
        known.learn(pause("a.test", NOW - HOUR / 2, NOW + HOUR), NOW);
        assert_eq!(until(), None);
        known.learn(pause("a.test", NOW - HOUR / 4, NOW + HOUR / 4), NOW);
        assert_eq!(until(), Some(NOW + HOUR / 4));
    }

    #[test]
    fn what_was_over_when_it_was_learnt_is_not_kept() {
        let known = KnownPauses::default();
        known.learn(pause("a.test", NOW - HOUR, NOW), NOW);
        assert_eq!(lock(&known.pauses).len(), 0);
    }

    #[test]
    fn a_pause_of_another_counts_from_when_it_was_written_and_a_day_at_most() {
        let end_of_time = datetime!(9999-12-31 23:59:59 UTC);
        for (written, day) in [
            (NOW - HOUR, NOW + 23 * HOUR),
            // By a clock that is ahead of this one.
            (end_of_time, NOW + 24 * HOUR),
        ] {
            let known = KnownPauses::default();
            known.learn(pause("a.test", written, end_of_time), NOW);
            assert_eq!(known.until("a.test", Duration::MAX, NOW), Some(day));
            assert_eq!(
                known.until("a.test", HOUR / 2, written.min(NOW)),
                Some(written.min(NOW) + HOUR / 2)
            );
        }
        let known = KnownPauses::default();
        known.learn(pause("a.test", NOW - HOUR, end_of_time), NOW);
        assert_eq!(known.until("a.test", HOUR, NOW), None, "an hour ago");
        let again = pause("a.test", NOW, NOW + HOUR / 2);
        assert!(
            known.prolong(again, HOUR),
            "it is new, however long the other was"
        );
        assert_eq!(known.until("a.test", HOUR, NOW), Some(NOW + HOUR / 2));
    }

    #[test]
    fn the_last_word_of_others_counts_even_if_it_is_shorter() {
        let known = KnownPauses::default();
        known.learn(pause("a.test", NOW, NOW + 2 * HOUR), NOW);
        known.learn(pause("a.test", NOW, NOW + HOUR), NOW);
        assert_eq!(known.until("a.test", 3 * HOUR, NOW), Some(NOW + HOUR));
    }
}
