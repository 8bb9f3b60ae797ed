//! Where the report goes.

use std::fs;
use std::process::Stdio;

use image_sync_shared::run::report::Report;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::support::{Home, PATIENCE, catalog, registry_with};

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
        .run_beside("sync -c config.yaml --report report.json --output table --all")
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

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_hundreds_of_images_fits_a_pipe_that_is_read_once_the_program_has_ended() {
    let names: Vec<String> = (0..400).map(|number| format!("image{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let registry = registry_with(&["image0"]).await;
    let home = Home::new();
    home.write("config.yaml", catalog(&registry, &names));
    let mut command = tokio::process::Command::from(home.command("sync -c config.yaml"));
    let mut child = command
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut pipe = child.stdout.take().unwrap();
    let ended = timeout(PATIENCE, child.wait()).await;
    assert_eq!(ended.expect("the program ends").unwrap().code(), Some(1));
    let mut stdout = String::new();
    pipe.read_to_string(&mut stdout).await.unwrap();
    assert!(stdout.len() > 2 * 64 * 1024, "{}", stdout.len());
    let report: Report = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report.results.len(), 400);
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
