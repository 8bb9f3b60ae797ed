//! Runs that overlap, that lose their producer, and that are cancelled.

use image_sync_shared::run::RunId;
use image_sync_shared::run::report::{Report, RunStatus};
use image_sync_testkit::fake_registry::{Fault, Gate, Rule};
use image_sync_testkit::proxy::Toward;
use image_sync_tests::{Ended, Running};

use crate::support::{Installation, PRODUCER, app, repository};

const IMAGES: usize = 12;

/// Holds every answer of the source until it is opened.
fn hold_source(installation: &Installation) -> Gate {
    let gate = Gate::new();
    let any = Rule::new("*", "*");
    installation.source.stage(any, Fault::hold(&gate));
    gate
}

/// An installation whose source answers nothing before the gate is opened, with one worker and an aggregator.
async fn held() -> (Installation, Gate, [Running; 2]) {
    let installation = Installation::start().await;
    installation.write(&installation.catalog(IMAGES));
    let gate = hold_source(&installation);
    let roles = [installation.worker("w1"), installation.aggregator()];
    (installation, gate, roles)
}

async fn ended(installation: &Installation, line: &str) -> Ended {
    installation.role(line).ended().await
}

/// The run that a line of a log is about.
fn run_in(line: &str) -> RunId {
    let (_, after) = line.split_once("run=").expect("a run in the line");
    let id = after.split(|c: char| !c.is_ascii_alphanumeric()).next();
    RunId::new(id.expect("its id"))
}

/// The runs that there are.
async fn listed(installation: &Installation) -> Vec<serde_json::Value> {
    let list = ended(installation, "runs list --output json").await;
    assert_eq!(list.code, Some(0), "{list:#?}");
    serde_json::from_str(&list.stdout).unwrap()
}

/// How the runs stand that there are, oldest first.
async fn statuses(installation: &Installation) -> Vec<serde_json::Value> {
    let runs = listed(installation).await;
    runs.iter().map(|run| run["status"].clone()).collect()
}

#[tokio::test]
async fn a_second_run_of_an_open_catalog_is_skipped() {
    let (installation, gate, _roles) = held().await;
    let first = installation.producer();
    first.line("run sealed").await;
    let second = ended(&installation, "producer -c config.yaml").await;
    assert_eq!(second.code, Some(75), "{second:#?}");
    assert_eq!(second.stdout, "");
    gate.release();
    installation.assert_all_pulled(&first.ended().await, IMAGES);
    assert_eq!(listed(&installation).await.len(), 1);
}

#[tokio::test]
async fn a_second_producer_joins_the_open_run_and_has_its_report() {
    let (installation, gate, _roles) = held().await;
    let first = installation.producer();
    first.line("run sealed").await;
    let second = installation.role("producer -c config.yaml --wait --overlap join");
    second.line("run skipped").await;
    gate.release();
    let (first, second) = tokio::join!(first.ended(), second.ended());
    installation.assert_all_pulled(&first, IMAGES);
    assert_eq!(first.stdout, second.stdout);
    assert_eq!((first.code, second.code), (Some(0), Some(0)));
}

#[tokio::test]
async fn a_second_producer_queues_behind_the_open_run() {
    let (installation, gate, _roles) = held().await;
    let first = installation.producer();
    first.line("run sealed").await;
    let second = installation.role("producer -c config.yaml --wait --overlap queue");
    second.line("waiting for the end of this run").await;
    gate.release();
    let first = first.ended().await;
    installation.assert_all_pulled(&first, IMAGES);
    let second = second.ended().await;
    assert_eq!(second.code, Some(0), "{second:#?}");
    let (one, other) = (first.report(), second.report());
    assert_ne!(one.head.run_id, other.head.run_id);
    let in_place = usize::try_from(other.head.summary.already_cached).unwrap();
    assert_eq!(in_place, IMAGES, "{other:#?}");
}

#[tokio::test]
async fn a_producer_that_is_stopped_while_it_queues_starts_no_run() {
    let (installation, _gate, _roles) = held().await;
    let first = installation.producer();
    first.line("run sealed").await;
    let second = installation.role("producer -c config.yaml --overlap queue");
    second.line("waiting for the end of this run").await;
    second.signal("TERM").await;
    let second = second.ended().await;
    assert_eq!(second.code, Some(3), "{second:#?}");
    assert!(second.stderr.contains("no run was started"), "{second:#?}");
    assert_eq!(listed(&installation).await.len(), 1);
}

