//! The exact message of each error.

use crate::config_file::parse;

/// What is wrong, without the lines of the file that are shown below.
pub(super) fn error(text: &str) -> String {
    let told = parse(text, "c.yaml").unwrap_err().to_string();
    let messages = told.lines().filter(|line| !line.starts_with(' '));
    messages.collect::<Vec<_>>().join("\n")
}

/// The error of a config with these images.
pub(super) fn images_error(images: &str) -> String {
    error(&format!(
        "cache_registry: localhost:5000\nimages:\n{images}"
    ))
}

/// The error of a config with this text after an empty catalog.
pub(crate) fn further_error(text: &str) -> String {
    error(&format!(
        "cache_registry: localhost:5000\nimages: []\n{text}"
    ))
}

#[test]
fn one_platform_of_what_is_named_by_digest_alone() {
    let digest = format!("sha256:{}", "a".repeat(64));
    assert_eq!(
        images_error(&format!(
            "  - source: nginx@{digest}\n    platform: linux/arm64"
        )),
        "c.yaml:4:15: images[0].platform: linux/arm64 of a digest has another digest, expected platform: all, or tag: NAME for the cache"
    );
}

#[test]
fn missing_keys() {
    assert_eq!(
        error("images: []"),
        "c.yaml:1:1: cache_registry: missing, expected HOST, HOST:PORT or HOST/PREFIX as in localhost:5000, or oci:FOLDER"
    );
    assert_eq!(
        error("cache_registry: a.io"),
        "c.yaml:1:1: images: missing, expected a list of images"
    );
    assert_eq!(
        error("cache_registry: a.io\nimages:"),
        "c.yaml:2:7: images: missing, expected a list of images"
    );
    assert_eq!(
        images_error("  - tag: x"),
        "c.yaml:3:5: images[0]: source is missing, expected source: HOST/NAME as in docker.io/library/nginx, or source: oci:FOLDER"
    );
    assert_eq!(
        images_error("  - source: nginx"),
        "c.yaml:3:5: images[0]: the tag is missing, expected tag: TAG, or source: REPOSITORY:TAG"
    );
}

#[test]
fn broken_yaml() {
    assert_eq!(
        error("cache_registry: [a\nimages: []"),
        "c.yaml:2:7: this is not valid YAML: illegal placement of ':' indicator"
    );
    assert_eq!(
        error("cache_registry: a.io\n\timages: []"),
        "c.yaml:2:1: this is not valid YAML: found a tab in an indentation, expected spaces"
    );
    assert_eq!(
        error("cache_registry: *x\nimages: []"),
        "c.yaml:1:17: this is not valid YAML: while parsing node, found unknown anchor (an anchor stands before its aliases, in the same file)"
    );
    assert_eq!(
        error("cache_registry: a.io\nimages: []\n---\na: b"),
        "c.yaml:3:1: found more than one YAML document, expected one"
    );
    assert_eq!(
        error("# first\n%YAML 1.1\n--- # one\nimages: []\na: '--- b'\n----: c\n...\n--- {}\n---"),
        "c.yaml:8:1: found more than one YAML document, expected one"
    );
    assert_eq!(
        images_error("  - &x {<<: *x}"),
        "c.yaml:3:13: found aliases that contain each other or too many of them, expected a config of finite size"
    );
}

