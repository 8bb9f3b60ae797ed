//! The key `referrers`: which artifacts come along with images.

use image_sync_shared::config::ImageSpec;
use image_sync_shared::run::job::{Referrers, ReferrersFrom, Trust};

use super::load;
use super::meaning::{config, images_of};
use crate::config_file::parse;
use crate::identity::config_hash;

fn said(image: &ImageSpec) -> Option<Referrers> {
    image.policy.referrers.as_deref().cloned()
}

/// What `referrers: TEXT` says of an image whose defaults say nothing.
fn of(text: &str) -> Option<Referrers> {
    let images = images_of(&format!(
        "{{cache_registry: a.io, images: [{{source: b, tag: t, referrers: {text}}}]}}"
    ));
    said(&images[0])
}

fn from(repository: &str, trust: Trust) -> ReferrersFrom {
    ReferrersFrom {
        repository: repository.parse().unwrap(),
        trust,
    }
}

#[test]
fn an_image_comes_with_all_artifacts_or_with_those_of_some_types() {
    let all = Some(Referrers::default());
    assert_eq!(of("false"), None);
    assert_eq!(of("~"), None);
    assert_eq!(of("true"), all);
    assert_eq!(of("{}"), all);
    let one = of("{types: application/spdx+json}").unwrap();
    assert_eq!(one.types, ["application/spdx+json"]);
    let chosen = of(
        "{types: ['*cosign*', a/b], exclude: '*.att.*', required: true, depth: 1, from: quay.io/c/d}",
    );
    let expected = Referrers {
        types: vec!["*cosign*".to_owned(), "a/b".to_owned()],
        exclude: vec!["*.att.*".to_owned()],
        required: true,
        from: Some(from("quay.io/c/d", Trust::Verified)),
        depth: 1,
    };
    assert_eq!(chosen, Some(expected));
    let folder = of("{from: 'oci:./signatures', depth: 8}").unwrap();
    assert_eq!(
        (folder.from, folder.depth),
        (Some(from("oci:./signatures", Trust::Verified)), 8)
    );
}

#[test]
fn the_referrers_of_an_image_replace_those_of_the_defaults_whole() {
    let text = "
cache_registry: a.io
defaults: {referrers: {required: true, depth: 2}}
images:
  - {source: b, tag: t}
  - {source: c, tag: t, referrers: false}
  - {source: d, tag: t, referrers: true}
  - {source: e, tag: t, referrers: {types: a/b}}
";
    let images = images_of(text);
    let said: Vec<Option<(bool, u8)>> = images
        .iter()
        .map(|image| said(image).map(|of| (of.required, of.depth)))
        .collect();
    let usual = Some((false, Referrers::DEFAULT_DEPTH));
    assert_eq!(said, [Some((true, 2)), None, usual, usual]);
    let of_others = config("{cache_registry: a.io, defaults: {referrers: true}, images: []}");
    assert!(
        of_others.defaults.policy.referrers.is_some(),
        "of enqueue and copy"
    );
}

#[test]
fn where_artifacts_are_is_reached_as_the_source_of_their_image_is() {
    let text = "
cache_registry: a.io
defaults: {referrers: {from: quay.io/signatures}}
images:
  - {source: b, tag: t}
  - {source: c, tag: t, source_tls_verify: false}
  - {source: d, tag: t, source_tls_verify: false, referrers: {from: lab.test/d}}
";
    let images = images_of(text);
    let trust = |image: &ImageSpec| said(image).unwrap().from.unwrap().trust;
    let trusts: Vec<Trust> = images.iter().map(trust).collect();
    assert_eq!(trusts, [Trust::Verified, Trust::Insecure, Trust::Insecure]);
    let text = "{cache_registry: a.io, settings: {source_tls_verify: false}, images: [], defaults: {referrers: {from: q.io/s}}}";
    let defaults = config(text).defaults;
    let spec = crate::entry::for_target("b:1", "a.io/b", None, &defaults).unwrap();
    assert_eq!(trust(&spec), Trust::Insecure, "of an image by its name too");
}

#[test]
fn repositories_and_lists_of_images_say_which_artifacts_come_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("list.txt"), "quay.io/a/b:1\n").unwrap();
    let file = folder.path().join("c.yaml");
    let text = "{cache_registry: a.io, lists: [{file: list.txt, referrers: true}]}";
    std::fs::write(&file, text).unwrap();
    let parsed = load(&file, &|_| None).unwrap();
    let images: Vec<ImageSpec> = parsed.images.iter().collect();
    assert_eq!(said(&images[0]), Some(Referrers::default()));
    let text = "{cache_registry: a.io, repositories: [{source: quay.io/a, tags: all, referrers: {required: true}}]}";
    let parsed = parse(text, "c.yaml").unwrap();
    let sample = parsed.images.samples().next().unwrap();
    assert!(said(&sample).unwrap().required);
}

#[test]
fn referrers_are_part_of_the_identity_of_a_catalog() {
    let of = |keys: &str| {
        let text = format!("{{cache_registry: a.io, images: [{{source: b, tag: t{keys}}}]}}");
        config_hash(&parse(&text, "c.yaml").unwrap().images)
    };
    assert_eq!(of(", referrers: false"), of(""));
    assert_eq!(of(", referrers: {}"), of(", referrers: true"));
    let others = [
        "",
        ", referrers: true",
        ", referrers: {required: true}",
        ", referrers: {types: a/b}",
        ", referrers: {exclude: a/b}",
        ", referrers: {depth: 1}",
        ", referrers: {from: c}",
        ", referrers: {from: c}, source_tls_verify: false",
        ", referrers: true, overwrite: never",
    ];
    for (at, one) in others.iter().enumerate() {
        for other in &others[at + 1..] {
            assert_ne!(of(one), of(other), "{one} {other}");
        }
    }
}
