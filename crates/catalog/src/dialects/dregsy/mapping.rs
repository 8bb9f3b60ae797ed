//! One mapping of a task: a repository or several, what they are called at the target, and which of their images.

mod several;

use image_sync_shared::image::platform::Platforms;
use image_sync_shared::image::reference::split;
use regex::Regex;

use super::super::translation::{Kind, Mapping, Translator};
use super::All;
use super::location::Location;
use super::rules::Tags;
use crate::document::Node;
use crate::problem::{Place, Problem};

const KEYS: [&str; 4] = ["from", "to", "tags", "platform"];
const REGEX: &str = "regex:";

/// A mapping as it was read.
struct Read<'a, 'n> {
    mapping: &'a Mapping<'n>,
    source: &'a Location,
    target: &'a Location,
    /// Where `from` stands.
    place: Place,
    name: Name<'n>,
    tags: Tags,
    platform: Option<Node>,
}

/// What a repository is called at the target.
enum Name<'n> {
    /// As at the source.
    Same,
    /// This, with the name at the source behind it where there are several.
    Path(&'n str),
    /// With what replaces a regular expression in it.
    Rewritten {
        text: &'n str,
        regex: Regex,
        with: &'n str,
    },
}

pub(super) fn translate(
    mapping: &Mapping<'_>,
    source: Option<&Location>,
    target: Option<&Location>,
    all: &mut All,
    to: &mut Translator<'_>,
) {
    mapping.note_unknown(&KEYS, to);
    let tags = Tags::read(mapping, to);
    let platform = platform(mapping, to);
    let name = name(mapping, to);
    let from = mapping.text("from", to).filter(|from| !from.is_empty());
    let Some((from, node)) = from.zip(mapping.node("from")) else {
        if mapping
            .node("from")
            .is_none_or(|node| node.text().is_some())
        {
            let missing = "missing, expected a repository as in library/busybox";
            let missing = Problem::new(missing).key(&mapping.key("from"));
            to.report(missing.at(mapping.place()));
        }
        return;
    };
    let (Some(source), Some(target), Some(name)) = (source, target, name) else {
        return;
    };
    let read = Read {
        mapping,
        source,
        target,
        place: node.place,
        name,
        tags,
        platform,
    };
    match from.strip_prefix(REGEX) {
        Some(regex) => several::repositories(&read, regex, all, to),
        None => repository(&read, from, all, to),
    }
}

/// The platform that is chosen.
fn platform(mapping: &Mapping<'_>, to: &mut Translator<'_>) -> Option<Node> {
    let text = mapping
        .text("platform", to)
        .filter(|text| !text.is_empty())?;
    let node = mapping.node("platform")?;
    let checked: Result<Platforms, _> = text.parse();
    let told = |wrong| Problem::new(wrong).key(&mapping.key("platform"));
    to.ok(node.place, checked.map_err(told))?;
    Some(Node::of_text(text).at(node.place))
}

/// What `to` says.
fn name<'n>(mapping: &Mapping<'n>, to: &mut Translator<'_>) -> Option<Name<'n>> {
    let Some(node) = mapping.node("to") else {
        return Some(Name::Same);
    };
    let text = mapping.text("to", to)?;
    let Some(rewriting) = text.strip_prefix(REGEX) else {
        let path = text.trim_start_matches('/').trim_end_matches('/');
        return Some(if path.is_empty() {
            Name::Same
        } else {
            Name::Path(path)
        });
    };
    let told = |problem: String| Problem::new(problem).key(&mapping.key("to"));
    let Some((text, with)) = rewriting.split_once(',') else {
        let missing =
            format!("found {text:?} without what replaces it, expected regex:REGEX,REPLACEMENT");
        to.report(told(missing).at(node.place));
        return None;
    };
    let Ok(regex) = Regex::new(text) else {
        to.report(told(format!("{text:?} is no regular expression")).at(node.place));
        return None;
    };
    Some(Name::Rewritten { text, regex, with })
}

/// One repository.
fn repository(read: &Read<'_, '_>, from: &str, all: &mut All, to: &mut Translator<'_>) {
    let path = from.strip_prefix('/').unwrap_or(from);
    let source = read.source.repository(path);
    let told = |problem: Problem| problem.key(&read.mapping.key("from"));
    let alone = split(&source)
        .map_err(Problem::new)
        .and_then(|(_, reference)| match reference {
            None => Ok(()),
            Some(_) => Err(Problem::new(format!(
                "found {from:?}, expected the repository alone, and its tags or digests in tags"
            ))),
        });
    if to.ok(read.place, alone.map_err(told)).is_none() {
        return;
    }
    let name = match &read.name {
        Name::Same => path.to_owned(),
        Name::Path(path) => (*path).to_owned(),
        Name::Rewritten { text, regex, with } => {
            // Paths begin with a slash there.
            let whole = format!("/{path}");
            let rewritten =
                if text.starts_with('^') && !regex.is_match(&whole) && regex.is_match(path) {
                    note_begin(read, to);
                    regex.replace_all(path, *with)
                } else {
                    regex.replace_all(&whole, *with)
                };
            rewritten.trim_start_matches('/').to_owned()
        }
    };
    all.logins.add(read.source, path);
    all.logins.add(read.target, &name);
    let at = |text: &str| Node::of_text(text).at(read.place);
    let pairs = |source: &str, tags: Option<(&'static str, Node)>, all: &All| {
        let mut pairs = vec![("source", at(source))];
        pairs.extend(tags);
        pairs.extend(all.target(read.target));
        pairs.push(("cache_as", at(&name)));
        pairs.extend(read.platform.clone().map(|node| ("platform", node)));
        pairs
    };
    let mut image = |source: &str, tags: Option<(&'static str, Node)>, place: Place| {
        to.image(place, pairs(source, tags, all));
    };
    let named = read.tags.named.iter();
    let named: Vec<Node> = named
        .map(|(tag, place)| Node::of_text(tag).at(*place))
        .collect();
    if !named.is_empty() {
        image(&source, Some(("tags", Node::of_items(named))), read.place);
    }
    for (tag, digest, place) in &read.tags.pinned {
        let tag = Node::of_text(tag).at(*place);
        image(&format!("{source}@{digest}"), Some(("tag", tag)), *place);
    }
    for rules in read.tags.rules(&read.mapping.key("tags"), read.place, to) {
        let tags = Some(("tags", rules.node(read.place)));
        to.image(read.place, pairs(&source, tags, all));
    }
}

/// Paths begin with a slash there, so that `^` finds nothing behind it.
fn note_begin(read: &Read<'_, '_>, to: &mut Translator<'_>) {
    let place = read
        .mapping
        .node("to")
        .map_or(read.place, |node| node.place);
    let why = "the name is rewritten from its beginning; dregsy itself has a / there, and rewrites nothing";
    to.note(Kind::Mapped, place, read.mapping.key("to"), why);
}
