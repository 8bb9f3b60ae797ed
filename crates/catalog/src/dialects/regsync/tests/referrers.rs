//! Which artifacts come along: `referrers` and what is beside it, and `digestTags`.

use image_sync_shared::run::job::Referrers;

use super::super::super::samples::{converted, error, warnings, with_variables};
use crate::config_file::DialectOptions;

/// A config with one entry, which has these keys besides.
fn config(keys: &str) -> String {
    format!("sync:\n- {{source: 'a/b:1', target: 'x.io/b:1', type: image{keys}}}\n")
}

/// Which artifacts its image comes with, and what is said of that.
fn read(text: &str) -> (Option<Referrers>, Vec<String>) {
    let options = DialectOptions::default();
    let parsed = with_variables(text, "c.yaml", &options, &[("ORG", "acme")]).unwrap();
    let image = parsed.images.by_rules().chain(parsed.images.iter()).next();
    let referrers = image.unwrap().policy.referrers.map(|of| *of);
    (referrers, warnings(&parsed))
}

/// The same of an entry of which nothing is to be said.
fn referrers(keys: &str) -> Option<Referrers> {
    let (referrers, warnings) = read(&config(keys));
    assert_eq!(warnings, [""; 0], "{keys}");
    referrers
}

#[test]
fn referrers_and_digest_tags_are_artifacts_that_come_along() {
    let all = Some(Referrers::default());
    assert_eq!(referrers(""), None);
    assert_eq!(referrers(", referrers: false, digestTags: false"), None);
    assert_eq!(referrers(", referrers: true, digestTags: true"), all);
    for one in [", referrers: true", ", digestTags: true"] {
        assert_eq!(read(&config(one)).0, all, "{one}");
    }
    let beside = ", referrers: true, digestTags: true, referrerTarget: 'x.io/b'";
    assert_eq!(referrers(beside), all);
}

#[test]
fn filters_of_referrers_are_artifact_types() {
    let types = |filters: &str, tags: bool| {
        let (found, _) = read(&config(&format!(
            ", referrers: true, digestTags: {tags}, referrerFilters: {filters}"
        )));
        found.unwrap().types
    };
    let two = "[{artifactType: application/x}, {artifactType: application/y}]";
    assert_eq!(types(two, false), ["application/x", "application/y"]);
    let with_tags = [
        "application/x",
        "application/y",
        "application/vnd.dev.cosign.artifact.*",
    ];
    assert_eq!(types(two, true), with_tags);
    let with_annotations = "[{artifactType: application/x, annotations: {a: b}}]";
    assert_eq!(types(with_annotations, false), ["application/x"]);
    let one_leaves_all = "[{artifactType: application/x}, {annotations: {a: b}}]";
    assert_eq!(types(one_leaves_all, true), [""; 0]);
    let told = error(
        &config(", referrers: true, referrerFilters: [x]"),
        "c.yaml",
        &DialectOptions::default(),
    );
    let expected = "c.yaml:2:89: sync[0].referrerFilters[0]: found a text, expected a mapping with artifactType and annotations";
    assert!(told.starts_with(expected), "{told}");
}

#[test]
fn artifacts_of_another_repository_are_required() {
    let text = r#"defaults: {referrers: true, digestTags: true}
sync:
- source: docker.io/{{ env "ORG" }}/node
  target: x.io/{{ env "ORG" }}/node
  type: repository
  referrerSource: scout.example.com/{{ env "ORG" }}/node
  referrerTarget: x.io/{{ env "ORG" }}/node
  tags: {allow: ["26", "24"]}
"#;
    let (found, told) = read(text);
    let found = found.unwrap();
    let from = found.from.unwrap().repository;
    assert_eq!(from.to_string(), "scout.example.com/acme/node");
    assert!(found.required && found.types.is_empty());
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("c.yaml:1:41: defaults.digestTags: tags of signatures"),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("c.yaml:6:19: sync[0].referrerSource: an image whose artifacts"),
        "{told:?}"
    );
    let variables = [("ORG", "acme")];
    let options = DialectOptions::default();
    let (native, is_complete) = converted(text, "c.yaml", &options, &variables);
    assert!(is_complete, "{native}");
    let expected =
        "    referrers:\n      required: true\n      from: scout.example.com/${ORG}/node\n";
    assert!(native.contains(expected), "{native}");
    let told = error(
        &config(", referrers: true, referrerSource: 'A b'"),
        "c.yaml",
        &options,
    );
    assert!(
        told.starts_with("c.yaml:2:87: sync[0].referrerSource: "),
        "{told}"
    );
}

#[test]
fn tags_of_signatures_among_all_tags_come_with_their_images() {
    let of = |tags: &str| {
        read(&format!(
            "sync:\n- {{source: a/b, target: x.io/b, type: repository{tags}}}\n"
        ))
    };
    let (found, told) = of("");
    assert_eq!(found, Some(Referrers::default()));
    assert!(told[0].contains("(referrers: true)"), "{told:?}");
    assert_eq!(of(", tags: {allow: ['v1.*']}"), (None, Vec::new()));
    assert_eq!(of(", tags: {allow: ['.*']}").0, Some(Referrers::default()));
}
