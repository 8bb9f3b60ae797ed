//! Which children of an index are wanted.

use std::collections::HashSet;

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{ATTESTED_DIGEST, Descriptor, RawManifest};
use image_sync_shared::image::platform::{Platform, Platforms};
use image_sync_shared::run::job::PlatformMissing;
use serde_json::value::RawValue;

use crate::decide::json_rewrite::{self, Item};

/// What stands for the wanted platforms of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The index as it is.
    Whole,
    /// One child.
    Child(Digest),
    /// A smaller index.
    Index(RawManifest),
    /// Nothing: it has none of them, and need not.
    Nothing,
}

/// What is wanted of an index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The platforms.
    pub(crate) platforms: &'a Platforms,
    /// What becomes of those that it does not have.
    pub(crate) missing: PlatformMissing,
    /// Attestations that its source lists and does not serve.
    pub(crate) without: &'a HashSet<Digest>,
}

/// What was chosen, and which of the wanted platforms are not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) choice: Choice,
    pub(crate) missing: Vec<Platform>,
}

impl From<Choice> for Chosen {
    fn from(choice: Choice) -> Self {
        let missing = Vec::new();
        Self { choice, missing }
    }
}

/// Chooses from `index`, whose children are `children`. An index that states no platforms is no image for several of them but a
/// list of something else, and is taken whole.
pub(crate) fn choose(
    index: &RawManifest,
    children: &[Descriptor],
    wanted: Wanted<'_>,
) -> Result<Chosen, Failure> {
    let stated = stated_platforms(children);
    let fails = wanted.missing == PlatformMissing::Fail;
    let platforms = match wanted.platforms {
        Platforms::All => return Ok(Choice::Whole.into()),
        _ if stated.is_empty() => return Ok(Choice::Whole.into()),
        Platforms::One(platform) => match child_for(platform, &stated) {
            // It stands alone at the target: its attestations would need an index that lists both, and are not copied.
            Some(child) => return Ok(Choice::Child(children[child].digest.clone()).into()),
            None if fails => return Err(none(index, wanted.platforms, &stated)),
            None => return Ok(nothing(vec![platform.clone()])),
        },
        Platforms::Several(platforms) => platforms,
    };
    let mut chosen = HashSet::new();
    let mut missing = Vec::new();
    for platform in platforms {
        let children = children_for(platform, &stated);
        if children.is_empty() {
            missing.push(platform.clone());
        }
        chosen.extend(children);
    }
    if fails && !missing.is_empty() {
        return Err(none(index, &Platforms::of(missing), &stated));
    }
    if chosen.is_empty() {
        return Ok(nothing(missing));
    }
    let kept = with_attestations(children, &chosen, wanted.without);
    // Its own bytes rather than the same written anew: the tag then has the digest that others know.
    let choice = if kept.len() == children.len() {
        Choice::Whole
    } else {
        Choice::Index(smaller_index(index, &kept)?)
    };
    Ok(Chosen { choice, missing })
}

fn nothing(missing: Vec<Platform>) -> Chosen {
    Chosen {
        choice: Choice::Nothing,
        missing,
    }
}

/// The children that are for a platform, by their place. BuildKit gives its attestations the platform `unknown/unknown`.
fn stated_platforms(children: &[Descriptor]) -> Vec<(usize, Platform)> {
    let stated = children.iter().enumerate().filter_map(|(place, child)| {
        let platform = child.platform.as_ref()?.normal();
        (platform.os() != "unknown").then_some((place, platform))
    });
    stated.collect()
}

/// The child for `wanted`. Several of the same platform differ in the version of the operating system, as those of Windows
/// do: the newest of them, else the first, which is the one that the publisher prefers.
fn child_for(wanted: &Platform, stated: &[(usize, Platform)]) -> Option<usize> {
    let places = children_for(wanted, stated);
    let of = stated.iter().filter(|(place, _)| places.contains(place));
    // Of equal ones, `max_by` takes the last.
    let newest = of
        .rev()
        .max_by_key(|(_, platform)| platform.version_parts());
    newest.map(|(place, _)| *place)
}

