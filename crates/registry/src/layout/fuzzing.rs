//! `index.json` of any bytes.

use bytes::Bytes;
use image_sync_fuzzkit::{assert_presentable, first_lines, text};
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, RawManifest};
use image_sync_shared::image::media_type::OCI_INDEX;
use image_sync_shared::image::reference::Reference;
use serde_json::json;

use super::index::Index;

/// A tag in the first line, then an `index.json`: it is written to what reads as the same, a tag that is set is found, and an entry
/// without a name is added once, behind all that are there.
///
/// # Panics
/// If that does not hold.
pub fn layout_index(input: &[u8]) {
    let ([tag], bytes) = first_lines(input);
    let mut index = match Index::parse(bytes) {
        Ok(index) => index,
        Err(why) => return assert_told(&why),
    };
    written_and_read(&index);
    let (Ok(reference @ Reference::Tag(_)), Some(content)) = (text(tag).parse(), descriptor(bytes))
    else {
        return;
    };
    if let Err(why) = index.find(&reference) {
        assert_told(&why);
    }
    added_without_a_name(index.clone(), bytes);
    let tag = text(tag);
    if let Err(why) = index.set(tag, None, &content) {
        return assert_told(&why);
    }
    let again = index.set(tag, None, &content);
    assert_eq!(again, Ok(false), "it is set already");
    let found = index.find(&reference).ok().flatten();
    assert_eq!(found.map(|found| found.digest), Some(content.digest));
    assert!(index.tags().iter().any(|other| other == tag), "{index:?}");
    written_and_read(&index);
}

fn added_without_a_name(mut index: Index, bytes: &[u8]) {
    let (before, tags) = (index.to_bytes(), index.tags());
    let manifest = RawManifest {
        media_type: OCI_INDEX.to_owned(),
        digest: Digest::of(bytes),
        bytes: Bytes::copy_from_slice(bytes),
    };
    let added = index.add_nameless(&manifest, "application/spdx+json");
    let digest = Reference::Digest(manifest.digest.clone());
    match added {
        Ok(true) => {
            let after = index.to_bytes();
            let kept = before.strip_suffix(b"]}\n").unwrap_or_default();
            assert!(after.starts_with(kept), "{index:?}");
            assert_eq!(index.tags(), tags);
            let found = index.find(&digest).ok().flatten();
            let artifact_type = found.and_then(|found| found.artifact_type);
            assert_eq!(artifact_type.as_deref(), Some("application/spdx+json"));
        }
        Ok(false) => assert_eq!(index.to_bytes(), before),
        Err(why) => return assert_told(&why),
    }
    assert_eq!(index.add_nameless(&manifest, ""), Ok(false), "it is there");
    written_and_read(&index);
}

fn written_and_read(index: &Index) {
    let written = index.to_bytes();
    let read = Index::parse(&written).map(|read| read.to_bytes());
    assert_eq!(read, Ok(written));
}

fn descriptor(bytes: &[u8]) -> Option<Descriptor> {
    let json = json!({"mediaType": OCI_INDEX, "digest": Digest::of(bytes), "size": bytes.len()});
    serde_json::from_value(json).ok()
}

fn assert_told(why: &str) {
    let (side, step) = (Side::Source, Step::PullManifest);
    let failure = Failure::new(side, step, "oci:a", FailureClass::Invalid, why);
    assert_presentable(&failure.to_string());
}
