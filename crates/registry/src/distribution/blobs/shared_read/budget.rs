//! The memory that shared reads may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes all windows of a process may have together.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    left: Arc<AtomicU64>,
}

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    left: Arc<AtomicU64>,
    bytes: u64,
}

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            left: Arc::new(AtomicU64::new(bytes)),
        }
    }

    /// A part of so many bytes, if that is left.
    pub(super) fn reserve(&self, bytes: u64) -> Option<Reservation> {
        let take = |left: u64| left.checked_sub(bytes);
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.ok().map(|_before| Reservation {
            left: Arc::clone(&self.left),
            bytes,
        })
    }
}

impl Reservation {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_budget_is_reserved_and_what_is_dropped_is_given_back() {
        let budget = Budget::new(10);
        let seven = budget.reserve(7).unwrap();
        assert!(budget.reserve(4).is_none());
        let three = budget.reserve(3).unwrap();
        assert!(budget.reserve(1).is_none());
        drop((seven, three));
        assert_eq!(budget.reserve(10).unwrap().bytes(), 10);
    }
}
