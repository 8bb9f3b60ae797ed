//! Sources and targets of tasks: a registry, who we are there, and how far it is trusted.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image_sync_shared::image::reference::{self, DOCKER_HUB, canonical_host};
use serde::Deserialize;

use super::super::translation::{Kind, Mapping, Pairs, Translator};
use crate::document::Node;
use crate::problem::{Place, Problem, without_secrets};

const KEYS: [&str; 5] = [
    "registry",
    "auth",
    "auth-refresh",
    "skip-tls-verify",
    "lister",
];
const ECR_PUBLIC: &str = "public.ecr.aws";
const AUTH: &str =
    "this is no login, expected base64 of {\"username\": \"...\", \"password\": \"...\"}, or none";

/// A registry of a task.
pub(super) struct Location {
    /// As it is written, perhaps with the first components of its repositories.
    pub(super) registry: String,
    pub(super) place: Place,
    /// Whether its certificate is verified.
    pub(super) is_verified: bool,
    login: Option<Login>,
}

/// Who we are at a registry.
#[derive(Clone, PartialEq, Eq)]
struct Login {
    username: String,
    password: String,
    place: Place,
}

/// What `auth` holds.
#[derive(Deserialize)]
struct Auth {
    #[serde(alias = "Username")]
    username: String,
    #[serde(alias = "Password")]
    password: String,
}

impl Location {
    /// What the mapping says. `certificates` is the folder that has a folder for each registry.
    pub(super) fn read(
        mapping: &Mapping<'_>,
        certificates: Option<&str>,
        to: &mut Translator<'_>,
    ) -> Option<Self> {
        mapping.note_unknown(&KEYS, to);
        let login = login(mapping, to);
        let skips_verification = mapping.flag("skip-tls-verify", to) == Some(true);
        let registry = registry(mapping, to)?;
        let host = registry.split('/').next().unwrap_or_default();
        auth_refresh(mapping, host, to);
        if login.is_none() {
            without_login(mapping, host, to);
        }
        lister(mapping, to);
        let mut settings = Pairs::new();
        if skips_verification {
            settings.push(("insecure", at("true", mapping, "skip-tls-verify")));
        }
        if let Some(folder) = certificates {
            // Folders are called without the port there.
            let name = host.split(':').next().unwrap_or_default();
            let folder = format!("{}/{name}", folder.trim_end_matches('/'));
            settings.push(("cert_dir", Node::of_text(&folder)));
        }
        if !settings.is_empty() {
            to.registry(canonical_host(host), settings);
        }
        Some(Self {
            registry,
            place: mapping.place(),
            is_verified: !skips_verification,
            login,
        })
    }

    /// Its repository `path`.
    pub(super) fn repository(&self, path: &str) -> String {
        format!("{}/{path}", self.registry)
    }

    /// How a service of many users is called, which has no catalog of repositories.
    pub(super) fn without_catalog(&self) -> Option<&'static str> {
        match canonical_host(self.host()) {
            DOCKER_HUB => Some("Docker Hub"),
            "ghcr.io" => Some("GHCR"),
            "quay.io" => Some("Quay"),
            _ => None,
        }
    }

    pub(super) fn host(&self) -> &str {
        self.registry.split('/').next().unwrap_or_default()
    }
}

fn at(text: &str, mapping: &Mapping<'_>, key: &str) -> Node {
    let place = mapping.node(key).map_or(mapping.place(), |node| node.place);
    Node::of_text(text).at(place)
}

fn registry(mapping: &Mapping<'_>, to: &mut Translator<'_>) -> Option<String> {
    let key = mapping.key("registry");
    let Some(node) = mapping.node("registry") else {
        let missing = "missing, expected a registry as in quay.io";
        to.report(Problem::new(missing).key(&key).at(mapping.place()));
        return None;
    };
    let text = mapping.text("registry", to)?.trim_end_matches('/');
    let whole = without_account(text);
    if whole != text {
        let why = "account and region are not needed, as repositories are not made: they have to be there";
        to.note(Kind::Missing, node.place, &*key, why);
    }
    let text = whole;
    let checked = without_secrets(text).and_then(|text| {
        if text.contains("://") {
            return Err(Problem::new(
                "found a scheme, expected the registry alone, as in quay.io; skip-tls-verify: true allows plain HTTP",
            ));
        }
        match text.parse::<reference::Location>().map_err(Problem::new)? {
            reference::Location::Registry { .. } => Ok(text.to_owned()),
            reference::Location::Folder(_) => Err(Problem::new("found a folder, expected a registry as in quay.io")),
        }
    });
    to.ok(node.place, checked.map_err(|problem| problem.key(&key)))
}

/// The registry without the account and region with which dregsy makes repositories of ECR Public.
pub(super) fn without_account(registry: &str) -> &str {
    match registry.rsplit_once('@') {
        Some((_, host)) if host == ECR_PUBLIC => host,
        _ => registry,
    }
}

/// What `auth` says, which is never repeated.
fn login(mapping: &Mapping<'_>, to: &mut Translator<'_>) -> Option<Login> {
    let text = mapping
        .text("auth", to)
        .filter(|text| !matches!(*text, "none" | ""))?;
    let place = mapping
        .node("auth")
        .map_or(mapping.place(), |node| node.place);
    let decoded = BASE64_STANDARD.decode(text.trim()).ok();
    let auth = decoded.and_then(|json| serde_json::from_slice::<Auth>(&json).ok());
    let refused = || {
        let problem = Problem::new(AUTH).key(&mapping.key("auth"));
        problem.of_something_unknown()
    };
    let Auth { username, password } = to.ok(place, auth.ok_or_else(refused))?;
    Some(Login {
        username,
        password,
        place,
    })
}

