//! Registries, and what workers share about them.

pub mod known_blobs;
pub mod registries;
pub mod request_limits;
pub mod single_flight;
