//! The key `referrers`: which artifacts come along with an image.

use image_sync_shared::image::reference::{Reference, Repository, split};
use image_sync_shared::run::job::{Referrers, ReferrersFrom, Trust};
use serde::Deserialize as _;

use crate::document::{Keys, Node};
use crate::problem::{Problem, Problems, without_secrets};

use super::super::values::Count;

const EXPECTED: &str = "true, false, or a mapping with types, exclude, required, from and depth";
const EXPECTED_TYPE: &str =
    "expected an artifact type as in application/spdx+json, with * for any part of it";
const EXPECTED_FROM: &str = "expected HOST/NAME as in quay.io/acme/signatures, or oci:FOLDER";
const MAX_DEPTH: u64 = Referrers::MAX_DEPTH as u64;

pub(in super::super) const KEYS: [&str; 5] = ["types", "exclude", "required", "from", "depth"];

/// Which artifacts; none of them, where that is said.
pub(super) fn read(node: &Node) -> Result<Option<Box<Referrers>>, Problems> {
    if node.pairs().is_none() {
        let all = bool::deserialize(node).ok();
        let all = all.ok_or_else(|| node.mismatch(EXPECTED))?;
        return Ok(all.then(Box::default));
    }
    let keys = Keys::of(node, EXPECTED, &KEYS)?;
    let depth: Option<Count<MAX_DEPTH>> = keys.get("depth");
    let from = keys
        .get("from")
        .and_then(|text: String| keys.ok(repository(&text).map_err(|problem| problem.key("from"))));
    let referrers = Referrers {
        types: types(&keys, "types"),
        exclude: types(&keys, "exclude"),
        required: keys.get("required").unwrap_or(false),
        // How far its host is trusted is what holds for the source of the image.
        from: from.map(|repository| ReferrersFrom {
            repository,
            trust: Trust::Verified,
        }),
        depth: depth
            .and_then(|depth| u8::try_from(depth.get()).ok())
            .unwrap_or(Referrers::DEFAULT_DEPTH),
    };
    keys.finish(Some(Some(Box::new(referrers))))
}

/// One artifact type, or a list of them.
fn types(keys: &Keys<'_>, key: &str) -> Vec<String> {
    let Some(node) = keys.node(key) else {
        return Vec::new();
    };
    if node.items().is_err() {
        let one: Option<String> = keys.get(key);
        return one
            .and_then(|text| keys.ok(artifact_type(text).map_err(|problem| problem.key(key))))
            .into_iter()
            .collect();
    }
    let texts: Vec<String> = keys.get(key).unwrap_or_default();
    if texts.is_empty() && matches!(node.items(), Ok([])) {
        let text = format!("found an empty list, {EXPECTED_TYPE}");
        keys.report(Problem::new(text).key(key));
    }
    let checked = texts.into_iter().enumerate().filter_map(|(index, text)| {
        let told = |problem: Problem| problem.index(index).key(key);
        keys.ok(artifact_type(text).map_err(told))
    });
    checked.collect()
}

/// A text that can be one: a media type, or a pattern for some.
fn artifact_type(text: String) -> Result<String, Problem> {
    let is_one = text.contains(['/', '*']);
    if is_one && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text);
    }
    Err(Problem::new(format!("found {text:?}, {EXPECTED_TYPE}")))
}

fn repository(text: &str) -> Result<Repository, Problem> {
    let (repository, reference) = split(without_secrets(text)?).map_err(Problem::new)?;
    let found = match reference {
        None => return Ok(repository),
        Some(Reference::Tag(tag)) => format!("the tag {tag}"),
        Some(Reference::Digest(_)) => "a digest".to_owned(),
    };
    let text = format!("found {found} in {text:?}, {EXPECTED_FROM}");
    Err(Problem::new(text))
}
