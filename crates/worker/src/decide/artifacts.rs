//! Artifacts that belong to an image: which there are, and how the index that lists them grows.

use std::collections::{HashMap, HashSet};

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{MAX_MANIFEST_BYTES, Manifest, RawManifest};
use image_sync_shared::image::media_type::{self, Kind, OCI_INDEX};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::decide::json_rewrite;

/// How an artifact belongs to its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// By its `subject`.
    Subject,
    /// By this tag.
    Tag(String),
}

/// An artifact at the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// What it belongs to: a manifest of the image, or another artifact.
    pub(crate) subject: Digest,
    /// Its own manifest.
    pub(crate) digest: Digest,
    /// How it belongs to it.
    pub(crate) by: By,
}

/// The manifests of an image that artifacts may belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subjects {
    /// Those that the target has as the source has them.
    pub(crate) fit: Vec<Digest>,
    /// Those of the source that the target does not have as they are.
    pub(crate) unfit: Vec<Digest>,
}

/// What belongs to an image, level by level: the artifacts of the image, those of these, and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Each level after the one that it belongs to.
    pub(crate) levels: Vec<Vec<Artifact>>,
    /// How many belong to what the target does not have as it is.
    pub(crate) unfit: u32,
    /// What nothing belongs to.
    pub(crate) bare: Vec<Digest>,
    /// Whether all that was asked has answered.
    pub(crate) is_whole: bool,
}

impl Found {
    /// All artifacts, each after what it belongs to.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Artifact> {
        self.levels.iter().flatten()
    }

    /// Whether the image has no artifact at all.
    pub(crate) fn is_nothing(&self) -> bool {
        self.is_whole && self.unfit == 0 && self.all().next().is_none()
    }

    /// Those of the root alone, with what belongs to these, and all others, each level by level.
    pub(crate) fn split(self, root: &Digest) -> (Vec<Vec<Artifact>>, Vec<Vec<Artifact>>) {
        let mut below = HashSet::from([root.clone()]);
        let levels = self.levels.into_iter();
        levels
            .map(|level| {
                let (of_root, others): (Vec<_>, Vec<_>) = level
                    .into_iter()
                    .partition(|artifact| below.contains(&artifact.subject));
                below.extend(of_root.iter().map(|artifact| artifact.digest.clone()));
                (of_root, others)
            })
            .unzip()
    }
}

/// The manifests under `root`, and those of them that are indexes which were not `read`, so that their own children are missing.
pub(crate) fn children_of(
    root: &RawManifest,
    read: &HashMap<Digest, RawManifest>,
) -> (Vec<Digest>, Vec<Digest>) {
    let (mut children, mut unread) = (Vec::new(), Vec::new());
    let mut seen = HashSet::from([root.digest.clone()]);
    let mut indexes = vec![root];
    while let Some(index) = indexes.pop() {
        let Ok(Manifest::Index { children: listed }) = index.parse() else {
            continue;
        };
        for child in listed.iter().filter(|child| !child.is_listed_blob()) {
            if !seen.insert(child.digest.clone()) {
                continue;
            }
            children.push(child.digest.clone());
            if media_type::kind(&child.media_type) == Some(Kind::Index) {
                match read.get(&child.digest) {
                    Some(index) => indexes.push(index),
                    None => unread.push(child.digest.clone()),
                }
            }
        }
    }
    (children, unread)
}

#[derive(Deserialize)]
struct ReferrersIndex<'a> {
    #[serde(borrow, default)]
    manifests: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
}

/// The index of referrers with these entries added (distribution spec, "Referrers Tag Schema"); nothing where it has them. What it
/// has beside stays as it is, whoever wrote it.
pub(crate) fn with_entries(
    index: Option<&RawManifest>,
    entries: &[Value],
) -> Result<Option<RawManifest>, String> {
    let empty = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}"}}"#);
    let bytes = index.map_or(empty.as_bytes(), |index| &index.bytes);
    if let Some(index) = index
        && media_type::kind(&index.media_type) != Some(Kind::Index)
    {
        return Err(format!(
            "found {} under the referrers tag, expected an index",
            media_type::essence(&index.media_type)
        ));
    }
    let unread = |error: serde_json::Error| format!("the index under the referrers tag: {error}");
    let index: ReferrersIndex<'_> = serde_json::from_slice(bytes).map_err(unread)?;
    let mut texts: Vec<String> = Vec::new();
    let mut known = HashSet::new();
    for entry in index.manifests.unwrap_or_default() {
        known.extend(serde_json::from_str(entry.get()).map(|entry: Entry| entry.digest));
        texts.push(entry.get().to_owned());
    }
    let before = texts.len();
    for entry in entries {
        if known.insert(entry["digest"].as_str().unwrap_or_default().to_owned()) {
            texts.push(entry.to_string());
        }
    }
    if texts.len() == before {
        return Ok(None);
    }
    let (json, mut bytes_now) = (serde_json::from_slice(bytes).map_err(unread)?, Vec::new());
    let manifests = [("manifests", format!("[{}]", texts.join(",")))];
    json_rewrite::object(json, &mut bytes_now, &manifests, |_, value, out| {
        json_rewrite::unchanged(value, out)
    })
    .map_err(unread)?;
    if bytes_now.len() > MAX_MANIFEST_BYTES {
        return Err(format!(
            "the index of referrers would have {} bytes, expected at most {MAX_MANIFEST_BYTES}",
            bytes_now.len()
        ));
    }
    Ok(Some(RawManifest {
        media_type: OCI_INDEX.to_owned(),
        digest: Digest::of(&bytes_now),
        bytes: bytes_now.into(),
    }))
}

