//! The mapping `registries`: what holds for one registry.

use std::collections::BTreeMap;
use std::path::PathBuf;

use image_sync_shared::config::{PasswordSource, ProxySetting, RegistrySettings};
use image_sync_shared::image::reference::Location;
use image_sync_shared::secret::Secret;

use crate::document::{Keys, Node, all_keys};
use crate::problem::{Problem, Problems, without_secrets};

use super::values::{Count, Size};

const URL: &str =
    "https://HOST[:PORT][/PATH] or http://HOST[:PORT][/PATH], without a user name or a password";
const NO_API: &str = "found /v2 in its path, expected only what stands after it and before the repositories, as in harbor.example/proxy-hub";

const KEYS: [&str; 16] = [
    "endpoint",
    "mirrors",
    "plain_http",
    "insecure",
    "ca_file",
    "cert_file",
    "key_file",
    "username",
    "password",
    "password_file",
    "password_env",
    "token_realm",
    "allow_private",
    "max_connections",
    "chunk_size",
    "proxy",
];

/// All registries, by the host that their repositories have.
pub(super) fn read_all(node: &Node) -> Result<BTreeMap<String, RegistrySettings>, Problems> {
    let mut problems = Problems::default();
    let entries = all_keys(node, "a mapping of hosts to their settings", &mut problems)?;
    let mut registries = BTreeMap::new();
    let nothing = Node::empty_mapping();
    for (key, value) in entries {
        let in_registry = |problem: Problem| match without_secrets(key) {
            Ok(key) => problem.at(value.locate(&[])).key(key),
            Err(_) => problem.at(value.locate(&[])),
        };
        let node = if value.is_null() { &nothing } else { value };
        let host = host_key(key).map_err(|problem| problems.push(in_registry(problem)));
        let settings = read(node).map_err(|of_registry| {
            problems.append(of_registry.map(in_registry));
        });
        if let (Ok(host), Ok(settings)) = (host, settings)
            && registries.insert(host.clone(), settings).is_some()
        {
            let text = format!("this is another name of {host}, expected one entry per registry");
            problems.push(in_registry(Problem::new(text)));
        }
    }
    if problems.is_empty() {
        Ok(registries)
    } else {
        Err(problems)
    }
}

/// The host that repositories have of the registry that a person calls so, as docker.io for index.docker.io. Fails with what
/// is wrong with the name.
pub fn registry_host(text: &str) -> Result<String, String> {
    host_key(text).map_err(|problem| problem.to_string())
}

fn host_key(text: &str) -> Result<String, Problem> {
    match without_secrets(text)?.parse().map_err(Problem::new)? {
        Location::Registry { host, prefix } if prefix.is_empty() => Ok(host),
        _ => Err(Problem::new(
            "found more than a host, expected HOST or HOST:PORT",
        )),
    }
}

fn read(node: &Node) -> Result<RegistrySettings, Problems> {
    let keys = Keys::of(node, "a mapping of a registry's settings", &KEYS)?;
    let text = |key| keys.get::<String>(key);
    let file = |key| keys.get::<PathBuf>(key);
    let max_connections: Option<Count<10_000>> = keys.get("max_connections");
    let mut settings = RegistrySettings {
        endpoint: text("endpoint").and_then(|text| keys.ok(endpoint(&text))),
        mirrors: keys
            .get("mirrors")
            .and_then(|texts: Vec<String>| keys.ok(mirrors(&texts)))
            .unwrap_or_default(),
        plain_http: keys.get("plain_http").unwrap_or(false),
        insecure: keys.get("insecure").unwrap_or(false),
        ca_file: file("ca_file"),
        cert_file: file("cert_file"),
        key_file: file("key_file"),
        username: text("username"),
        password: None,
        token_realm: text("token_realm").and_then(|text| keys.ok(token_realm(&text))),
        allow_private: keys.get("allow_private").unwrap_or(false),
        max_connections: max_connections.map(Count::as_usize),
        chunk_size: keys.get("chunk_size").map(|Size(bytes)| bytes),
        proxy: keys
            .get("proxy")
            .and_then(|text: Secret| keys.ok(proxy(&text))),
    };
    let inline = keys.get("password").map(PasswordSource::Inline);
    let sources = [
        inline.map(|source| ("password", source)),
        file("password_file").map(|file| ("password_file", PasswordSource::File(file))),
        text("password_env").map(|name| ("password_env", PasswordSource::Env(name))),
    ];
    settings.password = keys.ok(password(sources)).flatten();
    contradictions(&keys);
    keys.finish(Some(settings))
}