/// The children for `wanted`: all that it matches, if it is a pattern; else those that are exactly it or, where it names no
/// variant, those of the first variant there is.
fn children_for(wanted: &Platform, stated: &[(usize, Platform)]) -> Vec<usize> {
    if wanted.is_pattern() {
        let matching = stated.iter().filter(|(_, other)| other.matches(wanted));
        return matching.map(|(place, _)| *place).collect();
    }
    let of = |variant: Option<&str>| -> Vec<usize> {
        let same = stated
            .iter()
            .filter(|(_, other)| other.variant() == variant && other.is_build_of(wanted));
        same.map(|(place, _)| *place).collect()
    };
    let exact = of(wanted.variant());
    // A variant that was asked for is never replaced by another: what is built for arm/v7 does not run on arm/v6.
    if !exact.is_empty() || wanted.variant().is_some() {
        return exact;
    }
    let any_variant = stated
        .iter()
        .find(|(_, platform)| platform.is_build_of(wanted));
    any_variant.map_or_else(Vec::new, |(_, platform)| of(platform.variant()))
}

/// The chosen children and the attestation manifests that name one of them and are not missing.
fn with_attestations(
    children: &[Descriptor],
    chosen: &HashSet<usize>,
    missing_attestations: &HashSet<Digest>,
) -> HashSet<usize> {
    let digests: HashSet<&str> = chosen
        .iter()
        .map(|place| children[*place].digest.as_str())
        .collect();
    let attests = |child: &Descriptor| {
        let attested = child.annotations.get(ATTESTED_DIGEST);
        attested.is_some_and(|digest| digests.contains(digest.as_str()))
            && !missing_attestations.contains(&child.digest)
    };
    (0..children.len())
        .filter(|place| chosen.contains(place) || attests(&children[*place]))
        .collect()
}

/// The same index with fewer entries: everything else stays as it is and where it is, so that the same choice from the same
/// index always has the same digest.
fn smaller_index(index: &RawManifest, kept: &HashSet<usize>) -> Result<RawManifest, Failure> {
    let not_an_index = |answer: String| {
        Failure::new(
            Side::Source,
            Step::ChoosePlatform,
            &index.digest,
            FailureClass::Invalid,
            answer,
        )
    };
    let mut bytes = Vec::new();
    let rewritten = serde_json::from_slice(&index.bytes).and_then(|json: &RawValue| {
        json_rewrite::object(json, &mut bytes, &[], |name, value, out| match name {
            "manifests" => json_rewrite::list(value, out, |place, child, out| {
                if !kept.contains(&place) {
                    return Ok(Item::LeftOut);
                }
                json_rewrite::unchanged(child, out).map(|()| Item::Kept)
            }),
            _ => json_rewrite::unchanged(value, out),
        })
    });
    rewritten.map_err(|error| not_an_index(format!("the index is not valid JSON: {error}")))?;
    Ok(RawManifest {
        media_type: index.media_type.clone(),
        digest: Digest::of(&bytes),
        bytes: bytes.into(),
    })
}

