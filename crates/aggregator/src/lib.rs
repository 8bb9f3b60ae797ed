//! The role *aggregator*: what the logs of runs say, and their reports.
//!
//! - [`fold`] is what the log of a run says, as a pure function of its events,
//! - [`aggregate`] follows a run to its end and writes its report,
//! - [`follow_runs`] does so for all runs of an installation,
//! - [`image_states`] is what the log of an open run says of its images, and [`why`] puts it into a sentence,
//! - [`janitor`] gives a result to jobs that no worker ever settles.
//!
//! Queues, logs and clocks are the ports of `image_sync_shared`.

mod again;
pub mod aggregate;
pub mod fold;
pub mod follow_runs;
pub mod image_states;
pub mod janitor;
mod outage;
mod sparse;
pub mod why;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
