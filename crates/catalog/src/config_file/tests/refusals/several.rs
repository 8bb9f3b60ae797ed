//! Several problems of one file, and files that would never end.

use std::fmt::Write as _;

use super::errors::{error, images_error};

#[test]
fn all_problems_of_a_file_are_told_at_once_in_the_order_of_the_file() {
    let text = "
cache_registry: a.io
images:
  - {source: nginx, tag: [1], platform: linux/amd46}
  - {source: nginx}
  - {sorce: nginx, tag: x}
settings: {concurrency: 0, retry: {attempts: 0}, setings: 1}
registries: {a.io: {username: me, max_connections: many}, b.io: {proxy: x}}
";
    let error = error(text);
    let places: Vec<&str> = error
        .lines()
        .map(|line| line.split(": ").nth(1).unwrap())
        .collect();
    let places: Vec<String> = error
        .lines()
        .zip(places)
        .map(|(line, path)| format!("{} {path}", line.split(": ").next().unwrap()))
        .collect();
    assert_eq!(
        places,
        [
            "c.yaml:4:26 images[0].tag",
            "c.yaml:4:41 images[0].platform",
            "c.yaml:5:5 images[1]",
            "c.yaml:6:5 images[2]",
            "c.yaml:6:6 images[2]",
            "c.yaml:7:25 settings.concurrency",
            "c.yaml:7:46 settings.retry.attempts",
            "c.yaml:7:50 settings",
            "c.yaml:8:20 registries.a.io",
            "c.yaml:8:52 registries.a.io.max_connections",
            "c.yaml:8:73 registries.b.io.proxy",
        ],
        "{error}"
    );
}

#[test]
fn images_are_checked_although_it_is_not_known_where_they_go_or_what_they_have() {
    let text = "
cache_registry: https://a.io
defaults: {platform: linux}
images:
  - {source: nginx, tag: a b}
";
    let error = error(text);
    let places = error.lines().map(|line| line.split(": ").next().unwrap());
    let places: Vec<&str> = places.collect();
    assert_eq!(
        places,
        ["c.yaml:2:17", "c.yaml:3:22", "c.yaml:5:26"],
        "{error}"
    );
}

#[test]
fn twenty_problems_are_told_and_the_others_counted() {
    let images = "  - {source: nginx, tagg: x, tag: x}\n".repeat(50);
    let error = images_error(&images);
    assert_eq!(error.lines().count(), 21, "{error}");
    assert!(error.ends_with("\nc.yaml: and 30 more"), "{error}");
}

#[test]
fn one_mistake_that_many_aliases_repeat_is_told_once() {
    let images =
        "  - &a {source: x, tag: t, platform: linus/amd64}\n  - {<<: *a, tag: u}\n  - *a\n";
    assert_eq!(images_error(images).lines().count(), 1);
}

#[test]
fn values_that_lie_too_deep_in_each_other_are_refused() {
    let deep = "[".repeat(100);
    let error = error(&format!("cache_registry: a.io\nimages: {deep}"));
    assert_eq!(
        error,
        "c.yaml:2:73: found more than 64 values in each other, expected less"
    );
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut text = String::from("  - &x0 {source: nginx, tag: t}\n");
    for level in 1..30 {
        let below = level - 1;
        writeln!(text, "  - &x{level} {{<<: [*x{below}, *x{below}]}}").unwrap();
    }
    let error = images_error(&text);
    assert!(
        error.contains("too many of them, expected a config of finite size"),
        "{error}"
    );
}

#[test]
fn rules_that_cannot_be_used() {
    for (rules, told) in [
        (
            "{semver: '>=1.29, <2y'}",
            "c.yaml:3:36: images[0].tags.semver: \">=1.29, <2y\" cannot be used: \"2y\" is no version, expected one as in 1.29 or v1.29.3",
        ),
        (
            "{include: ['a', 'b(']}",
            "c.yaml:3:43: images[0].tags.include[1]: \"b(\" cannot be used: unclosed group",
        ),
        (
            "{latest: 5}",
            "c.yaml:3:36: images[0].tags.latest: found no order beside it, expected semver, or sort: semver, created, alphabetical or numerical",
        ),
        (
            "{sort: newest}",
            "c.yaml:3:34: images[0].tags.sort: \"newest\" cannot be used: expected semver, created, alphabetical or numerical",
        ),
        (
            "{min_age: 7d}",
            "c.yaml:3:37: images[0].tags.min_age: found a text, expected a mapping with a duration as in {created: 7d}",
        ),
        (
            "{min_age: {}}",
            "c.yaml:3:37: images[0].tags.min_age.created: missing, expected a duration as in 7d",
        ),
        (
            "{min_age: {created: soon}}",
            "c.yaml:3:47: images[0].tags.min_age.created: found \"soon\", expected a duration as in 90s or 1h 30m, or a number of seconds, 365 days at most",
        ),
        (
            "{semvr: 1}",
            "c.yaml:3:28: images[0].tags: unknown key \"semvr\" (did you mean semver?), expected one of include, exclude, extract, semver, min_age, sort, latest, require",
        ),
        (
            "[]",
            "c.yaml:3:27: images[0].tags: found an empty list, expected at least one tag, or the word all",
        ),
        (
            "each",
            "c.yaml:3:27: images[0].tags: found a text, expected a list of tags, the word all, or a mapping of rules",
        ),
        (
            "all, tag: x",
            "c.yaml:3:27: images[0].tags: found tag beside it, expected one of the two",
        ),
    ] {
        assert_eq!(
            images_error(&format!("  - {{source: nginx, tags: {rules}}}")),
            told
        );
    }
    assert_eq!(
        images_error("  - {source: 'nginx:1.27', tags: all}"),
        "c.yaml:3:14: images[0].source: found a tag or digest beside tags, expected source: REPOSITORY"
    );
}
