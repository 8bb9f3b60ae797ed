//! What holds for one registry.

use std::collections::BTreeMap;

use image_sync_shared::config::{PasswordSource, ProxySetting, RegistrySettings};
use image_sync_shared::reference::Location;
use image_sync_shared::secret::Secret;

use super::problem::{Problem, without_secrets};
use super::raw::{RawRegistries, RawRegistry};
use super::values::Count;

const URL: &str =
    "https://HOST[:PORT][/PATH] or http://HOST[:PORT][/PATH], without a user name or a password";
const NO_API: &str = "found /v2 in its path, expected only what stands after it and before the repositories, as in harbor.example/proxy-hub";

/// All registries, by the host that their repositories have.
pub(super) fn resolve_all(
    raw: RawRegistries,
) -> Result<BTreeMap<String, RegistrySettings>, Problem> {
    let mut registries = BTreeMap::new();
    for (key, raw) in raw.0 {
        let host = host_key(&key).map_err(|problem| problem.key(&key))?;
        let settings = resolve(raw.merged()).map_err(|problem| problem.key(&key))?;
        if registries.insert(host.clone(), settings).is_some() {
            let text = format!("this is another name of {host}, expected one entry per registry");
            return Err(Problem::new(text).key(&key));
        }
    }
    Ok(registries)
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

fn resolve(raw: RawRegistry) -> Result<RegistrySettings, Problem> {
    let has_mirrors = raw
        .mirrors
        .as_ref()
        .is_some_and(|mirrors| !mirrors.is_empty());
    if raw.endpoint.is_some() && has_mirrors {
        let text = "found endpoint beside it, expected one of the two: an endpoint replaces the host, mirrors go before it";
        return Err(Problem::new(text).key("mirrors"));
    }
    pair(
        "cert_file",
        raw.cert_file.is_some(),
        "key_file",
        raw.key_file.is_some(),
    )?;
    let mut settings = RegistrySettings {
        endpoint: raw.endpoint.as_deref().map(endpoint).transpose()?,
        mirrors: mirrors(&raw.mirrors.unwrap_or_default())?,
        plain_http: raw.plain_http.unwrap_or(false),
        insecure: raw.insecure.unwrap_or(false),
        ca_file: raw.ca_file,
        cert_file: raw.cert_file,
        key_file: raw.key_file,
        username: raw.username,
        password: None,
        token_realm: raw.token_realm.as_deref().map(token_realm).transpose()?,
        allow_private: raw.allow_private.unwrap_or(false),
        max_connections: raw.max_connections.map(Count::as_usize),
        chunk_size: raw.chunk_size.map(|size| size.0),
        proxy: raw.proxy.as_ref().map(proxy).transpose()?,
    };
    let sources = [
        raw.password
            .map(|secret| ("password", PasswordSource::Inline(secret))),
        raw.password_file
            .map(|path| ("password_file", PasswordSource::File(path))),
        raw.password_env
            .map(|name| ("password_env", PasswordSource::Env(name))),
    ];
    settings.password = password(sources)?;
    pair(
        "username",
        settings.username.is_some(),
        "a password",
        settings.password.is_some(),
    )?;
    Ok(settings)
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