/// Whether `ours` has each layer that `theirs` has: signatures under cosign's tag are layers of one manifest, so that nothing is
/// missing.
pub(crate) fn has_all_layers(ours: &RawManifest, theirs: &RawManifest) -> bool {
    let layers = |manifest: &RawManifest| -> Option<HashSet<String>> {
        #[derive(Deserialize)]
        struct Layers {
            layers: Vec<Entry>,
        }
        let read: Layers = serde_json::from_slice(&manifest.bytes).ok()?;
        Some(read.layers.into_iter().map(|layer| layer.digest).collect())
    };
    match (layers(ours), layers(theirs)) {
        (Some(ours), Some(theirs)) => theirs.is_subset(&ours),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use image_sync_testkit::images::{image, image_with_layers, index, index_of as index_image};
    use serde_json::json;

    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn artifact(subject: &str, name: &str) -> Artifact {
        Artifact {
            subject: digest(subject),
            digest: digest(name),
            by: By::Subject,
        }
    }

    fn entry(name: &str) -> Value {
        json!({"mediaType": "m", "digest": digest(name), "size": 1})
    }

    fn raw(media_type: &str, text: &str) -> RawManifest {
        RawManifest {
            media_type: media_type.to_owned(),
            digest: digest(text),
            bytes: text.to_owned().into(),
        }
    }

    #[test]
    fn what_belongs_to_the_root_is_told_apart_from_what_belongs_to_its_children() {
        let found = Found {
            levels: vec![
                vec![artifact("root", "signature"), artifact("child", "sbom")],
                vec![artifact("signature", "proof"), artifact("sbom", "seal")],
            ],
            ..Found::default()
        };
        let (of_root, others) = found.split(&digest("root"));
        let root = [
            vec![artifact("root", "signature")],
            vec![artifact("signature", "proof")],
        ];
        assert_eq!(of_root, root);
        let child = [
            vec![artifact("child", "sbom")],
            vec![artifact("sbom", "seal")],
        ];
        assert_eq!(others, child);
    }

    #[test]
    fn an_index_of_referrers_grows_and_keeps_what_others_wrote_byte_for_byte() {
        let new = with_entries(None, &[entry("a"), entry("a")]).unwrap();
        let new = new.unwrap();
        let read: Value = serde_json::from_slice(&new.bytes).unwrap();
        let expected =
            json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry("a")]});
        assert_eq!(read, expected);
        assert_eq!(with_entries(Some(&new), &[entry("a")]), Ok(None));

        let theirs = format!(
            r#"{{"annotations": {{"x": "1"}}, "manifests": [ {{ "digest": "{}",  "size":1.0e0, "x-y": [1] }} ]}}"#,
            digest("theirs")
        );
        let index = raw(OCI_INDEX, &theirs);
        let grown = with_entries(Some(&index), &[entry("a")]).unwrap().unwrap();
        let text = String::from_utf8(grown.bytes.to_vec()).unwrap();
        let kept = format!(
            r#"{{ "digest": "{}",  "size":1.0e0, "x-y": [1] }}"#,
            digest("theirs")
        );
        assert!(text.contains(&kept), "{text}");
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["annotations"]["x"], "1");
        assert_eq!(read["manifests"][1], entry("a"));
        assert_eq!(grown.digest, Digest::of(&grown.bytes));
    }

    #[test]
    fn what_is_no_index_of_referrers_is_not_written_over() {
        let image = image("app").manifest;
        let error = with_entries(Some(&image), &[entry("a")]).unwrap_err();
        assert!(error.contains("expected an index"), "{error}");
        assert!(with_entries(Some(&raw(OCI_INDEX, "<html>")), &[entry("a")]).is_err());
        let null = raw(OCI_INDEX, r#"{"manifests": null}"#);
        assert!(with_entries(Some(&null), &[entry("a")]).unwrap().is_some());
        let text = "x".repeat(MAX_MANIFEST_BYTES);
        let long = json!({"digest": digest("a"), "annotations": {"a": text}});
        let error = with_entries(None, &[long]).unwrap_err();
        assert!(error.contains("at most 4194304"), "{error}");
    }

    #[test]
    fn children_are_those_of_indexes_in_indexes_too() {
        let inner = index("inner", &["linux/amd64", "linux/arm64"]);
        let single = image("single");
        let outer = index_image(OCI_INDEX, vec![inner.clone(), single.clone()]);
        let (children, unread) = children_of(&outer.manifest, &HashMap::new());
        assert_eq!(children, [inner.digest().clone(), single.digest().clone()]);
        assert_eq!(unread, [inner.digest().clone()]);
        let read = HashMap::from([(inner.digest().clone(), inner.manifest.clone())]);
        let (children, unread) = children_of(&outer.manifest, &read);
        assert_eq!((children.len(), unread.len()), (4, 0));
        let (children, _) = children_of(&single.manifest, &HashMap::new());
        assert_eq!(children, []);
    }

    #[test]
    fn a_tag_of_signatures_with_more_of_them_lacks_none() {
        let (two, three) = (
            image_with_layers("app", 2, 10),
            image_with_layers("app", 3, 10),
        );
        let (two, three) = (&two.manifest, &three.manifest);
        assert!(has_all_layers(three, two) && has_all_layers(two, two));
        assert!(!has_all_layers(two, three));
        assert!(!has_all_layers(&raw("m", "{}"), two));
    }
}
