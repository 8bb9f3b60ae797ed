//! What an attempt is doing at the moment, so that one that runs out of time can say where it hung.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use image_sync_shared::failure::Side;

/// The activities that are under way.
#[derive(Debug, Default)]
pub(crate) struct Doing(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    next: u64,
    under_way: BTreeMap<u64, (Side, String)>,
}

/// An activity; it ends when this is dropped.
pub(crate) struct Activity<'a> {
    doing: &'a Doing,
    id: u64,
}

impl Doing {
    /// Begins an activity on `side`.
    pub(crate) fn start(&self, side: Side, what: String) -> Activity<'_> {
        let mut log = self.log();
        let id = log.next;
        log.next += 1;
        log.under_way.insert(id, (side, what));
        Activity { doing: self, id }
    }

    /// The activity that has taken longest.
    pub(crate) fn oldest(&self) -> Option<(Side, String)> {
        self.log().under_way.values().next().cloned()
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Activity<'_> {
    fn drop(&mut self) {
        self.doing.log().under_way.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_has_taken_longest() {
        let doing = Doing::default();
        let first = doing.start(Side::Source, "one".to_owned());
        let second = doing.start(Side::Target, "two".to_owned());
        assert_eq!(doing.oldest(), Some((Side::Source, "one".to_owned())));
        drop(first);
        assert_eq!(doing.oldest(), Some((Side::Target, "two".to_owned())));
        drop(second);
        assert_eq!(doing.oldest(), None);
    }
}
