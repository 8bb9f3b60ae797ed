//! The exact message of each error about a registry.

use super::errors::further_error;

#[test]
fn what_is_no_proxy_is_told_and_not_quoted() {
    for bad in [
        "p.io:3128",
        "socks5://u:hunter2@p.io",
        "http://u:hunter2@",
        "http://u:hunter2@p.io:port",
        "http://u:hunter2@p.io/path",
        "http://u@x:hunter2@",
        "''",
    ] {
        let config = format!("registries: {{a.io: {{proxy: {bad}}}}}");
        assert_eq!(
            further_error(&config),
            "c.yaml:3:28: registries.a.io.proxy: this is no proxy, expected http://[USER:PASSWORD@]HOST[:PORT], https://[USER:PASSWORD@]HOST[:PORT] or none"
        );
    }
}

#[test]
fn registries_that_contradict_themselves() {
    assert_eq!(
        further_error("registries: {a.io: {endpoint: https://b, mirrors: [c]}}"),
        "c.yaml:3:51: registries.a.io.mirrors: found endpoint beside it, expected one of the two: an endpoint replaces the host, mirrors go before it"
    );
    assert_eq!(
        further_error("registries: {a.io: {username: a, password: b, password_env: c}}"),
        "c.yaml:3:61: registries.a.io.password_env: found password beside it, expected one of password, password_file and password_env"
    );
    assert_eq!(
        further_error("registries: {a.io: {token: a, token_env: b}}"),
        "c.yaml:3:42: registries.a.io.token_env: found token beside it, expected one of token, token_file and token_env"
    );
    assert_eq!(
        further_error("registries: {a.io: {username: a, password: b, token_file: c}}"),
        "c.yaml:3:59: registries.a.io.token_file: found a user name or a password beside it, expected a token or these"
    );
    assert_eq!(
        further_error("registries: {a.io: {cert_file: b}}"),
        "c.yaml:3:20: registries.a.io: found cert_file without key_file, expected both or neither"
    );
    assert_eq!(
        further_error("registries: {a.io: {key_file: b}}"),
        "c.yaml:3:20: registries.a.io: found key_file without cert_file, expected both or neither"
    );
    assert_eq!(
        further_error("registries: {a.io: {username: b}}"),
        "c.yaml:3:20: registries.a.io: found username without a password, expected both or neither"
    );
    assert_eq!(
        further_error("registries: {a.io: {password: b}}"),
        "c.yaml:3:20: registries.a.io: found a password without username, expected both or neither"
    );
}

#[test]
fn hosts_and_urls_that_are_none() {
    assert_eq!(
        further_error("registries: {https://a.io: {}}"),
        r#"c.yaml:3:28: registries.https://a.io: "https://a.io" is not a valid registry: a scheme does not belong here (plain HTTP is set by cache_insecure or registries); expected HOST or HOST:PORT as in localhost:5000, or oci:FOLDER"#
    );
    assert_eq!(
        further_error("registries: {a.io/x: {}}"),
        "c.yaml:3:22: registries.a.io/x: found no credentials for this path, expected username with a password, or a token"
    );
    assert_eq!(
        further_error("registries: {a.io/x: {token: t, mirrors: [b.io], insecure: true}}"),
        "c.yaml:3:42: registries.a.io/x.mirrors: found for a path, expected it at the host alone; a path may have credentials\nc.yaml:3:60: registries.a.io/x.insecure: found for a path, expected it at the host alone; a path may have credentials"
    );
    assert_eq!(
        further_error("registries: {docker.io/x: {token: t}, index.docker.io/x: {token: t}}"),
        "c.yaml:3:58: registries.index.docker.io/x: this is another name of docker.io/x, expected one entry per registry"
    );
    assert_eq!(
        further_error("registries: {'oci:x': {token: t}}"),
        "c.yaml:3:23: registries.oci:x: found a folder, expected HOST, HOST:PORT or one of them with a path"
    );
    assert_eq!(
        further_error("registries: {a.io: {endpoint: b}}"),
        "c.yaml:3:31: registries.a.io.endpoint: this is no endpoint, expected https://HOST[:PORT][/PATH] or http://HOST[:PORT][/PATH], without a user name or a password"
    );
    for realm in [
        "b",
        "ftp://b",
        "https://u:p@b/token",
        "https://b/token?key=1",
    ] {
        assert_eq!(
            further_error(&format!("registries: {{a.io: {{token_realm: '{realm}'}}}}")),
            "c.yaml:3:34: registries.a.io.token_realm: this is no token server, expected https://HOST[:PORT][/PATH] or http://HOST[:PORT][/PATH]"
        );
    }
    assert_eq!(
        further_error("registries: {a.io: {endpoint: https://b/c d}}"),
        "c.yaml:3:31: registries.a.io.endpoint: this is no endpoint, expected https://HOST[:PORT][/PATH] or http://HOST[:PORT][/PATH], without a user name or a password"
    );
    assert_eq!(
        further_error("registries: {a.io: {endpoint: https://b/v2/c}}"),
        "c.yaml:3:31: registries.a.io.endpoint: found /v2 in its path, expected only what stands after it and before the repositories, as in harbor.example/proxy-hub"
    );
    assert_eq!(
        further_error("registries: {a.io: {mirrors: [a.io, 'x y']}}"),
        "c.yaml:3:37: registries.a.io.mirrors[1]: this is no mirror, expected HOST[:PORT][/PATH], https://HOST[:PORT][/PATH] or http://HOST[:PORT][/PATH], without a user name or a password"
    );
    assert_eq!(
        further_error("registries: {a.io: {mirrors: [a.io, b.io/v2/hub]}}"),
        "c.yaml:3:37: registries.a.io.mirrors[1]: found /v2 in its path, expected only what stands after it and before the repositories, as in harbor.example/proxy-hub"
    );
}
