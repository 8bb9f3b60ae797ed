use image_sync_aggregator::aggregate::Ending;
use image_sync_catalog::config_file::{self, Parsed};
use image_sync_queue::in_process::{InProcess, InProcessSettings};
use image_sync_queue::memo::MemoryMemo;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::runs::run_control::Opening;
use image_sync_shared::ports::telemetry::measures::Unmeasured;
use image_sync_shared::ports::telemetry::progress::Silent;
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::TokioClock;

use super::*;
use crate::samples::InPlace;

/// Registries in which every image is in place, but asking for one called `killer` kills who asks.
fn deadly() -> InPlace {
    InPlace(|at, _| {
        assert!(!at.repository.name().ends_with("killer"), "staged");
        Ok(())
    })
}

fn config(images: &[&str]) -> Parsed {
    let image = |name: &&str| format!("{{source: quay.io/a/{name}, tag: '1', platform: all}}");
    let images: Vec<String> = images.iter().map(image).collect();
    let text = format!(
        "{{cache_registry: localhost:5000, images: [{}]}}",
        images.join(", ")
    );
    config_file::parse(&text, "c.yaml").unwrap()
}

fn pipeline(Parsed { config, images, .. }: &Parsed, queue: &InProcess) -> Pipeline {
    let options = RunOptions {
        trigger: Trigger::Manual,
        dry_run: false,
        grace: Duration::ZERO,
    };
    let outside = Outside {
        registries: Arc::new(deadly()),
        memo: Arc::new(MemoryMemo::default()),
        progress: Arc::new(Silent),
        measures: Arc::new(Unmeasured),
        clock: Arc::new(TokioClock::default()),
    };
    let (ports, creation_times) = (queue.ports().clone(), Arc::new(MemoryMemo::default()));
    Pipeline::new(config, images, options, ports, outside, creation_times)
}

fn queue() -> InProcess {
    InProcess::new(
        InProcessSettings::default(),
        Arc::new(TokioClock::default()),
    )
}

#[tokio::test(start_paused = true)]
async fn a_job_that_kills_its_worker_every_time_fails_alone_and_the_run_ends() {
    let config = config(&["one", "killer", "two"]);
    let pipeline = pipeline(&config, &queue());
    let outcome = pipeline
        .run(&config.images, &CancellationToken::new())
        .await;
    let Outcome::Reported(mut finished) = outcome.unwrap() else {
        panic!("the run was not skipped")
    };
    assert_eq!(finished.ending, Ending::Complete);
    let results = finished.results();
    let actions: Vec<Action> = results.map(|result| result.unwrap().action).collect();
    let in_place = Action::AlreadyCached;
    assert_eq!(actions, [in_place, Action::Failed, in_place]);
}

#[tokio::test(start_paused = true)]
async fn a_run_of_a_catalog_that_is_open_is_skipped() {
    let config = config(&["one"]);
    let queue = queue();
    let pipeline = pipeline(&config, &queue);
    let other = RunId::new("other");
    let until = TokioClock::default().now() + Duration::from_secs(3600);
    let catalog = &pipeline.plan.config_hash;
    let opening = queue.ports().runs.open(catalog, &other, until).await;
    assert_eq!(opening, Ok(Opening::Opened));
    let outcome = pipeline
        .run(&config.images, &CancellationToken::new())
        .await;
    assert!(matches!(outcome, Ok(Outcome::Busy(open)) if open == other));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ended_lets_the_next_one_of_its_catalog_start() {
    let config = config(&["one"]);
    let queue = queue();
    for _ in 0..2 {
        let pipeline = pipeline(&config, &queue);
        let outcome = pipeline
            .run(&config.images, &CancellationToken::new())
            .await;
        assert!(matches!(outcome, Ok(Outcome::Reported(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_of_no_images_ends_complete() {
    let config = config(&[]);
    let pipeline = pipeline(&config, &queue());
    let outcome = pipeline
        .run(&config.images, &CancellationToken::new())
        .await
        .unwrap();
    assert!(matches!(outcome, Outcome::Reported(run) if run.ending == Ending::Complete));
}

#[test]
fn the_worker_is_told_what_the_config_and_the_command_line_say() {
    let mut config = config(&[]).config;
    config.settings.concurrency = 7;
    config.settings.retry.attempts = 9;
    let options = RunOptions {
        trigger: Trigger::Manual,
        dry_run: false,
        grace: Duration::from_secs(77),
    };
    let settings = worker_settings(&config, options);
    assert_eq!((settings.slots, settings.retry.attempts), (7, 9));
    assert_eq!(settings.grace, Duration::from_secs(77));
}
