//! Docker's `config.json` and podman's `auth.json` (containers-auth.json(5)), as far as they hold credentials.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use image_sync_shared::reference::DOCKER_HUB;
use image_sync_shared::secret::Secret;
use image_sync_shared::text::excerpt;
use serde::Deserialize;

use super::Identity;

/// Docker Hub's name in these files and to credential helpers.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// One such file.
#[derive(Debug, Default)]
pub(super) struct AuthFile {
    /// By host, or host and leading path components.
    entries: BTreeMap<String, Identity>,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
}

/// Where a file has the credentials for a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// In itself.
    Here(Identity),
    /// With the program `docker-credential-NAME`.
    Helper(HelperCall),
}

/// What to ask which helper.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct HelperCall {
    /// NAME in `docker-credential-NAME`.
    pub(super) helper: String,
    /// The registry, as helpers know it.
    pub(super) server: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFile {
    auths: Option<BTreeMap<String, RawEntry>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawEntry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl AuthFile {
    /// Reads a file's text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let raw: RawFile = serde_json::from_str(text).map_err(|error| describe(&error))?;
        let mut entries = BTreeMap::new();
        for (key, entry) in raw.auths.unwrap_or_default() {
            if let Some(identity) = entry
                .identity()
                .map_err(|why| format!("auths: {}: {why}", shown_key(&key)))?
            {
                entries.insert(normal_key(&key), identity);
            }
        }
        let mut helpers = BTreeMap::new();
        for (key, helper) in raw.cred_helpers.unwrap_or_default() {
            let place = || format!("credHelpers: {}", shown_key(&key));
            if let Some(helper) = plain(helper, place)? {
                helpers.insert(normal_key(&key), helper);
            }
        }
        let store = raw.creds_store.unwrap_or_default();
        Ok(Self {
            entries,
            helpers,
            store: plain(store, || "credsStore".to_owned())?,
        })
    }

    /// Where the credentials for the repository `name` of `host` are: with the host's own helper, in the file itself, or
    /// with the helper for all hosts.
    pub(super) fn find(&self, host: &str, name: &str) -> Option<Found> {
        let helper = |helper: &String| {
            let server = if host == DOCKER_HUB {
                DOCKER_HUB_KEY
            } else {
                host
            };
            Found::Helper(HelperCall {
                helper: helper.clone(),
                server: server.to_owned(),
            })
        };
        let own_helper = self.helpers.get(host).map(helper);
        own_helper
            .or_else(|| self.entry(host, name).cloned().map(Found::Here))
            .or_else(|| self.store.as_ref().map(helper))
    }

    /// The entry with the longest path that leads to the repository.
    fn entry(&self, host: &str, name: &str) -> Option<&Identity> {
        let full = format!("{host}/{name}");
        let mut key = full.as_str();
        loop {
            if let Some(identity) = self.entries.get(key) {
                return Some(identity);
            }
            key = key.rsplit_once('/')?.0;
        }
    }
}

impl RawEntry {
    /// None for the empty entry that Docker leaves where a helper keeps the secret.
    fn identity(self) -> Result<Option<Identity>, &'static str> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Identity::Token(Secret::new(self.identitytoken))));
        }
        if !self.auth.is_empty() {
            return decode(&self.auth).map(Some);
        }
        if self.username.is_empty() && self.password.is_empty() {
            return Ok(None);
        }
        Ok(Some(Identity::Password {
            username: self.username,
            password: Secret::new(self.password),
        }))
    }
}

/// The name of a helper, if there is one: what follows `docker-credential-` in the name of a program, and no path.
fn plain(helper: String, place: impl Fn() -> String) -> Result<Option<String>, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if helper.contains("..") || !helper.chars().all(is_plain) {
        let found = excerpt(&helper);
        let expected = "expected NAME as in docker-credential-NAME, without a path";
        return Err(format!("{}: found {found:?}; {expected}", place()));
    }
    Ok(Some(helper).filter(|helper| !helper.is_empty()))
}

