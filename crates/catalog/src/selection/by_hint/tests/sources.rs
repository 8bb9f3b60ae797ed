//! What was pushed to a source.

use super::*;

#[test]
fn a_tag_is_about_the_images_that_are_named_by_it_for_each_of_their_targets() {
    let index = index(
        "targets: {other: {registry: other.example}}, images: [
            {source: 'quay.io/a/b:1', targets: [cache, other]}, {source: 'quay.io/a/b', tag: '2'},
            {source: 'quay.io/a/b:1', platform: linux/arm64, cache_as: arm}, {source: 'ghcr.io/a/b:1', cache_as: gh}]",
    );
    let expected = [
        "cache.example:5000/quay.io/a/b:1",
        "other.example/quay.io/a/b:1",
        "cache.example:5000/arm:1",
    ];
    let told = pushed("quay.io", "a/b:1");
    assert_eq!(at_source(&index, &told, &[]), expected);
    let with_digest = pushed("Quay.io:443", &format!("a/b:1@{DIGEST}"));
    assert_eq!(at_source(&index, &with_digest, &[]), expected);
    let of_any = at_source(&index, &hint(None, "a/b:1", HintAction::Pushed), &[]);
    assert_eq!(of_any.len(), 4, "{of_any:?}");
}

#[test]
fn a_pinned_image_is_meant_by_its_digest_and_by_its_tag_where_no_other_digest_is_told() {
    let index = index(&format!(
        "images: [{{source: 'quay.io/a:1@{DIGEST}'}}, {{source: 'quay.io/b@{DIGEST}'}}]"
    ));
    let (a, b) = (
        vec!["cache.example:5000/quay.io/a:1".to_owned()],
        vec![format!("cache.example:5000/quay.io/b@{DIGEST}")],
    );
    for (text, expected) in [
        (format!("a@{DIGEST}"), &a),
        (format!("a:1@{DIGEST}"), &a),
        (format!("a:2@{DIGEST}"), &a),
        ("a:1".to_owned(), &a),
        (format!("b@{DIGEST}"), &b),
        (format!("a:1@{OTHER}"), &vec![]),
        (format!("b@{OTHER}"), &vec![]),
    ] {
        assert_eq!(
            at_source(&index, &pushed("quay.io", &text), &[]),
            *expected,
            "{text}"
        );
    }
}

#[test]
fn docker_hub_mirrors_and_endpoints_are_other_names_of_a_registry() {
    let index = index(
        "images: [{source: 'nginx:1'}, {source: 'x/app:1'}, {source: 'quay.io/team/a:1'}], registries: {
            docker.io: {mirrors: ['https://mirror.example/dockerhub', 'plain.example:5000']},
            quay.io: {endpoint: 'http://127.0.0.1:8080/quay'}}",
    );
    for (host, name) in [
        ("docker.io", "library/nginx:1"),
        ("docker.io", "nginx:1"),
        ("index.docker.io", "nginx:1"),
        ("registry-1.docker.io", "library/nginx:1"),
        ("mirror.example", "dockerhub/library/nginx:1"),
        ("Mirror.example:443", "dockerhub/nginx:1"),
        ("plain.example:5000", "library/nginx:1"),
    ] {
        let expected = ["cache.example:5000/nginx:1"];
        assert_eq!(
            at_source(&index, &pushed(host, name), &[]),
            expected,
            "{host} {name}"
        );
    }
    for name in ["library/nginx:1", "nginx:1", "dockerhub/library/nginx:1"] {
        let of_any = hint(None, name, HintAction::Pushed);
        assert_eq!(concerned(&index, &of_any, &[]).at_source.len(), 1, "{name}");
    }
    assert_eq!(
        at_source(&index, &pushed("127.0.0.1:8080", "quay/team/a:1"), &[]).len(),
        1
    );
    for (host, name) in [
        ("mirror.example", "library/nginx:1"),
        ("mirror.example", "dockerhubs/library/nginx:1"),
        ("mirror.example", "x/app:1"),
        ("other.example", "library/nginx:1"),
        ("127.0.0.1:8080", "team/a:1"),
    ] {
        let why = why_not(&index, &pushed(host, name));
        assert_eq!(why, Some(WhyNot::UnknownRepository), "{host} {name}");
    }
}

#[test]
fn rules_and_namespaces_have_the_tags_that_they_may_choose() {
    let index = index(
        "images: [{source: quay.io/a, tags: {semver: 1.x, latest: 1, min_age: {created: 7d}}}, {source: quay.io/a, tag: '1.5'}],
         repositories: [{source: quay.io/team, exclude: '.*/scratch', tags: {semver: 2.x}}, {source: quay.io/one, tags: ['7']},
            {source: quay.io/team/deep, cache_as: 'm/{below}', tags: all}]",
    );
    for (text, expected) in [
        ("a:1.4", &["cache.example:5000/quay.io/a:1.4"][..]),
        ("a:1.5", &["cache.example:5000/quay.io/a:1.5"]),
        ("a:2.0", &[]),
        ("team/new:2.1", &["cache.example:5000/quay.io/team/new:2.1"]),
        ("team/new:1.1", &[]),
        ("team/scratch:2.1", &[]),
        ("team:2.1", &[]),
        ("teams/x:2.1", &[]),
        ("one/x:7", &["cache.example:5000/quay.io/one/x:7"]),
        ("one/x:8", &[]),
        (
            "team/deep/x/y:2.0",
            &[
                "cache.example:5000/quay.io/team/deep/x/y:2.0",
                "cache.example:5000/m/x/y:2.0",
            ],
        ),
    ] {
        assert_eq!(
            at_source(&index, &pushed("quay.io", text), &[]),
            expected,
            "{text}"
        );
    }
    let of_any = hint(None, "team/new:2.1", HintAction::Pushed);
    assert_eq!(at_source(&index, &of_any, &[]).len(), 1);
}

