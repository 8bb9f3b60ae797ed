//! What configs mean, and what is said about bad ones.

mod defaults;
mod docs;
mod files;
mod json;
mod many;
mod meaning;
mod refusals;
mod registries;
mod targets;
mod variables;
