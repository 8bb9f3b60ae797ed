//! The mapping `defaults`, and the keys that are the user's own.

use super::meaning::{config, images_of};
use super::refusals::errors::further_error;

#[test]
fn an_image_has_the_defaults_of_its_file_where_it_says_nothing() {
    let text = "
cache_registry: a.io
settings: {default_platform: linux/s390x, source_tls_verify: false}
defaults: {platform: [linux/amd64, linux/arm64], cache_insecure: false}
images:
  - {source: b, tag: t}
  - {source: c, tag: t, platform: all, cache_insecure: true}
";
    let images = images_of(text);
    let said = images.iter().map(|image| {
        let (source, target) = (image.source_trust, image.target_trust);
        format!("{} {source:?} {target:?}", image.platforms)
    });
    assert_eq!(
        said.collect::<Vec<_>>(),
        [
            "linux/amd64,linux/arm64 Insecure Verified",
            "all Insecure Insecure"
        ]
    );
    let of_others = config(text).defaults;
    assert_eq!(of_others.platforms, images[0].platforms, "for enqueue too");
}

#[test]
fn a_digest_alone_is_copied_whole_whatever_the_defaults() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let text = format!(
        "{{cache_registry: a.io, defaults: {{platform: linux/arm64}}, images: [{{source: 'b@{digest}'}}]}}"
    );
    assert_eq!(images_of(&text)[0].platforms.to_string(), "all");
}

#[test]
fn what_is_no_default_is_refused() {
    assert_eq!(
        further_error("defaults: {tag: x, platform: linux/amd46, cache_insecure: 5}"),
        "c.yaml:3:12: defaults: unknown key \"tag\", expected one of targets, platform, source_tls_verify, cache_insecure, overwrite, platform_missing, referrers\n\
         c.yaml:3:30: defaults.platform: platform \"linux/amd46\": unknown architecture \"amd46\", did you mean amd64?\n\
         c.yaml:3:59: defaults.cache_insecure: found a number, expected true or false"
    );
    assert_eq!(
        further_error("defaults: [linux/amd64]"),
        "c.yaml:3:11: defaults: found a list, expected a mapping of keys of images"
    );
}

#[test]
fn keys_that_begin_with_x_are_the_users_wherever_a_mapping_is() {
    let text = "
x-platforms: &both [linux/amd64, linux/arm64]
x-image: &image {x-why: several use it, platform: *both}
x-more: &more
  - &first {<<: *image, source: b, tag: t}
  - *first
x-unset: ${NOT_SET} ${
cache_registry: a.io
defaults: &defaults {x-note: 1, platform: all}
settings: {x-note: 1, retry: {x-note: [1]}}
registries: {a.io: {x-note: 1, insecure: true}}
images:
  - <<: *first
    tag: u
    x-owner: {team: web}
  - {<<: [{cache_as: c}, *image], source: b, x-tags: [a], tags: {x-note: 1, include: v}}
  - *first
";
    let said = |text: &str| {
        let images = images_of(text);
        let said = images
            .iter()
            .map(|image| format!("{} {}", image.target_name(), image.platforms));
        said.collect::<Vec<_>>()
    };
    let both = "linux/amd64,linux/arm64";
    let expected = [format!("a.io/b:u {both}"), format!("a.io/b:t {both}")];
    assert_eq!(said(text), expected);
    let all = "{x-a: &list [{source: b, tag: t}], cache_registry: a.io, images: *list}";
    assert_eq!(said(all), ["a.io/b:t linux/amd64"]);
    let merged = "{x-a: &whole {cache_registry: a.io, images: [{source: b, tag: t}]}, <<: *whole}";
    assert_eq!(said(merged), ["a.io/b:t linux/amd64"]);
}
