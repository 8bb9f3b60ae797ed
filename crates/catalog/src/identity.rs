//! What a catalog is known by.

use image_sync_shared::image::digest::Digest;
use image_sync_shared::run::job::ImagePolicy;
use sha2::{Digest as _, Sha256};

use crate::config_file::Images;
use crate::images::Said;

/// A digest of what images have to be where: the same for the same entries in any order and spelling, whatever tags their rules
/// choose today. It names the
/// catalog in keys and subjects, so it is hexadecimal digits alone.
#[must_use]
pub fn config_hash(images: &Images) -> String {
    let said = images.said();
    let mut digests: Vec<[u8; 32]> = said.map(|said| digest_of(&said)).collect();
    digests.sort_unstable();
    Digest::of(digests.as_flattened()).hex().to_owned()
}

fn digest_of(said: &Said<'_>) -> [u8; 32] {
    let Said { image, .. } = said;
    let source = image.source.image(image.reference.clone());
    let rules = said
        .rules
        .map_or_else(String::new, |rules| format!("{rules:?}\n"));
    let namespace = said
        .namespace
        .map_or_else(String::new, |of| format!("{of:?}\n"));
    let list = said
        .list
        .map_or_else(String::new, |of| format!("{:?}\n", of.digest));
    let line = format!(
        "{source}\n{}\n{}\n{:?} {:?}\n{rules}{namespace}{list}",
        image.target_name(),
        image.platforms,
        image.source_trust,
        image.target_trust
    ) + &policy(&image.policy);
    Sha256::digest(line).into()
}

/// Nothing where an image has the usual policy: a catalog without any keeps the name that it has had, and so does one without
/// artifacts.
fn policy(policy: &ImagePolicy) -> String {
    if *policy == ImagePolicy::default() {
        return String::new();
    }
    let ImagePolicy {
        overwrite,
        platform_missing,
        referrers,
    } = policy;
    let artifacts = referrers
        .as_ref()
        .map_or_else(String::new, |of| format!("{of:?}\n"));
    format!(
        "ImagePolicy {{ overwrite: {overwrite:?}, platform_missing: {platform_missing:?} }}\n{artifacts}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn hash(images: &[&str]) -> String {
        config_hash(&samples::config(images).images)
    }

    #[test]
    fn the_hash_tells_catalogs_apart_and_nothing_else() {
        let sample = hash(&["{source: a/b, tag: t}", "{source: a/c, tag: t}"]);
        assert_eq!(sample.len(), 64);
        assert!(sample.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let same = [
            hash(&["{source: a/c, tag: t}", "{source: 'a/b:t'}"]),
            hash(&["{source: a/c, tag: t}", "{source: docker.io/a/b, tag: t}"]),
        ];
        assert_eq!(same, [sample.clone(), sample.clone()]);
        for other in [
            "{source: a/b, tag: t2}",
            "{source: a/b, tag: t, platform: all}",
            "{source: a/b, tag: t, cache_as: x}",
            "{source: a/b, tag: t, source_tls_verify: false}",
            "{source: quay.io/a/b, tag: t, cache_as: a/b}",
            "{source: a/b, tags: all}",
            "{source: a/b, tags: {include: t}}",
            "{source: a/b, tags: {include: 't.*'}}",
        ] {
            assert_ne!(hash(&[other, "{source: a/c, tag: t}"]), sample, "{other}");
        }
        assert_ne!(hash(&["{source: a/b, tag: t}"]), sample);
        assert_eq!(hash(&[]), hash(&[]));
    }

    #[test]
    fn a_catalog_without_artifacts_keeps_the_name_that_it_had_before_there_were_any() {
        let never = ImagePolicy {
            overwrite: image_sync_shared::run::job::Overwrite::Never,
            ..ImagePolicy::default()
        };
        assert_eq!(
            policy(&never),
            "ImagePolicy { overwrite: Never, platform_missing: Fail }\n"
        );
        assert_eq!(policy(&ImagePolicy::default()), "");
    }

    #[test]
    fn the_same_entries_have_the_same_identity_in_any_order_and_no_others_have() {
        let of_tags = |tags: &str| {
            format!(
                "{{source: quay.io/a/b, tags: {tags}, cache_as: {}}}",
                tags.len()
            )
        };
        let entries = [
            "{source: a/b, tag: t}".to_owned(),
            "{source: a/c, tags: [x, y]}".to_owned(),
            of_tags("{include: 'v.*', semver: 1.x, latest: 3}"),
            of_tags("{min_age: {created: 7d}}"),
            of_tags("{min_age: {created: 8d}, sort: created}"),
        ];
        let mut random = image_sync_fuzzkit::Random::new(11);
        let mut entries: Vec<&str> = entries.iter().map(String::as_str).collect();
        let expected = hash(&entries);
        for _ in 0..50 {
            random.shuffle(&mut entries);
            assert_eq!(hash(&entries), expected, "{entries:?}");
            let fewer = &entries[1..];
            assert_ne!(hash(fewer), expected, "{fewer:?}");
        }
    }

    #[test]
    fn namespaces_are_part_of_the_identity() {
        let of = |repositories: &str| {
            let text =
                format!("{{cache_registry: localhost:5000, repositories: [{repositories}]}}");
            let parsed = crate::config_file::parse(&text, "c.yaml").unwrap();
            config_hash(&parsed.images)
        };
        let sample = of("{source: quay.io/a, tags: all}");
        assert_eq!(of("{tags: all, source: quay.io/a}"), sample);
        for other in [
            "{source: quay.io, tags: all}",
            "{source: quay.io/a, tags: [latest]}",
            "{source: quay.io/a, tags: all, exclude: x}",
            "{source: quay.io/a, tags: all, include: x}",
            "{source: quay.io/a, tags: all, cache_as: 'quay.io/a/{below}'}",
            "{source: quay.io/a, tags: all, cache_as: 'quay.io/a/{name}'}",
        ] {
            assert_ne!(of(other), sample, "{other}");
        }
    }
}
