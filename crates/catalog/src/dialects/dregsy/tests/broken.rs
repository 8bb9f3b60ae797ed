//! Files that are wrong, and what is said of each.

use super::super::super::samples::error;
use super::{AUTH, DIGEST, task};
use crate::config_file::{DialectOptions, Format};

/// What is said of `text`, without the lines that show it.
fn told(text: &str) -> Vec<String> {
    let options = DialectOptions {
        format: Some(Format::Dregsy),
        ..DialectOptions::default()
    };
    let told = error(text, "c.yaml", &options);
    let lines = told.lines().filter(|line| !line.starts_with(' '));
    lines.map(str::to_owned).collect()
}

/// One task from this source to m.io, and what else it says.
fn of(source: &str, rest: &str) -> String {
    format!(
        "tasks:\n- {{name: t, source: {{{source}}}, target: {{registry: m.io}}, mappings: []{rest}}}"
    )
}

/// What is said of a mapping.
fn is_told(mapping: &str, expected: &str) {
    let told = told(&task(&format!("[{{{mapping}}}]")));
    let expected = format!("c.yaml:{expected}");
    if expected.ends_with(": ") {
        assert!(
            told.len() == 1 && told[0].starts_with(&expected),
            "{told:?}"
        );
    } else {
        assert_eq!(told, [expected], "{mapping}");
    }
}

#[test]
fn what_is_wrong_with_tasks_is_told_in_the_words_of_the_file() {
    for (text, expected) in [
        (
            "relay: podman\ntasks: []".to_owned(),
            "c.yaml:1:8: relay: found \"podman\", expected skopeo or docker",
        ),
        (
            "relay: skopeo".to_owned(),
            "c.yaml:1:1: tasks: missing, expected a list of tasks",
        ),
        (
            "- a".to_owned(),
            "c.yaml:1:1: found a list, expected a mapping with tasks",
        ),
        (
            "tasks: {a: b}".to_owned(),
            "c.yaml:1:8: tasks: found a mapping, expected a list of tasks",
        ),
        (
            of("registry: quay.io", "").replace("name: t, ", ""),
            "c.yaml:2:3: tasks[0].name: missing, expected a name as in nightly",
        ),
        (
            of("registry: quay.io", ", interval: 10"),
            "c.yaml:2:92: tasks[0].interval: found \"10\", expected a number of seconds, 30 or more, or 0 for once",
        ),
        (
            of("registry: quay.io", ", interval: 6h"),
            "c.yaml:2:92: tasks[0].interval: found \"6h\", expected a number of seconds, 30 or more, or 0 for once",
        ),
        (
            "tasks:\n- {name: t, target: {registry: m.io}, mappings: []}".to_owned(),
            "c.yaml:2:3: tasks[0].source: missing, expected a mapping with registry",
        ),
    ] {
        assert_eq!(told(&text), [expected], "{text}");
    }
}

#[test]
fn what_is_wrong_with_sources_and_targets_is_told_in_the_words_of_the_file() {
    for (text, expected) in [
        (
            of("auth: none", ""),
            "c.yaml:2:21: tasks[0].source.registry: missing, expected a registry as in quay.io",
        ),
        (
            of("registry: 'https://quay.io'", ""),
            "c.yaml:2:32: tasks[0].source.registry: found a scheme, expected the registry alone, as in quay.io; skip-tls-verify: true allows plain HTTP",
        ),
        (
            of("registry: quay.io, auth: 'me:hunter2'", ""),
            "c.yaml:2:47: tasks[0].source.auth: this is no login, expected base64 of {\"username\": \"...\", \"password\": \"...\"}, or none",
        ),
        (
            of("registry: quay.io, auth-refresh: 10h", ""),
            "c.yaml:2:55: tasks[0].source.auth-refresh: found for quay.io, expected it for a registry of AWS ECR alone",
        ),
        (
            of("registry: quay.io, skip-tls-verify: nope", ""),
            "c.yaml:2:58: tasks[0].source.skip-tls-verify: found a text, expected true or false",
        ),
        (
            of("registry: quay.io, lister: {type: search}", ""),
            "c.yaml:2:49: tasks[0].source.lister.type: found \"search\", expected catalog, dockerhub or index",
        ),
    ] {
        assert_eq!(told(&text), [expected], "{text}");
    }
}

