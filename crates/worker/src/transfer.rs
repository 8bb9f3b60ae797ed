//! One image, from its check to its tag. `check_and_copy` tells it from top to bottom, and the other files are its steps:
//! `check`, `artifacts`, `facts` (what is remembered from run to run), `read_manifests`, `dry_run`, `blobs`, `write_manifests`. `requests` makes single
//! requests with their retries, `target` has what this process knows of the target, `blob_progress` tells of blobs.

mod artifacts;
mod blob_progress;
mod blobs;
mod check;
pub(crate) mod check_and_copy;
mod dry_run;
mod facts;
mod read_manifests;
pub(crate) mod requests;
mod target;
mod write_manifests;
