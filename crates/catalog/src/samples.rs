//! Configs for the tests of this crate.

use crate::config_file::{self, Parsed};

/// A config with these images.
pub(crate) fn config(images: &[&str]) -> Parsed {
    let images = images.join(", ");
    let text = format!("{{cache_registry: localhost:5000, images: [{images}]}}");
    config_file::parse(&text, "c.yaml").unwrap()
}
