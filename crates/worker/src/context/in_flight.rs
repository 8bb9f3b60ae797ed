//! The operations of an attempt that are in flight, so that one that runs out of time can say where it hung.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use image_sync_shared::failure::Side;
use image_sync_shared::panics::lock;

/// The operations in flight.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Mutex<Operations>);

#[derive(Debug, Default)]
struct Operations {
    next: u64,
    by_start: BTreeMap<u64, (Side, String)>,
}

/// An operation; it ends when this is dropped.
pub(crate) struct Operation<'a> {
    in_flight: &'a InFlight,
    id: u64,
}

impl InFlight {
    /// Begins an operation on `side`.
    pub(crate) fn start(&self, side: Side, what: String) -> Operation<'_> {
        let mut operations = self.operations();
        let id = operations.next;
        operations.next += 1;
        operations.by_start.insert(id, (side, what));
        Operation {
            in_flight: self,
            id,
        }
    }

    /// The operation that has taken longest.
    pub(crate) fn oldest(&self) -> Option<(Side, String)> {
        // Ids are given in the order of the starts, so the first entry is the oldest.
        self.operations().by_start.values().next().cloned()
    }

    fn operations(&self) -> MutexGuard<'_, Operations> {
        lock(&self.0)
    }
}

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        self.in_flight.operations().by_start.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operation_that_has_taken_longest_is_told() {
        let in_flight = InFlight::default();
        let first = in_flight.start(Side::Source, "one".to_owned());
        let second = in_flight.start(Side::Target, "two".to_owned());
        assert_eq!(in_flight.oldest(), Some((Side::Source, "one".to_owned())));
        drop(first);
        assert_eq!(in_flight.oldest(), Some((Side::Target, "two".to_owned())));
        drop(second);
        assert_eq!(in_flight.oldest(), None);
    }
}
