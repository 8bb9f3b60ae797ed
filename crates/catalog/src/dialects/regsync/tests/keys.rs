use super::super::super::samples::{images, warnings};
use super::super::super::translation::own_platform;
use super::{DIGEST, chosen, read};

/// What is warned of one step with these keys more, with these defaults.
fn told(step: &str, defaults: &str) -> Vec<String> {
    let text = format!(
        "defaults: {{{defaults}}}\nsync: [{{source: 'a/b:1', target: 'x.io/b:1', type: image{step}}}]\n"
    );
    warnings(&read(&text, &[]))
}

#[test]
fn an_image_without_a_tag_is_latest_and_so_is_a_target_without_one() {
    let text = format!(
        "sync:
- {{source: busybox, target: x.io/busybox, type: image}}
- {{source: 'alpine:3.20', target: x.io/alpine, type: image}}
- {{source: 'busybox@{DIGEST}', target: 'x.io/pinned:1.36', type: image}}
- {{source: 'busybox:1@{DIGEST}', target: x.io/both, type: image}}
- {{source: 'quay.io/a:1', target: 'me/a:1', type: image}}
- {{source: 'localhost:5000/a:1', target: 'registry:5000/a:1', type: image}}
- {{source: 'ocidir://in/a:v1', target: 'ocidir://out/b', type: image}}
- {{source: 'ocidir://in/c', target: 'ocidir:///srv/c', type: image}}
"
    );
    let parsed = read(&text, &[]);
    assert_eq!(
        images(&parsed),
        [
            "busybox:latest -> x.io/busybox:latest all".to_owned(),
            "alpine:3.20 -> x.io/alpine:latest all".to_owned(),
            format!("busybox@{DIGEST} -> x.io/pinned:1.36 all"),
            format!("busybox@{DIGEST} -> x.io/both:latest all"),
            "quay.io/a:1 -> docker.io/me/a:1 all".to_owned(),
            "localhost:5000/a:1 -> registry:5000/a:1 all".to_owned(),
            "oci:in/a:v1 -> oci:out/b:latest all".to_owned(),
            "oci:in/c:latest -> oci:/srv/c:latest all".to_owned(),
        ]
    );
    assert_eq!(warnings(&parsed), [""; 0]);
}

#[test]
fn allow_and_ranges_have_to_hold_together_and_deny_comes_last() {
    let text = "sync: [{source: a/b, target: x.io/b, type: repository, tags: {semverRange: ['>=1 <2', '>=4'], allow: ['v.*', latest], deny: ['.*-rc']}}]";
    let parsed = read(text, &[]);
    assert_eq!(
        chosen(&parsed, "a/b", "v1.0 1.5 v1.7-rc v2 v4.1 latest"),
        ["v1.0 -> x.io/b:v1.0 all", "v4.1 -> x.io/b:v4.1 all"]
    );
}

#[test]
fn without_rules_all_tags_are_chosen_and_a_folder_is_listed_too() {
    for tags in [
        "",
        ", tags: {}",
        ", tags: {allow: []}",
        ", tagSets: [{allow: [x]}, {}]",
        ", tags: {semverRange: ['']}",
    ] {
        let text = format!("sync: [{{source: a/b, target: x.io/b, type: repository{tags}}}]");
        let parsed = read(&text, &[]);
        assert_eq!(
            chosen(&parsed, "a/b", "v1"),
            ["v1 -> x.io/b:v1 all"],
            "{tags}"
        );
        let told = warnings(&parsed);
        assert!(
            told[0].contains("signatures, attestations and SBOMs are tags of their own"),
            "{told:?}"
        );
    }
    let text = "sync: [{source: 'ocidir://in/b', target: 'ocidir://out', type: repository}]";
    assert_eq!(
        chosen(&read(text, &[]), "oci:in/b", "v1"),
        ["v1 -> oci:out:v1 all"]
    );
}

