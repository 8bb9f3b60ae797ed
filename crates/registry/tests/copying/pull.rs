//! Blobs as they are read from a source (OCI distribution spec, "Pull"), and its faults.

mod body_lengths;
mod sources;
