//! Folders as sources and as targets.

use std::fs;
use std::path::Path;

use image_sync_shared::failure::{FailureClass, Side};
use image_sync_shared::image::media_type;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::ports::transfer::registries::{Arrival, BlobCopy, Registries as _};
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{At, Fault, Gate, Rule};
use image_sync_testkit::images::{Blob, image, index};
use tempfile::TempDir;

use crate::support::{
    LARGE, RouterBuilder, blob, copied, copy, copy_image, folder, repository, resolve, router,
    source, tag, target,
};

fn scratch() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn blob_file(root: &Path, blob: &Blob) -> std::path::PathBuf {
    root.join("blobs/sha256").join(blob.digest.hex())
}

/// What is in the folder that is not part of the layout, but for its lock.
fn left_over(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join(".image-sync")).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "lock")
        .collect()
}

#[tokio::test]
async fn images_go_from_a_registry_to_a_folder_and_on() {
    let scratch = scratch();
    let (near, far) = (scratch.path().join("near/app"), scratch.path().join("far"));
    let registry = FakeRegistry::start().await.unwrap();
    let router = router();
    let image = index("app", &["linux/amd64", "linux/arm64"]);
    registry.put_image("app", "1", &image);

    let origin = repository(registry.host(), "app");
    copy_image(
        &router,
        &source(origin),
        &target(folder(&near)),
        "1",
        &image,
    )
    .await;
    copy_image(
        &router,
        &source(folder(&near)),
        &target(folder(&far)),
        "1",
        &image,
    )
    .await;
    let back = repository(registry.host(), "back");
    copy_image(&router, &source(folder(&far)), &target(back), "1", &image).await;

    registry.assert_every_tag_is_complete();
    assert_eq!(registry.digest("back", "1").as_ref(), Some(image.digest()));
    let at = source(folder(&far));
    let resolved = router.resolve(&at, &tag("1")).await.unwrap().unwrap();
    assert_eq!(&resolved.digest, image.digest());
    assert_eq!(resolved.media_type, media_type::OCI_INDEX);
    assert_eq!(router.tags(&at).await, Ok(vec!["1".to_owned()]));
    let config = &image.children[0].blobs[0].digest;
    assert_eq!(router.has_blob(&at, config).await, Ok(true));
    assert_eq!(left_over(&near), [""; 0]);
}

#[tokio::test]
async fn a_blob_that_is_there_is_not_written_again() {
    let scratch = scratch();
    let registry = FakeRegistry::start().await.unwrap();
    let router = router();
    let blob = blob("a", 1000);
    registry.put_blob("from", &blob.digest, blob.bytes.clone());
    let from = source(repository(registry.host(), "from"));
    let to = target(folder(scratch.path()));
    let arrival = copy(&router, &from, &to, &blob.descriptor()).await;
    assert_eq!(arrival, Ok(copied(&blob)));
    let arrival = copy(&router, &from, &to, &blob.descriptor()).await;
    assert_eq!(arrival, Ok(Arrival::Copied { bytes: 0 }));
    assert_eq!(registry.count("*", "*"), 1);

    let mut flipped = blob.bytes.to_vec();
    flipped[500] ^= 1;
    for broken in [&b"half"[..], &flipped] {
        fs::write(blob_file(scratch.path(), &blob), broken).unwrap();
        assert_eq!(router.has_blob(&to, &blob.digest).await, Ok(false));
        let arrival = copy(&router, &from, &to, &blob.descriptor()).await;
        assert_eq!(arrival, Ok(copied(&blob)), "a broken one is");
        let read = fs::read(blob_file(scratch.path(), &blob)).unwrap();
        assert_eq!(read, blob.bytes);
        assert_eq!(router.has_blob(&to, &blob.digest).await, Ok(true));
    }
}