fn auth_refresh(mapping: &Mapping<'_>, host: &str, to: &mut Translator<'_>) {
    let is_ecr = is_ecr(host);
    if let (Some(text), Some(node)) = (
        mapping.text("auth-refresh", to),
        mapping.node("auth-refresh"),
    ) {
        let key = mapping.key("auth-refresh");
        if humantime::parse_duration(text).is_err() {
            let told = format!("found {text:?}, expected a duration as in 10h");
            to.report(Problem::new(told).key(&key).at(node.place));
        } else if is_ecr {
            let why = format!(
                "Docker's config has the helper that gets credentials of ECR and renews them: {{\"credHelpers\": {{\"{host}\": \"ecr-login\"}}}}"
            );
            to.note(Kind::LeftOut, node.place, key, why);
        } else {
            let told = format!("found for {host}, expected it for a registry of AWS ECR alone");
            to.report(Problem::new(told).key(&key).at(node.place));
        }
    }
}

/// Tells of logins that dregsy gets from clouds by itself.
fn without_login(mapping: &Mapping<'_>, host: &str, to: &mut Translator<'_>) {
    let is_anonymous = mapping.node("auth").is_some();
    let helper = if is_ecr(host) && mapping.node("auth-refresh").is_none() {
        "ecr-login"
    } else if is_of_google(host) && !is_anonymous {
        "gcr"
    } else {
        return;
    };
    let why = format!(
        "credentials of the cloud are those of a helper in Docker's config: {{\"credHelpers\": {{\"{host}\": \"{helper}\"}}}}"
    );
    let node = mapping.node("registry");
    let place = node.map_or(mapping.place(), |node| node.place);
    to.note(Kind::Mapped, place, mapping.key("registry"), why);
}

/// How repositories are found: here by the registry's catalog alone.
fn lister(mapping: &Mapping<'_>, to: &mut Translator<'_>) {
    let Some(node) = mapping.node("lister") else {
        return;
    };
    let key = mapping.key("lister");
    let lister =
        Mapping::of(node, &key, "a mapping with type").map_err(|problem| problem.key(&key));
    let Some(lister) = to.ok(node.place, lister) else {
        return;
    };
    lister.note_unknown(&["type", "search"], to);
    match lister.text("type", to) {
        Some("catalog") => {}
        Some(kind @ ("dockerhub" | "index")) => {
            let why = format!(
                "repositories are found by the catalog of a registry alone, not by the lister {kind}; name each repository in from"
            );
            to.note(Kind::Missing, node.place, key, why);
        }
        found => {
            let found = found.map_or_else(String::new, |found| format!("found {found:?}, "));
            let told = format!("{found}expected catalog, dockerhub or index");
            to.report(Problem::new(told).key(&lister.key("type")).at(node.place));
        }
    }
}

/// Whether it is a registry of AWS ECR.
fn is_ecr(host: &str) -> bool {
    host == ECR_PUBLIC || host.contains(".dkr.ecr") && host.contains(".amazonaws.com")
}

fn is_of_google(host: &str) -> bool {
    host == "gcr.io" || host.ends_with(".gcr.io") || host.ends_with("-docker.pkg.dev")
}

/// Who we are where, of all tasks.
#[derive(Default)]
pub(super) struct Logins(Vec<Use>);

/// A login that a mapping needs.
struct Use {
    host: String,
    /// The repository, or the first components of several; empty for all.
    path: String,
    login: Login,
}

impl Logins {
    /// The repositories `path` of a location are worked.
    pub(super) fn add(&mut self, location: &Location, path: &str) {
        if let Some(login) = &location.login {
            let whole = location.repository(path);
            let (host, path) = whole.split_once('/').unwrap_or((&whole, ""));
            self.0.push(Use {
                host: canonical_host(host).to_owned(),
                path: path.trim_end_matches('/').to_owned(),
                login: login.clone(),
            });
        }
    }

    /// One login for a registry, or one for each repository where there are several.
    pub(super) fn settle(self, to: &mut Translator<'_>) {
        for used in &self.0 {
            let is_same = |other: &Use| is_one(&other.login, &used.login);
            let same_host = || self.0.iter().filter(|other| other.host == used.host);
            let name = if same_host().all(is_same) {
                used.host.clone()
            } else {
                let mut same_path = same_host().filter(|other| other.path == used.path);
                if used.path.is_empty() || !same_path.all(is_same) {
                    let other = same_host().find(|other| !is_same(other));
                    let line = other.map_or(0, |other| other.login.place.line);
                    let told = format!(
                        "found another login for {} than in line {line}, expected one login for each repository",
                        used.host
                    );
                    to.report(Problem::new(told).key("auth").at(used.login.place));
                    continue;
                }
                format!("{}/{}", used.host, used.path)
            };
            let Login {
                username,
                password,
                place,
            } = &used.login;
            let pairs = [("username", username), ("password", password)];
            let pairs = pairs.map(|(key, value)| (key, Node::of_text(value).at(*place)));
            to.registry(&name, pairs.into());
        }
    }
}

fn is_one(left: &Login, right: &Login) -> bool {
    (&left.username, &left.password) == (&right.username, &right.password)
}
