//! The mapping `webhooks`: who may send events, and how that is proven.

use std::path::PathBuf;

use image_sync_shared::config::webhooks::{
    OidcKeys, OidcProof, SecretProof, Sender, WebhookProof, WebhookSettings, Webhooks,
};

use super::registries::registry_host;
use crate::document::{Content, Keys, Node};
use crate::problem::{Problem, Problems};

const EXPECTED: &str = "a mapping of senders to their settings";
const EXPECTED_SENDER: &str = "a mapping with secret_file, or a list of such mappings";
const EXPECTED_API: &str = "a mapping with secret_file";
const EXPECTED_OIDC: &str = "a mapping with audience and email";
/// Where Google has its keys, and what it calls itself (Google Cloud, "Authentication for push subscriptions").
const GOOGLE_ISSUER: &str = "https://accounts.google.com";
const GOOGLE_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// The senders, and `api` for scripts.
pub(super) const KEYS: [&str; 11] = [
    "distribution",
    "harbor",
    "dockerhub",
    "quay",
    "github",
    "zot",
    "ecr",
    "gcp",
    "acr",
    "generic",
    "api",
];
pub(super) const SENDER_KEYS: [&str; 6] = [
    "registry",
    "secret_file",
    "username",
    "header",
    "client_certificate",
    "oidc",
];
pub(super) const API_KEYS: [&str; 1] = ["secret_file"];
pub(super) const OIDC_KEYS: [&str; 5] = ["issuer", "audience", "email", "keys_file", "keys_url"];

pub(super) fn read(node: &Node) -> Result<Webhooks, Problems> {
    let keys = Keys::of(node, EXPECTED, &KEYS)?;
    let mut webhooks = Webhooks::default();
    for sender in Sender::ALL {
        let settings = keys.nested(sender.name(), |node| several(sender, node));
        if let Some(settings) = settings {
            webhooks.senders.insert(sender, settings);
        }
    }
    webhooks.api_secret_file = keys.nested("api", api);
    keys.finish(Some(webhooks))
}

fn api(node: &Node) -> Result<PathBuf, Problems> {
    let keys = Keys::of(node, EXPECTED_API, &API_KEYS)?;
    let file = secret_file(&keys);
    keys.finish(file)
}

/// One sender, or one for each of its registries.
fn several(sender: Sender, node: &Node) -> Result<Vec<WebhookSettings>, Problems> {
    let Content::Sequence(items) = node.content() else {
        return Ok(vec![one(sender, node)?]);
    };
    let mut problems = Problems::default();
    let mut all = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match one(sender, item) {
            Ok(settings) => all.push(settings),
            Err(of_item) => problems.append(of_item.map(|problem| problem.index(index))),
        }
    }
    if problems.is_empty() {
        Ok(all)
    } else {
        Err(problems)
    }
}

fn one(sender: Sender, node: &Node) -> Result<WebhookSettings, Problems> {
    let keys = Keys::of(node, EXPECTED_SENDER, &SENDER_KEYS)?;
    let registry = keys.get("registry").and_then(|text: String| {
        let host = registry_host(&text);
        keys.ok(host.map_err(|why| Problem::new(why).key("registry")))
    });
    let able = [
        ("username", has_headers(sender)),
        ("header", has_headers(sender) && sender != Sender::Harbor),
        ("client_certificate", has_certificate(sender)),
    ];
    for (key, is_able) in able {
        if keys.node(key).is_some() && !is_able {
            let text = format!("found for {sender}, which cannot be told to send it");
            keys.report(Problem::new(text).key(key));
        }
    }
    let proof = proof(sender, &keys);
    let settings = proof.map(|proof| WebhookSettings { registry, proof });
    keys.finish(settings)
}

/// Whether it sends a header that it is told to send.
fn has_headers(sender: Sender) -> bool {
    use Sender::{Acr, Distribution, Ecr, Generic, Harbor, Zot};
    matches!(sender, Acr | Distribution | Ecr | Generic | Harbor | Zot)
}

/// Whether it can have a certificate of its own.
fn has_certificate(sender: Sender) -> bool {
    matches!(sender, Sender::Quay | Sender::Zot | Sender::Generic)
}

