//! Tests of folders, below the port. What skopeo makes of them is in `tests/copying`.

use std::fs;
use std::path::Path;

use image_sync_shared::failure::FailureClass;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::RawManifest;
use image_sync_shared::image::media_type;
use image_sync_shared::image::reference::Reference;
use image_sync_testkit::Image;
use image_sync_testkit::images::{Blob, ImageBuilder, image, index, index_of};
use tempfile::TempDir;

use super::blobs::Link;
use super::error::LayoutError;
use super::folder::Folder;
use super::lock::Lock;

fn tag(tag: &str) -> Reference {
    Reference::Tag(tag.to_owned())
}

fn folder() -> (TempDir, Folder) {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::new(&root.path().join("cache/nginx"));
    (root, folder)
}

fn write_blobs(folder: &Folder, image: &Image) {
    folder.prepare().unwrap();
    for blob in image.all_blobs() {
        folder.write_blob(&blob.digest, &blob.bytes).unwrap();
    }
}

fn write(folder: &Folder, name: &str, image: &Image) {
    write_blobs(folder, image);
    for child in &image.children {
        let digest = Reference::Digest(child.digest().clone());
        folder.push(&digest, &child.manifest).unwrap();
    }
    folder.push(&tag(name), &image.manifest).unwrap();
}

fn digest_of(folder: &Folder, name: &str) -> Option<Digest> {
    match folder.resolve(&tag(name)) {
        Err(LayoutError::NoImage { .. }) => None,
        resolved => Some(resolved.unwrap().digest),
    }
}

fn temporary_files(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join(".image-sync")).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("tmp-"))
        .collect()
}

#[test]
fn what_is_written_is_read_again() {
    let (_root, folder) = folder();
    let image = image("a");
    write(&folder, "1", &image);
    let read = folder.manifest(&tag("1")).unwrap();
    assert_eq!(read, image.manifest);
    let by_digest = Reference::Digest(image.digest().clone());
    assert_eq!(folder.manifest(&by_digest).unwrap(), image.manifest);
    assert_eq!(folder.index().unwrap().tags(), ["1"]);
    for blob in &image.blobs {
        assert!(folder.has_blob(&blob.descriptor()).unwrap());
    }
    assert!(temporary_files(folder.root()).is_empty());
}

#[test]
fn children_are_found_by_digest_but_not_listed() {
    let (_root, folder) = folder();
    let index = index("a", &["linux/amd64", "linux/arm64"]);
    write(&folder, "1", &index);
    for child in &index.children {
        let digest = Reference::Digest(child.digest().clone());
        assert_eq!(folder.manifest(&digest).unwrap(), child.manifest);
    }
    let listed = fs::read_to_string(folder.root().join("index.json")).unwrap();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(listed["manifests"][0]["size"], index.bytes().len());
}

#[test]
fn a_manifest_without_media_type_is_told_by_its_members() {
    let (_root, folder) = folder();
    let plain = ImageBuilder::new("a").without_media_type().build();
    write_blobs(&folder, &plain);
    let digest = Reference::Digest(plain.digest().clone());
    folder.push(&digest, &plain.manifest).unwrap();
    let read = folder.manifest(&digest).unwrap();
    assert_eq!(read.media_type, media_type::OCI_MANIFEST);
}

#[test]
fn a_moved_tag_points_at_the_new_image_and_others_stay() {
    let (_root, folder) = folder();
    let (old, new) = (image("old"), image("new"));
    write(&folder, "latest", &old);
    write(&folder, "old", &old);
    write(&folder, "latest", &new);
    assert_eq!(digest_of(&folder, "latest").as_ref(), Some(new.digest()));
    assert_eq!(digest_of(&folder, "old").as_ref(), Some(old.digest()));
}

#[test]
fn a_missing_image_is_told_with_the_tags_that_are_there() {
    let (_root, folder) = folder();
    write(&folder, "1", &image("a"));
    assert_eq!(digest_of(&folder, "2"), None);
    let error = folder.manifest(&tag("2")).unwrap_err();
    assert_eq!(error.class(), FailureClass::NotFound);
    assert!(
        error.to_string().ends_with("has no 2; its tags are 1"),
        "{error}"
    );
}

#[test]
fn a_manifest_is_refused_while_a_blob_or_child_is_missing() {
    let (_root, folder) = folder();
    let index = index("a", &["linux/amd64"]);
    let child = Reference::Digest(index.children[0].digest().clone());
    for (reference, manifest) in [
        (&tag("1"), &index.manifest),
        (&child, &index.children[0].manifest),
    ] {
        let error = folder.push(reference, manifest).unwrap_err();
        assert_eq!(error.class(), FailureClass::Invalid);
        assert!(error.to_string().contains("does not have"), "{error}");
    }
    assert!(!folder.root().exists(), "nothing was written");
}

