//! What is decided, without a single request: pure functions of what was found, and of what the worker may do.

pub(crate) mod admission;
pub(crate) mod artifacts;
pub(crate) mod convert;
pub(crate) mod first_request;
pub(crate) mod json_rewrite;
pub(crate) mod manifest_budget;
pub(crate) mod overwrite;
pub(crate) mod plan;
pub(crate) mod platforms;
pub(crate) mod settlement;
pub(crate) mod tally;
pub(crate) mod verdict;
