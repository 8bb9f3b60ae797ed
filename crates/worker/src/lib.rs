//! Role worker: takes jobs from the queue and works each one: check, plan, copy, settle.
//!
//! The decisions are pure functions (`check`, `platforms`, `plan`, `convert`, `known`, `settle`); the requests are made around
//! them. It reaches the outside through the ports of `image-sync-shared` alone.

mod account;
mod admission;
mod at_once;
mod attempt;
mod blob;
mod blob_index;
mod calls;
mod check;
mod convert;
mod copy;
mod doing;
mod dry_run;
mod flights;
mod held;
mod in_place;
mod job;
mod keeper;
mod known;
mod lanes;
mod memory;
mod plan;
mod platforms;
mod publish;
mod pull;
mod push;
mod rewrite;
mod settings;
mod settle;
mod shutdown;
mod slots;
mod time_limit;
mod trial;
mod worker;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use admission::{Admission, Rules};
pub use settings::WorkerSettings;
pub use shutdown::Shutdown;
pub use worker::{Ports, Worker};

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
