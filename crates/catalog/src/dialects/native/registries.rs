//! The mapping `registries`: what holds for one registry.

mod login;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use image_sync_shared::config::{Login, ProxySetting, RegistrySettings};
use image_sync_shared::image::reference::Location;
use image_sync_shared::secret::Secret;

use crate::document::{Keys, Node, all_keys};
use crate::problem::{Problem, Problems, without_secrets};

use super::values::{Count, Size};

const URL: &str =
    "https://HOST[:PORT][/PATH] or http://HOST[:PORT][/PATH], without a user name or a password";
const NO_API: &str = "found /v2 in its path, expected only what stands after it and before the repositories, as in harbor.example/proxy-hub";

pub(super) const KEYS: [&str; 20] = [
    "endpoint",
    "mirrors",
    "plain_http",
    "insecure",
    "ca_file",
    "cert_dir",
    "cert_file",
    "key_file",
    "username",
    "password",
    "password_file",
    "password_env",
    "token",
    "token_file",
    "token_env",
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
    let mut registries: BTreeMap<String, RegistrySettings> = BTreeMap::new();
    let mut logins: Vec<(String, String, Login)> = Vec::new();
    let mut seen = BTreeSet::new();
    let nothing = Node::empty_mapping();
    for (key, value) in entries {
        let in_registry = |problem: Problem| match without_secrets(key) {
            Ok(key) => problem.at(value.locate(&[])).key(key),
            Err(_) => problem.at(value.locate(&[])),
        };
        let node = if value.is_null() { &nothing } else { value };
        let place = host_and_path(key).map_err(|problem| problems.push(in_registry(problem)));
        if let Ok((host, path)) = &place
            && !seen.insert((host.clone(), path.clone()))
        {
            let name = if path.is_empty() {
                host
            } else {
                &format!("{host}/{path}")
            };
            let text = format!("this is another name of {name}, expected one entry per registry");
            problems.push(in_registry(Problem::new(text)));
        }
        let has_path = place.as_ref().is_ok_and(|(_, path)| !path.is_empty());
        let read = if has_path {
            read_path(node).map(Read::Path)
        } else {
            read(node).map(Box::new).map(Read::Host)
        };
        match (place, read) {
            (Ok((host, _)), Ok(Read::Host(settings))) => {
                registries.insert(host, *settings);
            }
            (Ok((host, path)), Ok(Read::Path(login))) => logins.push((host, path, login)),
            (_, Err(of_registry)) => problems.append(of_registry.map(in_registry)),
            (Err(()), Ok(_)) => {}
        }
    }
    for (host, path, login) in logins {
        let settings = registries.entry(host).or_default();
        settings.paths.insert(path, login);
    }
    if problems.is_empty() {
        Ok(registries)
    } else {
        Err(problems)
    }
}

/// What one key has.
enum Read {
    Host(Box<RegistrySettings>),
    Path(Login),
}

/// The host that repositories have of the registry that a person calls so, as docker.io for index.docker.io. Fails with what
/// is wrong with the name.
pub fn registry_host(text: &str) -> Result<String, String> {
    host_key(text).map_err(|problem| problem.to_string())
}

fn host_key(text: &str) -> Result<String, Problem> {
    match host_and_path(text)? {
        (host, path) if path.is_empty() => Ok(host),
        _ => Err(Problem::new(
            "found more than a host, expected HOST or HOST:PORT",
        )),
    }
}

fn host_and_path(text: &str) -> Result<(String, String), Problem> {
    match without_secrets(text)?.parse().map_err(Problem::new)? {
        Location::Registry { host, prefix } => Ok((host, prefix)),
        Location::Folder(_) => Err(Problem::new(
            "found a folder, expected HOST, HOST:PORT or one of them with a path",
        )),
    }
}

/// What holds for the repositories below a path: nothing but who we are to them.
fn read_path(node: &Node) -> Result<Login, Problems> {
    let keys = Keys::of(node, "a mapping of credentials", &KEYS)?;
    for key in KEYS.iter().filter(|key| !login::KEYS.contains(key)) {
        if keys.node(key).is_some() {
            let text =
                "found for a path, expected it at the host alone; a path may have credentials";
            keys.report(Problem::new(text).key(key));
        }
    }
    let login = login::read(&keys);
    if login.username.is_none() && login.token.is_none() {
        let text =
            "found no credentials for this path, expected username with a password, or a token";
        keys.report(Problem::new(text));
    }
    keys.finish(Some(login))
}

fn read(node: &Node) -> Result<RegistrySettings, Problems> {
    let keys = Keys::of(node, "a mapping of a registry's settings", &KEYS)?;
    let text = |key| keys.get::<String>(key);
    let file = |key| keys.get::<PathBuf>(key);
    let max_connections: Option<Count<10_000>> = keys.get("max_connections");
    let Login {
        username,
        password,
        token,
    } = login::read(&keys);
    let settings = RegistrySettings {
        endpoint: text("endpoint").and_then(|text| keys.ok(endpoint(&text))),
        mirrors: keys
            .get("mirrors")
            .and_then(|texts: Vec<String>| keys.ok(mirrors(&texts)))
            .unwrap_or_default(),
        plain_http: keys.get("plain_http").unwrap_or(false),
        insecure: keys.get("insecure").unwrap_or(false),
        ca_file: file("ca_file"),
        cert_dir: file("cert_dir"),
        cert_file: file("cert_file"),
        key_file: file("key_file"),
        username,
        password,
        token,
        paths: BTreeMap::new(),
        token_realm: text("token_realm").and_then(|text| keys.ok(token_realm(&text))),
        allow_private: keys.get("allow_private").unwrap_or(false),
        max_connections: max_connections.map(Count::as_usize),
        chunk_size: keys.get("chunk_size").map(|Size(bytes)| bytes),
        proxy: keys
            .get("proxy")
            .and_then(|text: Secret| keys.ok(proxy(&text))),
    };
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
    keys.ok(login::pair(
        "cert_file",
        has("cert_file"),
        "key_file",
        has("key_file"),
    ));
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