fn proof(sender: Sender, keys: &Keys<'_>) -> Option<WebhookProof> {
    if keys.node("oidc").is_some() || sender == Sender::Gcp {
        return oidc_of(sender, keys).map(WebhookProof::Oidc);
    }
    if keys.get("client_certificate") == Some(true) {
        if keys.node("secret_file").is_some() {
            let text = "found client_certificate beside it, expected one of them";
            keys.report(Problem::new(text).key("secret_file"));
        }
        return Some(WebhookProof::ClientCertificate);
    }
    Some(WebhookProof::Secret(SecretProof {
        file: secret_file(keys)?,
        username: keys.get("username"),
        header: keys.get("header").and_then(|name| keys.ok(header(name))),
    }))
}

fn secret_file(keys: &Keys<'_>) -> Option<PathBuf> {
    if keys.node("secret_file").is_none() {
        let text = "missing, expected the file with the secret that its sender has too";
        keys.report(Problem::new(text).key("secret_file"));
    }
    keys.get("secret_file")
}

/// The name of a header (RFC 9110, section 5.1).
fn header(name: String) -> Result<String, Problem> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_token) {
        return Ok(name);
    }
    let text = format!("found {name:?}, expected the name of a header as in X-Api-Key");
    Err(Problem::new(text).key("header"))
}

fn oidc_of(sender: Sender, keys: &Keys<'_>) -> Option<OidcProof> {
    if !matches!(sender, Sender::Gcp | Sender::Generic) {
        let text = format!("found for {sender}, which sends no such token, expected secret_file");
        keys.report(Problem::new(text).key("oidc"));
        return None;
    }
    for key in ["secret_file", "client_certificate"] {
        if keys.node(key).is_some() {
            let text = "found beside or in place of oidc, expected oidc alone: its sender signs a token for each event";
            keys.report(Problem::new(text).key(key));
        }
    }
    if keys.node("oidc").is_none() {
        let text = "missing, expected audience and email of the subscription";
        keys.report(Problem::new(text).key("oidc"));
    }
    keys.nested("oidc", oidc)
}

fn oidc(node: &Node) -> Result<OidcProof, Problems> {
    let keys = Keys::of(node, EXPECTED_OIDC, &OIDC_KEYS)?;
    for key in ["audience", "email"] {
        if keys.node(key).is_none() {
            let text = "missing, as a token for anybody else would be accepted";
            keys.report(Problem::new(text).key(key));
        }
    }
    let (file, url) = (keys.get("keys_file"), keys.get("keys_url"));
    let keys_are = match (file, url) {
        (Some(_), Some(_)) => {
            let text = "found keys_file beside it, expected one of them";
            keys.report(Problem::new(text).key("keys_url"));
            None
        }
        (Some(file), None) => Some(OidcKeys::File(file)),
        (None, url) => keys.ok(keys_url(url)).map(OidcKeys::Url),
    };
    let text = |key| keys.get::<String>(key).unwrap_or_default();
    let proof = keys_are.map(|keys_are| OidcProof {
        issuer: keys
            .get("issuer")
            .unwrap_or_else(|| GOOGLE_ISSUER.to_owned()),
        audience: text("audience"),
        email: text("email"),
        keys: keys_are,
    });
    keys.finish(proof)
}

