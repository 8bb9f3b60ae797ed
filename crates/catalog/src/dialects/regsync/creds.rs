//! The list `creds`: how registries are reached.

mod registry;

use std::collections::BTreeMap;

use image_sync_shared::image::reference::{DOCKER_HUB, Location};
use registry::{Registry, Said};

use super::template::{self, Names, no_fields};
use crate::dialects::translation::{Kind, Mapping, Translator};
use crate::problem::{Problem, without_secrets};

const KEYS: [&str; 22] = [
    "registry",
    "tls",
    "regcert",
    "clientCert",
    "clientKey",
    "hostname",
    "user",
    "pass",
    "token",
    "credHelper",
    "credExpire",
    "credHost",
    "pathPrefix",
    "mirrors",
    "priority",
    "repoAuth",
    "api",
    "apiOpts",
    "blobChunk",
    "blobMax",
    "reqPerSec",
    "reqConcurrent",
];
/// Keys that are taken over as texts, with the keys of which they are, as far as these are secrets.
const TEXTS: [(&str, &str); 12] = [
    ("user", "username"),
    ("pass", "password"),
    ("tls", "tls"),
    ("regcert", "ca_file"),
    ("clientCert", "cert_file"),
    ("clientKey", "secret"),
    ("hostname", "endpoint"),
    ("pathPrefix", "endpoint"),
    ("priority", "priority"),
    ("reqConcurrent", "max_connections"),
    ("blobChunk", "chunk_size"),
    ("blobMax", "chunk_size"),
];
/// Those of which the value may have templates.
const FILLED: [&str; 5] = ["user", "pass", "regcert", "clientCert", "clientKey"];
/// Keys of which the value may be in a file that is named instead.
const FILES: [(&str, &str); 4] = [
    ("pass", "password_file"),
    ("regcert", "ca_file"),
    ("clientCert", "cert_file"),
    ("clientKey", "key_file"),
];
const LEFT_OUT: [(&str, Kind, &str); 7] = [
    (
        "token",
        Kind::Missing,
        "it is an identity token, which belongs into Docker's config (identitytoken)",
    ),
    (
        "credExpire",
        Kind::LeftOut,
        "a credential helper is asked when credentials are needed",
    ),
    (
        "credHost",
        Kind::LeftOut,
        "Docker's config says which credential helper is asked by which name",
    ),
    (
        "reqPerSec",
        Kind::LeftOut,
        "reqConcurrent limits requests, and a registry that answers 429 is left alone as it says",
    ),
    ("api", Kind::LeftOut, "there is one API"),
    ("apiOpts", Kind::LeftOut, "there is one API"),
    (
        "scheme",
        Kind::LeftOut,
        "the tool that it is written for does not heed it either; tls says it",
    ),
];

/// Sets the registries.
pub(super) fn translate(root: &Mapping<'_>, to: &mut Translator<'_>) {
    let mut registries: BTreeMap<String, Registry> = BTreeMap::new();
    for (index, item) in root.items("creds", to).iter().enumerate() {
        let path = format!("creds[{index}]");
        let entry = Mapping::of(item, &path, "a mapping with registry");
        let Some(entry) = to.ok(item.place, entry.map_err(|problem| problem.key(&path))) else {
            continue;
        };
        entry.note_unknown(&[&KEYS[..], &["scheme"]].concat(), to);
        entry.note_repeated(to);
        let Some(name) = name(&entry, to) else {
            continue;
        };
        if let Some(known) = registries.get(&name) {
            let why = format!(
                "{name} is in {} too; both count, and where both say something the later one",
                known.path
            );
            to.note(Kind::Mapped, entry.place(), entry.key("registry"), why);
        }
        let registry = registries.entry(name.clone()).or_insert_with(|| Registry {
            path,
            place: entry.place(),
            said: BTreeMap::new(),
            mirrors: Vec::new(),
        });
        read(&entry, &name, registry, to);
    }
    let priorities: BTreeMap<String, u64> = registries
        .iter()
        .filter_map(|(name, registry)| {
            Some((name.clone(), registry.text("priority")?.parse().ok()?))
        })
        .collect();
    for (name, registry) in registries {
        let pairs = registry.pairs(&name, &priorities, to);
        if !pairs.is_empty() {
            to.registry(&name, pairs);
        }
    }
}

/// The registry that an entry is for, as `HOST` or `HOST/PATH`.
fn name(entry: &Mapping<'_>, to: &mut Translator<'_>) -> Option<String> {
    let key = entry.key("registry");
    let Some(node) = entry.node("registry") else {
        let why =
            "it names no registry, so that the tool that it is written for passes over it too";
        to.note(Kind::LeftOut, entry.place(), key, why);
        return None;
    };
    let text = entry.text("registry", to)?;
    let mut names = Names {
        to,
        key: "registry",
        fields: &no_fields,
        is_for_later: false,
    };
    let filled = names.fill(text);
    let checked = filled.and_then(|text| {
        let bare = text
            .trim_start_matches("https://")
            .trim_start_matches("http://");
        let bare = bare.trim_end_matches('/');
        if bare == "index.docker.io/v1" {
            return Ok(DOCKER_HUB.to_owned());
        }
        let location: Location = without_secrets(bare)?.parse().map_err(Problem::new)?;
        Ok(location.to_string())
    });
    to.ok(node.place, checked.map_err(|problem| problem.key(&key)))
}

/// Adds what one more entry says.
fn read(entry: &Mapping<'_>, name: &str, registry: &mut Registry, to: &mut Translator<'_>) {
    for (key, ours) in TEXTS {
        let Some(text) = entry.text(key, to).filter(|text| !text.is_empty()) else {
            continue;
        };
        let place = entry.node(key).map_or(entry.place(), |node| node.place);
        let file = template::only_file(text).filter(|_| FILES.iter().any(|(of, _)| *of == key));
        let is_file = file.is_some();
        let filled = if FILLED.contains(&key) && !is_file {
            let mut names = Names {
                to,
                key: ours,
                fields: &no_fields,
                is_for_later: false,
            };
            names.fill(text)
        } else {
            Ok(file.unwrap_or_else(|| text.to_owned()))
        };
        let filled = filled.map_err(|problem| problem.key(&entry.key(key)));
        let text = to.ok(place, filled).filter(|text| !text.is_empty());
        if let Some(text) = text {
            let said = Said {
                key: entry.key(key),
                text,
                place,
                is_file,
            };
            registry.said.insert(key, said);
        }
    }
    // They are looked at once more for what is no text.
    entry.texts("mirrors", to);
    let mirrors = entry.items("mirrors", to).iter();
    let mirrors: Vec<_> = mirrors
        .filter_map(|item| Some((item.text()?.to_owned(), item.place)))
        .collect();
    if !mirrors.is_empty() {
        registry.mirrors = mirrors;
    }
    for (key, kind, why) in LEFT_OUT {
        if let Some(node) = entry.node(key) {
            to.note(kind, node.place, entry.key(key), why);
        }
    }
    if let Some(helper) = entry
        .text("credHelper", to)
        .filter(|helper| !helper.is_empty())
    {
        let place = entry
            .node("credHelper")
            .map_or(entry.place(), |node| node.place);
        let helper = helper.strip_prefix("docker-credential-").unwrap_or(helper);
        let why = format!(
            "credential helpers belong into Docker's config: {{\"credHelpers\": {{\"{name}\": \"{helper}\"}}}}"
        );
        to.note(Kind::Missing, place, entry.key("credHelper"), why);
    }
}
