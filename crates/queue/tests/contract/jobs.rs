//! Jobs: published, delivered, settled, held, given up.

pub(crate) mod backlog;
pub(crate) mod dead_letters;
pub(crate) mod dedupe;
pub(crate) mod delayed;
pub(crate) mod delivery;
pub(crate) mod lanes;
pub(crate) mod poison;
pub(crate) mod settlement;
pub(crate) mod undecodable;
