//! What workers tell each other: who writes a target, which hosts are left alone, and who is there.

pub(crate) mod fleet;
pub(crate) mod host_pauses;
pub(crate) mod leases;
