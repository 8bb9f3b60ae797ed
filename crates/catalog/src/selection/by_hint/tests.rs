//! Events, and the images that they are about.

mod cost;
mod sources;
mod targets;

use image_sync_shared::image::hint::{Hint, HintAction};

use super::{Concerned, HintIndex, WhyNot};
use crate::config_file;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const OTHER: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn index(more: &str) -> HintIndex {
    let text = format!("{{cache_registry: 'cache.example:5000', {more}}}");
    let parsed = config_file::parse(&text, "c.yaml").unwrap();
    HintIndex::new(parsed.images, &parsed.config)
}

/// `REPOSITORY[:TAG][@DIGEST]` of a registry, or of none that is told.
fn hint(registry: Option<&str>, text: &str, action: HintAction) -> Hint {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let (repository, tag) = match rest.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (rest, None),
    };
    let mut hint = Hint::new(registry, repository, action).unwrap();
    for reference in [tag, digest].into_iter().flatten() {
        hint = hint.with_reference(reference).unwrap();
    }
    hint
}

fn pushed(registry: &str, text: &str) -> Hint {
    hint(Some(registry), text, HintAction::Pushed)
}

fn deleted(registry: &str, text: &str) -> Hint {
    hint(Some(registry), text, HintAction::Deleted)
}

fn with_subject(hint: Hint, subject: &str) -> Hint {
    Hint {
        subject: Some(subject.parse().unwrap()),
        ..hint
    }
}

fn targets(images: &[super::ImageSpec]) -> Vec<String> {
    images.iter().map(super::ImageSpec::target_name).collect()
}

/// The targets of the images whose sources may have changed. Nothing at a target has.
fn at_source(index: &HintIndex, hint: &Hint, tags: &[&str]) -> Vec<String> {
    let concerned = concerned(index, hint, tags);
    assert_eq!(targets(&concerned.at_target), [""; 0], "{hint:?}");
    targets(&concerned.at_source)
}

fn at_target(index: &HintIndex, hint: &Hint, tags: &[&str]) -> Vec<String> {
    let concerned = concerned(index, hint, tags);
    assert_eq!(targets(&concerned.at_source), [""; 0], "{hint:?}");
    targets(&concerned.at_target)
}

fn concerned(index: &HintIndex, hint: &Hint, tags: &[&str]) -> Concerned {
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    let concerned = index.concerned(hint, &tags);
    let is_about_none = concerned.at_source.is_empty() && concerned.at_target.is_empty();
    assert_eq!(concerned.why_not.is_some(), is_about_none, "{concerned:?}");
    concerned
}

fn why_not(index: &HintIndex, hint: &Hint) -> Option<WhyNot> {
    concerned(index, hint, &[]).why_not
}

#[test]
fn why_an_event_is_about_no_image_has_a_sentence_and_a_label_each() {
    let images = "images: [{source: 'quay.io/a/b:1'}, {source: quay.io/c, tags: {semver: 1.x}}, {source: 'quay.io/d:1', tag_as: '{digest8}'}]";
    let index = index(images);
    for (hint, expected) in [
        (pushed("quay.io", "a/x:1"), WhyNot::UnknownRepository),
        (pushed("ghcr.io", "a/b:1"), WhyNot::UnknownRepository),
        (pushed("quay.io", "a/b:2"), WhyNot::UnwantedTag),
        (pushed("quay.io", "c:2.0"), WhyNot::UnwantedTag),
        (
            pushed("quay.io", &format!("a/b@{DIGEST}")),
            WhyNot::NothingNamed,
        ),
        (pushed("quay.io", "d:1"), WhyNot::DigestNotTold),
        (pushed("quay.io", "d:2"), WhyNot::UnwantedTag),
        (deleted("quay.io", "a/b:1"), WhyNot::DeletedAtSource),
        (deleted("quay.io", "a/x:1"), WhyNot::UnknownRepository),
        (
            deleted("cache.example:5000", "quay.io/a/b:2"),
            WhyNot::UnwantedTag,
        ),
    ] {
        assert_eq!(why_not(&index, &hint), Some(expected), "{hint:?}");
    }
    let labels: std::collections::BTreeSet<_> = WhyNot::ALL.iter().map(|why| why.label()).collect();
    let sentences: std::collections::BTreeSet<_> =
        WhyNot::ALL.iter().map(WhyNot::to_string).collect();
    assert_eq!((labels.len(), sentences.len()), (5, 5));
    assert!(labels.iter().all(|label| {
        label
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    }));
}

#[test]
fn what_is_left_out_by_a_choice_of_images_is_none_of_them() {
    let text = "{cache_registry: 'cache.example', images: [{source: 'quay.io/a:1'}, {source: 'quay.io/a', tags: all}]}";
    let parsed = config_file::parse(text, "c.yaml").unwrap();
    let images = crate::selection::choose(parsed.images, Some("*:2")).unwrap();
    let index = HintIndex::new(images, &parsed.config);
    assert_eq!(at_source(&index, &pushed("quay.io", "a:1"), &[]), [""; 0]);
    assert_eq!(at_source(&index, &pushed("quay.io", "a:2"), &[]).len(), 1);
}
