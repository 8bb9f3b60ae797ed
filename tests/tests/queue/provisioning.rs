//! `provision` over an installation that is there.

use crate::support::Installation;

#[tokio::test]
async fn what_is_not_named_stays_as_it_is() {
    let installation = Installation::start().await;
    let first = installation.run_well("provision --jobs-max-bytes 8MiB --visibility 2m");
    let first = first.await.stdout;
    assert!(
        first.contains("--jobs-max-bytes: changed 16.0 MiB -> 8.0 MiB\n"),
        "{first}"
    );
    assert!(
        first.contains("--visibility: changed 1m -> 2m\n"),
        "{first}"
    );
    let second = installation
        .run_well("provision --letters-max-age 60d")
        .await;
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
    let installation = Installation::start().await;
    let ended = installation.run_well("provision --lease-term 30s").await;
    assert!(ended.stderr.contains("restart the workers"), "{ended:#?}");
}

#[tokio::test]
async fn a_stream_that_would_lose_jobs_stays_as_it_is() {
    let installation = Installation::start().await;
    installation.write(&installation.catalog(20));
    installation.run_well("producer -c config.yaml").await;
    let ended = installation.run("provision --jobs-max-bytes 4KiB").await;
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(3), ""),
        "{ended:#?}"
    );
    assert!(
        ended.stderr.contains("stream IMGSYNC_JOBS holds "),
        "{ended:#?}"
    );
    let again = installation.run_well("provision").await;
    assert!(!again.stdout.contains("changed"), "{again:#?}");
}
