//! Tests of layouts that hold what a layout does not hold.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use image_sync_shared::failure::{FailureClass, Side};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::RawManifest;
use image_sync_shared::image::media_type;
use image_sync_shared::image::reference::{Reference, Repository};
use image_sync_shared::run::job::{Access, Remote, Trust};
use image_sync_testkit::Image;
use image_sync_testkit::images::{image, index_of};
use tempfile::TempDir;

use super::Layout;
use super::error::LayoutError;
use super::folder::Folder;

fn tag(tag: &str) -> Reference {
    Reference::Tag(tag.to_owned())
}

/// A layout with one image under the tag `1`.
fn layout() -> (TempDir, Folder, Image) {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::new(&root.path().join("cache/app"));
    let image = image("a");
    folder.prepare().unwrap();
    for blob in image.all_blobs() {
        folder.write_blob(&blob.digest, &blob.bytes).unwrap();
    }
    folder.push(&tag("1"), &image.manifest).unwrap();
    (root, folder, image)
}

/// What may stand in the place of a file, with its name in messages.
const TRAPS: [&str; 6] = ["link", "endless", "dangling", "folder", "FIFO", "socket"];

fn set_trap(kind: &str, path: &Path, victim: &Path) {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
    match kind {
        "link" => symlink(victim, path).unwrap(),
        "endless" => symlink("/dev/zero", path).unwrap(),
        "dangling" => symlink(victim.join("nothing"), path).unwrap(),
        "folder" => fs::create_dir(path).unwrap(),
        "socket" => drop(UnixListener::bind(path).unwrap()),
        _ => {
            let made = std::process::Command::new("mkfifo").arg(path).status();
            assert!(made.unwrap().success());
        }
    }
}

fn is_special(error: &LayoutError, path: &Path) {
    assert!(matches!(error, LayoutError::Special { .. }), "{error}");
    assert_eq!(error.class(), FailureClass::Invalid);
    let text = error.to_string();
    assert!(text.contains("expected a"), "{text}");
    assert!(text.starts_with(&path.display().to_string()), "{text}");
}

#[test]
fn files_of_a_layout_are_regular_files() {
    let (root, folder, image) = layout();
    let victim = root.path().join("victim");
    for kind in TRAPS {
        let blob = &image.blobs[1];
        for path in [
            folder.root().join("index.json"),
            folder.root().join("oci-layout"),
            folder.blob_path(image.digest()),
            folder.blob_path(&blob.digest),
        ] {
            let kept = root.path().join("kept");
            fs::rename(&path, &kept).unwrap();
            fs::copy(&kept, &victim).unwrap();
            set_trap(kind, &path, &victim);
            if path == folder.blob_path(&blob.digest) {
                is_special(&folder.open_blob(&blob.descriptor()).unwrap_err(), &path);
                is_special(&folder.has_whole_blob(&blob.digest).unwrap_err(), &path);
            } else {
                is_special(&folder.manifest(&tag("1")).unwrap_err(), &path);
            }
            is_special(&folder.push(&tag("1"), &image.manifest).unwrap_err(), &path);
            set_trap("dangling", &path, &victim);
            fs::remove_file(&path).unwrap();
            fs::rename(&kept, &path).unwrap();
        }
    }
    assert_eq!(folder.manifest(&tag("1")).unwrap(), image.manifest);
}

#[test]
fn a_file_that_is_too_long_is_not_read() {
    let (_root, folder, image) = layout();
    for (path, limit) in [
        (folder.blob_path(image.digest()), "4194304"),
        (folder.root().join("index.json"), "33554432"),
        (folder.root().join("oci-layout"), "65536"),
    ] {
        let content = fs::read(&path).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_len(3 << 30).unwrap();
        let error = folder.manifest(&tag("1")).unwrap_err().to_string();
        assert!(error.contains("has 3221225472 bytes"), "{error}");
        assert!(error.ends_with(&format!("at most {limit}")), "{error}");
        fs::write(&path, content).unwrap();
    }
}

#[test]
fn folders_of_a_layout_are_folders() {
    for (inside, kinds) in [
        ("blobs", &TRAPS[..]),
        ("blobs/sha256", &TRAPS[..]),
        (".image-sync", &TRAPS[..]),
    ] {
        for kind in kinds.iter().filter(|kind| **kind != "folder") {
            let (root, folder, image) = layout();
            let victim = root.path().join("victim");
            let path = folder.root().join(inside);
            fs::create_dir(&victim).unwrap();
            set_trap(kind, &path, &victim);
            let blob = &image.blobs[1];
            let error = folder.create_blob(&blob.digest).unwrap_err();
            is_special(&error, &path);
            if inside != ".image-sync" {
                is_special(&folder.open_blob(&blob.descriptor()).unwrap_err(), &path);
            }
            assert_eq!(fs::read_dir(&victim).unwrap().count(), 0, "{kind} {inside}");
        }
    }
}