#[test]
fn a_foreign_layer_need_not_be_there() {
    let (_root, folder) = folder();
    let blob = Blob::new(
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "x",
    );
    let image = ImageBuilder::new("a")
        .described(blob.descriptor(), None)
        .build();
    write(&folder, "1", &image);
    assert_eq!(digest_of(&folder, "1").as_ref(), Some(image.digest()));
}

#[test]
fn a_manifest_must_have_the_digest_that_it_is_written_under() {
    let (_root, folder) = folder();
    let image = image("a");
    write_blobs(&folder, &image);
    let other = Reference::Digest(Digest::of(b"other"));
    let lying = RawManifest {
        digest: Digest::of(b"other"),
        ..image.manifest.clone()
    };
    for (reference, manifest) in [(&other, &image.manifest), (&tag("1"), &lying)] {
        let error = folder.push(reference, manifest).unwrap_err();
        assert_eq!(error.class(), FailureClass::Invalid, "{error}");
    }
    assert_eq!(digest_of(&folder, "1"), None);
}

#[test]
fn a_blob_of_the_wrong_size_is_removed_so_that_it_comes_again() {
    let (_root, folder) = folder();
    let image = image("a");
    write_blobs(&folder, &image);
    let broken = &image.blobs[1];
    fs::write(folder.blob_path(&broken.digest), "half").unwrap();
    assert!(!folder.has_blob(&broken.descriptor()).unwrap());
    let error = folder.push(&tag("1"), &image.manifest).unwrap_err();
    assert_eq!(error.class(), FailureClass::DigestMismatch, "{error}");
    assert_eq!(folder.blob_size(&broken.digest).unwrap(), None);
    write(&folder, "1", &image);
}

#[test]
fn a_manifest_that_lies_about_a_size_removes_nothing() {
    let (_root, folder) = folder();
    let honest = image("a");
    write_blobs(&folder, &honest);
    let blob = &honest.blobs[1];
    let mut descriptor = blob.descriptor();
    descriptor.size += 1;
    let lying = ImageBuilder::new("b").described(descriptor, None).build();
    write_blobs(&folder, &lying);
    let error = folder.push(&tag("1"), &lying.manifest).unwrap_err();
    assert_eq!(error.class(), FailureClass::Invalid, "{error}");
    assert!(folder.has_blob(&blob.descriptor()).unwrap());
}

#[test]
fn a_broken_manifest_is_told_and_written_anew() {
    let (_root, folder) = folder();
    let image = image("a");
    write(&folder, "1", &image);
    let path = folder.blob_path(image.digest());
    let mut bytes = image.bytes().to_vec();
    bytes[0] = b' ';
    fs::write(&path, bytes).unwrap();
    let error = folder.resolve(&tag("1")).unwrap_err();
    assert_eq!(error.class(), FailureClass::DigestMismatch);
    folder.push(&tag("1"), &image.manifest).unwrap();
    assert_eq!(digest_of(&folder, "1").as_ref(), Some(image.digest()));
    fs::remove_file(&path).unwrap();
    let error = folder.resolve(&tag("1")).unwrap_err();
    assert!(matches!(error, LayoutError::NoBlob { .. }), "{error}");
}

#[test]
fn a_manifest_that_is_too_large_is_not_read() {
    let (_root, folder) = folder();
    folder.prepare().unwrap();
    let large = vec![b' '; 4 * 1024 * 1024 + 1];
    let digest = Digest::of(&large);
    folder.write_blob(&digest, &large).unwrap();
    let error = folder.manifest(&Reference::Digest(digest)).unwrap_err();
    assert!(error.to_string().contains("at most 4194304"), "{error}");
}

#[test]
fn what_is_no_layout_is_told_clearly() {
    let (_root, folder) = folder();
    let no_layout = folder.index().unwrap_err();
    assert_eq!(no_layout.class(), FailureClass::NotFound);
    let text = no_layout.to_string();
    assert!(text.contains("there is no such folder"), "{text}");

    folder.prepare().unwrap();
    for (file, content, expected) in [
        ("index.json", "{\n  \"manifests\": [\n  oops", "line 3"),
        ("oci-layout", "{}", "imageLayoutVersion"),
        (
            "oci-layout",
            "{\"imageLayoutVersion\":\"2.0.0\"}",
            "\"2.0.0\" is not known",
        ),
    ] {
        fs::write(folder.root().join(file), content).unwrap();
        let error = folder.index().unwrap_err();
        assert_eq!(error.class(), FailureClass::Invalid);
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains(file), "{text}");
    }
}

#[test]
fn a_folder_whose_marker_was_never_written_becomes_a_layout_with_what_it_has() {
    let (_root, folder) = folder();
    let image = image("a");
    write(&folder, "1", &image);
    fs::remove_file(folder.root().join("oci-layout")).unwrap();
    folder.prepare().unwrap();
    assert_eq!(digest_of(&folder, "1").as_ref(), Some(image.digest()));
}

