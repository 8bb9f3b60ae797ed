//! Places that images go to.

use image_sync_shared::config::ImageSpec;
use image_sync_shared::image::digest::Digest;

use crate::config_file::{Parsed, parse};

const NAMED: &str = "
targets:
  eu: {registry: registry.example.eu/mirror, naming: host_path}
  cn: {registry: 'r.example.cn/infra', naming: name}
  ap: {registry: r.example.ap}
";

/// What is wrong, without the lines that are shown.
fn error(text: &str) -> String {
    let error = parse(text, "c.yaml").unwrap_err().to_string();
    let said = error.lines().filter(|line| !line.starts_with(' '));
    said.collect::<Vec<_>>().join("\n")
}

fn config(text: &str) -> Parsed {
    parse(text, "c.yaml").unwrap()
}

fn targets(parsed: &Parsed) -> Vec<String> {
    parsed
        .images
        .iter()
        .map(|image: ImageSpec| image.target_name())
        .collect()
}

#[test]
fn an_image_goes_to_the_cache_or_to_the_targets_that_it_names() {
    let parsed = config(&format!(
        "cache_registry: c.io{NAMED}
images:
  - {{source: nginx, tag: 1}}
  - {{source: quay.io/a/b, tags: [x, y], targets: [eu, cn, cache, backup.io/b]}}
  - {{source: quay.io/a/c, tag: z, targets: 'oci:./here', tag_as: '{{tag}}-k'}}
  - {{source: quay.io/a/d, tag: z, targets: [eu, ap], cache_as: other/name}}
  - {{source: quay.io/a/e, tag: z, targets: 'r.io/e:fixed'}}
"
    ));
    assert_eq!(
        targets(&parsed),
        [
            "c.io/nginx:1",
            "registry.example.eu/mirror/quay.io/a/b:x",
            "r.example.cn/infra/b:x",
            "c.io/quay.io/a/b:x",
            "backup.io/b:x",
            "registry.example.eu/mirror/quay.io/a/b:y",
            "r.example.cn/infra/b:y",
            "c.io/quay.io/a/b:y",
            "backup.io/b:y",
            "oci:./here:z-k",
            "registry.example.eu/mirror/other/name:z",
            "r.example.ap/other/name:z",
            "r.io/e:fixed",
        ]
    );
    let config = &parsed.config;
    assert_eq!(config.cache_registry.to_string(), "c.io");
    let further: Vec<String> = config
        .further_targets
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        further,
        [
            "registry.example.eu/mirror",
            "r.example.cn/infra",
            "r.example.ap",
            "backup.io/b",
            "oci:./here",
            "r.io/e"
        ]
    );
}

#[test]
fn without_a_cache_registry_an_image_that_names_no_target_goes_to_all() {
    let text = format!(
        "{NAMED}\nimages: [{{source: nginx, tag: 1}}, {{source: a/b, tag: 1, targets: ap}}]"
    );
    let parsed = config(&text);
    assert_eq!(
        targets(&parsed),
        [
            "registry.example.eu/mirror/docker.io/library/nginx:1",
            "r.example.cn/infra/nginx:1",
            "r.example.ap/nginx:1",
            "r.example.ap/a/b:1",
        ]
    );
    assert_eq!(
        parsed.config.cache_registry.to_string(),
        "registry.example.eu/mirror"
    );
    let text = format!("{NAMED}\ndefaults: {{targets: [cn]}}\nimages: [{{source: nginx, tag: 1}}]");
    assert_eq!(targets(&config(&text)), ["r.example.cn/infra/nginx:1"]);
}

