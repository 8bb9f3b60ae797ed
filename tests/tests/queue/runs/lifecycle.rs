//! Runs that overlap, that lose their producer, and that are cancelled.

use image_sync_shared::run::RunId;
use image_sync_shared::run::report::{Report, RunStatus};
use image_sync_testkit::fake_registry::{Fault, Gate, Rule};
use image_sync_testkit::network::proxy::Toward;
use image_sync_tests::{Ended, Running};

use crate::support::{PRODUCER, TestPipeline, app, repository};

const IMAGES: usize = 12;

/// Holds every answer of the source until it is opened.
fn hold_source(pipeline: &TestPipeline) -> Gate {
    let gate = Gate::new();
    let any = Rule::new("*", "*");
    pipeline.source.stage(any, Fault::hold(&gate));
    gate
}

/// A pipeline whose source answers nothing before the gate is opened, with one worker and an aggregator.
async fn held() -> (TestPipeline, Gate, [Running; 2]) {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(IMAGES));
    let gate = hold_source(&pipeline);
    let roles = [pipeline.worker("w1"), pipeline.aggregator()];
    (pipeline, gate, roles)
}

async fn ended(pipeline: &TestPipeline, line: &str) -> Ended {
    pipeline.role(line).ended().await
}

/// The run that a line of a log is about.
fn run_in(line: &str) -> RunId {
    let (_, after) = line.split_once("run_id=").expect("a run in the line");
    let id = after.split(|c: char| !c.is_ascii_alphanumeric()).next();
    RunId::new(id.expect("its id"))
}

/// The runs that there are.
async fn listed(pipeline: &TestPipeline) -> Vec<serde_json::Value> {
    let list = ended(pipeline, "runs list --output json").await;
    assert_eq!(list.code, Some(0), "{list:#?}");
    serde_json::from_str(&list.stdout).unwrap()
}

/// How the runs stand that there are, oldest first.
async fn statuses(pipeline: &TestPipeline) -> Vec<serde_json::Value> {
    let runs = listed(pipeline).await;
    runs.iter().map(|run| run["status"].clone()).collect()
}

#[tokio::test]
async fn a_second_run_of_an_open_catalog_is_skipped() {
    let (pipeline, gate, _roles) = held().await;
    let first = pipeline.producer();
    first.line("run sealed").await;
    let second = ended(&pipeline, "producer -c config.yaml").await;
    assert_eq!(second.code, Some(75), "{second:#?}");
    assert_eq!(second.stdout, "");
    gate.release();
    pipeline.assert_all_pulled(&first.ended().await, IMAGES);
    assert_eq!(listed(&pipeline).await.len(), 1);
}

#[tokio::test]
async fn a_second_producer_joins_the_open_run_and_has_its_report() {
    let (pipeline, gate, _roles) = held().await;
    let first = pipeline.producer();
    first.line("run sealed").await;
    let second = pipeline.role("producer -c config.yaml --wait --overlap join");
    second.line("run skipped").await;
    gate.release();
    let (first, second) = tokio::join!(first.ended(), second.ended());
    pipeline.assert_all_pulled(&first, IMAGES);
    assert_eq!(first.stdout, second.stdout);
    assert_eq!((first.code, second.code), (Some(0), Some(0)));
}

#[tokio::test]
async fn a_second_producer_queues_behind_the_open_run() {
    let (pipeline, gate, _roles) = held().await;
    let first = pipeline.producer();
    first.line("run sealed").await;
    let second = pipeline.role("producer -c config.yaml --wait --overlap queue");
    second.line("waiting for the end of this run").await;
    gate.release();
    let first = first.ended().await;
    pipeline.assert_all_pulled(&first, IMAGES);
    let second = second.ended().await;
    assert_eq!(second.code, Some(0), "{second:#?}");
    let (one, other) = (first.report(), second.report());
    assert_ne!(one.head.run_id, other.head.run_id);
    let in_place = usize::try_from(other.head.summary.already_cached).unwrap();
    assert_eq!(in_place, IMAGES, "{other:#?}");
}

#[tokio::test]
async fn a_producer_that_is_stopped_while_it_queues_starts_no_run() {
    let (pipeline, _gate, _roles) = held().await;
    let first = pipeline.producer();
    first.line("run sealed").await;
    let second = pipeline.role("producer -c config.yaml --overlap queue");
    second.line("waiting for the end of this run").await;
    second.signal("TERM").await;
    let second = second.ended().await;
    assert_eq!(second.code, Some(3), "{second:#?}");
    assert!(second.stderr.contains("no run was started"), "{second:#?}");
    assert_eq!(listed(&pipeline).await.len(), 1);
}

