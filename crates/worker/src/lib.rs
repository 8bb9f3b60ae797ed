//! Role worker: takes jobs from the queue and works each one: check, plan, copy, settle.
//!
//! Four rooms, each of which uses only those before it: `decide` (pure), `context` (what jobs are worked with), `transfer`
//! (one image, from its check to its tag) and `run_loop` (from the pull of a job to its settlement). The crate reaches the
//! outside through the ports of `image-sync-shared` alone.

mod context;
mod decide;
mod run_loop;
mod transfer;

#[cfg(test)]
mod tests;

pub use context::WorkerPorts;
pub use context::blob_index::BlobIndex;
pub use context::settings::WorkerSettings;
pub use context::single_flight::LocalSingleFlight;
pub use decide::admission::{Admission, AdmissionRules};
pub use run_loop::Worker;
pub use run_loop::shutdown::Shutdown;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
