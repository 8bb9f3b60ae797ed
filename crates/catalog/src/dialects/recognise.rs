//! How a file is written, by what it looks like.

use super::{DialectOptions, Format};
use crate::document::Node;
use crate::problem::Problem;

/// The format of a document, which nobody named. One that may be read in two ways is an error that names both.
pub(crate) fn recognised(document: &Node, options: &DialectOptions) -> Result<Format, Problem> {
    let has = |key: &str| {
        let pairs = document.pairs().unwrap_or_default();
        pairs.iter().any(|(known, _)| &*known.text == key)
    };
    let has_prefix = options.target_repo_prefix.is_some();
    if has("targetRepoPrefix") || has_prefix && has("images") && !has("cache_registry") {
        return Ok(Format::Kyma);
    }
    let is_native = [
        "cache_registry",
        "targets",
        "repositories",
        "lists",
        "include",
        "settings",
        "registries",
        "defaults",
    ]
    .into_iter()
    .any(has);
    if !is_native && has_images_of_kyma(document) {
        return Err(Problem::new(
            "found images without cache_registry, which may be a native config or a list of Kyma's image-syncer: expected cache_registry or targets for the one, --target-repo-prefix or --format kyma for the other",
        ));
    }
    Ok(Format::Native)
}

/// Whether there are images, and all of them have no other keys than those of Kyma's tool.
fn has_images_of_kyma(document: &Node) -> bool {
    let pairs = document.pairs().unwrap_or_default();
    let images = pairs.iter().find(|(key, _)| &*key.text == "images");
    let items = images.and_then(|(_, images)| images.items().ok());
    items.is_some_and(|items| {
        let is_kyma = |item: &Node| {
            let pairs = item.pairs().unwrap_or_default();
            let keys = ["source", "tag", "amd64Only"];
            !pairs.is_empty() && pairs.iter().all(|(key, _)| keys.contains(&&*key.text))
        };
        !items.is_empty() && items.iter().all(is_kyma)
    })
}
