//! The bodies of fuzz targets: what holds for all that is parsed here.

use std::collections::HashSet;
use std::fmt::{Debug, Display};
use std::str::FromStr;

use image_sync_fuzzkit::{assert_presentable, first_lines, text};

use crate::failure::{Failure, FailureClass, Side, Step};
use crate::image::digest::Digest;
use crate::image::manifest::{Manifest, RawManifest};
use crate::image::media_type;
use crate::image::platform::{Platform, Platforms};
use crate::image::reference::{ImageRef, Location, Reference, Repository, split};
use crate::image::referrers::Referring;

/// Names of images, digests and platforms: what is parsed prints to what parses to the same.
pub fn names(input: &[u8]) {
    let name = text(input);
    if let Some(digest) = printed_and_parsed::<Digest>(name) {
        assert_eq!(digest.as_str(), name);
        assert!(name.starts_with(digest.short()) && name.ends_with(digest.hex()));
    }
    printed_and_parsed::<Reference>(name);
    printed_and_parsed::<Repository>(name);
    printed_and_parsed::<Location>(name);
    printed_and_parsed::<Platform>(name);
    if let Some(platforms) = printed_and_parsed::<Platforms>(name) {
        written_and_read(&platforms);
    }
    if let Ok(platforms) = serde_json::from_str::<Platforms>(name) {
        written_and_read(&platforms);
    }
    match split(name) {
        Ok((repository, Some(reference))) => written_and_read(&ImageRef {
            repository,
            reference,
        }),
        Ok((repository, None)) => written_and_read(&repository),
        Err(error) => assert_presentable(&failure(error).to_string()),
    }
}

fn printed_and_parsed<T>(text: &str) -> Option<T>
where
    T: FromStr<Err: Display> + Display + Debug + PartialEq,
{
    match text.parse::<T>() {
        Ok(parsed) => {
            let printed = parsed.to_string();
            let again = printed.parse().ok();
            assert_eq!(again.as_ref(), Some(&parsed), "printed as {printed:?}");
            Some(parsed)
        }
        Err(error) => {
            assert_presentable(&failure(error).to_string());
            None
        }
    }
}

fn written_and_read<T>(value: &T)
where
    T: serde::Serialize + serde::de::DeserializeOwned + Debug + PartialEq,
{
    let json = serde_json::to_string(value).unwrap_or_default();
    let again = serde_json::from_str(&json).ok();
    assert_eq!(again.as_ref(), Some(value), "written as {json}");
}

/// An error as it comes into a report.
fn failure(error: impl Display) -> Failure {
    let (side, step) = (Side::Source, Step::PullManifest);
    Failure::new(side, step, "a.test/b:1", FailureClass::Invalid, error)
}

/// A manifest: the first line is its Content-Type, the rest its bytes.
pub fn manifest(input: &[u8]) {
    let ([stated], bytes) = first_lines(input);
    let raw = RawManifest {
        media_type: text(stated).to_owned(),
        digest: Digest::of(bytes),
        bytes: bytes::Bytes::copy_from_slice(bytes),
    };
    if let Some(referring) = Referring::of(&raw) {
        let subject = referring.subject.as_str();
        assert_eq!(subject.parse().as_ref(), Ok(&referring.subject));
        assert_described(&referring, &raw);
    }
    let parsed = raw.parse();
    assert_eq!(parsed, raw.parse());
    match parsed {
        Ok(Manifest::Image { blobs, foreign }) => {
            let all = blobs.iter().chain(&foreign);
            let digests: HashSet<&Digest> = all.map(|blob| &blob.digest).collect();
            assert_eq!(digests.len(), blobs.len() + foreign.len(), "each blob once");
            assert!(
                !media_type::is_index(&raw.media_type),
                "an image of an index"
            );
        }
        Ok(Manifest::Index { children }) => {
            // A text that nobody looks at need not be UTF-8, as for readers in Go.
            let json = String::from_utf8_lossy(bytes);
            let json: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
            let listed = json["manifests"].as_array().map(Vec::len);
            assert_eq!(listed, Some(children.len()));
            // A document that is both has another content for each client (CVE-2021-41190).
            assert!(json.get("layers").is_none() && json.get("config").is_none());
        }
        Err(error) => assert_presentable(&failure(error).to_string()),
    }
}

/// What refers to another manifest is described so that every reader of an index can read it.
fn assert_described(referring: &Referring, raw: &RawManifest) {
    let described = referring.descriptor(raw);
    assert_eq!(described["digest"], raw.digest.as_str());
    assert_eq!(described["size"], raw.bytes.len());
    let annotations = described["annotations"].as_object();
    let texts = annotations.is_none_or(|all| all.values().all(serde_json::Value::is_string));
    assert!(texts, "{described}");
}

#[cfg(test)]
mod tests {
    use image_sync_fuzzkit::run_seeds;

    #[test]
    fn names_of_any_bytes_hold() {
        run_seeds("names", super::names).unwrap();
    }

    #[test]
    fn manifests_of_any_bytes_hold() {
        run_seeds("manifest", super::manifest).unwrap();
    }
}