#[test]
fn an_expression_with_a_bar_matches_more_than_whole_tags_as_there() {
    let text =
        "sync: [{source: a/b, target: x.io/b, type: repository, tags: {allow: ['latest|edge']}}]";
    let parsed = read(text, &[]);
    assert_eq!(
        chosen(&parsed, "a/b", "latest latest-dev my-edge my-latest"),
        [
            "latest -> x.io/b:latest all",
            "latest-dev -> x.io/b:latest-dev all",
            "my-edge -> x.io/b:my-edge all",
        ]
    );
    let told = warnings(&parsed);
    assert!(
        told[0].contains("sync[0].tags.allow[0]: a | outside of brackets divides"),
        "{told:?}"
    );
}

#[test]
fn platforms_are_understood_as_there() {
    for (keys, expected) in [
        ("platform: linux/arm64", "linux/arm64"),
        ("platform: arm64", "linux/arm64"),
        (
            "platform: 'windows/amd64,osver=10.0.20348'",
            "windows/amd64:10.0.20348",
        ),
        (
            "platforms: [linux/amd64, linux/arm/v7]",
            "linux/amd64,linux/arm/v7",
        ),
        ("platforms: []", "all"),
        (
            "platform: linux/amd64, platforms: [linux/arm64]",
            "linux/amd64",
        ),
    ] {
        let text = format!("sync: [{{source: 'a/b:1', target: 'x.io/b:1', type: image, {keys}}}]");
        let told = images(&read(&text, &[]));
        assert_eq!(told, [format!("a/b:1 -> x.io/b:1 {expected}")]);
    }
    let text = "sync: [{source: 'a/b:1', target: 'x.io/b:1', type: image, platform: local}]";
    let parsed = read(text, &[]);
    assert_eq!(
        images(&parsed),
        [format!("a/b:1 -> x.io/b:1 {}", own_platform())]
    );
    assert_eq!(
        warnings(&parsed),
        [
            "c.yaml:1:69: sync[0].platform: local is the platform of the machine that this runs on, which is written in its place"
        ]
    );
    let text = "sync: [{source: 'a/b:1', target: 'x.io/b:1', type: image, platforms: [linux/amd64, linux/arm64]}]";
    let image = read(text, &[]).images.iter().next().unwrap();
    assert_eq!(format!("{:?}", image.policy.platform_missing), "Skip");
}

#[test]
fn every_other_option_is_told_with_its_place() {
    let without = "without referrers it has no effect";
    for (step, expected) in [
        (", backup: old", "is kept under no other name"),
        (", digestTags: true", "and of its tags those of signatures"),
        (
            ", referrers: true",
            "under tags of cosign (sha256-...) come along too",
        ),
        (
            ", referrers: true, digestTags: true, referrerFilters: [{annotations: {a: b}}]",
            "so that those with other annotations come too",
        ),
        (
            ", referrers: true, digestTags: true, referrerSlow: true",
            "in the list of them anyway",
        ),
        (
            ", referrers: true, digestTags: true, referrerTarget: x.io/c",
            "beside their image, and nowhere else",
        ),
        (", referrerSource: x.io/y", without),
        (", referrerTarget: x.io/y", without),
        (", referrerSlow: true", without),
        (
            ", ratelimit: {min: 10}",
            "one that answers 429 is left alone",
        ),
        (", fastCheck: true", "costs one HEAD"),
        (", forceRecursive: true", "counts as whole"),
        (
            ", includeExternal: true",
            "copied where their source has them",
        ),
        (", hooks: {pre: {type: x}}", "runs none either"),
        (", mediaTypes: [a]", "copied whatever media types"),
        (", interval: 1h", "image-sync producer --every 1h"),
        (", schedule: '0 4 * * *'", "a timer, as cron"),
        (
            ", tags: {allow: [x]}",
            "it has no effect beside the other keys",
        ),
        (
            ", repos: {allow: [x]}",
            "it has no effect beside the other keys",
        ),
        (", colour: blue", "does not know it either"),
    ] {
        let told = told(step, "");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("c.yaml:2:") && told[0].contains(expected),
            "{told:?}"
        );
    }
    let nothing = told(
        ", backup: '', referrers: false, fastCheck: false, x-mine: 1",
        "",
    );
    assert_eq!(nothing, [""; 0]);
}

