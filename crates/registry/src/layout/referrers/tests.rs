//! Tests of what refers to images of a folder, below the port.

use std::fs;
use std::os::unix::fs::symlink;

use image_sync_shared::failure::FailureClass;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::reference::Reference;
use image_sync_testkit::Image;
use image_sync_testkit::images::{
    ImageBuilder, artifact, artifact_index, image, referrers_index, write_layout,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ENTRY_BYTES, Subjects, lock};
use crate::layout::error::LayoutError;
use crate::layout::folder::Folder;

const SBOM: &str = "application/spdx+json";

/// A folder that another tool has written, with these images under their tags, or without a name.
fn folder(images: &[(&str, &Image)]) -> (TempDir, Folder) {
    let root = tempfile::tempdir().unwrap();
    write_layout(root.path(), images).unwrap();
    let folder = Folder::new(root.path());
    (root, folder)
}

fn push(folder: &Folder, artifact: &Image) {
    for blob in artifact.all_blobs() {
        folder.write_blob(&blob.digest, &blob.bytes).unwrap();
    }
    let digest = Reference::Digest(artifact.digest().clone());
    folder.push(&digest, &artifact.manifest).unwrap();
}

fn entries(folder: &Folder) -> Vec<Value> {
    let text = fs::read_to_string(folder.root().join("index.json")).unwrap();
    let index: Value = serde_json::from_str(&text).unwrap();
    index["manifests"].as_array().unwrap().clone()
}

/// Adds entries to `index.json` as they are.
fn list(folder: &Folder, added: impl IntoIterator<Item = Value>) {
    let mut all = entries(folder);
    all.extend(added);
    let index = json!({"schemaVersion": 2, "manifests": all});
    fs::write(folder.root().join("index.json"), index.to_string()).unwrap();
}

fn found(folder: &Folder, subject: &Image, subjects: &Subjects) -> Vec<Digest> {
    let found = folder.referrers(subject.digest(), subjects).unwrap();
    found.into_iter().map(|entry| entry.digest).collect()
}

fn referrers(folder: &Folder, subject: &Image) -> Vec<Digest> {
    found(folder, subject, &Subjects::default())
}

#[test]
fn an_artifact_that_is_pushed_is_listed_once_without_a_name() {
    let app = image("app");
    let (_root, folder) = folder(&[("1", &app)]);
    let sbom = artifact(SBOM, b"sbom", Some(&app));
    let of_sbom = artifact("a/b", b"signature", Some(&sbom));
    let index = artifact_index("a/c", vec![image("child")], &app);
    for artifact in [&sbom, &sbom, &of_sbom] {
        push(&folder, artifact);
    }
    for child in &index.children {
        push(&folder, child);
    }
    push(&folder, &index);
    let listed = entries(&folder);
    assert_eq!(listed.len(), 4, "{listed:#?}");
    let expected = json!({
        "mediaType": sbom.media_type(), "digest": sbom.digest(), "size": sbom.bytes().len(), "artifactType": SBOM,
    });
    assert_eq!(listed[1], expected);
    assert_eq!(
        referrers(&folder, &app),
        [sbom.digest().clone(), index.digest().clone()]
    );
    assert_eq!(referrers(&folder, &sbom), [of_sbom.digest().clone()]);
    assert_eq!(referrers(&folder, &of_sbom), []);
    assert_eq!(folder.index().unwrap().tags(), ["1"]);
}

#[test]
fn the_index_under_the_referrers_tag_is_read_and_stays() {
    let app = image("app");
    let (old, new) = (
        artifact(SBOM, b"old", Some(&app)),
        artifact(SBOM, b"new", Some(&app)),
    );
    let (tag, index) = referrers_index(&app, &[&old]);
    let (_root, folder) = folder(&[("1", &app), (&tag, &index)]);
    assert_eq!(referrers(&folder, &app), [old.digest().clone()]);
    push(&folder, &new);
    assert_eq!(
        referrers(&folder, &app),
        [new.digest().clone(), old.digest().clone()]
    );
    let listed = folder.resolve(&Reference::Tag(tag)).unwrap();
    assert_eq!(listed.digest, *index.digest());
}

#[test]
fn what_the_referrers_tag_lists_has_to_refer_to_the_image_or_be_lost() {
    let (app, other) = (image("app"), image("other"));
    let (of_other, lost) = (
        artifact(SBOM, b"other's", Some(&other)),
        artifact(SBOM, b"lost", Some(&app)),
    );
    let loose = artifact(SBOM, b"of none", None);
    let (tag, index) = referrers_index(&app, &[&of_other, &loose, &lost]);
    let (_root, folder) = folder(&[("1", &app), (&tag, &index)]);
    fs::remove_file(folder.blob_path(lost.digest())).unwrap();
    assert_eq!(referrers(&folder, &app), [lost.digest().clone()]);
}

