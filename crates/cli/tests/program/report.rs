//! Where the report goes.

use std::fs;
use std::process::Stdio;

use image_sync_shared::report::Report;

use crate::support::{Home, catalog, registry_with};

#[tokio::test(flavor = "multi_thread")]
async fn the_file_has_the_report_that_stdout_has() {
    let registry = registry_with(&["one", "two"]).await;
    let home = Home::new();
    home.write("config.yaml", catalog(&registry, &["one", "two"]));
    let ended = home
        .run_beside("sync -c config.yaml --report report.json")
        .await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(home.read("report.json"), ended.stdout);
    assert!(ended.stdout.ends_with("}\n"));

    let table = home
        .run_beside("sync -c config.yaml --report report.json --output table")
        .await;
    assert!(table.stdout.starts_with("IMAGE "), "{table:#?}");
    let report: Report = serde_json::from_str(&home.read("report.json")).unwrap();
    assert_eq!(report.head.summary.already_cached, 2);
    let left: Vec<_> = fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().contains("report"))
        .collect();
    assert_eq!(left, ["report.json"]);
}

#[test]
fn the_report_has_the_fields_of_the_first_release_in_their_order() {
    let home = Home::new();
    home.write(
        "config.yaml",
        "cache_registry: oci:cache\nimages: [{source: 'oci:none', tag: '1'}]\n",
    );
    let ended = home.run("sync -c config.yaml");
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let value: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    for field in ["timestamp", "cache_registry", "summary", "results"] {
        assert!(value.get(field).is_some(), "{field}: {value}");
    }
    for field in ["pulled", "already_cached", "failed", "total"] {
        assert!(value["summary"][field].is_u64(), "{field}: {value}");
    }
    let result = &value["results"][0];
    for (field, expected) in [("image", "oci:none"), ("tag", "1"), ("action", "failed")] {
        assert_eq!(result[field], expected);
    }
    assert!(
        result["error"].is_string() && result["duration_ms"].is_u64(),
        "{value}"
    );
    assert!(result["remote_digest"].is_null() && result["cached_digest"].is_null());
}

#[test]
fn a_reader_of_stdout_that_goes_away_is_no_error() {
    let home = Home::new();
    home.write("config.yaml", "cache_registry: oci:cache\nimages: []\n");
    for line in [
        "sync -c config.yaml",
        "config check -c config.yaml",
        "completions bash",
        "--help",
    ] {
        let mut child = home.start(line);
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert!(!stderr.contains("panic"), "{line}: {stderr}");
        assert_eq!(ended.status.code(), Some(0), "{line}: {stderr}");
    }
}

#[test]
fn a_stderr_that_nobody_reads_is_no_error() {
    let home = Home::new();
    home.write("config.yaml", "cache_registry: oci:cache\nimages: []\n");
    let mut child = home.start("sync -c config.yaml");
    drop(child.stderr.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.stdout.starts_with(b"{"));
}

#[test]
fn a_stdout_that_is_full_is_an_error() {
    let home = Home::new();
    home.write("config.yaml", "cache_registry: oci:cache\nimages: []\n");
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let ended = home
        .command("sync -c config.yaml --report report.json")
        .stdout(Stdio::from(full))
        .output()
        .unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("error: cannot write to stdout"), "{stderr}");
    assert!(
        home.read("report.json").starts_with('{'),
        "the file is written all the same"
    );
}
