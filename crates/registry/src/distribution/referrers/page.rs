//! One page of a list of referrers.

use std::fmt;

use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::media_type::OCI_CONFIG;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// Referrers of one manifest, at most.
pub(super) const MAX_REFERRERS: usize = 10_000;
/// The longest artifact type, in bytes: media types have 255 at most (RFC 6838, section 4.2).
pub(super) const MAX_TYPE: usize = 255;
/// The configuration of what has none (OCI image spec, manifest.md, section "Guidance for an Empty Descriptor").
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

#[derive(Deserialize)]
struct Page {
    #[serde(default, deserialize_with = "present")]
    manifests: Option<Entries>,
}

struct Entries(Vec<Descriptor>);

/// What a page lists; nothing where it is the JSON of something that lists nothing at all. An error says what is wrong with it.
pub(super) fn parse(page: &[u8]) -> Result<Option<Vec<Descriptor>>, String> {
    let page: Page = serde_json::from_slice(page).map_err(|error| error.to_string())?;
    Ok(page.manifests.map(|entries| entries.0))
}

/// What is kept of an entry. Harbor has the media type of the configuration in the place of each artifact type, so what is no type of
/// an artifact is left out: the manifest itself says of what type it is.
fn kept(entry: Descriptor) -> Descriptor {
    let is_known = |of: &String| {
        !of.is_empty() && of.len() <= MAX_TYPE && ![EMPTY, OCI_CONFIG].contains(&of.as_str())
    };
    Descriptor {
        artifact_type: entry.artifact_type.filter(is_known),
        urls: Vec::new(),
        data: None,
        ..entry
    }
}

/// A member that is there. Registries in Go write `null` for an empty list.
fn present<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Entries>, D::Error> {
    let entries: Option<Entries> = Option::deserialize(json)?;
    Ok(Some(entries.unwrap_or(Entries(Vec::new()))))
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_seq(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of descriptors")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = items.next_element::<Descriptor>()? {
            if entries.len() == MAX_REFERRERS {
                return Err(A::Error::custom(too_many()));
            }
            if entry.media_type.len() > MAX_TYPE {
                return Err(A::Error::custom("a media type is too long to be one"));
            }
            entries.push(kept(entry));
        }
        Ok(Entries(entries))
    }
}

/// What is said of a manifest with too many referrers.
pub(super) fn too_many() -> String {
    format!("more than {MAX_REFERRERS} manifests refer to it")
}

#[cfg(test)]
mod tests {
    use image_sync_shared::image::digest::Digest;
    use serde_json::{Value, json};

    use super::*;

    fn types(types: &Value) -> Vec<Option<String>> {
        let entries = types.as_array().unwrap().iter().map(|artifact_type| {
            json!({"mediaType": "m", "digest": Digest::of(b"a"), "size": 1, "artifactType": artifact_type})
        });
        let page = json!({"manifests": entries.collect::<Vec<_>>()}).to_string();
        let listed = parse(page.as_bytes()).unwrap().unwrap();
        listed
            .into_iter()
            .map(|entry| entry.artifact_type)
            .collect()
    }

    #[test]
    fn an_artifact_type_that_is_none_is_left_to_the_manifest() {
        let stated = json!([
            "application/spdx+json",
            "",
            null,
            EMPTY,
            OCI_CONFIG,
            "x".repeat(256)
        ]);
        let mut kept = vec![None; 6];
        kept[0] = Some("application/spdx+json".to_owned());
        assert_eq!(types(&stated), kept);
    }

    #[test]
    fn a_page_lists_descriptors_null_none_and_other_json_no_referrers() {
        for (page, listed) in [
            (r#"{"manifests": []}"#, Some(Vec::new())),
            (r#"{"manifests": null}"#, Some(Vec::new())),
            ("{}", None),
            (r#"{"name": "app", "tags": []}"#, None),
        ] {
            assert_eq!(parse(page.as_bytes()), Ok(listed), "{page}");
        }
        for page in [
            "<html>",
            "",
            "7",
            r#"{"manifests": {}}"#,
            r#"{"manifests": [{"size": 1}]}"#,
        ] {
            assert!(parse(page.as_bytes()).is_err(), "{page}");
        }
    }

    #[test]
    fn more_referrers_than_can_be_held_and_media_types_without_end_are_refused() {
        let entry = |media_type: &str| {
            json!({"mediaType": media_type, "digest": Digest::of(b"a"), "size": 1}).to_string()
        };
        let many = vec![entry("m"); MAX_REFERRERS + 1].join(",");
        for (entries, expected) in [
            (many, "more than 10000"),
            (entry(&"m".repeat(256)), "too long"),
        ] {
            let page = format!(r#"{{"manifests": [{entries}]}}"#);
            let error = parse(page.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
