//! `provision` over an installation that is there.

use image_sync_tests::Watched;

use crate::support::TestPipeline;

#[tokio::test]
async fn what_is_not_named_stays_as_it_is() {
    let pipeline = TestPipeline::start().await;
    let first = pipeline.run_well("provision --jobs-max-bytes 8MiB --visibility 2m");
    let first = first.await.stdout;
    assert!(
        first.contains("--jobs-max-bytes: changed 16.0 MiB -> 8.0 MiB\n"),
        "{first}"
    );
    assert!(
        first.contains("--visibility: changed 1m -> 2m\n"),
        "{first}"
    );
    let second = pipeline.run_well("provision --letters-max-age 60d").await;
    let changed: Vec<&str> = second
        .stdout
        .lines()
        .filter(|line| line.starts_with("--"))
        .collect();
    assert_eq!(changed, ["--letters-max-age: changed 30d -> 60d"]);
    assert!(
        !second.stderr.contains("restart the workers"),
        "{second:#?}"
    );
}

#[tokio::test]
async fn shorter_times_are_changed_with_the_advice_to_restart_the_workers() {
    let pipeline = TestPipeline::start().await;
    let ended = pipeline.run_well("provision --lease-term 30s").await;
    assert!(ended.stderr.contains("restart the workers"), "{ended:#?}");
}

#[tokio::test]
async fn a_stream_that_would_lose_jobs_stays_as_it_is() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(20));
    pipeline.run_well("producer -c config.yaml").await;
    let ended = pipeline.run("provision --jobs-max-bytes 4KiB").await;
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(3), ""),
        "{ended:#?}"
    );
    assert!(
        ended.stderr.contains("stream IMGSYNC_JOBS holds "),
        "{ended:#?}"
    );
    let again = pipeline.run_well("provision").await;
    assert!(!again.stdout.contains("changed"), "{again:#?}");
}

/// As after a restart of a server whose disk is fuller than before.
#[tokio::test]
async fn a_role_waits_for_a_stream_that_is_missing_where_others_are_there_and_says_where_to_look() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(1));
    let client = async_nats::connect(pipeline.nats.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let lost = "OBJ_imgsync_reports";
    context.delete_stream(lost).await.unwrap();
    let aggregator = pipeline.role("aggregator --listen 127.0.0.1:0");
    let aggregator = Watched::over(aggregator).await;
    let said = aggregator.role.line("waiting until it is there").await;
    for part in [lost, "max_file_store", "others of this installation"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let why = aggregator.readiness_is(503).await;
    assert!(why.contains(lost), "{why}");
    let watching = pipeline.run("runs list").await;
    assert_eq!(watching.code, Some(3), "{watching:#?}");
    assert!(watching.stderr.contains("max_file_store"), "{watching:#?}");
    pipeline.run_well("provision").await;
    aggregator.role.line("aggregator started").await;
    aggregator.readiness_is(200).await;
    aggregator.role.stop().await;
}