#[test]
fn two_sources_for_one_target_are_refused_whatever_their_other_targets_are() {
    let text = format!(
        "cache_registry: c.io{NAMED}
images:
  - {{source: quay.io/a/b, tag: x, targets: [eu, cn]}}
  - {{source: ghcr.io/c/b, tag: x, targets: [cn, ap]}}
"
    );
    let found = error(&text);
    assert!(found.contains("ghcr.io/c/b:x (linux/amd64) for r.example.cn/infra/b:x, but images[0] has quay.io/a/b:x"), "{found}");
    let twice = format!(
        "cache_registry: c.io{NAMED}\nimages: [{{source: a/b, tag: x, targets: [eu, eu]}}]"
    );
    let twice = config(&twice);
    assert_eq!(twice.images.len(), 1);
    assert!(
        twice.warnings[0].contains("it is worked once"),
        "{:?}",
        twice.warnings
    );
}

#[test]
fn targets_that_are_none_are_told_at_their_place() {
    let with = |line: &str| {
        error(&format!(
            "cache_registry: c.io{NAMED}images:\n  - {{source: a/b, {line}}}\n"
        ))
    };
    assert_eq!(
        with("tag: t, targets: [eu, euu]"),
        "c.yaml:7:41: images[0].targets[1]: found \"euu\" (did you mean eu?), expected one of cache, eu, cn, ap, HOST/NAME, oci:FOLDER"
    );
    assert!(with("tag: t, targets: []").contains("found an empty list"));
    assert!(with("tags: all, targets: [r.io/b:1]").contains("for all tags that rules choose"));
    assert!(with("tag: t, tag_as: '{vresion}'").contains("images[0].tag_as: found {vresion}"));
    assert!(with("tag: t, targets: ['me:hunter2@r.io/b']").contains("targets[0]"));
    assert!(!with("tag: t, targets: ['me:hunter2@r.io/b']").contains("hunter2"));
    let named = |target: &str| {
        error(&format!(
            "cache_registry: c.io\ntargets: {{{target}}}\nimages: []"
        ))
    };
    assert!(named("eu: {}").contains("targets.eu.registry: missing"));
    assert!(
        named("eu: {registry: r.io, naming: full}").contains("targets.eu.naming: found \"full\"")
    );
    assert!(
        named("cache: {registry: r.io}")
            .contains("targets.cache: this is how cache_registry is called")
    );
    assert!(named("a/b: {registry: r.io}").contains("targets.a/b"));
}

#[test]
fn a_catalog_is_known_by_its_targets_too() {
    let hash = |images: &str| {
        let text = format!("cache_registry: c.io{NAMED}images: [{images}]");
        crate::identity::config_hash(&config(&text).images)
    };
    let one = hash("{source: a/b, tag: t, targets: [eu, ap]}");
    assert_eq!(hash("{source: a/b, tag: t, targets: [ap, eu]}"), one);
    assert_ne!(hash("{source: a/b, tag: t, targets: [eu]}"), one);
    assert_ne!(
        hash("{source: a/b, tag: t, targets: [eu, ap], tag_as: x}"),
        one
    );
    let with_digest = |template: &str| {
        let item = format!("{{source: a/b, tag: t, targets: [eu, ap], tag_as: '{template}'}}");
        hash(&item)
    };
    assert_ne!(with_digest("{digest8}"), one);
    assert_ne!(with_digest("{digest8}"), with_digest("{tag}-{digest8}"));
}

#[test]
fn images_with_unknown_digests_in_their_tags_are_not_known_before_their_source_is_asked() {
    let digest = Digest::of(b"app");
    let text = format!(
        "cache_registry: c.io{NAMED}
images:
  - {{source: a/b, tag: t, targets: [eu, ap], tag_as: '{{digest8}}'}}
  - {{source: 'a/c@{digest}', tag: t, tag_as: '{{digest8}}'}}
  - {{source: a/d, tags: [t, u], tag_as: '{{tag}}-{{digest8}}'}}
"
    );
    let images = config(&text).images;
    assert!(images.has_rules());
    assert_eq!(images.len(), 1);
    let unknown = images.without_digests().map(|image| image.target_name());
    let unknown: Vec<String> = unknown.collect();
    let expected = [
        "registry.example.eu/mirror/docker.io/a/b:*",
        "r.example.ap/a/b:*",
        "c.io/a/d:t-*",
        "c.io/a/d:u-*",
    ];
    assert_eq!(unknown, expected);
}
