//! The benchmark, over so little work that it is done at once: that it runs, and that it counts what is asked. How long
//! anything took is not looked at.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// Runs it with image-sync alone, and returns `bench.json` and `bench.md`.
fn bench(arguments: &[&str]) -> (Value, String) {
    let folder = TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(arguments)
        .args(["--images", "2", "--rounds", "1", "--tools", "floor"])
        .args(["--image-sync", env!("CARGO_BIN_EXE_image-sync-under-test")])
        .args(["--limit", "120", "--commit", "abc", "--output"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let json = fs::read(folder.path().join("bench.json")).unwrap();
    let markdown = fs::read_to_string(folder.path().join("bench.md")).unwrap();
    (serde_json::from_slice(&json).unwrap(), markdown)
}

/// The requests of a tool in the one table, as (to the source, to the target).
fn requests(report: &Value, tool: &str) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
    let row = row(report, tool);
    let requests = &row["rounds"][0]["requests"];
    let of = |host: &str| serde_json::from_value(requests[host].clone()).unwrap();
    (of("source"), of("target"))
}

fn row<'a>(report: &'a Value, tool: &str) -> &'a Value {
    let [table] = report["tables"].as_array().unwrap().as_slice() else {
        panic!("not one table: {report:#}")
    };
    let rows = table["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["tool"] == tool);
    row.unwrap_or_else(|| panic!("no {tool}: {report:#}"))
}

fn counts(expected: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let owned = |(method, count): &(&str, u64)| ((*method).to_owned(), *count);
    expected.iter().map(owned).collect()
}

#[test]
fn images_in_place_cost_a_pair_of_heads_each_behind_links_over_tls() {
    let (report, markdown) = bench(&["up-to-date-500-memory-tls", "--rtt", "1"]);
    let two = counts(&[("HEAD", 2)]);
    for tool in ["image-sync", "floor"] {
        assert_eq!(
            requests(&report, tool),
            (two.clone(), two.clone()),
            "{tool}"
        );
        let row = row(&report, tool);
        assert!(row["bytes"]["from_source"].as_u64() > Some(100), "{row:#}");
        assert!(row["rounds"][0]["peak_bytes"].as_u64() > Some(0), "{row:#}");
    }
    assert_eq!(row(&report, "floor")["bytes"]["connections"], 2);
    assert_eq!(report["tables"][0]["round_trip_ms"], 1);
    assert_eq!(report["tools"].as_array().unwrap().len(), 2);
    for text in [
        "Built from abc,",
        "| image-sync |",
        "| 2 HEAD |",
        "config.yaml",
    ] {
        assert!(markdown.contains(text), "{text:?} is not in {markdown}");
    }
}

#[test]
fn a_cold_target_is_empty_each_time_and_gets_all_images() {
    let (report, _) = bench(&["cold-150-small-tls", "--rtt", "0"]);
    let source = counts(&[("GET", 8), ("HEAD", 2)]);
    let target = counts(&[("HEAD", 2), ("POST", 6), ("PUT", 8)]);
    assert_eq!(requests(&report, "image-sync"), (source, target));
}

#[test]
fn one_image_in_a_hundred_has_changed() {
    let (report, _) = bench(&["changed-1-in-100", "--rtt", "0"]);
    let (source, target) = requests(&report, "image-sync");
    assert_eq!(source["HEAD"], 2);
    // The manifest of the one that has changed, and its tag: the other one costs two HEADs.
    assert_eq!(target["PUT"], 1 + target["POST"]);
    assert!(target["POST"] >= 1, "{target:?}");
}

#[test]
fn jobs_over_the_queue_ask_what_sync_asks() {
    let (report, markdown) = bench(&["queue-20000-memory"]);
    let two = counts(&[("HEAD", 2)]);
    for row in ["sync", "1 worker", "2 workers", "4 workers"] {
        assert_eq!(requests(&report, row), (two.clone(), two.clone()), "{row}");
    }
    assert!(markdown.contains("nats-server per job"), "{markdown}");
}

#[test]
fn what_is_not_there_is_told() {
    let said_to = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_bench"))
            .args(["--image-sync", env!("CARGO_BIN_EXE_image-sync-under-test")])
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = said_to(&["--tools", "floor,regsink"]);
    assert_eq!(said, "there is no tool \"regsink\" on PATH\n");
    let said = said_to(&["warm-500"]);
    assert!(
        said.contains("\"warm-500\"") && said.contains("up-to-date-500-tls"),
        "{said}"
    );
}
