//! Whether an attempt trusts what this process remembers of the target.

use std::sync::atomic::{AtomicBool, Ordering};

/// Trusts until it is told to doubt, and notes down whether trust was made use of.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    doubted: AtomicBool,
    relied_on: AtomicBool,
}

impl Memory {
    /// Something was taken as present without bringing it.
    pub(crate) fn rely(&self) {
        self.relied_on.store(true, Ordering::Relaxed);
    }

    /// Whether something was taken as present without bringing it.
    pub(crate) fn was_relied_on(&self) -> bool {
        self.relied_on.load(Ordering::Relaxed)
    }

    /// The target contradicted it: from now on everything is asked for.
    pub(crate) fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    /// Whether it was contradicted.
    pub(crate) fn is_doubted(&self) -> bool {
        self.doubted.load(Ordering::Relaxed)
    }
}
