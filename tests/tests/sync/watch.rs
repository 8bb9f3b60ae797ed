//! `sync --every` and `sync --watch`: rounds of all images, and events meanwhile, in one process.

use image_sync_shared::run::Trigger;
use image_sync_shared::run::report::{Report, RunStatus};
use image_sync_testkit::Image;
use image_sync_testkit::images::image;
use image_sync_tests::Watched;
use serde_json::{Deserializer, json};

use crate::support::{REPOSITORY, TAG, TestSync};

const SECRET: &str = "the-secret-of-a-pipeline";

/// A process that watches [`TAG`], with rounds every `every`.
async fn watching(test: &TestSync, every: &str) -> Watched {
    going_on(test, &format!("--watch --every {every}")).await
}

/// A process that goes on with these options.
async fn going_on(test: &TestSync, options: &str) -> Watched {
    test.program.write("secret", SECRET);
    let hooks = "webhooks: {generic: {secret_file: secret}}\n";
    test.program
        .write("config.yaml", &(test.catalog().yaml() + hooks));
    let line = format!("sync -c config.yaml {options} --listen 127.0.0.1:0");
    let arguments: Vec<&str> = line.split_whitespace().collect();
    Watched::over(test.program.start(&arguments)).await
}

/// Returns when the target's tag is this image.
async fn comes(test: &TestSync, image: &Image) {
    let path = format!("/v2/{REPOSITORY}/manifests/{TAG}");
    let mut next = 0;
    while test.at_target().as_ref() != Some(image.digest()) {
        let written = test.target.wait_for(|request| {
            request.is("PUT", &path) && request.answered.is_some() && request.sequence >= next
        });
        next = written.await.sequence + 1;
    }
}

/// The reports on stdout, one behind the other.
fn reports(stdout: &str) -> Vec<Report> {
    let reports = Deserializer::from_str(stdout).into_iter();
    reports.map(Result::unwrap).collect()
}

async fn tell(test: &TestSync, watched: &Watched, secret: &str) -> u16 {
    let image = format!("{}/{REPOSITORY}:{TAG}", test.source.host());
    let event = json!({ "image": image }).to_string();
    let proof = format!("authorization: Bearer {secret}\r\n");
    let told = watched.ask("POST", "/v1/hooks/generic", &proof, &event);
    told.await.0
}

#[tokio::test]
async fn an_event_between_two_rounds_is_at_the_target_and_each_run_has_its_report() {
    let test = TestSync::with(&image("first")).await;
    // No second round comes within the test.
    let watched = watching(&test, "1h").await;
    comes(&test, &image("first")).await;
    watched.role.line("run ended").await;
    test.source.put_image(REPOSITORY, TAG, &image("second"));
    assert_eq!(tell(&test, &watched, "not-the-secret-of-it").await, 401);
    assert_eq!(tell(&test, &watched, SECRET).await, 202);
    comes(&test, &image("second")).await;
    let ended = watched.role.stop().await;
    let reports = reports(&ended.stdout);
    let triggers: Vec<Trigger> = reports.iter().map(|report| report.head.trigger).collect();
    assert_eq!(
        triggers,
        [Trigger::Schedule, Trigger::Webhook],
        "{ended:#?}"
    );
    assert_eq!(reports[0].head.summary.pulled, 1);
    assert_eq!(reports[0].head.status, RunStatus::Complete);
    test.nothing_broken();
}

#[tokio::test]
async fn rounds_follow_each_other_and_find_what_no_event_told_of() {
    let test = TestSync::with(&image("first")).await;
    let watched = watching(&test, "1s").await;
    comes(&test, &image("first")).await;
    test.source.put_image(REPOSITORY, TAG, &image("second"));
    comes(&test, &image("second")).await;
    let ended = watched.role.stop().await;
    let reports = reports(&ended.stdout);
    assert!(reports.len() >= 2, "{ended:#?}");
    let pulled: u32 = reports
        .iter()
        .map(|report| report.head.summary.pulled)
        .sum();
    assert_eq!(pulled, 2, "{ended:#?}");
    test.nothing_broken();
}

#[tokio::test]
async fn a_registry_of_an_image_that_is_left_out_is_no_unused_one() {
    let test = TestSync::with(&image("first")).await;
    let (source, target) = (test.source.host(), test.target.host());
    let config = format!(
        "cache_registry: {target}
registries: {{other.example: {{username: u, password: p}}}}
settings: {{source_tls_verify: false}}
images:
- {{source: {source}/{REPOSITORY}, tag: '{TAG}'}}
- {{source: other.example/app, tag: '1'}}
"
    );
    test.program.write("config.yaml", &config);
    let only = format!("*{REPOSITORY}*");
    let arguments = [
        "sync",
        "-c",
        "config.yaml",
        "--every",
        "1h",
        "--only",
        &only,
    ];
    let going_on = test.program.start(&arguments);
    going_on.line("run ended").await;
    let ended = going_on.stop().await;
    assert!(
        !ended.stderr.contains("no image of this config"),
        "{ended:#?}"
    );
}

#[tokio::test]
async fn rounds_without_watch_hear_no_events() {
    let test = TestSync::with(&image("first")).await;
    let going_on = going_on(&test, "--every 1s").await;
    comes(&test, &image("first")).await;
    assert_eq!(tell(&test, &going_on, SECRET).await, 404);
    test.source.put_image(REPOSITORY, TAG, &image("second"));
    comes(&test, &image("second")).await;
    let ended = going_on.role.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let reports = reports(&ended.stdout);
    assert!(reports.len() >= 2, "{ended:#?}");
    let by_schedule = |report: &Report| report.head.trigger == Trigger::Schedule;
    assert!(reports.iter().all(by_schedule), "{ended:#?}");
    test.nothing_broken();
}

#[tokio::test]
async fn rounds_follow_the_config() {
    let test = TestSync::with(&image("first")).await;
    let going_on = going_on(&test, "--every 1s").await;
    comes(&test, &image("first")).await;
    let other = test.entry(REPOSITORY, "other");
    test.source.put_image(REPOSITORY, "other", &image("other"));
    let config = test.empty_catalog().image(other).yaml();
    test.program.write("config.yaml", &config);
    let path = format!("/v2/{REPOSITORY}/manifests/other");
    let written = test.target.wait_for(|request| request.is("PUT", &path));
    written.await;
    going_on.role.stop().await;
}
