//! A target whose disk is full: the image fails for that, nothing of it is left, and the next run copies it.

use std::fs;
use std::path::Path;

use image_sync_shared::run::outcome::Action;
use image_sync_testkit::fake_registry::Fault;
use image_sync_testkit::images::{image, image_with_layers};
use image_sync_tests::Catalog;

use crate::support::{REPOSITORY, TAG, TestSync, all};

/// What distribution answers on a full disk.
const FULL: &str = r#"{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":{"DriverName":"filesystem",
"Enclosed":{"Op":"write","Path":"/var/lib/registry/docker/registry/v2/data","Err":28}}}]}"#;

fn full() -> Fault {
    Fault::Answer {
        status: 500,
        headers: Vec::new(),
        body: FULL.to_owned(),
    }
}

#[tokio::test]
async fn a_registry_whose_disk_is_full_is_named_as_the_reason_and_the_next_run_copies_the_image() {
    let image = image("full");
    for (method, kind) in [("POST", "blobs"), ("PATCH", "blobs"), ("PUT", "manifests")] {
        let fixture = TestSync::with(&image).await;
        let staged = fixture.target.stage(all(method, kind), full());
        let put = (method == "PATCH").then(|| fixture.target.stage(all("PUT", kind), full()));
        fixture
            .fails(3, &["target: push", "no space left on device"])
            .await;
        staged.end();
        if let Some(put) = put {
            put.end();
        }
        fixture.is_copied(&image, 1).await;
    }
}

#[tokio::test]
async fn a_folder_whose_disk_is_full_is_named_as_the_reason_and_the_next_run_copies_the_image() {
    const LAYER: usize = 1024 * 1024;
    let mut fixture = TestSync::with(&image_with_layers("large", 2, LAYER)).await;
    fixture.source.put_image("team/small", TAG, &image("small"));
    let catalog = Catalog::new("oci:./cache")
        .image(fixture.entry("team/small", TAG))
        .image(fixture.entry(REPOSITORY, TAG));
    fixture.program.limit_files(Some(LAYER as u64 / 2));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let [small, large] = &ended.report().results[..] else {
        panic!("two results: {ended:#?}")
    };
    assert_eq!(small.action, Action::Pulled);
    let error = large.error.clone().unwrap();
    assert!(error.starts_with("target: push blob"), "{error}");
    assert!(error.contains("File too large (os error 27)"), "{error}");
    let cache = fixture.program.home().join("cache");
    let bytes = bytes_below(&cache.join(REPOSITORY));
    assert!(bytes < LAYER as u64 / 2, "{bytes} bytes are left");

    fixture.program.limit_files(None);
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.report().results[1].action, Action::Pulled);
}

/// How many bytes all files have below `folder`.
fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let size = |entry: fs::DirEntry| match entry.metadata().unwrap() {
        folder if folder.is_dir() => bytes_below(&entry.path()),
        file => file.len(),
    };
    entries.map(size).sum()
}
