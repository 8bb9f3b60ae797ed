//! One item of `lists`: a file with one image a line.

use std::sync::Arc;

use crate::document::{Keys, Node};
use crate::entry::{Entry, ImageList};
use crate::problem::{Origin, Problem, Problems};

use super::image;

const EXPECTED: &str = "the name of a file, or a mapping with file";
pub(super) const KEYS: [&str; 9] = [
    "file",
    "tag_as",
    "targets",
    "platform",
    "source_tls_verify",
    "cache_insecure",
    "overwrite",
    "platform_missing",
    "referrers",
];
/// What stands for all of its images.
const ANY_IMAGE: &str = "docker.io/library/all:latest";

/// The entry that it stands for. Its file is not read yet.
pub(super) fn read(node: &Node, origin: Origin) -> Result<Vec<Entry>, Problems> {
    let named;
    let keys = if let Some(file) = node.text() {
        named = Node::of_pairs(vec![("file", Node::of_text(file))]);
        Keys::of(&named, EXPECTED, &KEYS)?
    } else {
        Keys::of(node, EXPECTED, &KEYS)?
    };
    let file: Option<Box<str>> = keys.get("file");
    if file.as_deref().is_none_or(str::is_empty) {
        let text = "missing, expected the name of a file, or - for the standard input";
        keys.report(Problem::new(text).key("file").at(node.place));
    }
    let entry = file.map(|file| Entry {
        list: Some(Arc::new(ImageList::unread(&file))),
        ..image::entry(&keys, ANY_IMAGE, origin)
    });
    keys.finish(entry.map(|entry| vec![entry]))
}
