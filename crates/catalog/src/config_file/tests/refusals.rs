//! What is said about configs that cannot be used.

mod broken;
pub(super) mod errors;
mod excerpts;
mod registry_errors;
mod secrets;
mod several;