#[test]
fn unknown_words_name_the_nearest_known_one() {
    let with = |line: &str| images_error(&format!("  - {{source: a, tag: b, {line}}}"));
    assert_eq!(
        with("overwrite: alway"),
        "c.yaml:3:36: images[0].overwrite: found \"alway\" (did you mean always?), expected always, never, error"
    );
    assert_eq!(
        with("platform_missing: ignore"),
        "c.yaml:3:43: images[0].platform_missing: found \"ignore\", expected fail, skip"
    );
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    assert_eq!(
        further_error("setings: {}"),
        r#"c.yaml:3:1: unknown key "setings" (did you mean settings?), expected one of cache_registry, naming, targets, images, repositories, lists, settings, registries, webhooks, defaults, include"#
    );
    assert_eq!(
        images_error("  - source: nginx\n    tagg: x"),
        r#"c.yaml:4:5: images[0]: unknown key "tagg" (did you mean tag?), expected one of source, tag, tags, cache_as, tag_as, targets, platform, source_tls_verify, cache_insecure, overwrite, platform_missing, referrers"#
    );
    assert_eq!(
        images_error("  - &a {source: x, tag: y}\n  - {<<: *a, banana: 1}"),
        r#"c.yaml:4:14: images[1]: unknown key "banana", expected one of source, tag, tags, cache_as, tag_as, targets, platform, source_tls_verify, cache_insecure, overwrite, platform_missing, referrers"#
    );
    assert_eq!(
        further_error("settings:\n  concurency: 1"),
        r#"c.yaml:4:3: settings: unknown key "concurency" (did you mean concurrency?), expected one of concurrency, pull_timeout_secs, skip_on_error, default_platform, cache_insecure, source_tls_verify, preferred_tool, connect_timeout, response_timeout, helper_timeout, stall_timeout, run_timeout, max_pause, retry"#
    );
    assert_eq!(
        further_error("settings: {retry: {attemps: 1}}"),
        r#"c.yaml:3:20: settings.retry: unknown key "attemps" (did you mean attempts?), expected one of attempts, initial_delay, max_delay"#
    );
    assert_eq!(
        further_error("registries: {a.io: {pasword: x}}"),
        r#"c.yaml:3:21: registries.a.io: unknown key "pasword" (did you mean password?), expected one of endpoint, mirrors, plain_http, insecure, ca_file, cert_dir, cert_file, key_file, username, password, password_file, password_env, token, token_file, token_env, token_realm, allow_private, max_connections, chunk_size, proxy"#
    );
}

#[test]
fn repeated_keys() {
    assert_eq!(
        error("cache_registry: a.io\ncache_registry: b.io\nimages: []"),
        "c.yaml:2:1: the key cache_registry is given twice, expected once"
    );
    assert_eq!(
        images_error("  - source: nginx\n    tag: x\n    source: y"),
        "c.yaml:5:5: images[0]: the key source is given twice, expected once"
    );
    assert_eq!(
        further_error("registries: {a.io: {}, a.io: {}}"),
        "c.yaml:3:24: registries: the key a.io is given twice, expected once"
    );
    assert_eq!(
        further_error(
            "settings:\n  concurrency: 1\n  skip_on_error: true\n  retry: {}\n  concurrency: 1"
        ),
        "c.yaml:7:3: settings: the key concurrency is given twice, expected once"
    );
    assert_eq!(
        images_error("  - {source: a, tag: ~}\n  - source: b\n    <<: {tag: 1.5, tag: 2}"),
        "c.yaml:3:5: images[0]: the tag is missing, expected tag: TAG, or source: REPOSITORY:TAG\nc.yaml:5:20: images[1].<<: the key tag is given twice, expected once"
    );
    assert_eq!(
        further_error("registries: {docker.io: {}, index.docker.io: {}}"),
        "c.yaml:3:46: registries.index.docker.io: this is another name of docker.io, expected one entry per registry"
    );
}

#[test]
fn values_of_another_kind() {
    assert_eq!(
        error("a"),
        "c.yaml:1:1: found a text, expected a mapping with cache_registry and images"
    );
    assert_eq!(
        error("- a"),
        "c.yaml:1:1: found a list, expected a mapping with cache_registry and images"
    );
    assert_eq!(
        error("cache_registry: a.io\nimages: {a: b}"),
        "c.yaml:2:9: images: found a mapping, expected a list"
    );
    assert_eq!(
        images_error("  - nginx:1.27"),
        "c.yaml:3:5: images[0]: found a text, expected a mapping with source and tag"
    );
    assert_eq!(
        images_error("  - source: nginx\n    tag: [a]"),
        "c.yaml:4:10: images[0].tag: found a list, expected a text"
    );
    assert_eq!(
        images_error("  - source: nginx\n    cache_insecure: maybe"),
        "c.yaml:4:21: images[0].cache_insecure: found a text, expected true or false"
    );
    assert_eq!(
        images_error("  - {<<: 5}"),
        "c.yaml:3:10: images[0].<<: found a number, expected a mapping to merge, or a list of them"
    );
    assert_eq!(
        further_error("settings: 5"),
        "c.yaml:3:11: settings: found a number, expected a mapping of settings"
    );
    assert_eq!(
        further_error("settings: {skip_on_error: 1}"),
        "c.yaml:3:27: settings.skip_on_error: found a number, expected true or false"
    );
    assert_eq!(
        further_error("registries: [a]"),
        "c.yaml:3:13: registries: found a list, expected a mapping of hosts to their settings"
    );
}

