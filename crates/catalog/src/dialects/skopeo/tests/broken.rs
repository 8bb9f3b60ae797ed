//! Files that are wrong, and what is said of each.

use super::super::super::samples::error;
use super::{all_to, to, with};
use crate::config_file::{DialectOptions, Format};

/// What is said of `text`, without the lines that show it.
fn told(text: &str, options: &DialectOptions) -> Vec<String> {
    let options = DialectOptions {
        format: Some(Format::Skopeo),
        ..options.clone()
    };
    let told = error(text, "c.yaml", &options);
    let lines = told.lines().filter(|line| !line.starts_with(' '));
    lines.map(str::to_owned).collect()
}

#[test]
fn what_is_wrong_is_told_in_the_words_of_the_file() {
    for (text, expected) in [
        (
            "quay.io: {images: {a/redis: ['sha256:111111']}}",
            "c.yaml:1:30: quay.io.images.a/redis[0]: \"sha256:111111\" is not a digest: expected sha256: and 64, or sha512: and 128, lowercase hexadecimal digits",
        ),
        (
            "quay.io:\n  images:\n    a/redis: latest\n",
            "c.yaml:3:14: quay.io.images.a/redis: found a text, expected a list of tags and digests, as in [\"7.2\"], or [] for all tags",
        ),
        (
            "quay.io:\n  images:\n    - a/redis\n",
            "c.yaml:3:5: quay.io.images: found a list, expected a mapping of repositories to lists of tags, as in redis: [\"7.2\"]",
        ),
        (
            "quay.io:\n  images:\n    a/redis:1.0: []\n",
            "c.yaml:3:5: quay.io.images.a/redis:1.0: found \"a/redis:1.0\", expected the repository alone, and its tags or digests in a list behind it",
        ),
        (
            "quay.io: {images-by-tag-regex: {a/b: '^(1'}}",
            "c.yaml:1:38: quay.io.images-by-tag-regex.a/b: \"^(1\" cannot be used: unclosed group",
        ),
        (
            "quay.io: {images-by-tag-regex: {a/b: {c: d}}}",
            "c.yaml:1:38: quay.io.images-by-tag-regex.a/b: found a mapping, expected a regular expression that tags match somewhere, as in ^7",
        ),
        (
            "quay.io: {images-by-semver: {a/b: '>=1.x.y'}}",
            "c.yaml:1:35: quay.io.images-by-semver.a/b: \">=1.x.y\" is no range: \"1.x.y\" is no version, expected one as in 1.29 or v1.29.3",
        ),
        (
            "https://quay.io: {images: {a: []}}",
            "c.yaml:1:1: https://quay.io: found a scheme, expected the registry alone, as in quay.io; tls-verify: false allows plain HTTP",
        ),
        (
            "quay.io: {tls-verify: nope, images: {a: []}}",
            "c.yaml:1:23: quay.io.tls-verify: found a text, expected true or false",
        ),
        (
            "quay.io: {credentials: {username: me}, images: {a: []}}",
            "c.yaml:1:24: quay.io.credentials.password: missing, expected username and password",
        ),
        (
            "quay.io: {images: {a: ['1']}}\nquay.io: {images: {b: ['1']}}",
            "c.yaml:2:1: the key quay.io is given twice, expected once",
        ),
        (
            "quay.io: [a]",
            "c.yaml:1:10: quay.io: found a list, expected a mapping with images",
        ),
        (
            "- quay.io",
            "c.yaml:1:1: found a list, expected a mapping of registries, each with images",
        ),
    ] {
        assert_eq!(told(text, &all_to("m.io", false)), [expected], "{text}");
    }
}

#[test]
fn repositories_that_get_one_name_and_have_one_tag_are_told_with_both_lines() {
    for (first, second, both) in [
        (
            "images: {a/app: ['1', '2']}",
            "images: {b/app: ['2', '3']}",
            "with 2",
        ),
        ("images: {a/app: []}", "images: {b/app: ['2']}", "with 2"),
        (
            "images: {a/app: ['v2']}",
            "images-by-tag-regex: {b/app: ^v2$}",
            "with v2",
        ),
        (
            "images: {a/app: []}",
            "images-by-tag-regex: {b/app: 2}",
            "with all tags or the same rule",
        ),
        (
            "images-by-semver: {a/app: 2.x}",
            "images-by-semver: {b/app: 2.x}",
            "with all tags or the same rule",
        ),
    ] {
        let text = format!("quay.io: {{{first}}}\nghcr.io: {{{second}}}");
        let told = told(&text, &all_to("m.io", false));
        let key = second.split(':').next().unwrap();
        let column = second.find('{').unwrap() + "ghcr.io: {".len() + 2;
        assert_eq!(
            told,
            [format!(
                "c.yaml:2:{column}: ghcr.io.{key}.b/app: ghcr.io/b/app becomes \"app\" at the target, as quay.io/a/app in line 1 does, and both {both}; --scoped keeps hosts and paths"
            )],
            "{text}"
        );
    }
    let apart = "quay.io: {images: {a/app: ['1']}}\nghcr.io: {images: {b/app: ['2']}}";
    with(apart, "c.yaml", &all_to("m.io", false)).unwrap();
}

#[test]
fn without_a_target_all_else_is_told_too() {
    let told = told("quay.io: {images: {a: [':']}}", &DialectOptions::default());
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].contains("expected --target HOST/PREFIX on the command line"),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("c.yaml:1:24: quay.io.images.a[0]: "),
        "{told:?}"
    );
}

#[test]
fn a_target_that_is_none_is_told() {
    let told = told("quay.io: {images: {a: ['1']}}", &to("docker://m.io"));
    assert!(
        told[0].contains("a scheme does not belong here"),
        "{told:?}"
    );
}