#[test]
fn what_is_wrong_with_mappings_is_told_in_the_words_of_the_file() {
    for (mapping, expected) in [
        (
            "to: a".to_owned(),
            "6:14: tasks[0].mappings[0].from: missing, expected a repository as in library/busybox",
        ),
        (
            "from: 'a:1'".to_owned(),
            "6:21: tasks[0].mappings[0].from: found \"a:1\", expected the repository alone, and its tags or digests in tags",
        ),
        (
            "from: 'regex:(a'".to_owned(),
            "6:21: tasks[0].mappings[0].from: \"(a\" cannot be used: unclosed group",
        ),
        (
            "from: a, to: 'regex:b'".to_owned(),
            "6:28: tasks[0].mappings[0].to: found \"regex:b\" without what replaces it, expected regex:REGEX,REPLACEMENT",
        ),
        (
            "from: a, to: 'regex:(b,c'".to_owned(),
            "6:28: tasks[0].mappings[0].to: \"(b\" is no regular expression",
        ),
        (
            "from: 'regex:a.*', to: 'regex:b,c'".to_owned(),
            "6:38: tasks[0].mappings[0].to: found \"b\" for the names of several repositories, expected what all that from matches begin with, as in regex:a/b/,c/ where from is regex:a/b/.*, or one group at the end of it, as in regex:a/b/(.*),c/$1",
        ),
        (
            format!("from: 'regex:a/.*', tags: ['{DIGEST}']"),
            "6:42: tasks[0].mappings[0].tags: found the digest of one repository for several, expected from: REPOSITORY",
        ),
    ] {
        is_told(&mapping, expected);
    }
}

#[test]
fn what_is_wrong_with_tags_is_told_in_the_words_of_the_file() {
    for (mapping, expected) in [
        (
            "from: a, tags: latest",
            "6:30: tasks[0].mappings[0].tags: found a text, expected a list of tags and filters, as in ['1.36.0', 'semver: >=2.0.0']",
        ),
        (
            "from: a, tags: ['semver: ^1.2.0']",
            "6:31: tasks[0].mappings[0].tags[0]: \"semver: ^1.2.0\" cannot be used: found \"^1.2.0\", expected comparisons of whole versions, as in >=1.2.0 <2.0.0 || 3.x",
        ),
        (
            "from: a, tags: ['1', 'regex: (']",
            "6:36: tasks[0].mappings[0].tags[1]: \"(\" cannot be used: unclosed group",
        ),
        (
            "from: a, tags: ['keep:latest 5']",
            "6:31: tasks[0].mappings[0].tags[0]: found \"keep:latest 5\", expected keep: latest N with a number, as in keep: latest 5",
        ),
        (
            "from: a, tags: ['sha256:111111']",
            "6:31: tasks[0].mappings[0].tags[0]: \"sha256:111111\" is not a digest: expected sha256: and 64, or sha512: and 128, lowercase hexadecimal digits",
        ),
        (
            "from: a, tags: ['regexp: 1.*']",
            "6:31: tasks[0].mappings[0].tags[0]: found \"regexp: 1.*\", expected a tag, TAG@DIGEST, a digest, semver: RANGE, regex: REGEX, keep: REGEX or keep: latest N",
        ),
        (
            "from: a, platform: linux/arm/v8/x/y",
            "6:34: tasks[0].mappings[0].platform: ",
        ),
    ] {
        is_told(mapping, expected);
    }
}

#[test]
fn two_logins_for_one_repository_are_told_and_no_login_is_repeated() {
    let text = format!(
        "tasks:
- {{name: a, source: {{registry: quay.io, auth: {AUTH}}}, target: {{registry: m.io}}, mappings: [{{from: x}}]}}
- {{name: b, source: {{registry: quay.io, auth: eyJ1c2VybmFtZSI6ImIiLCJwYXNzd29yZCI6ImIifQ==}}, target: {{registry: m.io}}, mappings: [{{from: x, to: y}}]}}"
    );
    let told = told(&text);
    assert_eq!(
        told,
        [
            "c.yaml:2:47: auth: found another login for quay.io than in line 3, expected one login for each repository",
            "c.yaml:3:47: auth: found another login for quay.io than in line 2, expected one login for each repository",
        ]
    );
}