#[test]
fn options_by_default_are_told_once_and_an_own_value_goes_before() {
    let text = "defaults: {referrers: true, digestTags: true, backup: x, parallel: 3}
sync:
- {source: 'a/b:1', target: 'x.io/b:1', type: image, referrers: false}
- {source: 'a/b:2', target: 'x.io/b:2', type: image, referrers: false, backup: y}
- {source: 'a/b:3', target: 'x.io/b:3', type: image, referrers: false, digestTags: false, backup: z}
";
    let parsed = read(text, &[]);
    assert_eq!(
        warnings(&parsed),
        [
            "c.yaml:1:41: defaults.digestTags: artifacts that refer to an image come along too, and of its tags those of signatures, attestations and SBOMs (.sig, .att, .sbom)",
            "c.yaml:1:55: defaults.backup is left out: a tag that is overwritten is kept under no other name (and so are 2 others)",
        ]
    );
    assert_eq!(parsed.config.settings.concurrency, 3);
    let types = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, x";
    let types = format!("mediaTypes: [{types}]");
    for (option, why) in [
        ("blobLimit: 1", "is limited anyway"),
        ("cacheCount: 1", "is remembered anyway"),
        ("cacheTime: 5m", "is remembered anyway"),
        (
            "skipDockerConfig: true",
            "DOCKER_CONFIG may name an empty folder",
        ),
        ("userAgent: x", "requests name this program"),
        ("colour: blue", "does not know it either"),
        (&types, "are copied anyway"),
    ] {
        let told = told("", option);
        assert_eq!(told.len(), 1, "{option}: {told:?}");
        assert!(
            told[0].starts_with("c.yaml:1:") && told[0].contains(why),
            "{told:?}"
        );
    }
}

#[test]
fn keys_twice_are_the_last_of_them_and_merge_keys_work() {
    let text = "x-base: &base {type: image, platform: linux/amd64}
sync:
- {<<: *base, source: 'a/b:1', source: 'a/c:1', target: 'x.io/c:1'}
version: 1
";
    let parsed = read(text, &[]);
    assert_eq!(images(&parsed), ["a/c:1 -> x.io/c:1 linux/amd64"]);
    assert_eq!(
        warnings(&parsed),
        [
            "c.yaml:3:32: sync[0].source: it is in line 3 too, and the last one holds, as in the tool that it is written for"
        ]
    );
}

#[test]
fn two_registries_go_to_two_named_targets_and_the_same_to_one() {
    let text = "sync:
- {source: r.io, target: x.io/a_b, type: registry, repos: {allow: [a]}, tags: {allow: ['1']}}
- {source: r.io, target: x.io/a-b, type: registry, repos: {allow: [a]}, tags: {allow: ['1']}}
- {source: s.io, target: x.io/a-b, type: registry, tags: {allow: ['1']}}
- {source: s.io, target: 'ocidir://out', type: registry, tags: {allow: ['2']}}
- {source: s.io, target: team, type: registry, tags: {allow: ['3']}}
";
    let parsed = read(text, &[]);
    assert_eq!(
        chosen(&parsed, "r.io/a", "1"),
        ["1 -> x.io/a-b/a:1 all", "1 -> x.io/a_b/a:1 all"]
    );
    assert_eq!(
        chosen(&parsed, "s.io/q/w", "1 2 3"),
        [
            "1 -> x.io/a-b/q/w:1 all",
            "2 -> oci:out/q/w:2 all",
            "3 -> docker.io/team/q/w:3 all",
        ]
    );
    assert_eq!(parsed.images.entries(), 4);
}

#[test]
fn many_steps_are_as_many_images_as_there_are_sources() {
    let step = |image: u32, target: &str| {
        format!("- {{source: 'a/b:{image}', target: '{target}/b:{image}', type: image}}")
    };
    let steps =
        (0..1000).flat_map(|image| ["x.io", "y.io", "z.io"].map(|target| step(image, target)));
    let text = format!("sync:\n{}\n", steps.collect::<Vec<_>>().join("\n"));
    let parsed = read(&text, &[]);
    assert_eq!((parsed.images.len(), parsed.images.entries()), (3000, 1000));
}
