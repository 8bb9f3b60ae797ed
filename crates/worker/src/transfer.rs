//! One image, from its check to its tag. `check_and_copy` tells it from top to bottom.

pub(crate) mod at_once;
pub(crate) mod blobs;
pub(crate) mod check;
pub(crate) mod check_and_copy;
pub(crate) mod copy;
pub(crate) mod dry_run;
pub(crate) mod missing_at_source;
pub(crate) mod read_manifests;
pub(crate) mod requests;
pub(crate) mod target;
pub(crate) mod write_manifests;