#[tokio::test]
async fn wrong_bytes_and_cut_copies_leave_nothing_in_a_folder() {
    let scratch = scratch();
    let registry = FakeRegistry::start().await.unwrap();
    let blob = blob("a", LARGE);
    registry.put_blob("from", &blob.digest, blob.bytes.clone());
    let from = source(repository(registry.host(), "from"));
    let to = target(folder(scratch.path()));
    let gate = Gate::new();
    for (fault, class) in [
        (Fault::WrongBytes, FailureClass::DigestMismatch),
        (
            Fault::stall(At::Body(1_000_000), &gate),
            FailureClass::Timeout,
        ),
    ] {
        let router = RouterBuilder::new().impatient().router();
        let staged = registry.stage(Rule::new("GET", "*"), fault);
        let failed = copy(&router, &from, &to, &blob.descriptor()).await;
        staged.end();
        let failure = failed.unwrap_err();
        assert_eq!((failure.side, failure.class), (Side::Source, class));
        assert!(!blob_file(scratch.path(), &blob).exists());
        assert_eq!(left_over(scratch.path()), [""; 0]);
    }
}

#[tokio::test]
async fn a_dropped_copy_leaves_a_valid_layout() {
    let scratch = scratch();
    let registry = FakeRegistry::start().await.unwrap();
    let router = router();
    let old = image("old");
    registry.put_image("app", "old", &old);
    let from = source(repository(registry.host(), "app"));
    let to = target(folder(scratch.path()));
    copy_image(&router, &from, &to, "old", &old).await;

    let blob = blob("a", LARGE);
    registry.put_blob("app", &blob.digest, blob.bytes.clone());
    let descriptor = blob.descriptor();
    for at in [At::Headers, At::Body(1_000_000)] {
        let gate = Gate::new();
        let staged = registry.stage(Rule::new("GET", "*"), Fault::stall(at, &gate));
        tokio::select! {
            arrival = copy(&router, &from, &to, &descriptor) => panic!("{arrival:?}"),
            () = gate.reached() => {}
        }
        staged.end();
        assert!(!blob_file(scratch.path(), &blob).exists());
        let digest = resolve(&router, &to, "old").await;
        assert_eq!(digest.as_ref(), Some(old.digest()));
    }
}

#[tokio::test]
async fn a_blob_of_another_folder_is_linked() {
    let scratch = scratch();
    let (base, app) = (scratch.path().join("base"), scratch.path().join("app"));
    let registry = FakeRegistry::start().await.unwrap();
    let router = router();
    let blob = blob("a", 1000);
    registry.put_blob("from", &blob.digest, blob.bytes.clone());
    let from = source(repository(registry.host(), "from"));
    let to_base = target(folder(&base));
    copy(&router, &from, &to_base, &blob.descriptor())
        .await
        .unwrap();
    registry.reset();

    let to = target(folder(&app));
    for mount_from in [folder(&base), folder(&app)] {
        let copy = BlobCopy {
            source: &from,
            target: &to,
            blob: &blob.descriptor(),
            mount_from: Some(&mount_from),
            may_mount: true,
            on_bytes: &|_| {},
        };
        assert_eq!(router.copy_blob(copy).await, Ok(Arrival::Mounted));
        assert_eq!(fs::read(blob_file(&app, &blob)).unwrap(), blob.bytes);
    }
    assert_eq!(registry.requests(), []);
}

#[cfg(unix)]
#[tokio::test]
async fn a_blob_that_cannot_be_linked_is_read_from_the_other_folder() {
    let scratch = scratch();
    let (base, app) = (scratch.path().join("base"), scratch.path().join("app"));
    let registry = FakeRegistry::start().await.unwrap();
    let router = router();
    let blob = blob("a", 1000);
    registry.put_blob("from", &blob.digest, blob.bytes.clone());
    let from = source(repository(registry.host(), "from"));
    for root in [&base, &app] {
        let to = target(folder(root));
        copy(&router, &from, &to, &blob.descriptor()).await.unwrap();
    }
    // A name that is taken cannot be linked to, as little as one on another file system.
    fs::write(blob_file(&app, &blob), "half").unwrap();
    registry.reset();

    let to = target(folder(&app));
    let copy = BlobCopy {
        source: &from,
        target: &to,
        blob: &blob.descriptor(),
        mount_from: Some(&folder(&base)),
        may_mount: true,
        on_bytes: &|_| {},
    };
    assert_eq!(router.copy_blob(copy).await, Ok(copied(&blob)));
    assert_eq!(fs::read(blob_file(&app, &blob)).unwrap(), blob.bytes);
    assert_eq!(registry.requests(), []);
}

