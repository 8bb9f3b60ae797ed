//! The content of `index.json` (OCI image spec, image-layout.md, section "index.json file"). What is not understood is kept.

use std::collections::BTreeSet;
use std::fmt;

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, RawManifest};
use image_sync_shared::image::media_type;
use image_sync_shared::image::reference::Reference;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// How many entries are read. One that names an image takes some hundred bytes, so the limit of the file comes first.
const MOST_ENTRIES: usize = 500_000;

/// An `index.json`, entry by entry, each as its text: values would take many times as much memory.
#[derive(Clone, Debug)]
pub(super) struct Index {
    /// All members but `manifests`.
    members: Vec<(String, Box<RawValue>)>,
    /// The entries, in their order.
    manifests: Vec<Box<RawValue>>,
}

impl Index {
    /// An index without entries.
    pub(super) fn empty() -> Self {
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#,
            media_type::OCI_INDEX
        );
        Self::parse(text.as_bytes()).unwrap_or(Self {
            members: Vec::new(),
            manifests: Vec::new(),
        })
    }

    /// Reads an index; the error says what is wrong and in which line.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// The bytes to be written.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![b'{'];
        for (name, value) in &self.members {
            bytes.extend_from_slice(
                serde_json::Value::from(name.as_str())
                    .to_string()
                    .as_bytes(),
            );
            bytes.push(b':');
            bytes.extend_from_slice(value.get().as_bytes());
            bytes.push(b',');
        }
        bytes.extend_from_slice(b"\"manifests\":[");
        for (place, entry) in self.manifests.iter().enumerate() {
            if place > 0 {
                bytes.push(b',');
            }
            bytes.extend_from_slice(entry.get().as_bytes());
        }
        bytes.extend_from_slice(b"]}\n");
        bytes
    }

    /// The first entry with this tag or digest. A tag that stands there as such is stronger than one that is the end of
    /// a full image name.
    pub(super) fn find(&self, reference: &Reference) -> Result<Option<Descriptor>, String> {
        let position = match reference {
            Reference::Digest(digest) => self
                .manifests
                .iter()
                .position(|entry| digest_of(entry).as_deref() == Some(digest.as_str())),
            Reference::Tag(tag) => self.position_of(tag).or_else(|| {
                self.manifests
                    .iter()
                    .position(|entry| Names::of(entry).tag() == Some(tag))
            }),
        };
        position.map(|at| self.descriptor(at)).transpose()
    }

    /// The first entry that has this text as its name.
    pub(super) fn find_named(&self, name: &str) -> Result<Option<Descriptor>, String> {
        let position = self.position_of(name);
        position.map(|at| self.descriptor(at)).transpose()
    }

    /// The entries with a name, as it stands there, in their order.
    pub(super) fn named(&self) -> impl Iterator<Item = (String, Descriptor)> {
        let entries = self.manifests.iter();
        entries.filter_map(|entry| {
            let name = Names::of(entry).reference?;
            Some((name, serde_json::from_str(entry.get()).ok()?))
        })
    }

    /// The rest of each name that begins so, in their order.
    pub(super) fn rests_of_names(&self, begin: &str) -> Vec<String> {
        let entries = self.manifests.iter().filter(|it| may_have(it, begin));
        let names = entries.filter_map(|entry| Names::of(entry).reference);
        let rests = names.filter_map(|name| Some(name.strip_prefix(begin)?.to_owned()));
        rests.collect()
    }

    /// Puts its entries in the order of their names, then of their digests, and says whether that changes anything.
    pub(super) fn sort(&mut self) -> bool {
        let key = |entry: &RawValue| {
            let name = Names::of(entry).reference;
            (name.is_none(), name, digest_of(entry))
        };
        let is_sorted = self.manifests.is_sorted_by_key(|entry| key(entry));
        self.manifests.sort_by_cached_key(|entry| key(entry));
        !is_sorted
    }

    fn descriptor(&self, at: usize) -> Result<Descriptor, String> {
        serde_json::from_str(self.manifests[at].get())
            .map_err(|error| format!("manifests[{at}] is not a descriptor: {error}"))
    }

    /// All tags, in order.
    pub(super) fn tags(&self) -> Vec<String> {
        let tags = self.manifests.iter().filter_map(|entry| {
            let names = Names::of(entry);
            names.tag().map(str::to_owned)
        });
        let tags: BTreeSet<String> = tags.collect();
        tags.into_iter().collect()
    }

    /// The digests of the entries that no tag stands for, in their order.
    pub(super) fn nameless(&self) -> Vec<String> {
        let nameless = self
            .manifests
            .iter()
            .filter(|entry| Names::of(entry).tag().is_none());
        nameless.filter_map(|entry| digest_of(entry)).collect()
    }

    /// The entries that are descriptors, in their order.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = Descriptor> {
        let entries = self.manifests.iter();
        entries.filter_map(|entry| serde_json::from_str(entry.get()).ok())
    }

    /// Adds an entry without a name, unless there is one of this digest, and says whether that changes anything.
    pub(super) fn add_nameless(
        &mut self,
        manifest: &RawManifest,
        artifact_type: &str,
    ) -> Result<bool, String> {
        let digest = Some(manifest.digest.as_str());
        let mut entries = self.manifests.iter();
        if entries.any(|entry| digest_of(entry).as_deref() == digest) {
            return Ok(false);
        }
        let entry = to_raw_value(&Entry {
            media_type: media_type::essence(&manifest.media_type),
            digest: &manifest.digest,
            size: manifest.bytes.len() as u64,
            artifact_type: Some(artifact_type).filter(|of| !of.is_empty()),
            annotations: None,
        });
        self.manifests
            .push(entry.map_err(|error| error.to_string())?);
        Ok(true)
    }

    /// Makes `tag` point at `content`, at the place where it was before, and says whether that changes anything. An image may
    /// have a full name too.
    pub(super) fn set(
        &mut self,
        tag: &str,
        full_name: Option<String>,
        content: &Descriptor,
    ) -> Result<bool, String> {
        let before = self.position_of(tag);
        if let Some(at) = before
            && digest_of(&self.manifests[at]).as_deref() == Some(content.digest.as_str())
        {
            return Ok(false);
        }
        // The annotations that name an image outlive what they name.
        let named = before.and_then(|at| Names::of(&self.manifests[at]).containerd);
        let containerd = full_name.or(named);
        let entry = to_raw_value(&Entry {
            media_type: &content.media_type,
            digest: &content.digest,
            size: content.size,
            artifact_type: None,
            annotations: Some(Names {
                reference: Some(tag.to_owned()),
                containerd,
            }),
        });
        let entry = entry.map_err(|error| error.to_string())?;
        let at = before.unwrap_or(self.manifests.len());
        // None that is taken out stands before `at`, the place of the first.
        self.manifests.retain(|other| !is_named(other, tag));
        self.manifests.insert(at, entry);
        Ok(true)
    }

    fn position_of(&self, tag: &str) -> Option<usize> {
        self.manifests.iter().position(|entry| is_named(entry, tag))
    }
}