#[test]
fn a_type_is_that_of_the_manifest_and_not_that_of_its_entry() {
    let app = image("app");
    let sbom = artifact(SBOM, b"sbom", Some(&app));
    let (_root, folder) = folder(&[("1", &app), ("sbom", &sbom)]);
    let mut lying = entries(&folder);
    lying[1]["artifactType"] = json!("a/b");
    let index = json!({"schemaVersion": 2, "manifests": lying});
    fs::write(folder.root().join("index.json"), index.to_string()).unwrap();
    let found = folder
        .referrers(app.digest(), &Subjects::default())
        .unwrap();
    let [
        Descriptor {
            artifact_type,
            annotations,
            ..
        },
    ] = found.as_slice()
    else {
        panic!("one referrer, not {found:?}");
    };
    assert_eq!(artifact_type.as_deref(), Some(SBOM));
    assert!(annotations.is_empty(), "it is no name there");
}

#[test]
fn what_cannot_be_read_refers_to_nothing() {
    let app = image("app");
    let good = artifact(SBOM, b"good", Some(&app));
    let linked = artifact(SBOM, b"linked", Some(&app));
    let (root, folder) = folder(&[("1", &app), ("", &good)]);
    let entry = |digest: &Digest, size: usize| json!({"mediaType": app.media_type(), "digest": digest, "size": size});
    let missing = (0..50_000_u32).map(|number| entry(&Digest::of(&number.to_be_bytes()), 1));
    list(&folder, missing);
    let too_large = vec![b' '; (4 << 20) + 1];
    for bytes in [&b"no JSON"[..], b"{}", b"[]", &too_large] {
        let digest = Digest::of(bytes);
        folder.write_blob(&digest, bytes).unwrap();
        list(&folder, [entry(&digest, bytes.len())]);
    }
    let path = folder.blob_path(linked.digest());
    fs::write(root.path().join("elsewhere"), linked.bytes()).unwrap();
    symlink(root.path().join("elsewhere"), &path).unwrap();
    let other = artifact(SBOM, b"other", Some(&app));
    fs::write(folder.blob_path(other.digest()), good.bytes()).unwrap();
    list(
        &folder,
        [
            entry(linked.digest(), linked.bytes().len()),
            entry(other.digest(), other.bytes().len()),
            json!({"digest": "none"}),
            json!(7),
        ],
    );
    let subjects = Subjects::default();
    for _ in 0..2 {
        assert_eq!(found(&folder, &app, &subjects), [good.digest().clone()]);
    }
    assert_eq!(
        folder.manifest(&Reference::Tag("1".to_owned())).unwrap(),
        app.manifest
    );
    fs::write(folder.blob_path(other.digest()), other.bytes()).unwrap();
    let healed = found(&folder, &app, &subjects);
    assert!(healed.contains(other.digest()), "it is looked at again");
}

#[test]
fn each_manifest_of_a_folder_is_read_once() {
    let images: Vec<Image> = (0..1_000)
        .map(|number| ImageBuilder::new(format!("image {number}")).build())
        .collect();
    let signatures: Vec<Image> = images
        .iter()
        .map(|image| artifact(SBOM, b"signature", Some(image)))
        .collect();
    let named: Vec<(String, &Image)> = images
        .iter()
        .enumerate()
        .map(|(number, image)| (format!("v{number}"), image))
        .collect();
    let mut listed: Vec<(&str, &Image)> =
        named.iter().map(|(tag, image)| (&**tag, *image)).collect();
    listed.extend(signatures.iter().map(|signature| ("", signature)));
    let (_root, folder) = folder(&listed);
    let subjects = Subjects::default();
    assert_eq!(
        found(&folder, &images[0], &subjects),
        [signatures[0].digest().clone()]
    );
    for image in images.iter().chain(&signatures) {
        fs::remove_file(folder.blob_path(image.digest())).unwrap();
    }
    for number in (1..1_000).step_by(50) {
        let expected = [signatures[number].digest().clone()];
        assert_eq!(found(&folder, &images[number], &subjects), expected);
    }
    let known = lock(&subjects.0);
    assert_eq!(
        (known.by_digest.len(), known.bytes),
        (2_000, 2_000 * ENTRY_BYTES + 1_000 * SBOM.len())
    );
}

#[test]
fn more_bytes_of_manifests_than_that_are_not_read_to_answer() {
    let app = image("app");
    let sbom = artifact(SBOM, b"sbom", Some(&app));
    let (_root, folder) = folder(&[("1", &app), ("", &sbom)]);
    let bytes = (app.bytes().len() + sbom.bytes().len()) as u64;
    let within = |bytes| folder.referrers_within(bytes, app.digest(), &Subjects::default());
    assert_eq!(within(bytes).unwrap().len(), 1);
    let error = within(bytes - 1).unwrap_err();
    assert!(matches!(error, LayoutError::Refused(_)), "{error}");
    assert_eq!(error.class(), FailureClass::Invalid);
    assert!(
        error.to_string().contains("more bytes than are read"),
        "{error}"
    );
}