#[test]
fn bad_references() {
    assert_eq!(
        error("cache_registry: https://a.io\nimages: []"),
        r#"c.yaml:1:17: cache_registry: "https://a.io" is not a valid registry: a scheme does not belong here (plain HTTP is set by cache_insecure or registries); expected HOST or HOST:PORT as in localhost:5000, or oci:FOLDER"#
    );
    assert_eq!(
        error("cache_registry: ''\nimages: []"),
        r#"c.yaml:1:17: cache_registry: "" is not a valid registry: "" is not a host; expected HOST or HOST:PORT as in localhost:5000, or oci:FOLDER"#
    );
    assert_eq!(
        images_error("  - source: UPPER/case\n    tag: a"),
        r#"c.yaml:3:13: images[0].source: "UPPER/case" is not a valid repository: "UPPER" has uppercase letters, and names are lowercase; expected HOST/NAME as in docker.io/library/nginx, or oci:FOLDER"#
    );
    assert_eq!(
        images_error("  - source: nginx\n    tag: 'a b'"),
        r#"c.yaml:4:10: images[0].tag: "a b" is not a valid tag or digest: it breaks the rules of a tag; expected up to 128 letters, digits, '_', '.' and '-', not starting with '.' or '-', or a digest as in sha256:..."#
    );
    assert_eq!(
        images_error("  - source: nginx@sha256:12\n    tag: a"),
        r#"c.yaml:3:13: images[0].source: "nginx@sha256:12" is not a valid repository: "sha256:12" is not a digest: expected sha256: and 64, or sha512: and 128, lowercase hexadecimal digits; expected HOST/NAME as in docker.io/library/nginx, or oci:FOLDER"#
    );
    assert_eq!(
        images_error("  - source: me:pw@a.io/b\n    tag: a"),
        "c.yaml:3:13: images[0].source: found an '@' or '?' where none belongs, expected user names and passwords under registries or in Docker's config"
    );
    assert_eq!(
        images_error("  - {source: nginx, tag: x, cache_as: /x}"),
        r#"c.yaml:3:39: images[0].cache_as: "localhost:5000//x" is not a valid repository: a component of the name is empty; expected HOST/NAME as in docker.io/library/nginx, or oci:FOLDER"#
    );
    assert_eq!(
        images_error("  - source: oci:.\n    tag: a"),
        r#"c.yaml:3:13: images[0].source: "", made of "oci:.", cannot be a name in the cache, expected cache_as: NAME beside it"#
    );
    assert_eq!(
        images_error("  - source: '[::1]:5000/a'\n    tag: a"),
        r#"c.yaml:3:13: images[0].source: "[::1]:5000/a", made of "[::1]:5000/a", cannot be a name in the cache, expected cache_as: NAME beside it"#
    );
}

#[test]
fn tags_that_contradict_the_source() {
    assert_eq!(
        images_error("  - source: nginx:1\n    tag: 2"),
        "c.yaml:4:10: images[0].tag: found 2, but source says 1, expected the same or one of them"
    );
}

#[test]
fn unknown_platforms() {
    assert_eq!(
        images_error("  - source: nginx\n    platform: linux/amd46"),
        r#"c.yaml:4:15: images[0].platform: platform "linux/amd46": unknown architecture "amd46", did you mean amd64?"#
    );
    assert_eq!(
        images_error("  - source: nginx\n    platform: []"),
        "c.yaml:4:15: images[0].platform: an empty list of platforms: expected at least one, or the word all"
    );
    assert_eq!(
        images_error("  - source: nginx\n    platform: 5"),
        "c.yaml:4:15: images[0].platform: found a number, expected all, a platform as in linux/amd64, or a list of platforms"
    );
    assert_eq!(
        further_error("settings: {default_platform: amd64}"),
        r#"c.yaml:3:30: settings.default_platform: platform "amd64" is not of the form OS/ARCH or OS/ARCH/VARIANT, as in linux/amd64, nor the word all"#
    );
    assert_eq!(
        images_error("  - &a {source: x, platform: linus/amd64}\n  - {<<: *a}"),
        r#"c.yaml:3:30: images[0].platform: platform "linus/amd64": unknown operating system "linus", did you mean linux?"#
    );
}