fn decode(auth: &str) -> Result<Identity, &'static str> {
    let expected = "its auth is not the base64 of USER:PASSWORD";
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = GeneralPurpose::new(&STANDARD, config)
        .decode(auth.trim())
        .map_err(|_hidden| expected)?;
    let text = String::from_utf8(decoded).map_err(|_hidden| expected)?;
    let (username, password) = text.split_once(':').ok_or(expected)?;
    Ok(Identity::Password {
        username: username.to_owned(),
        // Docker once padded it.
        password: Secret::new(password.trim_end_matches('\0')),
    })
}

/// A key as an error shows it: no more of it than its host and path, and no key in which a password may stand, as in a URL
/// that was pasted with one.
fn shown_key(key: &str) -> String {
    let normal = normal_key(key);
    let (host, path) = normal.split_once('/').unwrap_or((&normal, ""));
    let is_plain = |text: &str, others: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || others.contains(c))
    };
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let is_port = port.is_empty() || port.parse::<u16>().is_ok();
    if is_port && is_plain(name, ".-[]:") && is_plain(path, "._-/") {
        format!("{:?}", excerpt(&normal))
    } else {
        "a key that is no HOST and no HOST/PATH (not shown, as it may hold a password)".to_owned()
    }
}

/// A key as repositories are named: `https://HOST/v1/` is the old form of `HOST`, and Docker Hub has several names.
fn normal_key(key: &str) -> String {
    let without_scheme = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"));
    let key = match without_scheme {
        Some(rest) => rest.split('/').next().unwrap_or_default(),
        None => key.trim_end_matches('/'),
    };
    let (host, path) = key
        .split_once('/')
        .map_or((key, None), |(host, path)| (host, Some(path)));
    let host = match host {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
        other => other,
    };
    match path {
        None | Some("v1" | "v2") => host.to_owned(),
        Some(path) => format!("{host}/{path}"),
    }
}

