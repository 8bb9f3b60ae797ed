//! The mapping `defaults`: what the images of a file have that say nothing themselves.

use image_sync_shared::config::ImageDefaults;

use crate::document::{Keys, Node};
use crate::entry::trust;
use crate::problem::Problems;

use super::image::{policy, targets};

/// The keys of an image that have a default. Each is read as that of an image is.
pub(super) const KEYS: [&str; 7] = [
    "targets",
    "platform",
    "source_tls_verify",
    "cache_insecure",
    "overwrite",
    "platform_missing",
    "referrers",
];

/// The defaults of a file; where it says nothing, they are those `of_all` files.
pub(super) fn read(node: &Node, of_all: &ImageDefaults) -> Result<ImageDefaults, Problems> {
    let keys = Keys::of(node, "a mapping of keys of images", &KEYS)?;
    let source_tls_verify: Option<bool> = keys.get("source_tls_verify");
    let cache_insecure: Option<bool> = keys.get("cache_insecure");
    let source_trust = source_tls_verify.map(|verify| trust(!verify));
    let target_trust = cache_insecure.map(trust);
    let defaults = ImageDefaults {
        platforms: (keys.get("platform")).unwrap_or_else(|| of_all.platforms.clone()),
        source_trust: source_trust.unwrap_or(of_all.source_trust),
        target_trust: target_trust.unwrap_or(of_all.target_trust),
        targets: targets(&keys).or_else(|| of_all.targets.clone()),
        policy: policy::read(&keys).or(&of_all.policy),
    };
    keys.finish(Some(defaults))
}