fn none(index: &RawManifest, wanted: &Platforms, stated: &[(usize, Platform)]) -> Failure {
    let mut there: Vec<String> = stated.iter().map(|(_, p)| p.to_string()).collect();
    there.sort();
    there.dedup();
    Failure::new(
        Side::Source,
        Step::ChoosePlatform,
        &index.digest,
        FailureClass::NotFound,
        format!(
            "the image does not exist for {wanted}, only for {}",
            there.join(", ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use image_sync_shared::image::media_type;
    use serde_json::{Value, json};

    use super::*;

    fn child(name: &str, platform: &str) -> Value {
        let mut parts = platform.split('/');
        let mut stated = json!({"os": parts.next(), "architecture": parts.next()});
        if let Some(variant) = parts.next() {
            stated["variant"] = variant.into();
        }
        json!({
            "mediaType": media_type::OCI_MANIFEST,
            "digest": Digest::of(name.as_bytes()),
            "size": 7,
            "platform": stated,
        })
    }

    fn attestation(name: &str, of: &str) -> Value {
        let mut child = child(name, "unknown/unknown");
        child["annotations"] = json!({ATTESTED_DIGEST: Digest::of(of.as_bytes())});
        child
    }

    fn index(children: &[Value]) -> RawManifest {
        let json = json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_INDEX,
            "manifests": children,
            "annotations": {"z": "1", "a": "2"},
        });
        let bytes = serde_json::to_vec_pretty(&json).unwrap();
        RawManifest {
            media_type: media_type::OCI_INDEX.to_owned(),
            digest: Digest::of(&bytes),
            bytes: bytes.into(),
        }
    }

    fn chosen(index: &RawManifest, wanted: &str) -> Result<Choice, Failure> {
        chosen_with(index, wanted, PlatformMissing::Fail).map(|chosen| chosen.choice)
    }

    fn chosen_with(
        index: &RawManifest,
        wanted: &str,
        missing: PlatformMissing,
    ) -> Result<Chosen, Failure> {
        let wanted = Wanted {
            platforms: &wanted.parse().unwrap(),
            missing,
            without: &HashSet::new(),
        };
        choose(index, &children(index), wanted)
    }

    fn children(index: &RawManifest) -> Vec<Descriptor> {
        match index.parse().unwrap() {
            image_sync_shared::image::manifest::Manifest::Index { children } => children,
            image_sync_shared::image::manifest::Manifest::Image { .. } => panic!("not an index"),
        }
    }

    fn one(name: &str) -> Choice {
        Choice::Child(Digest::of(name.as_bytes()))
    }

    #[test]
    fn one_platform_is_its_child_in_any_spelling() {
        let index = index(&[
            child("amd", "linux/amd64"),
            child("v6", "linux/arm/v6"),
            child("v7", "linux/arm/v7"),
            child("arm64", "linux/arm64/v8"),
        ]);
        assert_eq!(chosen(&index, "linux/x86_64"), Ok(one("amd")));
        assert_eq!(chosen(&index, "linux/arm64"), Ok(one("arm64")));
        assert_eq!(chosen(&index, "linux/arm"), Ok(one("v7")));
        assert_eq!(chosen(&index, "linux/arm/v6"), Ok(one("v6")));
        assert_eq!(chosen(&index, "all"), Ok(Choice::Whole));
    }

    #[test]
    fn exact_variants_go_first_and_equal_ones_in_order() {
        let two = [child("v3", "linux/amd64/v3"), child("plain", "linux/amd64")];
        assert_eq!(chosen(&index(&two), "linux/amd64"), Ok(one("plain")));
        let only = index(&[child("v3", "linux/amd64/v3")]);
        assert_eq!(chosen(&only, "linux/amd64"), Ok(one("v3")));
        assert!(chosen(&only, "linux/amd64/v2").is_err());
        let windows = [
            child("ltsc2025", "windows/amd64"),
            child("ltsc2022", "windows/amd64"),
        ];
        assert_eq!(
            chosen(&index(&windows), "windows/amd64"),
            Ok(one("ltsc2025"))
        );
    }

    #[test]
    fn of_several_builds_of_windows_the_one_that_is_named_or_the_newest_is_chosen() {
        let build = |name: &str, version: &str| {
            let mut child = child(name, "windows/amd64");
            child["platform"]["os.version"] = version.into();
            child
        };
        let index = index(&[
            build("2019", "10.0.17763.5"),
            build("2025", "10.0.26100.1"),
            build("2022", "10.0.20348.9"),
            build("2022 newer", "10.0.20348.10"),
            build("2022 again", "10.0.20348.10"),
        ]);
        for (wanted, name) in [
            ("windows/amd64", "2025"),
            ("windows/amd64:10.0.17763", "2019"),
            ("windows/amd64:10.0.20348", "2022 newer"),
            ("windows/amd64:10.0.20348.9", "2022"),
        ] {
            assert_eq!(chosen(&index, wanted), Ok(one(name)), "{wanted}");
        }
        let failure = chosen(&index, "windows/amd64:10.0.1").unwrap_err();
        assert!(
            failure
                .answer
                .contains("only for windows/amd64:10.0.17763.5"),
            "{failure}"
        );
    }

    #[test]
    fn a_half_stated_platform_is_none() {
        let mut half = child("half", "linux/amd64");
        half["platform"] = json!({"os": "linux"});
        let index = index(&[half, child("amd", "linux/amd64")]);
        assert_eq!(chosen(&index, "linux/amd64"), Ok(one("amd")));
    }

    #[test]
    fn a_platform_that_is_not_there_is_told_with_those_that_are() {
        let index = index(&[child("amd", "linux/amd64"), child("arm", "linux/arm64")]);
        for wanted in ["linux/s390x", "linux/amd64,linux/s390x"] {
            let failure = chosen(&index, wanted).unwrap_err();
            assert_eq!(failure.class, FailureClass::NotFound);
            assert_eq!(
                failure.answer,
                "the image does not exist for linux/s390x, only for linux/amd64, linux/arm64"
            );
        }
    }

    #[test]
    fn each_platform_that_is_there_is_told_once() {
        let platforms = ["linux/amd64", "linux/arm64", "linux/amd64"];
        let children = platforms.map(|platform| child(platform, platform));
        let failure = chosen(&index(&children), "linux/s390x").unwrap_err();
        let told = "only for linux/amd64, linux/arm64";
        assert!(failure.answer.ends_with(told), "{failure}");
    }

    #[test]
    fn an_index_that_states_no_platform_is_taken_whole() {
        let mut artifact = child("sbom", "linux/amd64");
        artifact.as_object_mut().unwrap().remove("platform");
        let index = index(&[artifact, attestation("att", "sbom")]);
        assert_eq!(chosen(&index, "linux/amd64"), Ok(Choice::Whole));
        assert_eq!(chosen(&index, "linux/amd64,linux/arm64"), Ok(Choice::Whole));
    }

    #[test]
    fn several_platforms_make_a_stable_index() {
        let original = index(&[
            child("amd", "linux/amd64"),
            child("arm", "linux/arm64"),
            child("s390x", "linux/s390x"),
            attestation("att of amd", "amd"),
            attestation("att of s390x", "s390x"),
        ]);
        let Ok(Choice::Index(smaller)) = chosen(&original, "linux/arm64,linux/amd64") else {
            panic!("expected an index");
        };
        let again = chosen(&original, "linux/amd64, linux/arm64").unwrap();
        assert_eq!(again, Choice::Index(smaller.clone()));
        assert_eq!(smaller.digest, Digest::of(&smaller.bytes));
        assert_eq!(smaller.media_type, original.media_type);
        let (before, after) = (children(&original), children(&smaller));
        assert_eq!(after, [&before[..2], &before[3..4]].concat());
        let text = String::from_utf8(smaller.bytes.to_vec()).unwrap();
        assert!(
            text.ends_with(r#""annotations":{"z":"1","a":"2"}}"#),
            "members keep their order: {text}"
        );
    }

    #[test]
    fn what_a_pattern_chooses_stays_an_index_also_one_child_alone() {
        let original = index(&[
            child("amd", "linux/amd64"),
            child("v6", "linux/arm/v6"),
            child("v7", "linux/arm/v7"),
            attestation("att of v7", "v7"),
            child("windows", "windows/amd64"),
        ]);
        let left = |wanted: &str| match chosen(&original, wanted) {
            Ok(Choice::Index(smaller)) => children(&smaller),
            other => panic!("expected an index: {other:?}"),
        };
        let all = children(&original);
        assert_eq!(left("linux/*"), all[..4]);
        assert_eq!(left("linux/arm/*"), all[1..4]);
        assert_eq!(left("linux/arm/v7:*"), all[2..4]);
        assert_eq!(left("linux/amd64/*"), all[..1]);
        assert_eq!(
            left("*/amd64/*, linux/arm/v6"),
            [&all[..2], &all[4..]].concat()
        );
        assert_eq!(chosen(&original, "*/*"), Ok(Choice::Whole));
        let none = chosen_with(&original, "linux/s390x/*", PlatformMissing::Skip).unwrap();
        assert_eq!(none.choice, Choice::Nothing);
        let failure = chosen(&original, "linux/s390x/*").unwrap_err();
        assert!(
            failure
                .answer
                .starts_with("the image does not exist for linux/s390x/*, only for"),
            "{failure}"
        );
    }

    #[test]
    fn choosing_all_there_is_keeps_the_bytes() {
        let original = index(&[
            child("amd", "linux/amd64"),
            child("arm", "linux/arm64"),
            attestation("att", "amd"),
        ]);
        assert_eq!(
            chosen(&original, "linux/arm64,linux/amd64"),
            Ok(Choice::Whole)
        );
    }
}