#[test]
fn writers_at_the_same_time_lose_no_tag() {
    let (_root, folder) = folder();
    let image = image("a");
    write_blobs(&folder, &image);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (folder, image) = (&folder, &image);
            scope.spawn(move || {
                for n in 0..10 {
                    let name = tag(&format!("w{writer}-{n}"));
                    folder.push(&name, &image.manifest).unwrap();
                }
            });
        }
    });
    assert_eq!(folder.index().unwrap().tags().len(), 40);
    assert!(temporary_files(folder.root()).is_empty());
}

#[test]
fn folders_made_at_the_same_time_are_one_layout() {
    let (_root, folder) = folder();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let folder = &folder;
            scope.spawn(move || write(folder, &format!("t{n}"), &image(&format!("i{n}"))));
        }
    });
    assert_eq!(folder.index().unwrap().tags().len(), 8);
}

#[test]
fn files_of_dead_writers_are_removed_and_those_of_living_ones_stay() {
    let (_root, folder) = folder();
    folder.prepare().unwrap();
    let dead = folder.root().join(".image-sync/tmp-dead");
    fs::write(&dead, "half a blob").unwrap();
    let living = folder.temporary_file().unwrap();
    write(&folder, "1", &image("a"));
    assert!(!dead.exists());
    assert!(living.path().exists());
    drop(living);
    assert!(temporary_files(folder.root()).is_empty());
}

#[tokio::test]
async fn a_dropped_blob_leaves_nothing_behind() {
    let (_root, folder) = folder();
    let digest = Digest::of(b"whole");
    let mut file = folder.create_blob(&digest).unwrap();
    file.write(b"who").await.unwrap();
    assert_eq!(temporary_files(folder.root()).len(), 1);
    assert_eq!(folder.blob_size(&digest).unwrap(), None, "no name yet");
    drop(file);
    assert!(temporary_files(folder.root()).is_empty());

    let mut file = folder.create_blob(&digest).unwrap();
    file.write(b"whole").await.unwrap();
    file.commit().await.unwrap();
    assert_eq!(folder.blob_size(&digest).unwrap(), Some(5));
    assert!(temporary_files(folder.root()).is_empty());
}

#[test]
fn a_lock_keeps_others_out_and_ends_when_it_is_dropped() {
    let (_root, folder) = folder();
    let held = folder.lock().unwrap();
    let path = folder.root().join(".image-sync/lock");
    let file = fs::File::open(&path).unwrap();
    assert!(file.try_lock().is_err() && file.try_lock_shared().is_err());
    drop(held);
    let _shared = Lock::shared(&path).unwrap();
    assert!(file.try_lock().is_err() && file.try_lock_shared().is_ok());
}

#[test]
fn a_blob_is_linked_from_a_neighbour() {
    let (root, folder) = folder();
    let other = Folder::new(&root.path().join("cache/other"));
    let image = image("a");
    write(&other, "1", &image);
    let blob = image.blobs[1].descriptor();
    assert_eq!(folder.link_blob(&other, &blob).unwrap(), Link::Done);
    assert_eq!(
        folder.link_blob(&other, &blob).unwrap(),
        Link::Done,
        "again"
    );
    assert!(folder.has_blob(&blob).unwrap());

    let missing = Blob::new("", "missing").descriptor();
    assert_eq!(folder.link_blob(&other, &missing).unwrap(), Link::Absent);

    fs::remove_file(folder.blob_path(&blob.digest)).unwrap();
    fs::write(folder.blob_path(&blob.digest), "half").unwrap();
    assert_eq!(folder.link_blob(&other, &blob).unwrap(), Link::Impossible);
}

#[test]
fn a_blob_that_is_there_with_its_size_and_other_bytes_does_not_count_as_linked() {
    let (root, folder) = folder();
    let other = Folder::new(&root.path().join("cache/other"));
    let image = image("a");
    write(&other, "1", &image);
    let blob = image.blobs[1].descriptor();
    folder.prepare().unwrap();
    folder
        .write_blob(&blob.digest, &image.blobs[1].bytes)
        .unwrap();
    let size = usize::try_from(blob.size).unwrap();
    fs::write(folder.blob_path(&blob.digest), vec![0; size]).unwrap();
    assert_eq!(folder.link_blob(&other, &blob).unwrap(), Link::Impossible);
}

#[test]
fn an_index_of_what_is_there_is_whole() {
    let (_root, folder) = folder();
    let (one, two) = (image("one"), image("two"));
    write(&folder, "one", &one);
    write(&folder, "two", &two);
    let both = index_of(media_type::OCI_INDEX, vec![one, two]);
    folder.push(&tag("both"), &both.manifest).unwrap();
    assert_eq!(digest_of(&folder, "both").as_ref(), Some(both.digest()));
}
