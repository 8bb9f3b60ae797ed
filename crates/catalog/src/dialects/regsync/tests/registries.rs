use std::fs;

use image_sync_shared::config::{PasswordSource, RegistrySettings};
use image_sync_shared::secret::Secret;

use super::super::super::samples::warnings;
use super::{error, read};
use crate::config_file::Parsed;

/// The settings of `name` by these entries of `creds`, and what is warned of.
fn settings(creds: &str, name: &str) -> (RegistrySettings, Vec<String>) {
    let parsed = of(creds);
    let settings = parsed.config.registries.get(name).cloned();
    (settings.unwrap_or_default(), warnings(&parsed))
}

fn of(creds: &str) -> Parsed {
    let variables = [
        ("HUB_USER", "me"),
        ("HUB_TOKEN", "mySecret"),
        ("EMPTY", ""),
        ("HOST", "h.io"),
    ];
    let step = "sync: [{source: 'a/b:1', target: 'x.io/b:1', type: image}]";
    read(&format!("creds: {creds}\n{step}\n"), &variables)
}

fn inline(text: &str) -> PasswordSource {
    PasswordSource::Inline(Secret::new(text))
}

#[test]
fn logins_are_taken_over_from_variables_and_files() {
    let creds =
        r#"[{registry: docker.io, user: "{{env \"HUB_USER\"}}", pass: "{{ env `HUB_TOKEN` }}"}]"#;
    let (hub, told) = settings(creds, "docker.io");
    assert_eq!(hub.username.as_deref(), Some("me"));
    assert_eq!(hub.password, Some(inline("mySecret")));
    assert_eq!(told, [""; 0]);
    let creds =
        r#"[{registry: registry-1.docker.io, user: u, pass: '{{file "/run/secrets/hub"}}'}]"#;
    let (hub, _) = settings(creds, "docker.io");
    assert_eq!(
        hub.password,
        Some(PasswordSource::File("/run/secrets/hub".into()))
    );
    let (named, _) = settings(
        r#"[{registry: '{{env "HOST"}}', user: u, pass: p}]"#,
        "h.io",
    );
    assert_eq!(named.password, Some(inline("p")));
}

#[test]
fn a_registry_that_is_named_twice_has_all_of_both_and_the_later_value() {
    let creds = "[{registry: a.io, user: x, pass: p1, reqConcurrent: 3}, {registry: a.io, pass: p2, tls: insecure}]";
    let (a, told) = settings(creds, "a.io");
    assert_eq!(
        (a.username.as_deref(), a.password),
        (Some("x"), Some(inline("p2")))
    );
    assert_eq!((a.max_connections, a.insecure), (Some(3), true));
    assert!(
        told[0].contains("creds[1].registry: a.io is in creds[0] too"),
        "{told:?}"
    );
}

#[test]
fn half_a_login_is_none_and_told() {
    for (creds, expected) in [
        (
            "[{registry: a.io, user: x}]",
            "creds[0].user is left out: there is no pass beside it, so that access is anonymous",
        ),
        (
            "[{registry: a.io, pass: x}]",
            "creds[0].pass is left out: there is no user beside it",
        ),
        (
            "[{registry: a.io, user: '{{env `EMPTY`}}', pass: x}]",
            "creds[0].pass is left out",
        ),
        (
            "[{user: x, pass: y}]",
            "creds[0].registry is left out: it names no registry",
        ),
    ] {
        let (a, told) = settings(creds, "a.io");
        assert_eq!((a.username, a.password), (None, None));
        assert!(told[0].contains(expected), "{told:?}");
    }
}

#[test]
fn tls_is_verified_unless_it_is_said() {
    for (creds, expected) in [
        ("[{registry: a.io, tls: enabled}]", (false, false)),
        ("[{registry: a.io, tls: insecure}]", (true, false)),
        ("[{registry: a.io, tls: disabled}]", (false, true)),
        ("[{registry: a.io, tls: Disabled}]", (false, true)),
    ] {
        let (a, _) = settings(creds, "a.io");
        assert_eq!((a.insecure, a.plain_http), expected, "{creds}");
    }
    let image = of("[]").images.iter().next().unwrap();
    assert_eq!(format!("{:?}", image.target_trust), "Verified");
}