fn keys_url(url: Option<String>) -> Result<String, Problem> {
    let url = url.unwrap_or_else(|| GOOGLE_KEYS.to_owned());
    if url.starts_with("https://") {
        return Ok(url);
    }
    let text =
        format!("found {url:?}, expected https://HOST/PATH, as whoever changes them is believed");
    Err(Problem::new(text).key("keys_url"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_file::parse;

    fn read(webhooks: &str) -> Result<Webhooks, String> {
        let text = format!("cache_registry: localhost:5000\nimages: []\nwebhooks:\n{webhooks}\n");
        let parsed = parse(&text, "c.yaml").map_err(|error| error.to_string())?;
        Ok(parsed.config.webhooks)
    }

    fn secret(file: &str) -> WebhookProof {
        WebhookProof::Secret(SecretProof {
            file: file.into(),
            username: None,
            header: None,
        })
    }

    #[test]
    fn each_sender_has_its_secret() {
        let names = Sender::ALL.iter().filter(|sender| **sender != Sender::Gcp);
        for sender in names {
            let text =
                format!("  {sender}: {{secret_file: /run/secrets/x, registry: 'r.example:5000'}}");
            let settings = &read(&text).unwrap().senders[sender];
            let expected = WebhookSettings {
                registry: Some("r.example:5000".to_owned()),
                proof: secret("/run/secrets/x"),
            };
            assert_eq!(settings, &[expected], "{sender}");
        }
        assert_eq!(read("  {}").unwrap(), Webhooks::default());
        let api = read("  api: {secret_file: a}").unwrap().api_secret_file;
        assert_eq!(api, Some("a".into()));
    }

    #[test]
    fn a_sender_of_several_registries_is_a_list() {
        let text = "  acr:\n  - {registry: a.example, secret_file: a}\n  - {registry: b.example, secret_file: b, header: X-Key}";
        let settings = &read(text).unwrap().senders[&Sender::Acr];
        assert_eq!(settings.len(), 2);
        let WebhookProof::Secret(proof) = &settings[1].proof else {
            panic!("{settings:?}")
        };
        assert_eq!(proof.header.as_deref(), Some("X-Key"));
        assert_eq!(settings[1].registry.as_deref(), Some("b.example"));
    }

    #[test]
    fn tokens_of_google_are_known_by_audience_and_email() {
        let text = "  gcp: {oidc: {audience: image-sync, email: push@p.iam.gserviceaccount.com}}";
        let expected = |keys| {
            WebhookProof::Oidc(OidcProof {
                issuer: GOOGLE_ISSUER.to_owned(),
                audience: "image-sync".to_owned(),
                email: "push@p.iam.gserviceaccount.com".to_owned(),
                keys,
            })
        };
        let proof = |text| read(text).unwrap().senders[&Sender::Gcp][0].proof.clone();
        assert_eq!(proof(text), expected(OidcKeys::Url(GOOGLE_KEYS.to_owned())));
        let text = text.replace("audience", "keys_file: k.json, audience");
        assert_eq!(proof(&text), expected(OidcKeys::File("k.json".into())));
    }

    #[test]
    fn a_client_certificate_takes_the_place_of_a_secret() {
        let text = "  quay: {client_certificate: true}";
        let settings = &read(text).unwrap().senders[&Sender::Quay];
        assert_eq!(settings[0].proof, WebhookProof::ClientCertificate);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expected) in [
            ("  nobody: {}", "unknown key \"nobody\""),
            ("  quay: {}", "webhooks.quay.secret_file: missing"),
            ("  api: {}", "webhooks.api.secret_file: missing"),
            ("  quay: text", "expected a mapping with secret_file"),
            ("  quay: {secret: a}", "unknown key \"secret\""),
            (
                "  quay: {secret_file: a, header: X}",
                "which cannot be told to send it",
            ),
            (
                "  github: {secret_file: a, username: u}",
                "webhooks.github.username",
            ),
            (
                "  harbor: {secret_file: a, header: 'a b'}",
                "the name of a header",
            ),
            (
                "  harbor: {secret_file: a, registry: 'https://x'}",
                "webhooks.harbor.registry",
            ),
            (
                "  quay: {secret_file: a, client_certificate: true}",
                "expected one of them",
            ),
            (
                "  quay: {oidc: {audience: a, email: b}}",
                "sends no such token",
            ),
            ("  gcp: {secret_file: a}", "webhooks.gcp.oidc: missing"),
            (
                "  gcp: {oidc: {audience: a}}",
                "webhooks.gcp.oidc.email: missing",
            ),
            (
                "  gcp: {oidc: {audience: a, email: b, keys_url: 'http://x'}}",
                "expected https://",
            ),
            (
                "  gcp: {oidc: {audience: a, email: b, keys_file: x, keys_url: 'https://x'}}",
                "keys_file beside it",
            ),
            (
                "  harbor: [{secret_file: a}, {}]",
                "webhooks.harbor[1].secret_file",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.contains("c.yaml:"), "{error}");
        }
    }
}