/// The parser's own words could quote a secret.
fn describe(error: &serde_json::Error) -> String {
    let kind = if error.is_data() {
        "a value of another type than expected"
    } else {
        "not valid JSON"
    };
    format!("line {} column {}: {kind}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(username: &str, password: &str) -> Found {
        Found::Here(Identity::Password {
            username: username.to_owned(),
            password: Secret::new(password),
        })
    }

    fn helper(helper: &str, server: &str) -> Found {
        Found::Helper(HelperCall {
            helper: helper.to_owned(),
            server: server.to_owned(),
        })
    }

    #[test]
    fn finds_a_host_under_all_its_names() {
        for key in [
            "r.example",
            "https://r.example",
            "http://r.example/",
            "https://r.example/v1/",
            "r.example/v2/",
        ] {
            let file =
                AuthFile::parse(&format!(r#"{{"auths":{{"{key}":{{"auth":"dTpwOnc="}}}}}}"#))
                    .unwrap();
            assert_eq!(
                file.find("r.example", "a/b"),
                Some(password("u", "p:w")),
                "{key}"
            );
            assert_eq!(file.find("r.example:5000", "a/b"), None, "{key}");
        }
        for key in [
            "https://index.docker.io/v1/",
            "docker.io",
            "index.docker.io",
            "registry-1.docker.io",
        ] {
            let file = AuthFile::parse(&format!(r#"{{"auths":{{"{key}":{{"auth":"dTpwdw"}}}}}}"#))
                .unwrap();
            assert_eq!(
                file.find("docker.io", "library/a"),
                Some(password("u", "pw")),
                "{key}"
            );
        }
    }

    #[test]
    fn the_longest_path_wins() {
        let text = r#"{"auths":{
            "r.example":{"username":"all","password":"1"},
            "r.example/team":{"username":"team","password":"2"},
            "r.example/team/app":{"username":"app","password":"3"}}}"#;
        let file = AuthFile::parse(text).unwrap();
        assert_eq!(file.find("r.example", "other"), Some(password("all", "1")));
        assert_eq!(file.find("r.example", "teams"), Some(password("all", "1")));
        assert_eq!(
            file.find("r.example", "team/x"),
            Some(password("team", "2"))
        );
        assert_eq!(
            file.find("r.example", "team/app/deep"),
            Some(password("app", "3"))
        );
    }

    #[test]
    fn helpers_come_before_entries_and_the_store_after() {
        let text = r#"{"auths":{"r.example":{"auth":"dTpw"},"empty.example":{}},
            "credHelpers":{"h.example":"ecr-login","r.example":"own","none.example":""},
            "credsStore":"desktop", "currentContext":"default"}"#;
        let file = AuthFile::parse(text).unwrap();
        assert_eq!(
            file.find("h.example", "a"),
            Some(helper("ecr-login", "h.example"))
        );
        assert_eq!(
            file.find("r.example", "a"),
            Some(helper("own", "r.example"))
        );
        assert_eq!(
            file.find("empty.example", "a"),
            Some(helper("desktop", "empty.example"))
        );
        assert_eq!(
            file.find("none.example", "a"),
            Some(helper("desktop", "none.example"))
        );
        assert_eq!(
            file.find("docker.io", "a"),
            Some(helper("desktop", DOCKER_HUB_KEY))
        );
    }

    #[test]
    fn identity_tokens_are_no_passwords() {
        let text = r#"{"auths":{"r.example":{"auth":"MDA6","identitytoken":"t"}}}"#;
        let file = AuthFile::parse(text).unwrap();
        let token = Found::Here(Identity::Token(Secret::new("t")));
        assert_eq!(file.find("r.example", "a"), Some(token));
    }

    #[test]
    fn what_cannot_be_read_says_where_and_quotes_nothing() {
        let refused = |text: &str| AuthFile::parse(text).unwrap_err();
        assert_eq!(
            refused("{\n \"auths\": hunter2"),
            "line 2 column 11: not valid JSON"
        );
        let wrong_type = refused(r#"{"auths":{"r":{"auth":["hunter2"]}}}"#);
        assert!(wrong_type.contains("another type"), "{wrong_type}");
        let not_base64 = refused(r#"{"auths":{"r.example":{"auth":"hunter2!"}}}"#);
        assert!(
            not_base64.contains("r.example") && !not_base64.contains("hunter2"),
            "{not_base64}"
        );
        assert!(refused(r#"{"auths":{"r":{"auth":"aHVudGVyMg=="}}}"#).contains("USER:PASSWORD"));
        for key in [
            "https://bob:hunter2@r.example",
            "bob:hunter2@r.example/v1/",
            "//bob:hunter2@r.example",
            "bob:hunter2",
            "https://r.example?token=hunter2",
            "r.example/a?token=hunter2",
            "r.example hunter2",
            "r.example/a#hunter2",
        ] {
            let error = refused(&format!(r#"{{"auths":{{"{key}":{{"auth":"!"}}}}}}"#));
            assert!(
                error.contains("base64") && !error.contains("hunter2"),
                "{error}"
            );
        }
        assert!(
            refused(r#"{"auths":{"https://[::1]:5000/v1/":{"auth":"!"}}}"#).contains("[::1]:5000")
        );
        assert!(AuthFile::parse("{}").unwrap().find("r", "a").is_none());
        assert!(AuthFile::parse(r#"{"auths":null}"#).is_ok());
    }

    #[test]
    fn a_helper_is_a_plain_name_and_no_path() {
        for helper in [
            "../evil",
            "/bin/sh",
            "a\\\\b",
            "a\\u0000b",
            "..",
            "a b",
            "x;y",
            "ü",
        ] {
            for (text, place) in [
                (
                    format!(r#"{{"credsStore":"{helper}"}}"#),
                    "credsStore: found ",
                ),
                (
                    format!(r#"{{"credHelpers":{{"r.example":"{helper}"}}}}"#),
                    "credHelpers: \"r.example\": found ",
                ),
            ] {
                let told = AuthFile::parse(&text).unwrap_err();
                assert!(told.starts_with(place), "{told}");
                assert!(told.ends_with("without a path"), "{told}");
            }
        }
        let text = r#"{"credsStore":"acr-env_2.x"}"#;
        let found = AuthFile::parse(text).unwrap().find("r.example", "a");
        assert_eq!(found, Some(helper("acr-env_2.x", "r.example")));
    }
}
