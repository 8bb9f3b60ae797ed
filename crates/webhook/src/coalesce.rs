//! How often one target is checked, however many events there are of it.
//!
//! The first event leads to a check at once. What comes within [`WINDOW`] after it leads to one further check, at its end: a
//! worker may have resolved the tag before the later ones. What comes while that one is still to be made is covered by it. So
//! there is a check after every event, and never more than two of a target within a window.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use time::OffsetDateTime;

/// The time between two checks of one target that events lead to.
pub const WINDOW: Duration = Duration::from_secs(5);

/// How long before it is due a check covers events no more: the clocks of those who hold jobs back differ by some of it, and
/// registries tell of a push before they show it.
const MARGIN: Duration = Duration::from_secs(1);

/// Targets that had an event a short time ago, at most; each costs some 100 bytes.
const MOST_TARGETS: usize = 100_000;

/// What an event leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// A check at once.
    Now,
    /// A check that is due later.
    At(OffsetDateTime),
    /// Nothing new, as this batch has a check that is due later.
    Covered(u64),
    /// It cannot be taken: events of too many targets came at the same time.
    TooMany,
}

/// The targets that had an event a short time ago.
#[derive(Debug)]
pub(crate) struct Windows<K> {
    of_targets: HashMap<K, Target>,
    swept: Option<OffsetDateTime>,
}

#[derive(Clone, Copy, Debug)]
struct Target {
    /// When the next check may be made.
    free: OffsetDateTime,
    /// The check that was put off last, with its batch.
    scheduled: Option<(OffsetDateTime, u64)>,
}

impl<K> Default for Windows<K> {
    fn default() -> Self {
        Self {
            of_targets: HashMap::new(),
            swept: None,
        }
    }
}

impl<K: Eq + Hash + Clone> Windows<K> {
    /// What an event of `target` leads to now. A check belongs to `batch`.
    pub(crate) fn event(&mut self, target: &K, now: OffsetDateTime, batch: u64) -> Check {
        self.sweep(now);
        if let Some(known) = self.of_targets.get_mut(target)
            && now < known.free
        {
            if let Some((due, of_batch)) = known.scheduled
                && now + MARGIN < due
            {
                return Check::Covered(of_batch);
            }
            let due = known.free;
            *known = Target {
                free: due + WINDOW,
                scheduled: Some((due, batch)),
            };
            return Check::At(due);
        }
        if self.of_targets.len() >= MOST_TARGETS && !self.of_targets.contains_key(target) {
            return Check::TooMany;
        }
        let checked = Target {
            free: now + WINDOW,
            scheduled: None,
        };
        self.of_targets.insert(target.clone(), checked);
        Check::Now
    }

    /// Without those whose time is over, now and then.
    fn sweep(&mut self, now: OffsetDateTime) {
        // A clock that was set back does not keep old ones for ever.
        if self.swept.is_some_and(|at| at <= now && now < at + WINDOW) {
            return;
        }
        self.swept = Some(now);
        // A check that was put off in the last moment before another one is followed by a window.
        let longest = now + MARGIN + WINDOW * 2;
        self.of_targets
            .retain(|_, target| now < target.free && target.free <= longest);
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-11-28 12:00 UTC);

    fn at(seconds: f64) -> OffsetDateTime {
        START + time::Duration::seconds_f64(seconds)
    }

    /// What events of one target at these times lead to.
    fn checks(seconds: &[f64]) -> Vec<Check> {
        let mut windows = Windows::default();
        let events = seconds.iter().zip(0..);
        events
            .map(|(seconds, batch)| windows.event(&"a", at(*seconds), batch))
            .collect()
    }

    #[test]
    fn one_event_leads_to_a_check_at_once() {
        assert_eq!(checks(&[0.0, 5.0, 100.0]), [Check::Now; 3]);
    }

    #[test]
    fn events_within_a_window_lead_to_one_further_check_at_its_end() {
        let found = checks(&[0.0, 1.0, 2.0, 3.9]);
        let later = Check::At(at(5.0));
        let covered = Check::Covered(1);
        assert_eq!(found, [Check::Now, later, covered, covered]);
    }

    #[test]
    fn a_check_that_is_due_in_a_moment_covers_nothing_more() {
        let found = checks(&[0.0, 1.0, 4.1, 8.9]);
        let expected = [
            Check::Now,
            Check::At(at(5.0)),
            Check::At(at(10.0)),
            Check::Covered(2),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_event_in_the_moment_of_a_check_leads_to_another_one() {
        let found = checks(&[0.0, 1.0, 5.0, 8.9, 10.0]);
        let expected = [
            Check::Now,
            Check::At(at(5.0)),
            Check::At(at(10.0)),
            Check::Covered(2),
            Check::At(at(15.0)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_storm_leads_to_a_check_per_window_and_to_one_after_its_end() {
        let mut windows = Windows::default();
        let mut due = Vec::new();
        for event in 0..10_000_u64 {
            let now = START + Duration::from_millis(event);
            match windows.event(&"a", now, event) {
                Check::Now => due.push(now),
                Check::At(time) => due.push(time),
                Check::Covered(_) => assert!(due.last().is_some_and(|last| *last > now)),
                Check::TooMany => panic!("one target"),
            }
        }
        assert_eq!(due, [at(0.0), at(5.0), at(10.0), at(15.0)]);
    }

    #[test]
    fn a_window_lasts_whenever_those_of_others_end() {
        let mut windows = Windows::default();
        assert_eq!(windows.event(&"a", START, 0), Check::Now);
        let events = [0.5, 0.6, 4.6, 5.0];
        let found = events.map(|seconds| windows.event(&"b", at(seconds), 1));
        let (later, last) = (Check::At(at(5.5)), Check::At(at(10.5)));
        assert_eq!(found, [Check::Now, later, last, Check::Covered(1)]);
    }

    #[test]
    fn targets_have_their_own_windows() {
        let mut windows = Windows::default();
        assert_eq!(windows.event(&"a", START, 0), Check::Now);
        assert_eq!(windows.event(&"b", START, 0), Check::Now);
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let mut windows = Windows::default();
        for target in 0..MOST_TARGETS {
            assert_eq!(windows.event(&target, START, 0), Check::Now);
        }
        assert_eq!(windows.event(&MOST_TARGETS, START, 0), Check::TooMany);
        assert_eq!(windows.event(&0, START, 1), Check::At(at(5.0)));
        assert_eq!(windows.event(&MOST_TARGETS, at(6.0), 2), Check::Now);
        assert_eq!(
            windows.of_targets.len(),
            2,
            "target 0 has a check just then"
        );
        windows.event(&1, at(40.0), 3);
        assert_eq!(windows.of_targets.len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_put_checks_off_for_long() {
        let mut windows = Windows::default();
        windows.event(&"a", at(3600.0), 0);
        assert_eq!(windows.event(&"a", START, 1), Check::Now);
    }
}