/// Whether an entry has this text as its name.
fn is_named(entry: &RawValue, name: &str) -> bool {
    may_have(entry, name) && Names::of(entry).reference.as_deref() == Some(name)
}

/// Whether this text may be in a name of an entry: that is seen at once, and of thousands of entries few need be read.
fn may_have(entry: &RawValue, text: &str) -> bool {
    let entry = entry.get();
    entry.contains(text) || entry.contains('\\')
}

/// An entry as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    media_type: &'a str,
    digest: &'a Digest,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Names>,
}

/// The annotations that name an image.
#[derive(Default, Deserialize, Serialize)]
struct Names {
    /// The one that holds a tag (OCI image spec, annotations.md).
    #[serde(
        rename = "org.opencontainers.image.ref.name",
        skip_serializing_if = "Option::is_none"
    )]
    reference: Option<String>,
    /// The one in which containerd and BuildKit write an image's full name.
    #[serde(
        rename = "io.containerd.image.name",
        skip_serializing_if = "Option::is_none"
    )]
    containerd: Option<String>,
}

impl Names {
    /// The names in an entry; none where it has none, or no texts in their place.
    fn of(entry: &RawValue) -> Self {
        #[derive(Default, Deserialize)]
        struct Named {
            annotations: Option<Names>,
        }
        let named: Result<Named, _> = serde_json::from_str(entry.get());
        named.unwrap_or_default().annotations.unwrap_or_default()
    }

