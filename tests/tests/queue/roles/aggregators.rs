//! Aggregators that are killed (SIGKILL), and two at once.

use image_sync_shared::ports::runs::run_control::Opening;
use image_sync_shared::ports::telemetry::trace_context::TraceContext;
use image_sync_shared::run::outcome::{Action, ImageResult, JobResult};
use image_sync_shared::run::report::{Report, RunStatus};
use image_sync_shared::run::{ImageName, RunEvent, RunId, RunOpened, Trigger};
use image_sync_testkit::Proxy;
use image_sync_testkit::network::proxy::Toward;

use time::OffsetDateTime;

use crate::support::{A_PIECE_OF_A_REPORT, LARGE, TestPipeline, now};

/// Kills an aggregator at a place of its way to the report and starts another one, which comes to the same.
async fn killed_at(toward: Toward, text: &str, nth: usize) {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(LARGE));
    let _worker = pipeline.worker("a");
    let proxy = pipeline.proxy().await;
    let place = proxy.hold(toward, text, nth);
    let mut doomed = pipeline.role_at(&proxy, "aggregator");
    let producer = pipeline.producer();
    place.reached().await;
    doomed.kill().await;
    let heir = pipeline.aggregator();
    let report = pipeline.assert_all_pulled(&producer.ended().await, LARGE);
    assert_eq!(report_of(&pipeline, &report.head.run_id).await, report);
    heir.stop().await;
}

