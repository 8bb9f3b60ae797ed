//! What configs mean, and what is said about bad ones.

mod errors;
mod files;
mod many;
mod meaning;
mod registries;
mod registry_errors;
mod secrets;
mod several;
