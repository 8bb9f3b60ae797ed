//! Where threads and tests meet: a gate that holds requests, locks, and the end of a wait in vain.

pub(crate) mod gate;
pub(crate) mod lock;
pub(crate) mod watchdog;
