//! What workers tell each other: who writes a target, and which hosts are left alone.

pub(crate) mod host_pauses;
pub(crate) mod leases;
