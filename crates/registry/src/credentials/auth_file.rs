//! Docker's `config.json` and podman's `auth.json` (containers-auth.json(5)), as far as they hold credentials.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use image_sync_shared::image::reference::{DOCKER_HUB, canonical_host};
use image_sync_shared::secret::Secret;
use image_sync_shared::text::excerpt;
use serde_json::{Map, Value};

use super::Identity;

/// Docker Hub's name in these files and to credential helpers.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
const OTHER_TYPE: &str = "a value of another type than expected";

/// One such file.
#[derive(Debug, Default)]
pub(super) struct AuthFile {
    /// By host, or host and leading path components.
    entries: BTreeMap<String, Entry<Identity>>,
    helpers: BTreeMap<String, Entry<String>>,
    store: Option<Entry<String>>,
    /// Entries without a secret, as Docker leaves them where a helper keeps it.
    kept_elsewhere: BTreeSet<String>,
}

/// What a member holds, or what is wrong with it: that concerns only who needs it.
type Entry<T> = Result<T, String>;

/// Where a file has the credentials for a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// In itself.
    Here(Identity),
    /// With a helper.
    Helper {
        /// What to ask which one.
        call: HelperCall,
        /// Whether the file says that the helper has some for this very registry.
        promised: bool,
    },
    /// In a member that cannot be understood, for this reason.
    Broken(String),
}

/// What to ask which helper.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct HelperCall {
    /// NAME in `docker-credential-NAME`.
    pub(super) helper: String,
    /// The registry, as helpers know it.
    pub(super) server: String,
}

impl AuthFile {
    /// Reads a file's text. What is empty or `null`, at any depth, counts as absent, and members that are not known are
    /// passed over.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        // Editors on Windows begin a file with a byte order mark.
        let text = text.trim_start_matches('\u{feff}').trim_end();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let raw: Value = serde_json::from_str(text).map_err(|error| describe(&error))?;
        let file = match raw {
            Value::Null => return Ok(Self::default()),
            Value::Object(file) => file,
            _ => return Err("it is no JSON object; expected one with auths".to_owned()),
        };
        let auths = members(&file, "auths")?;
        let helpers = members(&file, "credHelpers")?;
        for (key, helper) in helpers.into_iter().flatten() {
            check_helper(helper, || format!("credHelpers: {}", shown_key(key)))?;
        }
        let store = file.get("credsStore").unwrap_or(&Value::Null);
        check_helper(store, || "credsStore".to_owned())?;
        let empty = auths.into_iter().flatten();
        let empty = empty.filter(|(_, value)| matches!(identity(value), Ok(None)));
        Ok(Self {
            kept_elsewhere: empty.filter_map(|(key, _)| normal_key(key)).collect(),
            entries: by_repository(auths, |key, value| {
                identity(value).map_err(|why| format!("auths: {}: {why}", shown_key(key)))
            }),
            helpers: by_repository(helpers, |key, value| {
                text_of(value).map_err(|why| format!("credHelpers: {}: {why}", shown_key(key)))
            }),
            store: text_of(store)
                .map_err(|why| format!("credsStore: {why}"))
                .transpose(),
        })
    }

    /// What cannot be understood in it.
    pub(super) fn broken(&self) -> impl Iterator<Item = &str> {
        let entries = self
            .entries
            .values()
            .filter_map(|entry| entry.as_ref().err());
        let helpers = self.helpers.values().chain(&self.store);
        entries
            .chain(helpers.filter_map(|helper| helper.as_ref().err()))
            .map(String::as_str)
    }

    /// Where the credentials for the repository `name` of `host` are: with the host's own helper, in the file itself, or
    /// with the helper for all hosts.
    pub(super) fn find(&self, host: &str, name: &str) -> Option<Found> {
        let own_helper = self.helpers.get(host);
        let store = || {
            let promised = self.kept_elsewhere.contains(host);
            Some(called(self.store.as_ref()?, host, promised))
        };
        own_helper
            .map(|helper| called(helper, host, true))
            .or_else(|| self.entry(host, name).map(here))
            .or_else(store)
    }

    /// The entry with the longest path that leads to the repository.
    fn entry(&self, host: &str, name: &str) -> Option<&Entry<Identity>> {
        let full = format!("{host}/{name}");
        let mut key = full.as_str();
        loop {
            if let Some(entry) = self.entries.get(key) {
                return Some(entry);
            }
            key = key.rsplit_once('/')?.0;
        }
    }
}