#[tokio::test]
async fn of_two_producers_at_once_one_starts_a_run() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(IMAGES));
    let gate = hold_source(&pipeline);
    let _roles = [pipeline.worker("w1"), pipeline.aggregator()];
    let (one, other) = (pipeline.producer(), pipeline.producer());
    tokio::select! {
        _ = one.line("run skipped") => {}
        _ = other.line("run skipped") => {}
    }
    gate.release();
    let (one, other) = tokio::join!(one.ended(), other.ended());
    let (ran, skipped) = if one.code == Some(0) {
        (one, other)
    } else {
        (other, one)
    };
    assert_eq!(skipped.code, Some(75), "{skipped:#?}");
    let report = pipeline.assert_all_pulled(&ran, IMAGES);
    let results = pipeline.results_of(&report.head.run_id).await;
    assert_eq!(results.len(), IMAGES, "each image one result");
    assert_eq!(listed(&pipeline).await.len(), 1);
}

#[tokio::test]
async fn a_run_whose_producer_was_killed_before_the_seal_ends_abandoned() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(IMAGES));
    let proxy = pipeline.proxy().await;
    let seal = proxy.hold(Toward::Server, r#""event":"seal""#, 1);
    let aggregator = pipeline.aggregator();
    aggregator.line("aggregator started").await;
    let line = "producer -c config.yaml --sign-of-life 200ms";
    let mut producer = pipeline.role_at(&proxy, line);
    let run = run_in(&producer.line("run opened").await);
    seal.reached().await;
    producer.kill().await;
    aggregator.line("run ended").await;

    let watched = ended(&pipeline, &format!("runs watch {run} --output json")).await;
    assert_eq!(watched.code, Some(3), "{}", watched.stderr);
    let report: Report = watched.report();
    assert_eq!(report.head.status, RunStatus::Abandoned);
    assert_eq!(report.head.summary.total as usize, IMAGES);
    assert_eq!(report.missing.len(), IMAGES);

    // The next one can start, and has nothing to do with what was left.
    let _worker = pipeline.worker("w1");
    let next = pipeline.producer().ended().await;
    pipeline.assert_all_pulled(&next, IMAGES);
}

#[tokio::test]
async fn a_run_whose_producer_was_killed_as_it_opened_it_does_not_stay_open() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(IMAGES));
    let proxy = pipeline.proxy().await;
    let opening = proxy.hold(Toward::Server, r#""event":"open""#, 1);
    let _roles = [pipeline.worker("w1"), pipeline.aggregator()];
    let mut doomed = pipeline.role_at(&proxy, PRODUCER);
    opening.reached().await;
    doomed.kill().await;
    let next = pipeline.role("producer -c config.yaml --wait --overlap queue");
    next.line("waiting for the end of this run").await;
    // It would be abandoned after a minute without an opening.
    pipeline.run_well("runs cancel latest").await;
    let listed = listed(&pipeline).await;
    let never_opened = listed[0]["run_id"].as_str().unwrap();
    let watched = ended(&pipeline, &format!("runs watch {never_opened}")).await;
    assert_eq!(watched.code, Some(3), "{watched:#?}");
    assert_eq!(watched.report().head.status, RunStatus::Cancelled);
    pipeline.assert_all_pulled(&next.ended().await, IMAGES);
    assert_eq!(statuses(&pipeline).await, ["cancelled", "complete"]);
}

#[tokio::test]
async fn a_cancelled_run_ends_with_what_it_has_and_the_next_one_can_start() {
    let (pipeline, gate, _roles) = held().await;
    let first = pipeline.producer();
    let run = run_in(&first.line("run sealed").await);

    let shown = ended(&pipeline, "runs show latest --output json").await;
    assert_eq!(shown.code, Some(0), "{shown:#?}");
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(
        (shown["run_id"].as_str(), shown["status"].as_str()),
        (Some(run.as_str()), Some("open"))
    );
    assert_eq!(
        (&shown["summary"]["total"], &shown["is_published_whole"]),
        (&IMAGES.into(), &true.into())
    );

    let listed = listed(&pipeline).await;
    assert_eq!(
        (&listed[0]["trigger"], &listed[0]["jobs"]),
        (&"schedule".into(), &IMAGES.into())
    );
    assert_eq!(listed[0]["started_at"], shown["started_at"]);

    let watching = pipeline.role("runs watch latest");
    let cancelled = ended(&pipeline, &format!("runs cancel {run}")).await;
    assert_eq!(cancelled.code, Some(0), "{cancelled:#?}");
    for waited in [first.ended().await, watching.ended().await] {
        assert_eq!(waited.code, Some(3), "{waited:#?}");
        let report = waited.report();
        assert_eq!(report.head.status, RunStatus::Cancelled);
        assert_eq!(report.results.len() + report.missing.len(), IMAGES);
    }
    let shown = ended(&pipeline, "runs show latest --output table").await;
    assert!(shown.stdout.contains("Cancelled: "), "{shown:#?}");

    gate.release();
    let next = pipeline.producer().ended().await;
    assert_eq!(next.code, Some(0), "{next:#?}");
    let again = ended(&pipeline, &format!("runs cancel {run}")).await;
    assert_eq!(again.code, Some(2), "{again:#?}");
    assert!(
        again
            .stderr
            .contains("has ended, expected one that is open"),
        "{again:#?}"
    );
    assert_eq!(statuses(&pipeline).await, ["cancelled", "complete"]);
}

