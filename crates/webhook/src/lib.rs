//! The role *webhook*: what registries say has happened, as hints at images to be looked at.
//!
//! - [`senders`] turns what registries send into hints, and [`samples`] makes what they would send,
//! - [`proof`] says whether a request comes from whom it says,
//! - [`coalesce`] says how often a target is checked, however many events there are of it,
//! - [`intake`] makes stored jobs of the images that events are about.

pub mod coalesce;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod intake;
pub mod proof;
pub mod samples;
pub mod senders;
