//! What configs mean, and what is said about bad ones.

mod broken;
mod defaults;
mod docs;
mod errors;
mod excerpts;
mod files;
mod including;
mod json;
mod many;
mod meaning;
mod registries;
mod registry_errors;
mod secrets;
mod several;
mod variables;