fn here(entry: &Entry<Identity>) -> Found {
    match entry {
        Ok(identity) => Found::Here(identity.clone()),
        Err(why) => Found::Broken(why.clone()),
    }
}

/// Refuses the name of a helper that is none: what follows `docker-credential-` in the name of a program, and no path.
fn check_helper(helper: &Value, place: impl Fn() -> String) -> Result<(), String> {
    let helper = helper.as_str().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if helper.contains("..") || !helper.chars().all(is_plain) {
        let found = excerpt(helper);
        let expected = "expected NAME as in docker-credential-NAME, without a path";
        return Err(format!("{}: found {found:?}; {expected}", place()));
    }
    Ok(())
}

fn called(helper: &Entry<String>, host: &str, promised: bool) -> Found {
    let server = if host == DOCKER_HUB {
        DOCKER_HUB_KEY
    } else {
        host
    };
    match helper {
        Ok(helper) => Found::Helper {
            call: HelperCall {
                helper: helper.clone(),
                server: server.to_owned(),
            },
            promised,
        },
        Err(why) => Found::Broken(why.clone()),
    }
}

/// The members of the object that `file` has as `name`.
fn members<'f>(
    file: &'f Map<String, Value>,
    name: &str,
) -> Result<Option<&'f Map<String, Value>>, String> {
    match file.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(members)) => Ok(Some(members)),
        Some(_) => Err(format!("{name}: {OTHER_TYPE}; expected an object")),
    }
}

/// What `read` finds in each member, by the name that repositories have. Of two members with one such name, one that can
/// be understood counts.
fn by_repository<T>(
    members: Option<&Map<String, Value>>,
    read: impl Fn(&str, &Value) -> Result<Option<T>, String>,
) -> BTreeMap<String, Entry<T>> {
    let mut found = BTreeMap::new();
    for (key, value) in members.into_iter().flatten() {
        let (Some(name), Some(entry)) = (normal_key(key), read(key, value).transpose()) else {
            continue;
        };
        if entry.is_ok() || !found.contains_key(&name) {
            found.insert(name, entry);
        }
    }
    found
}

/// The text that a member is, or none where it has none.
fn text_of(value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        _ => Err(format!("{OTHER_TYPE}; expected a text")),
    }
}

/// None for the empty entry that Docker leaves where a helper keeps the secret.
fn identity(entry: &Value) -> Result<Option<Identity>, String> {
    let entry = match entry {
        Value::Null => return Ok(None),
        Value::Object(entry) => entry,
        _ => return Err(format!("{OTHER_TYPE}; expected an object")),
    };
    let member = |name: &str| {
        let value = entry.get(name).unwrap_or(&Value::Null);
        text_of(value).map_err(|why| format!("{name}: {why}"))
    };
    // Docker writes an `auth` beside it, whose password is empty.
    if let Some(token) = member("identitytoken")? {
        return Ok(Some(Identity::Token(Secret::new(token))));
    }
    // Wrapped as `base64` does it without being told otherwise.
    let auth = member("auth")?
        .unwrap_or_default()
        .replace(char::is_whitespace, "");
    if !auth.is_empty() {
        return decode(&auth).map(Some).map_err(str::to_owned);
    }
    let (username, password) = (member("username")?, member("password")?);
    if username.is_none() && password.is_none() {
        return Ok(None);
    }
    Ok(Some(Identity::Password {
        username: username.unwrap_or_default(),
        password: Secret::new(password.unwrap_or_default()),
    }))
}

