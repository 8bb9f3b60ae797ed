//! Nothing of a password, a user name in a URL or a signed query shows in an error.

use crate::config_file::parse;

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
