//! The program that this one replaces: its config file, its call, its report.

use image_sync_testkit::images::image;

use crate::support::TestSync;

/// All keys of the seed, and an image that is not there.
fn seeds_config(source: &str, target: &str) -> String {
    format!(
        r#"
cache_registry: "{target}"

images:
  - source: "{source}/akeyless/sidecar"
    tag: "0.35.1"
    cache_as: "akeyless/sidecar"
  - source: "{source}/library/nginx"
    tag: "1.27-alpine"
    cache_as: "library/nginx"
    platform: linux/amd64
    source_tls_verify: true
    cache_insecure: true
  - source: "{source}/project-zot/zot"
    tag: "v2.1.2"
    cache_as: "project-zot/zot"  # optional path override
  - source: "{source}/not/there"
    tag: "1"
    cache_as: "not/there"

settings:
  concurrency: 2
  pull_timeout_secs: 300
  skip_on_error: true  # set true to not fail the CronJob on partial failures
  default_platform: linux/amd64
  cache_insecure: true
  source_tls_verify: true
  preferred_tool: crane
"#
    )
}

#[tokio::test]
async fn the_report_has_the_seeds_fields_with_the_seeds_meanings() {
    let (old, new) = (image("old"), image("new"));
    let fixture = TestSync::start().await;
    fixture.source.put_image("akeyless/sidecar", "0.35.1", &new);
    fixture
        .source
        .put_image("library/nginx", "1.27-alpine", &new);
    fixture.source.put_image("project-zot/zot", "v2.1.2", &new);
    fixture.target.put_image("project-zot/zot", "v2.1.2", &new);
    fixture
        .target
        .put_image("library/nginx", "1.27-alpine", &old);
    let (source, target) = (fixture.source.host(), fixture.target.host());
    let yaml = seeds_config(source, target);
    fixture.program.write("config.yaml", &yaml);
    let ended = fixture.program.run(&["--config", "config.yaml"]).await;
    assert_eq!(ended.code, Some(0), "skip_on_error: {ended:#?}");
    assert!(
        ended.stderr.contains("preferred_tool"),
        "a warning says that it has no effect"
    );
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["cache_registry"], *target);
    let timestamp = report["timestamp"].as_str().unwrap();
    assert!(timestamp.contains('T'), "RFC 3339: {timestamp}");
    let summary = &report["summary"];
    let counts =
        ["pulled", "already_cached", "failed", "total"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!(counts, [2, 1, 1, 4]);
    let results = report["results"].as_array().unwrap();
    let of = |at: usize, field: &str| results[at][field].clone();
    assert_eq!(of(0, "image"), format!("{source}/akeyless/sidecar"));
    assert_eq!(
        (of(0, "tag"), of(0, "action")),
        ("0.35.1".into(), "pulled".into())
    );
    assert_eq!(of(0, "remote_digest"), new.digest().as_str());
    assert!(
        of(0, "cached_digest").is_null(),
        "what the cache had before"
    );
    assert_eq!(
        of(1, "cached_digest"),
        old.digest().as_str(),
        "what the cache had before"
    );
    assert_eq!(
        (of(2, "action"), of(2, "cached_digest")),
        ("already_cached".into(), new.digest().as_str().into())
    );
    assert_eq!(of(3, "action"), "failed");
    assert!(of(3, "remote_digest").is_null() && of(3, "error").is_string());
    assert!(results.iter().all(|result| result["duration_ms"].is_u64()));
    assert!((0..3).all(|at| of(at, "error").is_null()));
}

#[tokio::test]
async fn the_seeds_call_and_environment_variable_work() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    fixture
        .program
        .write("from-environment.yaml", &fixture.catalog().yaml());
    let dry = fixture
        .program
        .run(&["--config", "from-environment.yaml", "--dry-run"])
        .await;
    assert_eq!(
        (dry.code, dry.report().head.summary.skipped),
        (Some(0), 1),
        "{dry:#?}"
    );
    let program = image_sync_tests::Program::new(env!("CARGO_BIN_EXE_image-sync-under-test")).env(
        "IMAGE_SYNC_CONFIG",
        fixture
            .program
            .home()
            .join("from-environment.yaml")
            .to_str()
            .unwrap(),
    );
    let ended = program.run(&[]).await;
    assert_eq!(
        (ended.code, ended.report().head.summary.pulled),
        (Some(0), 1),
        "{ended:#?}"
    );
}
