//! The bodies of fuzz targets: configs.

use std::collections::BTreeSet;
use std::fmt::Debug;

use image_sync_fuzzkit::text;
use image_sync_shared::config::ImageSpec;
use image_sync_shared::image::hint::{Hint, HintAction};
use image_sync_shared::image::reference::{Reference, Repository};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config_file::{self, DialectOptions, Format};
use crate::identity::config_hash;
use crate::selection::by_hint::HintIndex;

/// A config file: it means the same each time, and its images have names.
pub fn config(input: &[u8]) {
    let yaml = text(input);
    let parsed = config_file::parse(yaml, "config.yaml");
    assert_eq!(parsed, config_file::parse(yaml, "config.yaml"));
    match parsed {
        Ok(parsed) => {
            let images: Vec<_> = parsed.images.iter().collect();
            assert_eq!(images.len(), parsed.images.len());
            let mut targets = BTreeSet::new();
            for image in &images {
                let target = image.target.image(image.target_reference.clone());
                assert!(
                    targets.insert(target),
                    "one target of two images: {image:?}"
                );
                is_a_name(&image.source);
                is_a_name(&image.target);
                is_a_name(&image.reference);
                is_a_name(&image.target_reference);
                is_a_name(&image.platforms);
            }
            assert_eq!(
                config_hash(&parsed.images),
                config_hash(&parsed.images.clone())
            );
            are_found(&images, &HintIndex::new(parsed.images, &parsed.config));
        }
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains("config.yaml"), "{error}");
        }
    }
}

/// The file of another tool, behind the first letter of how it is written: it means the same each time, and what it is converted to
/// has the same images.
pub fn dialect(input: &[u8]) {
    let input = text(input);
    let Some(letter) = input.chars().next() else {
        return;
    };
    let foreign = &input[letter.len_utf8()..];
    let format = Format::all().find(|format| format.to_string().starts_with(letter));
    if format.is_none() {
        return;
    }
    let options = DialectOptions {
        format,
        target: Some("registry.example/mirror".to_owned()),
        target_repo_prefix: Some("registry.example/mirror/".to_owned()),
        ..DialectOptions::default()
    };
    let parsed = config_file::parse_as(foreign, "config.yaml", &options);
    assert_eq!(
        parsed,
        config_file::parse_as(foreign, "config.yaml", &options)
    );
    let Ok(parsed) = parsed else { return };
    // The list itself stays where it is.
    if options.format == Some(Format::List) {
        return;
    }
    let Ok(converted) = config_file::convert_alone(foreign, "config.yaml", &options) else {
        return;
    };
    let own = config_file::parse(&converted.text, "own.yaml");
    let hash = |parsed: config_file::Parsed| config_hash(&parsed.images);
    assert_eq!(own.map(hash), Ok(hash(parsed)), "{}", converted.text);
}

/// Each image is found by what is pushed to its source, and by what is deleted at its target.
fn are_found(images: &[ImageSpec], index: &HintIndex) {
    let hint = |registry, repository: &Repository, reference: &Reference, action| {
        let hint = Hint::new(registry, repository.name(), action);
        let hint = hint.and_then(|hint| hint.with_reference(&reference.to_string()));
        assert!(hint.is_ok(), "{repository} {reference}: {hint:?}");
        hint.ok()
    };
    for image in images {
        let (source, target) = (&image.source, &image.target);
        for registry in source
            .host()
            .into_iter()
            .flat_map(|host| [Some(host), None])
        {
            let pushed = hint(registry, source, &image.reference, HintAction::Pushed);
            let found = pushed.map(|hint| index.concerned(&hint, &[]).at_source);
            assert!(
                found.is_some_and(|found| found.contains(image)),
                "{image:?}"
            );
        }
        if let Some(host) = target.host() {
            let own = &image.target_reference;
            let deleted = hint(Some(host), target, own, HintAction::Deleted);
            let found = deleted.map(|hint| index.concerned(&hint, &[]).at_target);
            assert!(
                found.is_some_and(|found| found.contains(image)),
                "{image:?}"
            );
        }
    }
}

/// Expects what a message says of it to be read as the same.
fn is_a_name<T: Serialize + DeserializeOwned + Debug + PartialEq>(name: &T) {
    let written = serde_json::to_string(name).unwrap_or_default();
    let read = serde_json::from_str(&written).ok();
    assert_eq!(read.as_ref(), Some(name), "written as {written}");
}

#[cfg(test)]
mod tests {
    use image_sync_fuzzkit::run_seeds;

    #[test]
    fn configs_of_any_bytes_hold() {
        run_seeds("config", super::config).unwrap();
    }

    #[test]
    fn configs_of_other_tools_of_any_bytes_hold() {
        run_seeds("dialect", super::dialect).unwrap();
    }
}
