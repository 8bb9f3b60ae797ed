//! Who we are to a registry, or to a path of one.

use std::path::PathBuf;

use image_sync_shared::config::{Login, PasswordSource};

use crate::document::Keys;
use crate::problem::Problem;

pub(super) const KEYS: [&str; 7] = [
    "username",
    "password",
    "password_file",
    "password_env",
    "token",
    "token_file",
    "token_env",
];
const PASSWORDS: [&str; 3] = ["password", "password_file", "password_env"];
const TOKENS: [&str; 3] = ["token", "token_file", "token_env"];

pub(super) fn read(keys: &Keys<'_>) -> Login {
    let has = |key: &&str| keys.node(key).is_some();
    let has_password = PASSWORDS.iter().any(has);
    keys.ok(pair(
        "username",
        has(&"username"),
        "a password",
        has_password,
    ));
    if let Some(token) = TOKENS.iter().find(|key| has(key))
        && (has_password || has(&"username"))
    {
        let text = "found a user name or a password beside it, expected a token or these";
        keys.report(Problem::new(text).key(token));
    }
    Login {
        username: keys.get("username"),
        password: secret(keys, PASSWORDS),
        token: secret(keys, TOKENS),
    }
}

/// A secret that stands here, in a file or in a variable: under one of these keys, in this order.
fn secret(keys: &Keys<'_>, names: [&'static str; 3]) -> Option<PasswordSource> {
    let [here, file, variable] = names;
    let given = names.into_iter().filter(|key| keys.node(key).is_some());
    let mut given = given.collect::<Vec<_>>().into_iter();
    if let (Some(first), Some(second)) = (given.next(), given.next()) {
        let text =
            format!("found {first} beside it, expected one of {here}, {file} and {variable}");
        keys.report(Problem::new(text).key(second));
    }
    let file = || keys.get::<PathBuf>(file).map(PasswordSource::File);
    let variable = || keys.get(variable).map(PasswordSource::Env);
    let here = keys.get(here).map(PasswordSource::Inline);
    here.or_else(file).or_else(variable)
}

/// Two keys of which neither does anything alone.
pub(super) fn pair(
    left: &str,
    has_left: bool,
    right: &str,
    has_right: bool,
) -> Result<(), Problem> {
    let (found, missing) = match (has_left, has_right) {
        (true, false) => (left, right),
        (false, true) => (right, left),
        _ => return Ok(()),
    };
    Err(Problem::new(format!(
        "found {found} without {missing}, expected both or neither"
    )))
}
