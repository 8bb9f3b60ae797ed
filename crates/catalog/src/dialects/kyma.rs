//! The image list of Kyma's image-syncer: images that get the same name at a registry, behind a prefix, and are never
//! overwritten there.

use image_sync_shared::image::reference::{Reference, split};

use super::translation::{self, Kind, Mapping, Pairs, Translation, Translator};
use crate::document::Node;
use crate::problem::{Problem, without_secrets};

const KEYS: [&str; 3] = ["targetRepoPrefix", "images", "sign"];
const IMAGE_KEYS: [&str; 4] = ["source", "tag", "amd64Only", "sign"];
const SIGNING: &str = "image-sync signs nothing; sign what is at the target with cosign";

/// Where images go: what stands before their names.
struct Prefix {
    /// The registry with all whole components of the path.
    registry: String,
    /// What the first component of a name begins with.
    begin: String,
    /// Whether images of Docker Hub without a namespace get theirs.
    adds_library: bool,
}

pub(super) fn translate(document: &Node, mut to: Translator<'_>) -> Translation {
    let root = match Mapping::of(document, "", "a mapping with images") {
        Ok(root) => root,
        Err(problem) => {
            to.report(problem);
            return to.finish();
        }
    };
    root.note_unknown(&KEYS, &mut to);
    if let Some(sign) = root.node("sign") {
        to.note(Kind::LeftOut, sign.place, "sign", SIGNING);
    }
    let prefix = prefix(&root, &mut to);
    if let Some(prefix) = &prefix {
        to.set("cache_registry", Node::of_text(&prefix.registry));
        login(prefix, &mut to);
    }
    // Signatures are pushed to the target too, where there are some.
    let defaults = [
        ("platform", "all"),
        ("overwrite", "error"),
        ("referrers", "true"),
    ];
    let defaults = defaults.map(|(key, value)| (key, Node::of_text(value)));
    to.set("defaults", Node::of_pairs(defaults.into()));
    let items = root.needed_items("images", "a list of images", &mut to);
    for (index, item) in items.iter().enumerate() {
        let path = format!("images[{index}]");
        if let Some(pairs) = image(item, &path, prefix.as_ref(), &mut to) {
            to.image(item.place, pairs);
        }
    }
    to.finish()
}

/// The prefix of the command line, else that of the file: the tool that had it there knew no other one.
fn prefix(root: &Mapping<'_>, to: &mut Translator<'_>) -> Option<Prefix> {
    let in_file = root.node("targetRepoPrefix");
    let options = to.options;
    let text = match (&options.target_repo_prefix, in_file) {
        (Some(prefix), _) => prefix.as_str(),
        (None, Some(_)) => root.text("targetRepoPrefix", to)?,
        (None, None) => {
            to.without_target("--target-repo-prefix");
            return None;
        }
    };
    let place = in_file.map_or(root.place(), |node| node.place);
    let text = to.ok(place, without_secrets(text))?;
    let (registry, begin) = match text.rsplit_once('/') {
        Some((registry, begin)) => (registry, begin),
        None => (text, ""),
    };
    if !begin.is_empty() {
        let why = format!(
            "it does not end with /, so that busybox becomes {begin}busybox, as in the tool that it is written for"
        );
        to.note(Kind::Mapped, place, "targetRepoPrefix", why);
    }
    Some(Prefix {
        registry: registry.to_owned(),
        begin: begin.to_owned(),
        adds_library: in_file.is_none(),
    })
}

/// Who we are at the target, if the command line says so.
fn login(prefix: &Prefix, to: &mut Translator<'_>) {
    let Some(login) = &to.options.target_login else {
        return;
    };
    let host = prefix.registry.split('/').next().unwrap_or_default();
    to.registry(host, translation::login(login));
}

fn image(
    item: &Node,
    path: &str,
    prefix: Option<&Prefix>,
    to: &mut Translator<'_>,
) -> Option<Pairs> {
    let image = to.ok(item.place, Mapping::of(item, path, "a mapping with source"))?;
    image.note_unknown(&IMAGE_KEYS, to);
    if let Some(sign) = image.node("sign") {
        to.note(Kind::LeftOut, sign.place, image.key("sign"), SIGNING);
    }
    // It permits a source without an index, and never chose a platform.
    image.flag("amd64Only", to);
    let Some(source) = image.text("source", to) else {
        if image.node("source").is_none() {
            let text = "missing, expected an image as in busybox:1.36";
            to.report(Problem::new(text).key(&image.key("source")).at(item.place));
        }
        return None;
    };
    let tag = image.text("tag", to);
    let in_source = |problem: Problem| problem.key(&image.key("source"));
    let parsed = without_secrets(source).and_then(|text| split(text).map_err(Problem::new));
    let (_, reference) = to.ok(item.place, parsed.map_err(in_source))?;
    let bare = match &reference {
        Some(reference @ Reference::Tag(_)) => source.strip_suffix(&format!(":{reference}")),
        Some(reference @ Reference::Digest(_)) => source.strip_suffix(&format!("@{reference}")),
        None => None,
    };
    let bare = bare.unwrap_or(source);
    let text = |text: &str| Node::of_text(text).at(item.place);
    let mut pairs = vec![("source", text(source))];
    match (&reference, tag) {
        (Some(Reference::Digest(_)), None) => {
            let told =
                "found a digest without tag, expected tag: TAG, which names it at the target";
            to.report(Problem::new(told).key(&image.key("source")).at(item.place));
            return None;
        }
        (Some(Reference::Tag(own)), Some(tag)) if own != tag => pairs.push(("tag_as", text(tag))),
        (Some(Reference::Tag(_)), _) => {}
        (Some(Reference::Digest(_)) | None, Some(tag)) => pairs.push(("tag", text(tag))),
        // As at the command line of Docker.
        (None, None) => pairs.push(("tag", text("latest"))),
    }
    let name = prefix.map(|prefix| prefix.name(bare));
    let name = to.ok(item.place, name?.map_err(in_source))?;
    pairs.push(("cache_as", text(&name)));
    Some(pairs)
}

impl Prefix {
    /// What the repository `bare`, as it is written, is called at the registry.
    fn name(&self, bare: &str) -> Result<String, Problem> {
        if bare.contains(':') {
            return Err(Problem::new(format!(
                "found {bare:?}, whose port would be a part of a name at the target, where no ':' may be; expected cache_as: NAME in a native config (image-sync config convert)"
            )));
        }
        let library = if self.adds_library && !bare.contains('/') {
            "library/"
        } else {
            ""
        };
        Ok(format!("{}{library}{bare}", self.begin))
    }
}

#[cfg(test)]
mod tests;
