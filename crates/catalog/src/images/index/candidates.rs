//! From what something is called at a target to what it may be called at its source. Whoever uses it makes the name at the target
//! anew, and compares.

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::Repository;

use crate::entry::Namespace;

/// How much of a digest stands for it in tags.
const DIGITS: usize = 8;

/// The repositories of `namespace` that may be called `name` at a target, of which `samples` are two.
pub(super) fn source_names(
    namespace: &Namespace,
    samples: &[Repository; 2],
    name: &str,
) -> Vec<Repository> {
    let [left, right] = samples.each_ref().map(Repository::name);
    let middle = between(
        name,
        same(left.chars(), right.chars()),
        same(left.chars().rev(), right.chars().rev()),
    );
    let Some(middle) = middle else {
        return Vec::new();
    };
    let ends = middle.match_indices('/').map(|(at, _)| &middle[at + 1..]);
    let ends: Vec<&str> = std::iter::once(middle).chain(ends).collect();
    let prefix = namespace.prefix();
    let below = ends.iter().map(|end| format!("{prefix}/{end}"));
    let names = ends.iter().map(|end| (*end).to_owned()).chain(below);
    names
        .filter(|name| namespace.has(name))
        .filter_map(|name| namespace.source_of(&name).parse().ok())
        .collect()
}

/// How many bytes two texts have alike.
fn same(left: impl Iterator<Item = char>, right: impl Iterator<Item = char>) -> usize {
    let both = left.zip(right).take_while(|(left, right)| left == right);
    both.map(|(left, _)| left.len_utf8()).sum()
}

fn between(text: &str, before: usize, behind: usize) -> Option<&str> {
    let end = text.len().checked_sub(behind)?;
    text.get(before..end)
}

/// The tags that may be called `tag` at a target: what stands for `{tag}` or `{version}` in `tag_as`.
pub(super) fn source_tags(tag_as: Option<&str>, tag: &str, digest: Option<&Digest>) -> Vec<String> {
    let Some(template) = tag_as else {
        return vec![tag.to_owned()];
    };
    let digits = digest.and_then(|digest| digest.hex().get(..DIGITS));
    let template = match digits {
        Some(digits) => template.replace("{digest8}", digits),
        None => template.to_owned(),
    };
    let parts = [("{tag}", [""].as_slice()), ("{version}", &["", "v"])];
    let parts = parts.into_iter().filter_map(|(part, before)| {
        let (head, tail) = template.split_once(part)?;
        let middle = tag.strip_prefix(head)?.strip_suffix(tail)?;
        Some(before.iter().map(move |before| format!("{before}{middle}")))
    });
    parts.flatten().collect()
}
