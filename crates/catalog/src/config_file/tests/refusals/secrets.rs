//! Nothing of a password, a user name in a URL or a signed query shows in an error.

use std::fs;

use crate::config_file::parse;
use crate::config_file::tests::load;

const PASSWORD: &str = "hunter2";

#[test]
fn errors_do_not_repeat_secrets() {
    let head = "cache_registry: a.example\nimages: []\nregistries:\n";
    for text in [
        "password: [hunter2]",
        "password: {hunter2: 1}",
        "password: !x hunter2\n    password_file: f",
        "password: hunter2\n    password_env: P",
        "password: hunter2\n    nonsense: 1",
        "password: hunter2",
        "password:hunter2",
        "- hunter2",
        "username: {x: hunter2}",
        "max_connections: [hunter2]",
        "plain_http: hunter2",
        "endpoint: https://me:hunter2@mirror.example",
        "endpoint: https://mirror.example?sig=hunter2",
        "endpoint: [hunter2]",
        "token_realm: https://me:hunter2@auth.example/token",
        "token_realm: https://auth.example/token?sig=hunter2",
        "proxy: [hunter2]",
        "proxy: 'http://me:hunter2@'",
        "mirrors: hunter2",
        "token: [hunter2]",
        "token: hunter2\n    token_file: f",
        "token: hunter2\n    username: me",
        "password: ${hunter2}\n    username: me",
        "password: pass${hunter2:?}word\n    username: me",
        "password: ${hunter2",
        "password: |\n      hunter2\n     broken: [",
        "username: me\n    password: >-\n      hunter2\n  x: y: z",
        "mirrors: ['https://me:hunter2@mirror.example']",
        "mirrors: ['me:hunter2@mirror.example']",
        "cert_file: [hunter2]",
        "password: 'hunter2\n    username: me",
        "password: \"hunter2\\q\"",
    ] {
        refuse(&format!("{head}  ghcr.io:\n    {text}\n"));
    }
    for text in [
        "ghcr.io: hunter2",
        "me:hunter2@ghcr.io: {insecure: true}",
        "me:hunter2@ghcr.io: {insecure: 7}",
        "https://me:hunter2@ghcr.io: {insecure: true}",
        "https://ghcr.io?sig=hunter2: {}",
        "[hunter2]",
    ] {
        refuse(&format!("{head}  {text}\n"));
    }
}

#[test]
fn errors_do_not_repeat_what_stands_in_references() {
    for text in [
        "hunter2",
        "[hunter2]",
        "cache_registry: https://me:hunter2@a.example\nimages: []",
        "cache_registry: me:hunter2@a.example\nimages: []",
        "cache_registry: a.example\nimages: hunter2",
        "cache_registry: a.example\nimages: [hunter2]",
        "cache_registry: a.example\nimages: [{source: 'https://me:hunter2@b.example/c', tag: t}]",
        "cache_registry: a.example\nimages: [{source: 'me:hunter2@sharepoint.example/c', tag: t}]",
        "cache_registry: a.example\nimages: [{source: 'https://b.example/c?sig=hunter2', tag: t}]",
        "cache_registry: a.example\nimages: [{source: b, tag: t, cache_as: 'me:hunter2@c'}]",
        "cache_registry: a.example\nimages: [{source: b, tag: 'me:hunter2@c'}]",
    ] {
        refuse(text);
    }
}

fn refuse(text: &str) {
    let error = parse(text, "c.yaml").expect_err(text).to_string();
    assert!(!error.contains(PASSWORD), "{text}\n{error}");
    let debug = format!("{:?}", parse(text, "c.yaml"));
    assert!(!debug.contains(PASSWORD), "{text}\n{debug}");
}

#[test]
fn the_line_of_a_problem_is_not_shown_where_a_secret_may_be() {
    let head = "cache_registry: a.example\nimages:\n";
    for image in [
        "{source: b, tag: 'a b', x-password: hunter2}",
        "{source: b, tag: 'a b', x-note: 'https://me:hunter2@b.example'}",
        "{source: b, tag: 'a b', x-note: 'b.example/c?sig=hunter2'}",
        "{source: b, tag: 'a b', x-registry_key: hunter2}",
        "{source: b, tag: 'a b', \"x-auth\":\"hunter2\"}",
    ] {
        refuse(&format!("{head}  - {image}\n"));
    }
    for text in [
        "x-secrets:\n  one: {token: hunter2, a: b: c}\nimages: []\n",
        "x-secrets:\n  password:\n    - hunter2\n    - hunter2: [\nimages: []\n",
        "{\"registries\": {\n\"a.io\": {\n\"password\": \n\"hunter2\" hunter2}}}",
        "registries:\n  a.io:\n    - password\n    - hunter2\n   - hunter2\n",
    ] {
        refuse(text);
    }
}

#[test]
fn what_a_secret_variable_holds_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yaml");
    let variable = |name: &str| match name {
        "HUB_TOKEN" | "USED" => Some("hunter2 \"x".to_owned()),
        _ => None,
    };
    for text in [
        "cache_registry: ${HUB_TOKEN}\nimages: []",
        "cache_registry: a.io/${HUB_TOKEN}\nimages: []",
        "cache_registry: a.io\nimages: [{source: '${HUB_TOKEN}', tag: t}]",
        "cache_registry: a.io\nimages: [{source: a, tag: '${USED}'}]\nregistries: {a.io: {username: u, password: '${USED}'}}",
        "cache_registry: a.io\nimages: []\nsettings: {concurrency: '${HUB_TOKEN}'}",
        "cache_registry: a.io\nimages: []\ninclude: ['${HUB_TOKEN}', '${HUB_TOKEN}[']",
    ] {
        fs::write(&file, text).unwrap();
        let error = load(&file, &variable).expect_err(text).to_string();
        assert!(!error.contains(PASSWORD), "{text}\n{error}");
        assert!(
            error.contains("${HUB_TOKEN}") || error.contains("${USED}"),
            "{error}"
        );
    }
}
