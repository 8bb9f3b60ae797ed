//! The content of `index.json` (OCI image spec, image-layout.md, section "index.json file"). What is not understood is kept.

use std::collections::BTreeSet;

use image_sync_shared::manifest::Descriptor;
use image_sync_shared::media_type;
use image_sync_shared::reference::Reference;
use serde_json::{Map, Value, json};

/// The annotation that holds a tag (OCI image spec, annotations.md).
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation in which containerd and BuildKit write an image's full name.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// An `index.json`, entry by entry.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Index {
    /// All members but `manifests`.
    members: Map<String, Value>,
    /// The entries, in their order.
    manifests: Vec<Value>,
}

impl Index {
    /// An index without entries.
    pub(super) fn empty() -> Self {
        let mut members = Map::new();
        members.insert("schemaVersion".to_owned(), json!(2));
        members.insert("mediaType".to_owned(), json!(media_type::OCI_INDEX));
        Self {
            members,
            manifests: Vec::new(),
        }
    }

    /// Reads an index; the error says what is wrong and in which line.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut members: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        match members.remove("manifests") {
            Some(Value::Array(manifests)) => Ok(Self { members, manifests }),
            Some(_) => Err("\"manifests\" is not a list".to_owned()),
            None => Err("\"manifests\" is missing".to_owned()),
        }
    }

    /// The bytes to be written.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut all = self.members.clone();
        all.insert("manifests".to_owned(), json!(self.manifests));
        let mut bytes = Value::Object(all).to_string().into_bytes();
        bytes.push(b'\n');
        bytes
    }

    /// The first entry with this tag or digest. A tag that stands there as such is stronger than one that is the end of
    /// a full image name.
    pub(super) fn find(&self, reference: &Reference) -> Result<Option<Descriptor>, String> {
        let position = match reference {
            Reference::Digest(digest) => self
                .manifests
                .iter()
                .position(|entry| entry["digest"].as_str() == Some(digest.as_str())),
            Reference::Tag(tag) => self.position_of(tag).or_else(|| {
                self.manifests
                    .iter()
                    .position(|entry| tag_of(entry) == Some(tag))
            }),
        };
        position
            .map(|at| {
                serde_json::from_value(self.manifests[at].clone())
                    .map_err(|error| format!("manifests[{at}] is not a descriptor: {error}"))
            })
            .transpose()
    }

    /// All tags, in order.
    pub(super) fn tags(&self) -> Vec<String> {
        let tags: BTreeSet<&str> = self.manifests.iter().filter_map(tag_of).collect();
        tags.into_iter().map(str::to_owned).collect()
    }

    /// The digests of the entries that no tag stands for, in their order.
    pub(super) fn nameless(&self) -> Vec<String> {
        let nameless = self
            .manifests
            .iter()
            .filter(|entry| tag_of(entry).is_none());
        nameless
            .filter_map(|entry| entry["digest"].as_str().map(str::to_owned))
            .collect()
    }

    /// Makes `tag` point at `content`, at the place where it was before, and says whether that changes anything.
    pub(super) fn set_tag(&mut self, tag: &str, content: &Descriptor) -> bool {
        let before = self.position_of(tag);
        if let Some(at) = before
            && self.manifests[at]["digest"].as_str() == Some(content.digest.as_str())
        {
            return false;
        }
        let entry = json!({
            "mediaType": content.media_type,
            "digest": content.digest,
            "size": content.size,
            "annotations": name_annotations(tag, before.map(|at| &self.manifests[at])),
        });
        let at = before.unwrap_or(self.manifests.len());
        self.manifests.retain(|other| ref_name(other) != Some(tag));
        self.manifests.insert(at, entry);
        true
    }

    fn position_of(&self, tag: &str) -> Option<usize> {
        self.manifests
            .iter()
            .position(|entry| ref_name(entry) == Some(tag))
    }
}

/// The annotations that name an image and therefore outlive what they name.
fn name_annotations(tag: &str, before: Option<&Value>) -> Value {
    let mut annotations = json!({ REF_NAME: tag });
    if let Some(name) = before.and_then(|entry| annotation(entry, CONTAINERD_NAME)) {
        annotations[CONTAINERD_NAME] = json!(name);
    }
    annotations
}

fn annotation<'a>(entry: &'a Value, name: &str) -> Option<&'a str> {
    entry["annotations"][name].as_str()
}

fn ref_name(entry: &Value) -> Option<&str> {
    annotation(entry, REF_NAME)
}

/// The tag that an entry's annotations mean: as it stands there, or at the end of a full image name.
fn tag_of(entry: &Value) -> Option<&str> {
    [REF_NAME, CONTAINERD_NAME]
        .into_iter()
        .filter_map(|name| annotation(entry, name))
        .find_map(|name| {
            let last = name.rsplit('/').next()?;
            let tag = match last.split_once(':') {
                Some((_, tag)) => tag,
                None if last == name => name,
                None => return None,
            };
            is_tag(tag).then_some(tag)
        })
}