#[tokio::test]
async fn a_killed_aggregator_loses_no_outcome() {
    killed_at(Toward::Client, r#""event":"result""#, LARGE / 2).await;
}

#[tokio::test]
async fn an_aggregator_killed_before_its_report_loses_no_outcome() {
    killed_at(Toward::Server, A_PIECE_OF_A_REPORT, 1).await;
}

#[tokio::test]
async fn an_aggregator_killed_in_the_middle_of_its_report_leaves_no_half_report() {
    killed_at(Toward::Server, A_PIECE_OF_A_REPORT, 2).await;
}

#[tokio::test]
async fn an_aggregator_killed_behind_its_report_leaves_no_run_open() {
    killed_at(Toward::Server, "PUB $KV.imgsync_runs.run.", 1).await;
}

/// As where its clock is ahead of the producer's.
#[tokio::test]
async fn an_aggregator_says_so_when_it_finds_a_deadline_passed_at_the_opening() {
    let pipeline = TestPipeline::start().await;
    let catalog = pipeline.catalog(1).setting("run_timeout: 1ms");
    pipeline.write(&catalog);
    let aggregator = pipeline.aggregator();
    let ended = pipeline.producer().ended().await;
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    let aggregator = aggregator.stop().await;
    assert!(
        aggregator.stderr.contains("the deadline had passed when"),
        "{aggregator:#?}"
    );
}

fn opened_and_past(at: OffsetDateTime) -> RunOpened {
    RunOpened {
        started_at: at,
        deadline_at: at,
        trigger: Trigger::Schedule,
        cache_registry: "localhost:5000".to_owned(),
        config_hash: "c0ffee".to_owned(),
        images: None,
        skip_on_error: false,
        silence_ms: 90_000,
        key: None,
        trace: TraceContext::default(),
        dry_run: false,
    }
}

/// A run whose deadline has passed, with results of its first `done` images.
async fn past_run(pipeline: &TestPipeline, done: u32, images: u32) -> RunId {
    let (queue, run, at) = (pipeline.queue().await, RunId::new("01PAST"), now());
    let ports = queue.ports();
    let opening = ports.runs.open("c0ffee", &run, at).await;
    assert_eq!(opening, Ok(Opening::Opened));
    let name = |idx| ImageName {
        image: "app".to_owned(),
        tag: format!("v{idx}"),
        target: format!("localhost:5000/app:v{idx}"),
    };
    let frame = [
        RunEvent::Open(opened_and_past(at)),
        RunEvent::Chunk {
            first_idx: 0,
            items: (0..images).map(name).collect(),
        },
        RunEvent::Seal { expected: images },
    ];
    let result = |idx| {
        let ImageName { image, tag, target } = name(idx);
        let entry = ImageResult {
            image,
            tag,
            error: None,
            target,
            platform: "all".to_owned(),
            ..image_sync_testkit::samples::entry(idx, Action::Pulled)
        };
        RunEvent::Result(Box::new(JobResult {
            idx,
            worker: "a".to_owned(),
            class: None,
            mac: None,
            entry,
        }))
    };
    for event in frame.into_iter().chain((0..done).map(result)) {
        ports.log.append(&run, &event).await.unwrap();
    }
    run
}

/// All that is in the log counts, however late it is read.
#[tokio::test]
async fn an_aggregator_that_starts_after_the_deadline_calls_nothing_missing_that_is_done() {
    let pipeline = TestPipeline::start().await;
    let done = u32::try_from(10 * LARGE).unwrap();
    let run = past_run(&pipeline, done, done + 1).await;
    let aggregator = pipeline.aggregator();
    let watched = pipeline.run(&format!("runs watch {run}")).await;
    assert_eq!(watched.code, Some(3), "{watched:#?}");
    let report = watched.report();
    assert_eq!(report.head.status, RunStatus::Incomplete);
    assert_eq!(report.head.summary.pulled, done);
    let missing: Vec<&str> = report.missing.iter().map(|image| &*image.tag).collect();
    assert_eq!(missing, [format!("v{done}")]);
    aggregator.stop().await;
}

/// A run ends, and says what its report lacks.
#[tokio::test]
async fn a_report_that_does_not_fit_its_store_is_stored_without_what_was_up_to_date() {
    const IMAGES: usize = 60;
    let pipeline = TestPipeline::start().await;
    pipeline
        .run_well("provision --reports-max-bytes 4KiB")
        .await;
    let catalog = pipeline.catalog(IMAGES);
    pipeline.write(&catalog.image(pipeline.entry("team/gone")));
    let roles = [pipeline.worker("a"), pipeline.aggregator()];
    for count in ["pulled", "already_cached"] {
        let ended = pipeline.producer().ended().await;
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        let report = ended.report();
        let left_out = serde_json::to_value(report.head.left_out).unwrap();
        assert_eq!(left_out[count], IMAGES, "{report:#?}");
        assert_eq!(report.results.len(), 1, "what failed is told");
        assert_eq!(report.head.status, RunStatus::Complete);
        let shown = pipeline.run_well("runs show latest --output table").await;
        let said = "Not in this report, as it did not fit into the store of reports";
        assert!(shown.stdout.contains(said), "{shown:#?}");
    }
    for role in roles {
        role.stop().await;
    }
}

/// Both write the report, one after the other.
#[tokio::test]
async fn two_aggregators_at_once_make_one_report() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(LARGE));
    let _worker = pipeline.worker("a");
    let proxies = [pipeline.proxy().await, pipeline.proxy().await];
    let at_report = |proxy: &Proxy| proxy.hold(Toward::Server, A_PIECE_OF_A_REPORT, 1);
    let places = proxies.each_ref().map(at_report);
    let both = proxies
        .each_ref()
        .map(|proxy| pipeline.role_at(proxy, "aggregator"));
    let producer = pipeline.producer();
    for place in &places {
        place.reached().await;
    }
    places[0].release();
    let report = pipeline.assert_all_pulled(&producer.ended().await, LARGE);
    places[1].release();
    for aggregator in both {
        aggregator.stop().await;
    }
    let last = report_of(&pipeline, &report.head.run_id).await;
    assert_eq!(last.results, report.results);
    assert_eq!(last.head.summary, report.head.summary);
}

/// The report of a run as it is stored.
async fn report_of(pipeline: &TestPipeline, run: &RunId) -> Report {
    serde_json::from_str(&pipeline.report_of(run).await).unwrap()
}
