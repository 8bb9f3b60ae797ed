//! The example images in the repository.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use image_sync_testkit::images::examples::write_example_images;
use image_sync_testkit::images::incomplete_layout_tags;
use image_sync_testkit::servers::{skopeo, skopeo_copy, skopeo_inspect};

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/images")
}

/// The files below a folder and what they hold.
fn files(folder: &Path) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).map_err(io::Error::other)?;
                found.insert(name.to_owned(), fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

#[test]
fn the_committed_files_are_what_the_program_makes() {
    let folder = tempfile::tempdir().unwrap();
    write_example_images(folder.path()).unwrap();
    let made = files(folder.path()).unwrap();
    let committed = files(&committed()).unwrap();
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&made),
        names(&committed),
        "run scripts/make-example-images"
    );
    assert!(made == committed, "run scripts/make-example-images");
}

#[test]
fn the_example_images_are_complete_and_small() {
    for name in ["hello", "tool", "signed"] {
        let incomplete = incomplete_layout_tags(&committed().join(name)).unwrap();
        assert_eq!(incomplete, Vec::<String>::new());
    }
    let bytes: usize = files(&committed()).unwrap().values().map(Vec::len).sum();
    assert!(bytes < 64 * 1024, "{bytes} bytes");
}

#[tokio::test]
async fn skopeo_reads_and_copies_the_example_images() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["hello:1.0", "tool:1.0", "signed:1.0", "signed:sbom"] {
        let source = format!("oci:{}/{name}", committed().display());
        let target = format!("oci:{}/{name}", folder.path().display());
        skopeo_copy(&source, &target).await.unwrap();
    }
    let tool = format!("oci:{}/tool:1.0", committed().display());
    let inspected = skopeo_inspect(&tool).await.unwrap();
    assert!(
        inspected.contains(r#""Architecture": "amd64""#),
        "{inspected}"
    );
    let hello = format!("oci:{}/hello:1.0", committed().display());
    let arm = skopeo(&["--override-arch", "arm64", "inspect", "--config", &hello]).await;
    assert!(arm.unwrap().contains("arm64"));
}
