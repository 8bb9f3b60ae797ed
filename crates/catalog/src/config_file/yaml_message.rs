//! The YAML library's errors in the words of this program.

use image_sync_shared::nearest::nearest;
use serde::de::IgnoredAny;

use super::locate::{Position, position, repeated_key, second_document};

/// The place that `error` tells and its message, without any value of the text: it might be a password.
pub(super) fn understand(text: &str, error: &serde_yaml_ng::Error) -> (Option<Position>, String) {
    // Broken YAML is told as that, even where the part before it has another error.
    if let Err(broken) = serde_yaml_ng::from_str::<IgnoredAny>(text) {
        let message = without_position(&broken);
        return if message.contains("more than one document") {
            let message = "found more than one YAML document, expected one";
            (second_document(text), message.to_owned())
        } else {
            let message = format!("this is not valid YAML: {message}");
            (position(&broken), message)
        };
    }
    let message = without_position(error);
    if let Some(message) = repeated_key_message(&message) {
        return (repeated_key(text), message);
    }
    let message = type_message(&message)
        .or_else(|| unknown_key_message(&message))
        .or_else(|| endless_message(&message))
        .unwrap_or(message);
    (position(error), message)
}

fn without_position(error: &serde_yaml_ng::Error) -> String {
    let message = error.to_string();
    match error.location() {
        Some(at) => {
            let suffix = format!(" at line {} column {}", at.line(), at.column());
            message.replacen(&suffix, "", 1)
        }
        None => message,
    }
}

fn type_message(message: &str) -> Option<String> {
    let (place, rest) = message.split_once("invalid type: ")?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let found = match found.split([' ', '`']).next()? {
        "string" => "a text",
        "integer" | "floating" => "a number",
        "boolean" => "true or false",
        "sequence" => "a list",
        "map" => "a mapping",
        "unit" | "null" | "Option" => "nothing",
        _ => "a value with a YAML tag",
    };
    let expected = match expected {
        "a string" | "path string" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        own => own,
    };
    Some(format!("{place}found {found}, expected {expected}"))
}

fn unknown_key_message(message: &str) -> Option<String> {
    let (place, rest) = message.split_once("unknown field `")?;
    let (key, known) = rest.rsplit_once("`, expected ")?;
    let known: Vec<&str> = known
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| *name != "<<")
        .collect();
    let hint = nearest(key, known.iter().copied())
        .map_or_else(String::new, |name| format!(" (did you mean {name}?)"));
    let known = known.join(", ");
    Some(format!(
        "{place}unknown key {key:?}{hint}, expected one of {known}"
    ))
}

fn repeated_key_message(message: &str) -> Option<String> {
    let (place, rest) = message.split_once("duplicate field `")?;
    let key = rest.strip_suffix('`')?;
    Some(format!(
        "{place}the key {key} is given twice, expected once"
    ))
}

fn endless_message(message: &str) -> Option<String> {
    let (place, _) = message
        .split_once("recursion limit exceeded")
        .or_else(|| message.split_once("repetition limit exceeded"))?;
    Some(format!(
        "{place}found aliases that contain each other or too many of them, expected a config of finite size"
    ))
}
