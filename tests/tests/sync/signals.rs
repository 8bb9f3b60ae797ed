//! SIGINT, SIGTERM and SIGKILL, as the images feel them; what the program says and ends with is in `--test program`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use image_sync_shared::image::digest::Digest;
use image_sync_testkit::fake_registry::{At, Fault, Gate, Rule};
use image_sync_testkit::images::{image, image_with_layers};
use image_sync_testkit::servers::{skopeo_copy, skopeo_inspect};
use image_sync_tests::Catalog;
use serde_json::Value;

use crate::support::{REPOSITORY, TAG, TestSync, all};

#[tokio::test]
async fn what_is_in_hand_is_given_back_when_the_grace_time_is_over() {
    let fixture = TestSync::with(&image_with_layers("app", 2, 200_000)).await;
    let gate = Gate::new();
    fixture
        .source
        .stage(all("GET", "blobs"), Fault::stall(At::Body(10), &gate));
    let running = fixture
        .program
        .start_sync(&fixture.catalog(), &["--grace", "100ms"]);
    fixture
        .source
        .wait_for(|request| request.is("GET", "/v2/*/blobs/*"))
        .await;
    running.signal("TERM").await;
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    let missing = ended.report().missing;
    assert_eq!((missing.len(), missing[0].attempts), (1, 0), "{ended:#?}");
    let error = missing[0].error.clone().unwrap();
    assert!(
        error.starts_with("interrupted while copying blob"),
        "{error}"
    );
    let head = ended.report().head;
    // The ten bytes that came of each blob before the source fell silent went on to the target.
    let sent = missing[0].bytes_copied;
    assert!(sent > 0 && head.bytes_copied == sent, "{ended:#?}");
    fixture.nothing_broken();
}

#[tokio::test]
async fn an_image_that_waits_for_its_registry_says_so_in_the_report() {
    let fixture = TestSync::with(&image("app")).await;
    fixture
        .source
        .stage(all("HEAD", "manifests"), Fault::rate_limited(Some("3600")));
    let catalog = fixture.catalog();
    for output in ["json", "table"] {
        let arguments = ["--log-level", "warn", "--output", output];
        let running = fixture.program.start_sync(&catalog, &arguments);
        running.line("host paused until").await;
        running.signal("TERM").await;
        let ended = running.ended().await;
        assert_eq!(ended.code, Some(3), "{ended:#?}");
        let words = ["source: check", "429", "left alone until"];
        for word in words {
            assert!(ended.stdout.contains(word), "{word}: {ended:#?}");
        }
    }
}

#[tokio::test]
async fn a_killed_run_leaves_a_valid_layout() {
    // What lies between the server and the file holds less than what is sent before the kill.
    const LAYER: usize = 16 * 1024 * 1024;
    const SENT: u64 = 12 * 1024 * 1024;
    let (small, large) = (image("small"), image_with_layers("large", 1, LAYER));
    let fixture = TestSync::with(&large).await;
    fixture.source.put_image("team/small", TAG, &small);
    // So that one image is whole and one begun when it is killed.
    let catalog = Catalog::new("oci:./cache")
        .setting("concurrency: 1")
        .image(fixture.entry("team/small", TAG))
        .image(fixture.entry(REPOSITORY, TAG));
    let gate = Gate::new();
    fixture.source.stage(
        Rule::new("GET", "/v2/team/app/blobs/*"),
        Fault::stall(At::Body(SENT), &gate),
    );
    let mut running = fixture.program.start_sync(&catalog, &[]);
    gate.reached().await;
    running.kill().await;
    let cache = fixture.program.home().join("cache");
    let (whole, begun) = (cache.join("team/small"), cache.join(REPOSITORY));
    assert_eq!(tags_of_valid_layout(&whole).await, [TAG]);
    assert!(tags_of_valid_layout(&begun).await.is_empty());

    gate.release();
    fixture.source.clear_faults();
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for layout in [&whole, &begun] {
        assert_eq!(tags_of_valid_layout(layout).await, [TAG]);
    }
}

/// The tags in a layout, every one of which skopeo can look at and copy with all layers.
async fn tags_of_valid_layout(layout: &Path) -> Vec<String> {
    for blob in files_below(&layout.join("blobs")) {
        let digest = Digest::of(&fs::read(&blob).unwrap());
        assert!(blob.ends_with(digest.hex()), "{}: {digest}", blob.display());
    }
    let marker = json(&layout.join("oci-layout"));
    assert!(marker.is_null() || marker["imageLayoutVersion"] == "1.0.0");
    let index = json(&layout.join("index.json"));
    let entries = index["manifests"].as_array().into_iter().flatten();
    let name = |entry: &Value| entry["annotations"]["org.opencontainers.image.ref.name"].clone();
    let tags: Vec<String> = entries
        .map(|entry| serde_json::from_value(name(entry)).unwrap())
        .collect();
    let copies = tempfile::tempdir().unwrap();
    for tag in &tags {
        let place = format!("oci:{}:{tag}", layout.display());
        skopeo_inspect(&place).await.unwrap();
        let copy = format!("dir:{}/{tag}", copies.path().display());
        skopeo_copy(&place, &copy).await.unwrap();
    }
    tags
}

/// What a file says, or null where there is none.
fn json(file: &Path) -> Value {
    match fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{}", file.display());
            Value::Null
        }
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