fn decode(auth: &str) -> Result<Identity, &'static str> {
    let expected = "its auth is not the base64 of USER:PASSWORD";
    // Some tools leave the padding out.
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = GeneralPurpose::new(&STANDARD, config)
        .decode(auth)
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
    let normal = normal_key(key).unwrap_or_else(|| DOCKER_HUB.to_owned());
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

/// A key as repositories are named: `https://HOST/v1/` is the old form of `HOST`, and Docker Hub has several names. None
/// for what Docker keeps beside Docker Hub's password after a login in the browser, under `https://index.docker.io/v1/...`.
fn normal_key(key: &str) -> Option<String> {
    let without_scheme = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"));
    let place = without_scheme.unwrap_or(key).trim_end_matches('/');
    let (host, path) = place.split_once('/').unwrap_or((place, ""));
    let host = canonical_host(host);
    match path {
        "" | "v1" | "v2" => Some(host.to_owned()),
        _ if host == DOCKER_HUB && (without_scheme.is_some() || path.starts_with("v1/")) => None,
        _ if without_scheme.is_some() => Some(host.to_owned()),
        path => Some(format!("{host}/{path}")),
    }
}

/// The parser's own words could quote a secret.
fn describe(error: &serde_json::Error) -> String {
    format!(
        "line {} column {}: not valid JSON",
        error.line(),
        error.column()
    )
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

    fn helper(helper: &str, server: &str, promised: bool) -> Found {
        Found::Helper {
            call: HelperCall {
                helper: helper.to_owned(),
                server: server.to_owned(),
            },
            promised,
        }
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
            "registry.hub.docker.com",
            "https://registry.hub.docker.com/v2/",
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
            Some(helper("ecr-login", "h.example", true))
        );
        assert_eq!(
            file.find("r.example", "a"),
            Some(helper("own", "r.example", true))
        );
        assert_eq!(
            file.find("empty.example", "a"),
            Some(helper("desktop", "empty.example", true))
        );
        assert_eq!(
            file.find("none.example", "a"),
            Some(helper("desktop", "none.example", false))
        );
        assert_eq!(
            file.find("docker.io", "a"),
            Some(helper("desktop", DOCKER_HUB_KEY, false))
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
        for text in [r#"["hunter2"]"#, r#""hunter2""#, r#"{"auths":["hunter2"]}"#] {
            let wrong_type = refused(text);
            assert!(wrong_type.contains("object"), "{wrong_type}");
            assert!(!wrong_type.contains("hunter2"), "{wrong_type}");
        }
    }

    #[test]
    fn a_broken_entry_is_one_of_its_own_repositories_alone_and_quotes_nothing() {
        let text = r#"{"auths":{
            "type.example":{"auth":["hunter2"]},
            "base64.example":{"auth":"hunter2!"},
            "pair.example/team":{"auth":"aHVudGVyMg=="},
            "entry.example":"hunter2",
            "https://twice.example/v1/":{"auth":"hunter2!"},
            "twice.example":{"auth":"dTpw"},
            "r.example":{"auth":"dTpw"}},
            "credHelpers":{"helper.example":7}}"#;
        let file = AuthFile::parse(text).unwrap();
        let broken = |host: &str, name: &str| match file.find(host, name) {
            Some(Found::Broken(why)) => why,
            other => panic!("{host}: {other:?}"),
        };
        for (host, word) in [
            ("type.example", "another type"),
            ("base64.example", "USER:PASSWORD"),
            ("pair.example", "USER:PASSWORD"),
            ("entry.example", "another type"),
            ("helper.example", "another type"),
        ] {
            let why = broken(host, "team/app");
            assert!(why.contains(host) && why.contains(word), "{why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
        assert_eq!(file.broken().count(), 5);
        assert_eq!(file.find("pair.example", "other"), None);
        for host in ["r.example", "twice.example"] {
            assert_eq!(file.find(host, "a"), Some(password("u", "p")), "{host}");
        }
        let store = AuthFile::parse(r#"{"credsStore":["hunter2"]}"#).unwrap();
        let why = store.find("any.example", "a");
        assert!(
            matches!(&why, Some(Found::Broken(why)) if why.contains("credsStore")),
            "{why:?}"
        );
    }

    #[test]
    fn what_is_empty_or_null_counts_as_absent() {
        for text in [
            "",
            " \r\n",
            "\u{feff}",
            "null",
            "{}",
            r#"{"auths":null,"credHelpers":null,"credsStore":null,"plugins":{"a":1}}"#,
            r#"{"auths":{},"credsStore":""}"#,
            r#"{"auths":{"r.example":null}}"#,
            r#"{"auths":{"r.example":{"auth":null,"identitytoken":null,"email":"e"}}}"#,
            r#"{"auths":{"r.example":{"auth":" \n"}}}"#,
            r#"{"credHelpers":{"r.example":null}}"#,
        ] {
            let file = AuthFile::parse(text).unwrap();
            assert_eq!(file.find("r.example", "a"), None, "{text}");
            assert_eq!(file.broken().count(), 0, "{text}");
        }
        let text = r#"{"auths":{"r.example":{"auth":null,"username":"u","password":"p"}}}"#;
        let file = AuthFile::parse(text).unwrap();
        assert_eq!(file.find("r.example", "a"), Some(password("u", "p")));
    }

    #[test]
    fn base64_may_be_wrapped() {
        for auth in [r"dTpw\nOnc=", r"dTpw\r\nOnc=\r\n", " dTpw Onc= ", "dTpwOnc"] {
            let text = format!(r#"{{"auths":{{"r.example":{{"auth":"{auth}"}}}}}}"#);
            let file = AuthFile::parse(&text).unwrap();
            assert_eq!(
                file.find("r.example", "a"),
                Some(password("u", "p:w")),
                "{auth}"
            );
        }
    }

    #[test]
    fn the_tokens_of_a_login_in_the_browser_are_no_credentials_of_docker_hub() {
        let text = r#"{"auths":{
            "https://index.docker.io/v1/":{"auth":"dTpw"},
            "https://index.docker.io/v1/access-token":{"auth":"dTphY2Nlc3M="},
            "https://index.docker.io/v1/refresh-token":{"auth":"dTpyZWZyZXNo"}}}"#;
        let file = AuthFile::parse(text).unwrap();
        assert_eq!(
            file.find("docker.io", "library/a"),
            Some(password("u", "p"))
        );
        let alone = r#"{"auths":{"https://index.docker.io/v1/access-token":{"auth":"dTpw"}},
            "credHelpers":{"https://index.docker.io/v1/refresh-token":"own"}}"#;
        let alone = AuthFile::parse(alone).unwrap();
        assert_eq!(alone.find("docker.io", "library/a"), None);
        let store = r#"{"auths":{"https://index.docker.io/v1/":{},
            "https://index.docker.io/v1/access-token":{}},"credsStore":"desktop"}"#;
        let store = AuthFile::parse(store).unwrap();
        assert_eq!(
            store.find("docker.io", "library/a"),
            Some(helper("desktop", DOCKER_HUB_KEY, true))
        );
    }

    #[test]
    fn a_key_in_which_a_password_may_stand_is_not_shown() {
        let broken = |text: &str| {
            let file = AuthFile::parse(text).unwrap();
            let why: Vec<String> = file.broken().map(str::to_owned).collect();
            why.concat()
        };
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
            let error = broken(&format!(r#"{{"auths":{{"{key}":{{"auth":"!"}}}}}}"#));
            assert!(
                error.contains("base64") && !error.contains("hunter2"),
                "{error}"
            );
            let error = broken(&format!(r#"{{"credHelpers":{{"{key}":["hunter2"]}}}}"#));
            assert!(
                error.contains("another type") && !error.contains("hunter2"),
                "{error}"
            );
        }
        assert!(
            broken(r#"{"auths":{"https://[::1]:5000/v1/":{"auth":"!"}}}"#).contains("[::1]:5000")
        );
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
        assert_eq!(found, Some(helper("acr-env_2.x", "r.example", false)));
    }
}
