//! What somebody else pushed to a target, or deleted there.

use super::*;

const CACHE: &str = "cache.example:5000";

fn both(text: &str) -> [Hint; 2] {
    [pushed(CACHE, text), deleted(CACHE, text)]
}

#[test]
fn a_tag_at_a_target_is_about_the_image_that_is_written_there() {
    let images = format!(
        "images: [{{source: 'quay.io/a:1', cache_as: x/a, tag_as: 'one'}}, {{source: 'quay.io/b@{DIGEST}', cache_as: x/a}}, {{source: 'quay.io/a:2', cache_as: x/a}}]"
    );
    let with = |settings: &str| index(&format!("registries: {{'{CACHE}': {settings}}}, {images}"));
    let index = with("{endpoint: 'https://10.0.0.1'}");
    let mirrored = with("{mirrors: [mirror.example]}");
    let one = [format!("{CACHE}/x/a:one")];
    for hint in both("x/a:one") {
        assert_eq!(at_target(&index, &hint, &[]), one);
    }
    for hint in [
        deleted("10.0.0.1", "x/a:one"),
        hint(None, "x/a:one", HintAction::Deleted),
    ] {
        assert_eq!(at_target(&index, &hint, &[]), one);
    }
    assert_eq!(
        why_not(&mirrored, &deleted("mirror.example", "x/a:one")),
        Some(WhyNot::UnknownRepository)
    );
    assert_eq!(
        why_not(&index, &deleted(CACHE, "x/a:1")),
        Some(WhyNot::UnwantedTag)
    );
    let pinned = [format!("{CACHE}/x/a@{DIGEST}")];
    assert_eq!(
        at_target(&index, &pushed(CACHE, &format!("x/a@{DIGEST}")), &[]),
        pinned
    );
    assert_eq!(
        why_not(&index, &pushed(CACHE, &format!("x/a@{OTHER}"))),
        Some(WhyNot::NothingNamed)
    );
}

#[test]
fn a_digest_that_was_deleted_is_about_all_that_is_named_there_and_what_is_remembered() {
    let index = index(
        "images: [{source: 'quay.io/a:1', cache_as: x}, {source: 'quay.io/b:2', cache_as: x, referrers: true}, {source: 'quay.io/b:2', cache_as: y},
            {source: quay.io/c, tags: {semver: 5.x}, cache_as: x}]",
    );
    let deleted_digest = deleted(CACHE, &format!("x@{DIGEST}"));
    let named = [format!("{CACHE}/x:1"), format!("{CACHE}/x:2")];
    assert_eq!(at_target(&index, &deleted_digest, &[]), named);
    assert_eq!(
        at_target(&index, &deleted_digest, &["5.1", "6.1"])[2..],
        [format!("{CACHE}/x:5.1")]
    );
    let signature = format!("x:sha256-{}.sig", &DIGEST["sha256:".len()..]);
    for hint in both(&signature) {
        let of_signature = with_subject(hint, DIGEST);
        assert_eq!(
            at_target(&index, &of_signature, &[]),
            named[1..],
            "one has artifacts"
        );
    }
}

#[test]
fn what_rules_write_is_found_by_what_their_tags_are_called_there() {
    let index = index(
        "images: [{source: quay.io/a, tags: {semver: 1.x}}, {source: quay.io/b, tags: {include: 'v.*'}, tag_as: 'm-{version}-k8s'},
            {source: quay.io/c, tags: all, tag_as: '{tag}-{digest8}'}, {source: 'quay.io/d:7', tag_as: 'by-{digest8}'}]",
    );
    for (text, expected) in [
        ("quay.io/a:1.4".to_owned(), Some("1.4")),
        ("quay.io/a:2.4".to_owned(), None),
        ("quay.io/b:m-1.2-k8s".to_owned(), Some("v1.2")),
        ("quay.io/b:m-1.2-k9s".to_owned(), None),
        (format!("quay.io/c:v1-e3b0c442@{DIGEST}"), Some("v1")),
        (format!("quay.io/c:v1-e3b0c442@{OTHER}"), None),
        (format!("quay.io/d:by-e3b0c442@{DIGEST}"), Some("7")),
    ] {
        for hint in both(&text) {
            let concerned = concerned(&index, &hint, &[]);
            let tags: Vec<&str> = concerned
                .at_target
                .iter()
                .map(|image| image.tag.as_str())
                .collect();
            assert_eq!(tags, expected.into_iter().collect::<Vec<_>>(), "{text}");
        }
    }
}

#[test]
fn what_namespaces_write_is_found_by_what_their_repositories_are_called_there() {
    let index = index(
        "targets: {path: {registry: p.example/mirror, naming: path}, last: {registry: l.example, naming: name}},
         repositories: [{source: quay.io/team, exclude: '.*/scratch', tags: {semver: 1.x}},
            {source: quay.io/one, cache_as: 'm/x-{below}-y', tags: all}, {source: quay.io/two, tags: all, targets: [path, last]},
            {source: ghcr.io, cache_as: 'gh/{path}', tags: all}]",
    );
    for (host, text, expected) in [
        (
            CACHE,
            "quay.io/team/deep/a:1.2",
            Some("quay.io/team/deep/a"),
        ),
        (CACHE, "quay.io/team/deep/a:2.2", None),
        (CACHE, "quay.io/team/scratch:1.2", None),
        (CACHE, "quay.io/teams/a:1.2", None),
        (CACHE, "m/x-a/b-y:1", Some("quay.io/one/a/b")),
        (CACHE, "m/a/b:1", None),
        (CACHE, "gh/some/app:1", Some("ghcr.io/some/app")),
        ("p.example", "mirror/two/a/b:1", Some("quay.io/two/a/b")),
        ("p.example", "two/a/b:1", None),
        ("l.example", "a:1", Some("quay.io/two/a")),
    ] {
        for hint in [pushed(host, text), deleted(host, text)] {
            let concerned = concerned(&index, &hint, &[]);
            let sources: Vec<String> = concerned
                .at_target
                .iter()
                .map(|image| image.source.to_string())
                .collect();
            assert_eq!(sources, expected.into_iter().collect::<Vec<_>>(), "{text}");
        }
    }
}

#[test]
fn an_image_may_be_the_source_of_one_and_the_target_of_another() {
    let index = index(
        "images: [{source: 'quay.io/a:1', cache_as: a}, {source: 'cache.example:5000/a:1', cache_as: b}]",
    );
    let concerned = concerned(&index, &pushed(CACHE, "a:1"), &[]);
    assert_eq!(targets(&concerned.at_source), [format!("{CACHE}/b:1")]);
    assert_eq!(targets(&concerned.at_target), [format!("{CACHE}/a:1")]);
}
