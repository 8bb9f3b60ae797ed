//! The fake registry as its clients see it, byte by byte.

mod auth;
mod client;
mod content;
mod faults;
mod records;
mod skopeo;
mod uploads;