#[test]
fn numbers_out_of_range() {
    assert_eq!(
        further_error("settings: {concurrency: 0}"),
        "c.yaml:3:25: settings.concurrency: found 0, expected a whole number from 1 to 10000"
    );
    assert_eq!(
        further_error("settings: {concurrency: -1}"),
        "c.yaml:3:25: settings.concurrency: found -1, expected a whole number from 1 to 10000"
    );
    assert_eq!(
        further_error("settings:\n  concurrency: many"),
        r#"c.yaml:4:16: settings.concurrency: found "many", expected a whole number from 1 to 10000"#
    );
    assert_eq!(
        further_error("settings: {pull_timeout_secs: 0}"),
        "c.yaml:3:31: settings.pull_timeout_secs: found 0, expected a whole number from 1 to 31536000"
    );
    assert_eq!(
        further_error("settings: {retry: {attempts: 0}}"),
        "c.yaml:3:30: settings.retry.attempts: found 0, expected a whole number from 1 to 100"
    );
    assert_eq!(
        further_error("settings: {retry: {attempts: 1.5}}"),
        "c.yaml:3:30: settings.retry.attempts: found 1.5, expected a whole number from 1 to 100"
    );
    assert_eq!(
        further_error("registries: {a.io: {max_connections: 0}}"),
        "c.yaml:3:38: registries.a.io.max_connections: found 0, expected a whole number from 1 to 10000"
    );
}

#[test]
fn sizes_that_are_none() {
    let expected = "expected a size as in 512KiB, 50MiB or 1GiB, or a number of bytes";
    for (size, found) in [
        ("50MB", r#""50MB""#),
        ("lots", r#""lots""#),
        ("0 MiB", r#""0 MiB""#),
        ("0", "0"),
        ("-5", "-5"),
        ("1.5", "1.5"),
    ] {
        assert_eq!(
            further_error(&format!("registries: {{a.io: {{chunk_size: {size}}}}}")),
            format!("c.yaml:3:33: registries.a.io.chunk_size: found {found}, {expected}")
        );
    }
}

#[test]
fn durations_that_are_none() {
    assert_eq!(
        further_error("settings: {run_timeout: 10x}"),
        r#"c.yaml:3:25: settings.run_timeout: found "10x", expected a duration as in 90s or 1h 30m, or a number of seconds, 365 days at most"#
    );
    assert_eq!(
        further_error("settings: {run_timeout: -5}"),
        "c.yaml:3:25: settings.run_timeout: found -5, expected a duration as in 90s or 1h 30m, or a number of seconds, 365 days at most"
    );
    assert_eq!(
        further_error("settings: {retry: {max_delay: 400d}}"),
        r#"c.yaml:3:31: settings.retry.max_delay: found "400d", expected a duration as in 90s or 1h 30m, or a number of seconds, 365 days at most"#
    );
    assert_eq!(
        further_error("settings: {stall_timeout: 0}"),
        "c.yaml:3:27: settings.stall_timeout: found no time at all, expected a longer duration"
    );
    assert_eq!(
        further_error("settings: {max_pause: 0s}"),
        "c.yaml:3:23: settings.max_pause: found no time at all, expected a longer duration"
    );
    assert_eq!(
        further_error("settings: {max_pause: 1d 1s}"),
        "c.yaml:3:23: settings.max_pause: found 1day 1s, expected a duration of 24h at most"
    );
}

#[test]
fn two_images_for_one_target() {
    assert_eq!(
        images_error("  - {source: a/x, tag: t}\n\n  - {source: b/x, tag: t, cache_as: a/x}"),
        "c.yaml:5:5: images[1]: found docker.io/b/x:t (linux/amd64) for localhost:5000/a/x:t, but images[0] has docker.io/a/x:t (linux/amd64) for it, expected one image per target, so set cache_as (the other one is in line 3)"
    );
    assert_eq!(
        images_error("  - {source: x, tag: t}\n  - {source: x, tag: t, platform: all}"),
        "c.yaml:4:5: images[1]: found docker.io/library/x:t (all) for localhost:5000/x:t, but images[0] has docker.io/library/x:t (linux/amd64) for it, expected one image per target, so set cache_as (the other one is in line 3)"
    );
    assert_eq!(
        images_error("  - {source: x, tag: t}\n  - {source: x, tag: t, cache_insecure: false}"),
        "c.yaml:4:5: images[1]: found localhost:5000/x:t here and in images[0] with another policy or other TLS settings, expected one image per target, so set cache_as (the other one is in line 3)"
    );
}
