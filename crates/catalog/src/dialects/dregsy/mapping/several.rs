//! Mappings of all repositories that a regular expression matches: they are found by the catalog of their registry.

use super::super::super::translation::{Kind, Pairs, Translator};
use super::super::All;
use super::super::rules::whole;
use super::{Name, Read, note_begin};
use crate::document::Node;
use crate::problem::Problem;

/// All repositories of a registry whose names `regex` matches.
pub(super) fn repositories(
    read: &Read<'_, '_>,
    regex: &str,
    all: &mut All,
    to: &mut Translator<'_>,
) {
    let key = read.mapping.key("from");
    let pattern = whole(regex).map_err(|why| Problem::new(why).key(&key));
    let Some(pattern) = to.ok(read.place, pattern) else {
        return;
    };
    if let Some(service) = read.source.without_catalog() {
        let why = format!(
            "{service} has no catalog of repositories, so that this fails once images are copied; name each repository in a mapping of its own"
        );
        to.note(Kind::Mapped, read.place, &*key, why);
    }
    let named = read.tags.named.iter();
    let digests = named.filter(|(tag, _)| tag.contains(':'));
    let digests = digests.map(|(_, place)| place);
    let pinned = read.tags.pinned.iter().map(|(_, _, place)| place);
    if let Some(place) = digests.chain(pinned).next() {
        let told = "found the digest of one repository for several, expected from: REPOSITORY";
        to.report(Problem::new(told).key(&read.mapping.key("tags")).at(*place));
        return;
    }
    let below = components(&pattern);
    let Some(Called { below, cache_as }) = called(read, &pattern, below, to) else {
        return;
    };
    all.logins.add(read.source, &below);
    all.logins.add(read.target, "");
    let at = |text: &str| Node::of_text(text).at(read.place);
    let source = if below.is_empty() {
        read.source.registry.clone()
    } else {
        read.source.repository(&below)
    };
    let is_all = pattern == format!("{below}/.*") || pattern == ".*";
    let pairs = |tags: Node, all: &All| {
        let mut pairs: Pairs = vec![("source", at(&source))];
        if !is_all {
            pairs.push(("include", at(&pattern)));
        }
        pairs.push(("tags", tags));
        pairs.extend(all.target(read.target));
        pairs.push(("cache_as", at(&cache_as)));
        pairs.extend(read.platform.clone().map(|node| ("platform", node)));
        pairs
    };
    let named = read.tags.named.iter();
    let named: Vec<Node> = named
        .map(|(tag, place)| Node::of_text(tag).at(*place))
        .collect();
    if !named.is_empty() {
        to.repository(read.place, pairs(Node::of_items(named), all));
    }
    for rules in read.tags.rules(&read.mapping.key("tags"), read.place, to) {
        to.repository(read.place, pairs(rules.node(read.place), all));
    }
}

/// Where repositories are found, and what they are called at the target.
struct Called {
    below: String,
    cache_as: String,
}

/// What the repositories that `pattern` matches are called, which are all below `below`.
fn called(
    read: &Read<'_, '_>,
    pattern: &str,
    below: &str,
    to: &mut Translator<'_>,
) -> Option<Called> {
    let below = below.to_owned();
    let (text, with) = match &read.name {
        Name::Same => {
            let cache_as = "{path}".to_owned();
            return Some(Called { below, cache_as });
        }
        Name::Path(path) => {
            let cache_as = format!("{path}/{{path}}");
            return Some(Called { below, cache_as });
        }
        Name::Rewritten { text, with, .. } => (*text, *with),
    };
    let rewritten = begin(text, with, pattern).or_else(|| group(text, with, pattern, &below));
    if rewritten.is_none() {
        let key = read.mapping.key("to");
        let node = read.mapping.node("to");
        let place = node.map_or(read.place, |node| node.place);
        let told = format!(
            "found {text:?} for the names of several repositories, expected what all that from matches begin with, as in regex:a/b/,c/ where from is regex:a/b/.*, or one group at the end of it, as in regex:a/b/(.*),c/$1"
        );
        to.report(Problem::new(told).key(&key).at(place));
    }
    let rewritten = rewritten?;
    let behind = text.strip_prefix('^').unwrap_or_default();
    if behind.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
        note_begin(read, to);
    }
    Some(rewritten)
}

/// `a/b/` with what replaces it, where all names begin with it.
fn begin(text: &str, with: &str, pattern: &str) -> Option<Called> {
    let below = without_begin(text).strip_suffix('/')?;
    if !is_begin(below, pattern) || with.contains('$') {
        return None;
    }
    let with = with.trim_matches('/');
    let separator = if with.is_empty() { "" } else { "/" };
    Some(Called {
        below: below.to_owned(),
        cache_as: format!("{with}{separator}{{below}}"),
    })
}

/// `a/b/(.*)` with a text in which `$1` stands.
fn group(text: &str, with: &str, pattern: &str, below: &str) -> Option<Called> {
    let text = without_begin(text);
    let text = text.strip_suffix('$').unwrap_or(text);
    let rest = text
        .strip_suffix("(.*)")
        .or_else(|| text.strip_suffix("(.+)"))?;
    let (before, after) = with.split_once("${1}").or_else(|| with.split_once("$1"))?;
    // A letter behind $1 is a part of the name of the group.
    let is_of_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let is_name = !with.contains("${1}") && after.starts_with(is_of_name);
    if is_name || before.contains(['$', '{']) || after.contains(['$', '{']) {
        return None;
    }
    let (below, part) = match rest {
        "" => (below, "path"),
        // As much as possible is of what stands before the last slash.
        ".*/" => (below, "name"),
        rest => {
            let rest = rest.strip_suffix('/')?;
            is_begin(rest, pattern).then_some((rest, "below"))?
        }
    };
    Some(Called {
        below: below.to_owned(),
        cache_as: format!("{}{{{part}}}{after}", before.trim_start_matches('/')),
    })
}

/// A regular expression without what says that it matches at the beginning of a path.
fn without_begin(text: &str) -> &str {
    let text = text.strip_prefix('^').unwrap_or(text);
    text.strip_prefix('/').unwrap_or(text)
}

/// Whether all names that `pattern` matches are below `components`.
fn is_begin(components: &str, pattern: &str) -> bool {
    let rest = literal(pattern).strip_prefix(components);
    !components.is_empty() && rest.is_some_and(|rest| rest.starts_with('/'))
}

/// The first components of all names that `pattern` matches.
fn components(pattern: &str) -> &str {
    let literal = literal(pattern).rsplit_once('/');
    literal.map_or("", |(components, _)| components)
}

/// What all texts begin with that `pattern` matches, as far as it is plain.
fn literal(pattern: &str) -> &str {
    let is_plain =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '/' | '-' | '_');
    let end = pattern
        .find(|letter| !is_plain(letter))
        .unwrap_or(pattern.len());
    let plain = &pattern[..end];
    match pattern[end..].chars().next() {
        // What is repeated or optional is none of it.
        Some('*' | '?' | '{') => plain.get(..end.saturating_sub(1)).unwrap_or_default(),
        Some('|') => "",
        _ => plain,
    }
}