#[test]
fn nothing_is_written_through_a_lock_or_a_temporary_file_that_is_a_link() {
    let (root, folder, image) = layout();
    let victim = root.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let private = folder.root().join(".image-sync");
    for kind in ["link", "FIFO", "dangling"] {
        set_trap(kind, &private.join("tmp-x"), &victim);
        folder.push(&tag("2"), &image.manifest).unwrap();
        folder.push(&tag("3"), &image.manifest).unwrap();
    }
    for kind in TRAPS {
        let lock = private.join("lock");
        set_trap(kind, &lock, &victim);
        is_special(
            &folder.push(&tag(kind), &image.manifest).unwrap_err(),
            &lock,
        );
        set_trap("dangling", &lock, &victim);
        fs::remove_file(&lock).unwrap();
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert!(!victim.with_file_name("nothing").exists());
}

fn at(side: Side, path: &Path) -> (Remote, PathBuf) {
    let remote = Remote {
        side,
        repository: Repository::Folder(path.to_owned()),
        trust: Trust::Verified,
        access: Access::PullPush,
    };
    (remote, path.to_owned())
}

#[tokio::test]
async fn a_source_may_be_named_by_a_link_but_no_target_is_one() {
    let (root, folder, image) = layout();
    let link = root.path().join("link");
    symlink(folder.root(), &link).unwrap();
    let (remote, path) = at(Side::Source, &link);
    let read = Layout::new(&remote, &path).resolve(&tag("1")).await;
    assert_eq!(&read.unwrap().unwrap().digest, image.digest());
    let (remote, path) = at(Side::Target, &link);
    let layout = Layout::new(&remote, &path);
    for failure in [
        layout.resolve(&tag("1")).await.map(drop).unwrap_err(),
        layout
            .push_manifest(&tag("2"), &image.manifest)
            .await
            .unwrap_err(),
    ] {
        assert_eq!(failure.class, FailureClass::Invalid);
        assert!(
            failure.answer.contains("found a symbolic link"),
            "{failure}"
        );
    }
    assert_eq!(folder.index().unwrap().tags(), ["1"]);
    // A link on the way to it is the user's.
    let way = root.path().join("way");
    symlink(root.path().join("cache"), &way).unwrap();
    let (remote, path) = at(Side::Target, &way.join("app"));
    let read = Layout::new(&remote, &path).resolve(&tag("1")).await;
    assert_eq!(&read.unwrap().unwrap().digest, image.digest());
}

#[tokio::test]
async fn a_manifest_without_its_blobs_is_not_there() {
    let (_root, folder, _) = layout();
    let hidden = image("hidden");
    let index = index_of(media_type::OCI_INDEX, vec![hidden.clone()]);
    // As a layer it may be there without what it refers to.
    folder.write_blob(hidden.digest(), hidden.bytes()).unwrap();
    let error = folder.push(&tag("2"), &index.manifest).unwrap_err();
    assert!(error.to_string().contains("does not have"), "{error}");
    let (remote, path) = at(Side::Target, folder.root());
    let target = Layout::new(&remote, &path);
    let digest = Reference::Digest(hidden.digest().clone());
    assert_eq!(target.resolve(&digest).await.unwrap(), None);
    for blob in hidden.all_blobs() {
        folder.write_blob(&blob.digest, &blob.bytes).unwrap();
    }
    let there = target.resolve(&digest).await.unwrap();
    assert_eq!(
        there.map(|found| found.digest),
        Some(hidden.digest().clone())
    );
    folder.push(&tag("2"), &index.manifest).unwrap();
}

#[test]
fn indexes_are_not_followed_without_end() {
    let (_root, folder, image) = layout();
    let mut deep = image;
    for _ in 0..10 {
        deep = index_of(media_type::OCI_INDEX, vec![deep]);
        folder.write_blob(deep.digest(), deep.bytes()).unwrap();
    }
    let error = folder.push(&tag("2"), &deep.manifest).unwrap_err();
    assert!(
        error.to_string().contains("more than 8 levels deep"),
        "{error}"
    );
}

#[test]
fn an_ambiguous_manifest_is_never_written() {
    let (_root, folder, image) = layout();
    let config = serde_json::json!(image.blobs[0].descriptor());
    let missing = Digest::of(b"missing");
    let text = format!(
        r#"{{"mediaType":"{}","config":{config},"layers":[],"manifests":[{{"digest":"{missing}","size":1}}]}}"#,
        media_type::OCI_MANIFEST
    );
    let manifest = RawManifest {
        media_type: media_type::OCI_INDEX.to_owned(),
        digest: Digest::of(text.as_bytes()),
        bytes: text.into(),
    };
    let error = folder.push(&tag("2"), &manifest).unwrap_err();
    assert!(error.to_string().contains("is ambiguous"), "{error}");
}