#[test]
fn addresses_mirrors_and_limits_are_taken_over() {
    let creds = "[{registry: docker.io, mirrors: [m.io, first.io]}, {registry: m.io, pathPrefix: /proxy/hub/, priority: 2},
        {registry: first.io, priority: 1, tls: disabled}, {registry: b.io, hostname: 'b.internal:5000', tls: disabled},
        {registry: c.io, blobChunk: 1048576, blobMax: 52428800, reqConcurrent: 5},
        {registry: d.io, hostname: d.io, blobMax: -1, reqConcurrent: 0}]";
    let parsed = of(creds);
    let registries = &parsed.config.registries;
    assert_eq!(registries["docker.io"].mirrors, ["first.io", "m.io"]);
    assert_eq!(
        registries["m.io"].endpoint.as_deref(),
        Some("https://m.io/proxy/hub")
    );
    assert!(registries["first.io"].plain_http);
    let b = &registries["b.io"];
    let address = (b.endpoint.as_deref(), b.plain_http);
    assert_eq!(address, (Some("http://b.internal:5000"), false));
    let c = &registries["c.io"];
    assert_eq!(
        (c.chunk_size, c.max_connections),
        (Some(1_048_576), Some(5))
    );
    assert!(!registries.contains_key("d.io"));
    let told = warnings(&parsed);
    assert!(
        told[0].contains("creds[0].mirrors: they are in the order of their priority"),
        "{told:?}"
    );
}

#[test]
fn certificates_are_read_of_files_and_others_are_told() {
    let creds = "[{registry: a.io, regcert: '{{file `ca.pem`}}', clientCert: '{{ file \"me.pem\" }}', clientKey: '{{file \"me.key\"}}'}]";
    let (a, _) = settings(creds, "a.io");
    let files = (a.ca_file, a.cert_file, a.key_file);
    assert_eq!(
        files,
        (
            Some("ca.pem".into()),
            Some("me.pem".into()),
            Some("me.key".into())
        )
    );
    let creds = "[{registry: a.io, regcert: '-----BEGIN CERTIFICATE-----'}]";
    let (a, told) = settings(creds, "a.io");
    assert_eq!(a.ca_file, None);
    assert!(
        told[0]
            .contains("creds[0].regcert is left out: a certificate or key is read of a file here"),
        "{told:?}"
    );
}

#[test]
fn what_has_no_equal_at_a_registry_is_told() {
    let creds = "[{registry: a.io, token: t, credHelper: docker-credential-ecr-login, credExpire: 1h, credHost: x, repoAuth: true, reqPerSec: 5, api: x, apiOpts: {a: b}, scheme: http, colour: blue}]";
    let (_, told) = settings(creds, "a.io");
    for expected in [
        "creds[0].token is left out: it is an identity token",
        "creds[0].credHelper is left out: credential helpers belong into Docker's config: {\"credHelpers\": {\"a.io\": \"ecr-login\"}}",
        "creds[0].credExpire is left out: a credential helper is asked when",
        "creds[0].credHost is left out: Docker's config says",
        "creds[0].reqPerSec is left out: reqConcurrent limits requests",
        "creds[0].api is left out: there is one API",
        "creds[0].apiOpts is left out: there is one API",
        "creds[0].scheme is left out: the tool that it is written for does not heed it",
        "creds[0].colour is left out: the tool that it is written for does not know it",
    ] {
        assert!(
            told.iter().any(|told| told.contains(expected)),
            "{expected} in {told:#?}"
        );
    }
    assert_eq!(told.len(), 9, "{told:#?}");
}

#[test]
fn secrets_are_in_no_message() {
    let text =
        "creds: [{registry: a.io, user: u, pass: 'hunter2{{ printf hunter3 }}'}]\nsync: []\n";
    let told = error(text, &[]);
    assert!(
        told.contains("creds[0].pass: found a template that is not plain (it is not shown"),
        "{told}"
    );
    assert!(!told.contains("hunter"), "{told}");
}

#[test]
fn a_user_may_be_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("user");
    fs::write(&file, " me \n").unwrap();
    let creds = format!(
        "[{{registry: a.io, user: '{{{{file \"{}\"}}}}', pass: p}}]",
        file.display()
    );
    assert_eq!(settings(&creds, "a.io").0.username.as_deref(), Some("me"));
}
