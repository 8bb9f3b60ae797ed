//! What registries have of their own.

use std::path::PathBuf;

use image_sync_shared::config::{Login, PasswordSource, ProxySetting, RegistrySettings};
use image_sync_shared::secret::Secret;

use super::meaning::config;

const FOUR: &str = "
cache_registry: harbor.example/mirror
images: []
registries:
  index.docker.io:
    mirrors: ['mirror.example:5000', 'http://other.example/', harbor.example/proxy-hub, 'https://b.io/a/c/']
    username: me
    password: '0123'
  registry.example:5000:
    endpoint: https://10.0.0.1:5001/team/
    plain_http: true
    insecure: true
    ca_file: certs/ca.pem
    cert_dir: certs/folder
    cert_file: certs/client.pem
    key_file: certs/client.key
    username: me
    password_file: /run/secrets/registry
    max_connections: 3
    chunk_size: 50MiB
  ghcr.io: {username: me, password_env: GHCR_TOKEN, chunk_size: 1000000}
  quay.io:
";

#[test]
fn a_registry_has_settings_of_its_own() {
    let registries = config(FOUR).registries;
    let hosts = ["docker.io", "ghcr.io", "quay.io", "registry.example:5000"];
    assert_eq!(registries.keys().collect::<Vec<_>>(), hosts);
    let me = Some("me".to_owned());
    let mirrors = [
        "mirror.example:5000",
        "http://other.example",
        "harbor.example/proxy-hub",
        "https://b.io/a/c",
    ];
    assert_eq!(
        registries["docker.io"],
        RegistrySettings {
            mirrors: mirrors.map(str::to_owned).into(),
            username: me.clone(),
            password: Some(PasswordSource::Inline(Secret::new("0123"))),
            ..RegistrySettings::default()
        }
    );
    assert_eq!(
        registries["registry.example:5000"],
        RegistrySettings {
            endpoint: Some("https://10.0.0.1:5001/team".to_owned()),
            plain_http: true,
            insecure: true,
            ca_file: Some(PathBuf::from("certs/ca.pem")),
            cert_dir: Some(PathBuf::from("certs/folder")),
            cert_file: Some(PathBuf::from("certs/client.pem")),
            key_file: Some(PathBuf::from("certs/client.key")),
            username: me,
            password: Some(PasswordSource::File(PathBuf::from("/run/secrets/registry"))),
            max_connections: Some(3),
            chunk_size: Some(50 << 20),
            ..RegistrySettings::default()
        }
    );
    let token = Some(PasswordSource::Env("GHCR_TOKEN".to_owned()));
    assert_eq!(registries["ghcr.io"].password, token);
    assert_eq!(registries["ghcr.io"].chunk_size, Some(1_000_000));
    assert_eq!(registries["quay.io"], RegistrySettings::default());
}

#[test]
fn a_registry_may_have_a_proxy_of_its_own_or_none() {
    let text = "{cache_registry: a.io, images: [], registries: {a.io: {proxy: 'http://me:p%40ss@proxy.example:3128/'}, b.io: {proxy: none}, c.io: {}}}";
    let registries = config(text).registries;
    let own = Secret::new("http://me:p%40ss@proxy.example:3128/");
    let expected = [
        ("a.io", Some(ProxySetting::Server(own))),
        ("b.io", Some(ProxySetting::Nothing)),
        ("c.io", None),
    ];
    for (host, proxy) in expected {
        assert_eq!(registries[host].proxy, proxy, "{host}");
    }
}

#[test]
fn a_registry_may_lead_to_places_that_are_named() {
    let text = "{cache_registry: a.io, images: [], registries: {a.io: {token_realm: 'https://auth.example:5002/token', allow_private: true}}}";
    assert_eq!(
        config(text).registries["a.io"],
        RegistrySettings {
            token_realm: Some("https://auth.example:5002/token".to_owned()),
            allow_private: true,
            ..RegistrySettings::default()
        }
    );
}

#[test]
fn a_registry_may_be_merged_too() {
    let text = "{cache_registry: a.io, images: [], registries: {a.io: &a {insecure: true}, b.io: {<<: *a, max_connections: 2}}}";
    let settings = &config(text).registries["b.io"];
    assert_eq!(
        (settings.insecure, settings.max_connections),
        (true, Some(2))
    );
}

#[test]
fn a_registry_may_have_a_token_and_a_path_credentials_of_its_own() {
    let text = "
cache_registry: a.io
images: []
registries:
  index.docker.io/team: {token_file: /run/secrets/team}
  docker.io: {token_env: HUB_TOKEN, max_connections: 2}
  quay.io/a/b: {username: me, password: p}
";
    let registries = config(text).registries;
    let hosts = ["docker.io", "quay.io"];
    assert_eq!(registries.keys().collect::<Vec<_>>(), hosts);
    let of_team = Login {
        token: Some(PasswordSource::File("/run/secrets/team".into())),
        ..Login::default()
    };
    assert_eq!(
        registries["docker.io"],
        RegistrySettings {
            token: Some(PasswordSource::Env("HUB_TOKEN".to_owned())),
            paths: [("team".to_owned(), of_team)].into(),
            max_connections: Some(2),
            ..RegistrySettings::default()
        }
    );
    let of_path = Login {
        username: Some("me".to_owned()),
        password: Some(PasswordSource::Inline(Secret::new("p"))),
        token: None,
    };
    assert_eq!(
        registries["quay.io"],
        RegistrySettings {
            paths: [("a/b".to_owned(), of_path)].into(),
            ..RegistrySettings::default()
        }
    );
}

#[test]
fn registries_may_be_merged_and_the_keys_of_the_user_are_none() {
    let text = "
cache_registry: a.io
images: []
x-common: &common
  a.io: {insecure: true}
  b.io: {insecure: true}
registries:
  <<: *common
  x-note: the cache
  x-cache.io: {max_connections: 1}
  b.io: {max_connections: 2}
";
    let registries = config(text).registries;
    let found = registries.iter();
    let found = found.map(|(host, settings)| (host.as_str(), settings.insecure));
    let expected = [("a.io", true), ("b.io", false), ("x-cache.io", false)];
    assert_eq!(found.collect::<Vec<_>>(), expected);
}