fn is_tag(text: &str) -> bool {
    matches!(text.parse(), Ok(Reference::Tag(_)))
}

#[cfg(test)]
mod tests {
    use image_sync_shared::digest::Digest;

    use super::*;

    fn descriptor(content: &str) -> Descriptor {
        let digest = Digest::of(content.as_bytes());
        serde_json::from_value(json!({
            "mediaType": media_type::OCI_MANIFEST, "digest": digest, "size": content.len(),
        }))
        .unwrap()
    }

    fn entry(content: &str, annotations: &Value) -> Value {
        let mut entry = json!(descriptor(content));
        entry["annotations"] = annotations.clone();
        entry
    }

    fn index(manifests: &[Value]) -> Index {
        let text = json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
        Index::parse(text.as_bytes()).unwrap()
    }

    fn found(index: &Index, tag: &str) -> Option<Digest> {
        let reference = Reference::Tag(tag.to_owned());
        index.find(&reference).unwrap().map(|found| found.digest)
    }

    #[test]
    fn a_tag_is_an_annotation() {
        let index = index(&[
            entry("untagged", &json!({})),
            entry("one", &json!({ REF_NAME: "1" })),
            entry("two", &json!({ REF_NAME: "2" })),
        ]);
        assert_eq!(index.tags(), ["1", "2"]);
        assert_eq!(index.nameless(), [Digest::of(b"untagged").to_string()]);
        assert_eq!(found(&index, "2"), Some(Digest::of(b"two")));
        assert_eq!(found(&index, "3"), None);
        let untagged = Reference::Digest(Digest::of(b"untagged"));
        assert!(index.find(&untagged).unwrap().is_some());
    }

    #[test]
    fn a_full_image_name_gives_its_tag_to_reading() {
        let index = index(&[
            entry("a", &json!({ REF_NAME: "docker.io/library/a:1" })),
            entry("b", &json!({ CONTAINERD_NAME: "localhost:5000/b:2" })),
            entry("c", &json!({ CONTAINERD_NAME: "localhost:5000/c" })),
            entry("d", &json!({ REF_NAME: "1" })),
        ]);
        assert_eq!(index.tags(), ["1", "2"]);
        assert_eq!(
            found(&index, "1"),
            Some(Digest::of(b"d")),
            "as such is stronger"
        );
        assert_eq!(found(&index, "2"), Some(Digest::of(b"b")));
    }

    #[test]
    fn a_moved_tag_replaces_its_entries_and_leaves_the_others() {
        let other = entry("other", &json!({ REF_NAME: "o", "x": "y" }));
        let named = json!({ REF_NAME: "t", CONTAINERD_NAME: "docker.io/a:t", "created": "then" });
        let mut index = index(&[
            entry("old", &named),
            other.clone(),
            entry("older", &json!({ REF_NAME: "t" })),
        ]);
        assert!(index.set_tag("t", &descriptor("new")));
        let renamed = json!({ REF_NAME: "t", CONTAINERD_NAME: "docker.io/a:t" });
        assert_eq!(index.manifests, [entry("new", &renamed), other]);
    }

    #[test]
    fn a_tag_in_place_changes_nothing() {
        let mut index = index(&[entry("same", &json!({ REF_NAME: "t", "x": "y" }))]);
        let before = index.clone();
        assert!(!index.set_tag("t", &descriptor("same")));
        assert_eq!(index, before);
    }

    #[test]
    fn unknown_members_stay() {
        let text =
            br#"{"schemaVersion":2,"annotations":{"a":"b"},"subject":{"x":1},"manifests":[]}"#;
        let mut index = Index::parse(text).unwrap();
        assert!(index.set_tag("t", &descriptor("new")));
        let written: Value = serde_json::from_slice(&index.to_bytes()).unwrap();
        assert_eq!(written["annotations"], json!({ "a": "b" }));
        assert_eq!(written["subject"], json!({ "x": 1 }));
        assert_eq!(written["manifests"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_index_is_told_with_its_line() {
        for (text, expected) in [
            ("{\n\"manifests\": [}", "line 2"),
            ("", "EOF"),
            ("[]", "invalid type"),
            ("{}", "\"manifests\" is missing"),
            (r#"{"manifests":{}}"#, "not a list"),
        ] {
            let error = Index::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let broken = index(&[json!({ "annotations": { REF_NAME: "t" } })]);
        let error = broken.find(&Reference::Tag("t".to_owned())).unwrap_err();
        assert!(error.contains("manifests[0]"), "{error}");
    }
}