#[tokio::test]
async fn of_two_producers_at_once_one_starts_a_run() {
    let installation = Installation::start().await;
    installation.write(&installation.catalog(IMAGES));
    let gate = hold_source(&installation);
    let _roles = [installation.worker("w1"), installation.aggregator()];
    let (one, other) = (installation.producer(), installation.producer());
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
    let report = installation.assert_all_pulled(&ran, IMAGES);
    let results = installation.results_of(&report.head.run_id).await;
    assert_eq!(results.len(), IMAGES, "each image one result");
    assert_eq!(listed(&installation).await.len(), 1);
}

#[tokio::test]
async fn a_run_whose_producer_was_killed_before_the_seal_ends_abandoned() {
    let installation = Installation::start().await;
    installation.write(&installation.catalog(IMAGES));
    let proxy = installation.proxy().await;
    let seal = proxy.hold(Toward::Server, r#""event":"seal""#, 1);
    let aggregator = installation.aggregator();
    aggregator.line("aggregator started").await;
    let line = "producer -c config.yaml --sign-of-life 200ms";
    let mut producer = installation.role_at(&proxy, line);
    let run = run_in(&producer.line("run opened").await);
    seal.reached().await;
    producer.kill().await;
    aggregator.line("run ended").await;

    let watched = ended(&installation, &format!("runs watch {run} --output json")).await;
    assert_eq!(watched.code, Some(3), "{}", watched.stderr);
    let report: Report = watched.report();
    assert_eq!(report.head.status, RunStatus::Abandoned);
    assert_eq!(report.head.summary.total as usize, IMAGES);
    assert_eq!(report.missing.len(), IMAGES);

    // The next one can start, and has nothing to do with what was left.
    let _worker = installation.worker("w1");
    let next = installation.producer().ended().await;
    installation.assert_all_pulled(&next, IMAGES);
}

#[tokio::test]
async fn a_run_whose_producer_was_killed_as_it_opened_it_does_not_stay_open() {
    let installation = Installation::start().await;
    installation.write(&installation.catalog(IMAGES));
    let proxy = installation.proxy().await;
    let opening = proxy.hold(Toward::Server, r#""event":"open""#, 1);
    let _roles = [installation.worker("w1"), installation.aggregator()];
    let mut doomed = installation.role_at(&proxy, PRODUCER);
    opening.reached().await;
    doomed.kill().await;
    let next = installation.role("producer -c config.yaml --wait --overlap queue");
    next.line("waiting for the end of this run").await;
    // It would be abandoned after a minute without an opening.
    installation.run_well("runs cancel latest").await;
    let listed = listed(&installation).await;
    let never_opened = listed[0]["run_id"].as_str().unwrap();
    let watched = ended(&installation, &format!("runs watch {never_opened}")).await;
    assert_eq!(watched.code, Some(3), "{watched:#?}");
    assert_eq!(watched.report().head.status, RunStatus::Cancelled);
    installation.assert_all_pulled(&next.ended().await, IMAGES);
    assert_eq!(statuses(&installation).await, ["cancelled", "complete"]);
}

#[tokio::test]
async fn a_cancelled_run_ends_with_what_it_has_and_the_next_one_can_start() {
    let (installation, gate, _roles) = held().await;
    let first = installation.producer();
    let run = run_in(&first.line("run sealed").await);

    let shown = ended(&installation, "runs show latest --output json").await;
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

    let listed = listed(&installation).await;
    assert_eq!(
        (&listed[0]["trigger"], &listed[0]["jobs"]),
        (&"cron".into(), &IMAGES.into())
    );
    assert_eq!(listed[0]["started_at"], shown["started_at"]);

    let watching = installation.role("runs watch latest");
    let cancelled = ended(&installation, &format!("runs cancel {run}")).await;
    assert_eq!(cancelled.code, Some(0), "{cancelled:#?}");
    for waited in [first.ended().await, watching.ended().await] {
        assert_eq!(waited.code, Some(3), "{waited:#?}");
        let report = waited.report();
        assert_eq!(report.head.status, RunStatus::Cancelled);
        assert_eq!(report.results.len() + report.missing.len(), IMAGES);
    }
    let shown = ended(&installation, "runs show latest --output table").await;
    assert!(shown.stdout.contains("Cancelled: "), "{shown:#?}");

    gate.release();
    let next = installation.producer().ended().await;
    assert_eq!(next.code, Some(0), "{next:#?}");
    let again = ended(&installation, &format!("runs cancel {run}")).await;
    assert_eq!(again.code, Some(2), "{again:#?}");
    assert!(
        again
            .stderr
            .contains("has ended, expected one that is open"),
        "{again:#?}"
    );
    assert_eq!(statuses(&installation).await, ["cancelled", "complete"]);
}

#[tokio::test]
async fn a_producer_whose_run_is_cancelled_stops_publishing_and_drops_its_jobs() {
    let installation = Installation::start().await;
    installation.write(&installation.catalog(IMAGES));
    let proxy = installation.proxy().await;
    let last = proxy.hold(Toward::Server, "HPUB imgsync.job.bulk", IMAGES);
    let _aggregator = installation.aggregator();
    let producer = installation.role_at(&proxy, PRODUCER);
    let run = run_in(&producer.line("run opened").await);
    last.reached().await;
    installation.run_well(&format!("runs cancel {run}")).await;
    last.release();
    let producer = producer.ended().await;
    assert_eq!(producer.code, Some(3), "{producer:#?}");
    assert!(
        producer
            .stderr
            .contains("was cancelled, or ended, before all of its jobs"),
        "{producer:#?}"
    );
    let queue = installation.queue().await;
    let left = queue.ports().jobs.purge(&run).await.unwrap();
    assert_eq!(left, 0, "jobs that are left");
    let report: Report = serde_json::from_str(&installation.report_of(&run).await).unwrap();
    assert_eq!(report.head.status, RunStatus::Cancelled);
}

/// Its report does not wait for it.
#[tokio::test]
async fn what_is_in_hand_is_finished_when_its_run_is_cancelled() {
    let installation = Installation::start().await;
    installation.write(&installation.catalog(1));
    let gate = installation.hold_a_blob(1);
    let _aggregator = installation.aggregator();
    let proxy = installation.proxy().await;
    let line = "worker -c config.yaml --name w1 --heartbeat 200ms";
    let worker = installation.role_at(&proxy, line);
    let producer = installation.producer();
    let run = run_in(&producer.line("run sealed").await);
    gate.reached().await;
    installation.run_well(&format!("runs cancel {run}")).await;
    let cancelled = producer.ended().await;
    assert_eq!(cancelled.code, Some(3), "{cancelled:#?}");
    assert_eq!(cancelled.report().missing.len(), 1);
    let sign_of_life = proxy.hold(Toward::Server, "+WPI", 3);
    sign_of_life.reached().await;
    sign_of_life.release();
    gate.release();
    worker.line("copied").await;
    worker.stop().await;
    installation.assert_tag(&repository(1), &app(1));
    let results = installation.results_of(&run).await;
    assert_eq!(results.len(), 1, "{results:#?}");
    assert_eq!(results[0].entry.attempts, 1);
}

#[tokio::test]
async fn a_run_is_watched_and_shown_whose_log_is_gone() {
    let installation = Installation::start().await;
    installation.write(&installation.catalog(1));
    let _roles = [installation.worker("w1"), installation.aggregator()];
    installation.assert_all_pulled(&installation.producer().ended().await, 1);
    let client = async_nats::connect(installation.nats.url()).await.unwrap();
    let log = async_nats::jetstream::new(client);
    let log = log.get_stream("IMGSYNC_RUNLOG").await.unwrap();
    log.purge().await.unwrap();
    for command in ["watch", "show"] {
        let line = format!("runs {command} latest --output json");
        let report: Report = installation.run_well(&line).await.report();
        assert_eq!(report.head.status, RunStatus::Complete);
    }
}

#[tokio::test]
async fn a_run_that_nobody_knows_is_an_error_that_names_the_latest() {
    let installation = Installation::start().await;
    for command in ["show", "watch", "cancel"] {
        let none = ended(&installation, &format!("runs {command} 01J")).await;
        assert_eq!(none.code, Some(2), "{none:#?}");
        assert!(
            none.stderr
                .contains(r#"there is no run "01J", nor any other"#),
            "{none:#?}"
        );
        assert_eq!(none.stdout, "");
    }
    assert_eq!(listed(&installation).await, Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn a_producer_repeats_runs_until_it_is_stopped() {
    let installation = Installation::start().await;
    installation.write(&installation.catalog(IMAGES));
    let _roles = [installation.worker("w1"), installation.aggregator()];
    let producer = installation.role("producer -c config.yaml --every 1s --overlap queue");
    producer.lines("run sealed", 2).await;
    installation.program.write("config.yaml", "images: [");
    producer.line("no run this time").await;
    installation.write(&installation.catalog(IMAGES));
    let sealed = producer.count("run sealed");
    producer.lines("run sealed", sealed + 1).await;
    producer.stop().await;
}