#[test]
fn digests_in_tags_are_those_that_are_told() {
    let index = index(
        "images: [{source: 'quay.io/a:1', tag_as: '{tag}-{digest8}'}, {source: quay.io/b, tags: all, tag_as: 'x-{digest8}'}]",
    );
    for (text, expected) in [
        (
            format!("a:1@{DIGEST}"),
            "cache.example:5000/quay.io/a:1-e3b0c442",
        ),
        (
            format!("b:7@{DIGEST}"),
            "cache.example:5000/quay.io/b:x-e3b0c442",
        ),
    ] {
        let concerned = concerned(&index, &pushed("quay.io", &text), &[]);
        assert_eq!(targets(&concerned.at_source), [expected]);
        assert_eq!(concerned.at_source[0].reference.to_string(), DIGEST);
    }
}

#[test]
fn a_manifest_that_may_be_an_artifact_is_about_images_with_artifacts_that_are_named_or_whose_tags_are_remembered()
 {
    let index = index(
        "images: [{source: 'quay.io/a:1', referrers: true}, {source: 'quay.io/a:2', referrers: true}, {source: 'quay.io/a:3'},
            {source: quay.io/a, tags: {semver: 5.x}, referrers: true}, {source: quay.io/a, tags: {semver: 6.x}},
            {source: 'quay.io/z:1', cache_as: z, referrers: {from: quay.io/artifacts}}],
         repositories: [{source: quay.io/team, tags: all, referrers: true}]",
    );
    let of_tag = format!("sha256-{}", &DIGEST["sha256:".len()..]);
    let named = [
        "cache.example:5000/quay.io/a:1",
        "cache.example:5000/quay.io/a:2",
    ];
    for hint in [
        pushed("quay.io", &format!("a@{OTHER}")),
        with_subject(pushed("quay.io", &format!("a@{OTHER}")), DIGEST),
        with_subject(pushed("quay.io", &format!("a:{of_tag}.sig")), DIGEST),
        with_subject(pushed("quay.io", &format!("a:{of_tag}@{OTHER}")), DIGEST),
    ] {
        assert_eq!(at_source(&index, &hint, &[]), named, "{hint:?}");
        let remembered = at_source(&index, &hint, &["5.1", "6.1", "2"]);
        assert_eq!(remembered[..2], named, "{hint:?}");
        assert_eq!(
            remembered[2..],
            ["cache.example:5000/quay.io/a:5.1"],
            "{hint:?}"
        );
    }
    let in_namespace = pushed("quay.io", &format!("team/x@{OTHER}"));
    assert_eq!(
        at_source(&index, &in_namespace, &["v1"]),
        ["cache.example:5000/quay.io/team/x:v1"]
    );
    assert_eq!(why_not(&index, &in_namespace), Some(WhyNot::NothingNamed));
    let signature = with_subject(pushed("quay.io", &format!("team/x:{of_tag}.sig")), DIGEST);
    let of_remembered = at_source(&index, &signature, &["v1"]);
    assert_eq!(
        of_remembered,
        ["cache.example:5000/quay.io/team/x:v1"],
        "no tag of all"
    );
    let elsewhere = pushed("quay.io", &format!("artifacts@{OTHER}"));
    assert_eq!(
        at_source(&index, &elsewhere, &[]),
        ["cache.example:5000/z:1"]
    );
    let own = pushed("quay.io", &format!("z@{OTHER}"));
    assert_eq!(
        at_source(&index, &own, &[]),
        [""; 0],
        "its artifacts are elsewhere"
    );
}

#[test]
fn a_tag_of_a_digest_is_about_the_entry_that_names_it_too() {
    let tag = format!("sha256-{}.sig", &DIGEST["sha256:".len()..]);
    let index = index(&format!(
        "images: [{{source: 'quay.io/a:{tag}'}}, {{source: 'quay.io/a:1', referrers: true}}]"
    ));
    let told = with_subject(pushed("quay.io", &format!("a:{tag}")), DIGEST);
    let expected = [
        format!("cache.example:5000/quay.io/a:{tag}"),
        "cache.example:5000/quay.io/a:1".to_owned(),
    ];
    assert_eq!(at_source(&index, &told, &[]), expected);
}

#[test]
fn what_was_deleted_at_a_source_is_about_no_image() {
    let index = index("images: [{source: 'quay.io/a:1', referrers: true}]");
    for text in [
        "a:1".to_owned(),
        format!("a:1@{DIGEST}"),
        format!("a@{DIGEST}"),
    ] {
        assert_eq!(
            why_not(&index, &deleted("quay.io", &text)),
            Some(WhyNot::DeletedAtSource)
        );
    }
}