#[tokio::test]
async fn a_producer_whose_run_is_cancelled_stops_publishing_and_drops_its_jobs() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(IMAGES));
    let proxy = pipeline.proxy().await;
    let last = proxy.hold(Toward::Server, "HPUB imgsync.job.bulk", IMAGES);
    let _aggregator = pipeline.aggregator();
    let producer = pipeline.role_at(&proxy, PRODUCER);
    let run = run_in(&producer.line("run opened").await);
    last.reached().await;
    pipeline.run_well(&format!("runs cancel {run}")).await;
    last.release();
    let producer = producer.ended().await;
    assert_eq!(producer.code, Some(3), "{producer:#?}");
    assert!(
        producer
            .stderr
            .contains("was cancelled, or ended, before all of its jobs"),
        "{producer:#?}"
    );
    let queue = pipeline.queue().await;
    let left = queue.ports().jobs.purge(&run).await.unwrap();
    assert_eq!(left, 0, "jobs that are left");
    let report: Report = serde_json::from_str(&pipeline.report_of(&run).await).unwrap();
    assert_eq!(report.head.status, RunStatus::Cancelled);
}

/// Its report does not wait for it.
#[tokio::test]
async fn what_is_in_hand_is_finished_when_its_run_is_cancelled() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(1));
    let gate = pipeline.hold_a_blob(1);
    let _aggregator = pipeline.aggregator();
    let proxy = pipeline.proxy().await;
    let line = "worker -c config.yaml --name w1 --heartbeat 200ms";
    let worker = pipeline.role_at(&proxy, line);
    let producer = pipeline.producer();
    let run = run_in(&producer.line("run sealed").await);
    gate.reached().await;
    pipeline.run_well(&format!("runs cancel {run}")).await;
    let cancelled = producer.ended().await;
    assert_eq!(cancelled.code, Some(3), "{cancelled:#?}");
    assert_eq!(cancelled.report().missing.len(), 1);
    let sign_of_life = proxy.hold(Toward::Server, "+WPI", 3);
    sign_of_life.reached().await;
    sign_of_life.release();
    gate.release();
    worker.line("copied").await;
    worker.stop().await;
    pipeline.assert_tag(&repository(1), &app(1));
    let results = pipeline.results_of(&run).await;
    assert_eq!(results.len(), 1, "{results:#?}");
    assert_eq!(results[0].entry.attempts, 1);
}

#[tokio::test]
async fn a_run_is_watched_and_shown_whose_log_is_gone() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(1));
    let _roles = [pipeline.worker("w1"), pipeline.aggregator()];
    pipeline.assert_all_pulled(&pipeline.producer().ended().await, 1);
    let client = async_nats::connect(pipeline.nats.url()).await.unwrap();
    let log = async_nats::jetstream::new(client);
    let log = log.get_stream("IMGSYNC_RUNLOG").await.unwrap();
    log.purge().await.unwrap();
    for command in ["watch", "show"] {
        let line = format!("runs {command} latest --output json");
        let report: Report = pipeline.run_well(&line).await.report();
        assert_eq!(report.head.status, RunStatus::Complete);
    }
}

#[tokio::test]
async fn a_run_that_nobody_knows_is_an_error_that_names_the_latest() {
    let pipeline = TestPipeline::start().await;
    for command in ["show", "watch", "cancel"] {
        let none = ended(&pipeline, &format!("runs {command} 01J")).await;
        assert_eq!(none.code, Some(2), "{none:#?}");
        assert!(
            none.stderr
                .contains(r#"there is no run "01J", nor any other"#),
            "{none:#?}"
        );
        assert_eq!(none.stdout, "");
    }
    assert_eq!(listed(&pipeline).await, Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn a_producer_repeats_runs_until_it_is_stopped() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(IMAGES));
    let _roles = [pipeline.worker("w1"), pipeline.aggregator()];
    let producer = pipeline.role("producer -c config.yaml --every 1s --overlap queue");
    producer.lines("run sealed", 2).await;
    pipeline.program.write("config.yaml", "images: [");
    producer.line("no run this time").await;
    pipeline.write(&pipeline.catalog(IMAGES));
    let sealed = producer.count("run sealed");
    producer.lines("run sealed", sealed + 1).await;
    producer.stop().await;
}
