//! The role *webhook*: what registries say has happened, as hints at images to be looked at.
//!
//! - [`senders`] turns what registries send into hints, and [`samples`] makes what they would send,
//! - [`proof`] says whether a request comes from whom it says,
//! - [`receive`] says what follows from a delivery, [`ledger`] what came lately,
//! - [`coalesce`] says how often a target is checked, however many events there are of it,
//! - [`intake`] makes stored jobs of the images that events are about,
//! - [`rate`] says how much one sender may send.

pub mod coalesce;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod intake;
pub mod ledger;
pub mod proof;
pub mod rate;
pub mod receive;
pub mod samples;
mod seen;
pub mod senders;
