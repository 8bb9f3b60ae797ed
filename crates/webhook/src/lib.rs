//! The role *webhook*: what registries say has happened, as hints at images to be looked at.
//!
//! - [`coalesce`] says how often a target is checked, however many events there are of it,
//! - [`intake`] makes stored jobs of the images that events are about.

pub mod coalesce;
pub mod intake;
