//! Nodes as YAML, with comments.

use std::fmt::Write as _;

use image_sync_shared::text::is_deceptive;
use serde_yaml_ng::{Mapping, Value};

use super::markers;
use crate::dialects::{Kind, Note};
use crate::document::{Content, Node, Scalar};
use crate::problem::Place;

/// Keys whose values are numbers and truth values, and no texts that look so.
const NO_TEXTS: [&str; 17] = [
    "allow_private",
    "attempts",
    "cache_insecure",
    "concurrency",
    "depth",
    "insecure",
    "latest",
    "max_connections",
    "plain_http",
    "pull_timeout_secs",
    "referrers",
    "require",
    "required",
    "scoped",
    "skip_on_error",
    "source_tls_verify",
    "stall_timeout",
];
/// Keys whose values are secrets, and the key that names a variable in their place.
const SECRETS: [(&str, &str); 2] = [("password", "password_env"), ("token", "token_env")];
/// Keys below which each item has a place of its own.
const LISTS: [&str; 3] = ["images", "repositories", "lists"];

/// The document below `title`, with a comment for each note before what it is about.
pub(super) fn written(title: &str, document: &Node, notes: &[Note]) -> String {
    let pairs = document.pairs().unwrap_or_default();
    let lists = pairs.iter().filter(|(key, _)| LISTS.contains(&&*key.text));
    let mut places: Vec<Place> = lists
        .flat_map(|(_, list)| list.items().unwrap_or_default())
        .map(|item| item.place)
        .collect();
    places.sort_unstable();
    let mut notes: Vec<&Note> = notes.iter().collect();
    notes.sort_by_key(|note| note.place);
    let first = places.first().copied();
    let is_of_all = |note: &&Note| note.file > 0 || first.is_none_or(|first| note.place < first);
    let (of_all, of_items): (Vec<&Note>, Vec<&Note>) = notes.into_iter().partition(is_of_all);
    let mut text = format!("{title}\n");
    let mut secrets = Vec::new();
    for note in of_all {
        comment(&mut text, "", note);
    }
    let mut body = String::new();
    for (key, value) in pairs {
        let is_list = LISTS.contains(&&*key.text);
        match value.items() {
            Ok([]) if is_list && &*key.text != "images" => {}
            Ok(items) if is_list && !items.is_empty() => {
                let _infallible = writeln!(body, "{}:", key.text);
                let mut told = None;
                for item in items {
                    // Several items may be of one place.
                    if told.replace(item.place) != Some(item.place) {
                        for note in notes_of(&of_items, &places, item.place) {
                            comment(&mut body, "  ", note);
                        }
                    }
                    body.push_str(&item_text(&value_of("", item, "", &mut secrets)));
                }
            }
            _ => {
                let mut mapping = Mapping::new();
                let value = value_of(&key.text, value, "", &mut secrets);
                mapping.insert(Value::String(key.text.to_string()), value);
                body.push_str(&yaml(&Value::Mapping(mapping)));
            }
        }
    }
    for (variable, of) in secrets {
        let _infallible = writeln!(
            text,
            "# ${variable}: put there the secret of {of}, which is not repeated here"
        );
    }
    text + &body
}

/// Those of the item at `place`, up to the next item. Both are in order.
fn notes_of<'n>(notes: &'n [&'n Note], places: &[Place], place: Place) -> &'n [&'n Note] {
    let next = places.get(places.partition_point(|other| *other <= place));
    let begin = notes.partition_point(|note| note.place < place);
    let end = next.map_or(notes.len(), |next| {
        notes.partition_point(|note| note.place < *next)
    });
    notes.get(begin..end).unwrap_or_default()
}

fn comment(text: &mut String, indent: &str, note: &Note) {
    // Both may have what ends the line, and the comment with it.
    let in_a_line = |text: &str| text.replace(is_deceptive, " ");
    let (key, why) = (in_a_line(&note.key), in_a_line(&note.why));
    let file = if note.file == 0 {
        ""
    } else {
        " of the file of credentials"
    };
    let line = format!("{}{file}", note.place.line);
    let _infallible = match note.kind {
        Kind::Mapped => writeln!(text, "{indent}# {key} (line {line}): {why}"),
        Kind::LeftOut | Kind::Missing => {
            writeln!(text, "{indent}# not mapped: {key} (line {line}): {why}")
        }
    };
}

/// An item of a list.
fn item_text(value: &Value) -> String {
    let mut text = String::new();
    for (number, line) in yaml(value).lines().enumerate() {
        let lead = if number == 0 { "  - " } else { "    " };
        let _infallible = writeln!(text, "{lead}{line}");
    }
    text
}

fn yaml(value: &Value) -> String {
    serde_yaml_ng::to_string(value).unwrap_or_default()
}

/// The value of `key`, which is one of `registry` if that is not empty. `secrets` gets the variables that stand for what must
/// not be repeated.
fn value_of(key: &str, node: &Node, registry: &str, secrets: &mut Vec<(String, String)>) -> Value {
    match node.content() {
        Content::Mapping(pairs) => {
            let mut mapping = Mapping::new();
            for (name, value) in pairs {
                let registry = if key == "registries" {
                    &name.text
                } else {
                    registry
                };
                let secret = SECRETS.iter().find(|(secret, _)| **secret == *name.text);
                let (name, value) = match (secret, value.text()) {
                    (Some((_, by_variable)), Some(text)) => {
                        let variable = markers::only_variable(text).unwrap_or_else(|| {
                            let variable = variable_for(registry, &name.text);
                            secrets.push((variable.clone(), registry.to_owned()));
                            variable
                        });
                        (*by_variable, Value::String(variable))
                    }
                    _ => (&*name.text, value_of(&name.text, value, registry, secrets)),
                };
                mapping.insert(Value::String(name.to_owned()), value);
            }
            Value::Mapping(mapping)
        }
        Content::Sequence(items) => {
            let items = items.iter();
            let values = items.map(|item| value_of(key, item, registry, secrets));
            Value::Sequence(values.collect())
        }
        Content::Tagged | Content::Shared(_) => Value::Null,
        Content::Plain(text) | Content::Text(text) | Content::Filled(text) => scalar(key, text),
    }
}

fn scalar(key: &str, text: &str) -> Value {
    match Scalar::of(text) {
        Scalar::Bool(value) if NO_TEXTS.contains(&key) => Value::Bool(value),
        Scalar::Unsigned(value) if NO_TEXTS.contains(&key) => Value::Number(value.into()),
        _ => Value::String(without_variables(text)),
    }
}

/// The text such that nothing in it is taken for a variable.
fn without_variables(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut is_first = true;
    while let Some(letter) = letters.next() {
        let next = letters.peek();
        let begins_one = next.is_some_and(|next| {
            ['{', '$'].contains(next) || is_first && (next.is_ascii_uppercase() || *next == '_')
        });
        if letter == '$' && begins_one {
            written.push('$');
        }
        written.push(letter);
        is_first = false;
    }
    written
}

/// The name of a variable for a secret of a registry.
fn variable_for(registry: &str, key: &str) -> String {
    let name = format!("{registry}_{key}").to_ascii_uppercase();
    let name: String = name
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '_'
            }
        })
        .collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        format!("REGISTRY_{name}")
    } else {
        name
    }
}
