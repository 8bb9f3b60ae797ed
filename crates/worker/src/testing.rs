//! What the tests of this crate work with.

mod house;
mod registries;
mod staged;

use std::time::Duration;

pub(crate) use house::{House, job};
pub(crate) use staged::Call;

/// Longer than anything a test waits for.
const FOREVER: Duration = Duration::from_secs(24 * 3600);
