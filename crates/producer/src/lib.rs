//! The catalog, runs and reports: the roles *producer* and *aggregator*.
//!
//! - [`config_file`] turns a YAML file into a checked config,
//! - [`catalog`] chooses the images of a run and makes their jobs,
//! - [`produce`] opens a run and publishes its jobs,
//! - [`enqueue`] chooses the images of a run by hand,
//! - [`dead_letters`] puts jobs back that were given up,
//! - [`fold`] is what the log of a run says, as a pure function of its events,
//! - [`aggregate`] follows a run to its end and writes its report,
//! - [`follow_runs`] does so for all runs of an installation,
//! - [`image_states`] is what the log of an open run says of its images, and [`why`] puts it into a sentence,
//! - [`janitor`] gives a result to jobs that no worker ever settles.
//!
//! Queues, logs and clocks are the ports of `image_sync_shared`.

mod again;
pub mod aggregate;
pub mod catalog;
pub mod config_file;
pub mod dead_letters;
pub mod enqueue;
pub mod fold;
pub mod follow_runs;
pub mod image_states;
pub mod janitor;
mod outage;
pub mod produce;
mod sparse;
pub mod why;

#[cfg(test)]
mod samples;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
