//! How a file is written, by what it looks like.

use super::{DialectOptions, Format, aliyun, skopeo};
use crate::document::{Key, Node};
use crate::problem::Problem;

const NO_LIST: &str = "found a text, expected a mapping with cache_registry and images, or --format list for a list of one image a line, which tells the lines that are none";

/// The format of a document, which nobody named. One that may be read in two ways is an error that names both.
pub(crate) fn recognised(document: &Node, options: &DialectOptions) -> Result<Format, Problem> {
    let has = |key: &str| {
        let pairs = document.pairs().unwrap_or_default();
        let mut own = pairs.iter();
        own.any(|(known, _)| &*known.text == key) || document.merged(key).is_some()
    };
    if document.text().is_some_and(has_references) {
        return Err(Problem::new(NO_LIST));
    }
    let has_prefix = options.target_repo_prefix.is_some();
    if has("targetRepoPrefix") || has_prefix && has("images") && !has("cache_registry") {
        return Ok(Format::Kyma);
    }
    if has("sync") {
        if has("images") || has("cache_registry") {
            return Err(Problem::new(
                "found sync beside images or cache_registry, which may be a config of regsync or a native one: expected either of them alone, or --format regsync or --format native",
            ));
        }
        return Ok(Format::Regsync);
    }
    if has("mappings") && (has("registries") || has("target_groups")) {
        return Ok(Format::Ocync);
    }
    if has("apiVersion") && (has("artifacts") || has("charts")) {
        return Ok(Format::FluxMirror);
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
    if !is_native && has("tasks") {
        return Ok(Format::Dregsy);
    }
    if !is_native && has_registries_of_skopeo(document) {
        return Ok(Format::Skopeo);
    }
    if !is_native && aliyun::is_joint(document) {
        return Ok(Format::Aliyun);
    }
    if !is_native && aliyun::has_rules_alone(document) {
        return Err(Problem::new(
            "found nothing but images and where they go, as rules of Aliyun's image-syncer are: expected --format aliyun for these, cache_registry and images for a native config",
        ));
    }
    if !is_native && has_images_of_kyma(document) {
        return Err(Problem::new(
            "found images without cache_registry, which may be a native config or a list of Kyma's image-syncer: expected cache_registry or targets for the one, --target-repo-prefix or --format kyma for the other",
        ));
    }
    Ok(Format::Native)
}

/// Whether it may be a list of images, of which a line is none.
fn has_references(text: &str) -> bool {
    text.contains(['/', ':', ' '])
}

/// Whether all values are mappings as those of registries of skopeo.
fn has_registries_of_skopeo(document: &Node) -> bool {
    let registries = document.pairs().unwrap_or_default();
    let registries = registries
        .iter()
        .filter(|(key, node)| !key.text.starts_with("x-") && !node.is_null());
    let is_registry = |(_, node): &(Key, Node)| {
        let pairs = node.pairs().unwrap_or_default().iter();
        let mut known =
            pairs.filter(|(key, _)| skopeo::KEYS.contains(&&*key.text) || &*key.text == "<<");
        known.next().is_some()
    };
    registries.clone().next().is_some() && registries.clone().all(is_registry)
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
