//! Filters of tags as rules of this program's own.

use super::super::translation::{Kind, Mapping, Pairs, Translator, text_or_texts};
use super::owned;
use crate::document::Node;

/// Tags that the tool leaves out by itself, as regular expressions.
const LEFT_OUT: [&str; 6] = ["rc", "alpha", "beta", "pre", "snapshot", "nightly"];

/// The rules for tags, and tags that are copied whatever the rules are.
pub(super) fn rules(
    tags: &Mapping<'_>,
    defaults: Option<&Mapping<'_>>,
    to: &mut Translator<'_>,
) -> (Pairs, Vec<String>) {
    let text = |text: &str| Node::of_text(text);
    let mut rules = Pairs::new();
    let globs = patterns(tags, "glob", to);
    if !globs.is_empty() && globs != ["*"] {
        let include = globs.iter().map(|glob| text(&regex_of(glob))).collect();
        rules.push(("include", Node::of_items(include)));
    }
    let mut exclude: Vec<String> = LEFT_OUT
        .iter()
        .map(|word| format!("(?i).*-{word}.*"))
        .collect();
    let mut own = patterns(tags, "exclude", to);
    own.extend(defaults.map_or_else(Vec::new, |tags| patterns(tags, "exclude", to)));
    own.sort_unstable();
    own.dedup();
    exclude.extend(own.iter().map(|glob| regex_of(glob)));
    let exclude = exclude.iter().map(|regex| text(regex)).collect();
    rules.push(("exclude", Node::of_items(exclude)));
    for (key, own) in [
        ("semver", "semver"),
        ("latest", "latest"),
        ("min_tags", "require"),
    ] {
        rules.extend(tags.node(key).map(|value| (own, value.clone())));
    }
    if let Some(sort) = tags.node("sort") {
        let word = match sort.text() {
            Some("alpha") => "alphabetical",
            Some(other) => other,
            None => "",
        };
        rules.push(("sort", text(word).at(sort.place)));
    }
    if let Some(immutable) = tags.node("immutable_tags") {
        let why = "whether they moved costs one request for each";
        to.note(
            Kind::LeftOut,
            immutable.place,
            tags.key("immutable_tags"),
            why,
        );
    }
    let include = patterns(tags, "include", to);
    let (globs, exact): (Vec<String>, Vec<String>) = include
        .into_iter()
        .partition(|pattern| pattern.contains(['*', '?', '[']));
    if !globs.is_empty() {
        let place = tags.node("include").map_or(tags.place(), |node| node.place);
        let why = format!(
            "{} would have to overrule what is left out",
            globs.join(", ")
        );
        to.note(Kind::Missing, place, tags.key("include"), why);
    }
    (rules, exact)
}

/// One pattern, or several.
fn patterns(tags: &Mapping<'_>, key: &str, to: &mut Translator<'_>) -> Vec<String> {
    tags.node(key).map_or_else(Vec::new, |node| {
        owned(text_or_texts(node, &tags.key(key), to))
    })
}

/// A regular expression for what a glob matches as a whole.
pub(super) fn regex_of(glob: &str) -> String {
    let mut regex = String::with_capacity(glob.len() + 4);
    let mut is_class = false;
    for letter in glob.chars() {
        match letter {
            '*' if !is_class => regex.push_str(".*"),
            '?' if !is_class => regex.push('.'),
            '[' | ']' => {
                is_class = letter == '[';
                regex.push(letter);
            }
            '!' if regex.ends_with('[') => regex.push('^'),
            '.' | '+' | '(' | ')' | '|' | '^' | '$' | '\\' if !is_class => {
                regex.push('\\');
                regex.push(letter);
            }
            _ => regex.push(letter),
        }
    }
    regex
}