/// Reports keys that cannot be there together, or not alone.
fn contradictions(keys: &Keys<'_>) {
    let has = |key| keys.node(key).is_some();
    let has_mirrors = keys
        .node("mirrors")
        .is_some_and(|mirrors| mirrors.items().is_ok_and(|items| !items.is_empty()));
    if has("endpoint") && has_mirrors {
        let text = "found endpoint beside it, expected one of the two: an endpoint replaces the host, mirrors go before it";
        keys.report(Problem::new(text).key("mirrors"));
    }
    let has_password = ["password", "password_file", "password_env"]
        .into_iter()
        .any(has);
    keys.ok(pair(
        "cert_file",
        has("cert_file"),
        "key_file",
        has("key_file"),
    ));
    keys.ok(pair(
        "username",
        has("username"),
        "a password",
        has_password,
    ));
}

/// Two keys of which neither does anything alone.
fn pair(left: &str, has_left: bool, right: &str, has_right: bool) -> Result<(), Problem> {
    let (found, missing) = match (has_left, has_right) {
        (true, false) => (left, right),
        (false, true) => (right, left),
        _ => return Ok(()),
    };
    Err(Problem::new(format!(
        "found {found} without {missing}, expected both or neither"
    )))
}

fn password(
    sources: [Option<(&'static str, PasswordSource)>; 3],
) -> Result<Option<PasswordSource>, Problem> {
    let mut sources = sources.into_iter().flatten();
    let first = sources.next();
    match (first, sources.next()) {
        (Some((first, _)), Some((second, _))) => Err(Problem::new(format!(
            "found {first} beside it, expected one of password, password_file and password_env"
        ))
        .key(second)),
        (first, _) => Ok(first.map(|(_, source)| source)),
    }
}

/// `none`, or the URL of a proxy. It may hold a password, so an error does not quote it.
fn proxy(text: &Secret) -> Result<ProxySetting, Problem> {
    if text.reveal() == "none" {
        return Ok(ProxySetting::Nothing);
    }
    let place = text.reveal().trim_end_matches('/');
    let place = place
        .strip_prefix("http://")
        .or_else(|| place.strip_prefix("https://"));
    let host = place.map(|place| place.rsplit_once('@').map_or(place, |(_, host)| host));
    if host.is_some_and(|host| host_key(host).is_ok()) {
        Ok(ProxySetting::Server(text.clone()))
    } else {
        let expected = "this is no proxy, expected http://[USER:PASSWORD@]HOST[:PORT], https://[USER:PASSWORD@]HOST[:PORT] or none";
        Err(Problem::new(expected).key("proxy"))
    }
}

fn endpoint(text: &str) -> Result<String, Problem> {
    let url = text.trim_end_matches('/');
    if names_the_api(url) {
        Err(Problem::new(NO_API).key("endpoint"))
    } else if is_url(url) {
        Ok(url.to_owned())
    } else {
        Err(Problem::new(format!("this is no endpoint, expected {URL}")).key("endpoint"))
    }
}

fn token_realm(text: &str) -> Result<String, Problem> {
    let rest = text
        .strip_prefix("https://")
        .or(text.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    if host.is_some_and(|host| host_key(host).is_ok()) && !text.contains(['?', '#', '@']) {
        Ok(text.to_owned())
    } else {
        let text = "this is no token server, expected https://HOST[:PORT][/PATH] or http://HOST[:PORT][/PATH]";
        Err(Problem::new(text).key("token_realm"))
    }
}

fn mirrors(texts: &[String]) -> Result<Vec<String>, Problem> {
    let mirror = |(index, text): (usize, &String)| {
        let mirror = text.trim_end_matches('/');
        let refuse = |text| Problem::new(text).index(index).key("mirrors");
        if names_the_api(mirror) {
            Err(refuse(NO_API.to_owned()))
        } else if is_url(mirror) || is_place(mirror) {
            Ok(mirror.to_owned())
        } else {
            Err(refuse(format!(
                "this is no mirror, expected HOST[:PORT][/PATH], {URL}"
            )))
        }
    };
    texts.iter().enumerate().map(mirror).collect()
}

fn is_url(text: &str) -> bool {
    text.strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .is_some_and(is_place)
}

/// Whether it is `HOST[:PORT][/PATH]`.
fn is_place(text: &str) -> bool {
    without_secrets(text).is_ok() && matches!(text.parse(), Ok(Location::Registry { .. }))
}

/// Whether its path begins with that of the API itself.
fn names_the_api(text: &str) -> bool {
    let place = text.split_once("://").map_or(text, |(_, place)| place);
    let mut components = place.split('/').skip(1);
    components.next() == Some("v2")
}