#[tokio::test]
async fn a_broken_blob_in_a_folder_is_not_copied() {
    let scratch = scratch();
    let (near, far) = (scratch.path().join("near"), scratch.path().join("far"));
    let registry = FakeRegistry::start().await.unwrap();
    let router = router();
    let blob = blob("a", 1000);
    registry.put_blob("from", &blob.digest, blob.bytes.clone());
    let from = source(repository(registry.host(), "from"));
    let to_near = target(folder(&near));
    copy(&router, &from, &to_near, &blob.descriptor())
        .await
        .unwrap();
    let path = blob_file(&near, &blob);
    let (from_near, to_far) = (source(folder(&near)), target(folder(&far)));
    for broken in [&[0; 1000][..], &[0; 999]] {
        fs::write(&path, broken).unwrap();
        let copied = copy(&router, &from_near, &to_far, &blob.descriptor()).await;
        let failure = copied.unwrap_err();
        assert_eq!(failure.side, Side::Source);
        assert_eq!(failure.class, FailureClass::DigestMismatch, "{failure}");
        assert!(!blob_file(&far, &blob).exists());
    }
    assert!(!far.exists(), "nothing was written");
    fs::remove_file(&path).unwrap();
    let copied = copy(&router, &from_near, &to_far, &blob.descriptor()).await;
    assert_eq!(copied.unwrap_err().class, FailureClass::NotFound);
}

#[tokio::test]
async fn a_source_that_is_no_layout_fails_and_such_a_target_is_empty() {
    let scratch = scratch();
    let router = router();
    let nowhere = scratch.path().join("nowhere");
    let failure = router
        .resolve(&source(folder(&nowhere)), &tag("1"))
        .await
        .unwrap_err();
    assert_eq!(failure.side, Side::Source);
    assert_eq!(failure.class, FailureClass::NotFound);
    assert!(
        failure.answer.contains("there is no such folder"),
        "{failure}"
    );
    std::fs::create_dir(&nowhere).unwrap();
    let at = source(folder(&nowhere));
    let failure = router.resolve(&at, &tag("1")).await.unwrap_err();
    assert!(
        failure.answer.contains("it has no file oci-layout"),
        "{failure}"
    );
    std::fs::remove_dir(&nowhere).unwrap();

    let at = target(folder(&nowhere));
    assert_eq!(router.resolve(&at, &tag("1")).await, Ok(None));
    assert_eq!(router.tags(&at).await, Ok(Vec::new()));
    assert!(!nowhere.exists(), "asking writes nothing");
}

#[tokio::test]
async fn a_target_whose_manifest_is_broken_needs_it_again() {
    let scratch = scratch();
    let registry = FakeRegistry::start().await.unwrap();
    let router = router();
    let image = image("a");
    registry.put_image("app", "1", &image);
    let from = source(repository(registry.host(), "app"));
    let at = target(folder(scratch.path()));
    copy_image(&router, &from, &at, "1", &image).await;
    let manifest = scratch
        .path()
        .join("blobs/sha256")
        .join(image.digest().hex());
    fs::write(manifest, "half").unwrap();
    assert_eq!(resolve(&router, &at, "1").await, None);
    let read = source(folder(scratch.path()));
    let failure = router.resolve(&read, &tag("1")).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::DigestMismatch, "{failure}");
    copy_image(&router, &from, &at, "1", &image).await;
    assert_eq!(
        resolve(&router, &at, "1").await.as_ref(),
        Some(image.digest())
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_a_local_failure() {
    let scratch = scratch();
    let file = scratch.path().join("file");
    fs::write(&file, "").unwrap();
    let router = router();
    let image = image("a");
    let at = target(folder(&file.join("app")));
    let digest = Reference::Digest(image.digest().clone());
    let failure = router
        .push_manifest(&at, &digest, &image.manifest)
        .await
        .unwrap_err();
    assert_eq!(failure.class, FailureClass::Local, "{failure}");
    assert!(failure.answer.contains("file"), "{failure}");
}
