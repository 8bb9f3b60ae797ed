//! What the tests of this crate work with.

mod house;
mod registries;
mod staged;

pub(crate) use house::{House, job};
pub(crate) use staged::Call;
