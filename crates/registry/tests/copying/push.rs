//! Blobs as they are sent to a target (OCI distribution spec, "Push"): uploads whole and in chunks, mounts, and what is
//! left of those that fail.

mod cancellations;
mod chunks;
mod lost_answers;
mod mounts;
mod targets;
