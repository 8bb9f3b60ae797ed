//! What the exit code says about a run that took place.

use image_sync_shared::run::report::RunStatus;
use image_sync_testkit::fake_registry::{Fault, Gate, Rule};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use crate::support::{Ended, Home, catalog, registry_with};

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_image_fails_alone_and_makes_the_code_1_or_0_as_the_config_says() {
    let registry = registry_with(&["one", "two"]).await;
    let home = Home::new();
    let config = catalog(&registry, &["one", "missing", "two"]);
    home.write("strict.yaml", &config);
    home.write(
        "lenient.yaml",
        format!("{config}settings: {{skip_on_error: true}}\n"),
    );

    let strict = home.run_beside("sync -c strict.yaml").await;
    assert_eq!(strict.code, Some(1), "{strict:#?}");
    let report = strict.report();
    assert_eq!(
        (report.head.summary.pulled, report.head.summary.failed),
        (2, 1)
    );
    assert_eq!(report.head.status, RunStatus::Complete);
    let failed = report
        .results
        .iter()
        .find(|result| result.error.is_some())
        .unwrap();
    assert!(failed.image.ends_with("/missing"), "{failed:?}");

    let lenient = home.run_beside("sync -c lenient.yaml").await;
    assert_eq!(lenient.code, Some(0), "{lenient:#?}");
    assert_eq!(lenient.report().head.summary.failed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_past_its_deadline_is_incomplete_and_3() {
    let registry = registry_with(&["quick", "slow"]).await;
    let gate = Gate::new();
    registry.stage(Rule::new("GET", "/v2/slow/blobs/*"), Fault::hold(&gate));
    let home = Home::new();
    let config = catalog(&registry, &["quick", "slow"]);
    home.write(
        "config.yaml",
        format!("{config}settings: {{run_timeout: 2s}}\n"),
    );
    let ended = home.run_beside("sync -c config.yaml --grace 1h").await;
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    let report = ended.report();
    assert_eq!(report.head.status, RunStatus::Incomplete);
    // On a busy machine the other one may not have been worked by then, either.
    let mut missing = report.missing.iter();
    assert!(
        missing.any(|image| image.image.ends_with("/slow")),
        "{report:#?}"
    );
    assert!(ended.stderr.contains("settings.run_timeout"), "{ended:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_and_concurrency_are_followed() {
    let registry = registry_with(&["one", "two", "three"]).await;
    let home = Home::new();
    home.write("config.yaml", catalog(&registry, &["one", "two", "three"]));
    let chosen = home
        .run_beside("sync -c config.yaml --only *t*:1 --dry-run")
        .await;
    assert_eq!(chosen.report().head.summary.total, 2, "{chosen:#?}");

    registry.reset();
    let single = home
        .run_beside("sync -c config.yaml --concurrency 1 --dry-run")
        .await;
    assert_eq!(single.report().head.summary.total, 3);
    let mut heads: Vec<_> = registry
        .requests()
        .into_iter()
        .filter(|request| request.is("HEAD", "*/manifests/1"))
        .map(|request| (request.sequence, request.path))
        .collect();
    heads.sort();
    let images: Vec<&str> = heads
        .iter()
        .map(|(_, path)| path.trim_start_matches("/v2/").trim_start_matches("cache/"))
        .collect();
    let pairs: Vec<bool> = images.chunks(2).map(|pair| pair[0] == pair[1]).collect();
    assert_eq!(pairs, [true; 3], "one image after the other: {images:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_is_4_while_something_would_be_copied_and_0_once_all_is_up_to_date() {
    let registry = registry_with(&["one", "two"]).await;
    let home = Home::new();
    home.write("config.yaml", catalog(&registry, &["one", "two"]));
    let requests = |method: &str| {
        let requests = registry.requests();
        requests.iter().filter(|it| it.method == method).count()
    };

    let before = home.run_beside("sync -c config.yaml --check").await;
    assert_eq!(before.code, Some(4), "{before:#?}");
    assert_eq!(before.report().head.summary.skipped, 2);
    assert_eq!(
        requests("GET") + requests("HEAD"),
        registry.requests().len(),
        "nothing else was sent: {:#?}",
        registry.requests()
    );

    let one = home.run_beside("sync -c config.yaml --only *one:1").await;
    assert_eq!(one.code, Some(0), "{one:#?}");
    let between = home.run_beside("sync -c config.yaml --check").await;
    assert_eq!(between.code, Some(4), "{between:#?}");

    let two = home.run_beside("sync -c config.yaml").await;
    assert_eq!(two.code, Some(0), "{two:#?}");
    registry.reset();
    let after = home.run_beside("sync -c config.yaml --check").await;
    assert_eq!(after.code, Some(0), "{after:#?}");
    assert_eq!(after.report().head.summary.already_cached, 2);
    assert_eq!((requests("HEAD"), registry.requests().len()), (4, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_with_failed_images_is_1_unless_they_may_fail() {
    let registry = registry_with(&["one"]).await;
    let home = Home::new();
    let config = catalog(&registry, &["one", "missing"]);
    let lenient = format!("{config}settings: {{skip_on_error: true}}\n");
    home.write("strict.yaml", &config);
    home.write("lenient.yaml", lenient);
    let check = async |config: &str| {
        let line = format!("sync -c {config} --check");
        home.run_beside(&line).await.code
    };
    assert_eq!(check("strict.yaml").await, Some(1));
    assert_eq!(check("lenient.yaml").await, Some(4));
    home.run_beside("sync -c lenient.yaml").await;
    assert_eq!(check("lenient.yaml").await, Some(0));
    let watching = home.run("sync -c lenient.yaml --check --watch");
    assert_eq!(watching.code, Some(2), "{watching:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_sync_of_a_catalog_is_75_or_waits_for_the_end_of_the_first() {
    let registry = registry_with(&["one"]).await;
    let gate = Gate::new();
    registry.stage(Rule::new("GET", "/v2/one/blobs/*"), Fault::hold(&gate));
    let home = Home::new();
    home.write("config.yaml", catalog(&registry, &["one"]));
    let start = |line: &str| {
        let mut command = Command::from(home.command(line));
        command.kill_on_drop(true).spawn().unwrap()
    };
    let first = start("sync -c config.yaml");
    gate.reached().await;

    let second = home.run_beside("sync -c config.yaml").await;
    assert_eq!((second.code, second.stdout.as_str()), (Some(75), ""));
    assert!(second.stderr.contains("--overlap queue"), "{second:#?}");
    let looks = home.run_beside("sync -c config.yaml --check").await;
    assert_eq!(looks.code, Some(4), "{looks:#?}");
    let again = home.run_beside("sync -c config.yaml --every 1h").await;
    assert_eq!(again.code, Some(75), "{again:#?}");

    let mut third = start("sync -c config.yaml --overlap queue");
    let mut stderr = BufReader::new(third.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).await.unwrap();
    assert!(line.contains("waiting for the end of another"), "{line}");
    gate.release();
    let first = Ended::from(first.wait_with_output().await.unwrap());
    assert_eq!(first.report().head.summary.pulled, 1, "{first:#?}");
    stderr.read_to_string(&mut line).await.unwrap();
    let third = Ended::from(third.wait_with_output().await.unwrap());
    assert_eq!(third.report().head.summary.already_cached, 1, "{line}");
}