    /// The tag that they mean: as it stands there, or at the end of a full image name.
    fn tag(&self) -> Option<&str> {
        [&self.reference, &self.containerd]
            .into_iter()
            .filter_map(Option::as_deref)
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
}

fn digest_of(entry: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Digested {
        digest: String,
    }
    let digested: Result<Digested, _> = serde_json::from_str(entry.get());
    digested.ok().map(|entry| entry.digest)
}

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(IndexVisitor)
    }
}

struct IndexVisitor;

impl<'de> Visitor<'de> for IndexVisitor {
    type Value = Index;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an index, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Index, A::Error> {
        let mut members = Vec::new();
        let mut manifests = None;
        while let Some(name) = all.next_key::<String>()? {
            if name != "manifests" {
                members.push((name, all.next_value()?));
            } else if manifests.is_none() {
                // Go writes an empty list as null.
                let entries: Option<Entries> = all.next_value()?;
                manifests = Some(entries.map_or_else(Vec::new, |entries| entries.0));
            } else {
                return Err(Error::custom("\"manifests\" is there twice"));
            }
            if members.len() > MOST_ENTRIES {
                return Err(too_many("members"));
            }
        }
        match manifests {
            Some(manifests) => Ok(Index { members, manifests }),
            None => Err(Error::custom("\"manifests\" is missing")),
        }
    }
}

struct Entries(Vec<Box<RawValue>>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_seq(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = items.next_element()? {
            if entries.len() == MOST_ENTRIES {
                return Err(too_many("entries"));
            }
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

fn too_many<E: Error>(what: &str) -> E {
    E::custom(format!("it has more than {MOST_ENTRIES} {what}"))
}

fn is_tag(text: &str) -> bool {
    matches!(text.parse(), Ok(Reference::Tag(_)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const REF_NAME: &str = "org.opencontainers.image.ref.name";
    const CONTAINERD_NAME: &str = "io.containerd.image.name";

    fn values(index: &Index) -> Vec<Value> {
        let entries = index.manifests.iter();
        entries
            .map(|entry| serde_json::from_str(entry.get()).unwrap())
            .collect()
    }

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
        assert!(index.set("t", None, &descriptor("new")).unwrap());
        let renamed = json!({ REF_NAME: "t", CONTAINERD_NAME: "docker.io/a:t" });
        assert_eq!(values(&index), [entry("new", &renamed), other]);
    }

    #[test]
    fn a_tag_in_place_changes_nothing() {
        let mut index = index(&[entry("same", &json!({ REF_NAME: "t", "x": "y" }))]);
        let before = index.to_bytes();
        assert!(!index.set("t", None, &descriptor("same")).unwrap());
        assert_eq!(index.to_bytes(), before);
    }

    #[test]
    fn unknown_members_stay() {
        let text =
            br#"{"schemaVersion":2,"annotations":{"a":"b"},"subject":{"x":1},"manifests":[]}"#;
        let mut index = Index::parse(text).unwrap();
        assert!(index.set("t", None, &descriptor("new")).unwrap());
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
            (r#"{"manifests":{}}"#, "expected a list"),
            (r#"{"manifests":[],"manifests":[]}"#, "there twice"),
        ] {
            let error = Index::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let broken = index(&[json!({ "annotations": { REF_NAME: "t" } })]);
        let error = broken.find(&Reference::Tag("t".to_owned())).unwrap_err();
        assert!(error.contains("manifests[0]"), "{error}");
    }

    #[test]
    fn more_entries_than_name_images_are_not_read() {
        for (text, expected) in [
            (
                format!(r#"{{"manifests":[{}{{}}]}}"#, "{},".repeat(MOST_ENTRIES)),
                "entries",
            ),
            (
                format!(
                    r#"{{{}"manifests":[]}}"#,
                    r#""x":0,"#.repeat(MOST_ENTRIES + 1)
                ),
                "members",
            ),
        ] {
            let error = Index::parse(text.as_bytes()).unwrap_err();
            assert!(
                error.contains(&format!("more than 500000 {expected}")),
                "{error}"
            );
        }
    }
}
