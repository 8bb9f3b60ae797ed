//! `enqueue`: single images, ahead of the bulk.

use image_sync_shared::run::Trigger;
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::ClosedPort;
use image_sync_testkit::fake_registry::{Fault, Gate, Request, Rule};
use image_sync_testkit::images::image;
use image_sync_tests::{Catalog, Ended, Entry, Program};

use crate::support::TestPipeline;

const BULK: usize = 500;
const LAST: &str = "v500";

/// A catalog of [`BULK`] tags, all at the source.
async fn large_site() -> TestPipeline {
    let pipeline = TestPipeline::start().await;
    let image = image("bulk");
    pipeline.source.put_image("bulk", "v1", &image);
    for number in 2..=BULK {
        pipeline
            .source
            .tag("bulk", &format!("v{number}"), image.digest());
    }
    pipeline.write_images((1..=BULK).map(|number| format!("bulk:v{number}")));
    pipeline
}

fn is_check_of_bulk(request: &Request) -> bool {
    request.is("HEAD", "/v2/bulk/manifests/*")
}

#[tokio::test]
async fn an_enqueued_image_is_done_before_the_bulk_run_is_half_through() {
    let pipeline = large_site().await;
    let gate = Gate::new();
    let some_way_in = Rule::new("HEAD", "/v2/bulk/manifests/*").nth(20);
    pipeline.source.stage(some_way_in, Fault::hold(&gate));
    let _aggregator = pipeline.aggregator();
    // No slot is kept for what is urgent: it is the order of the lanes that counts.
    let _worker = pipeline.worker_of(1, "only");
    let bulk = pipeline.run("producer -c config.yaml --wait --log-level warn");
    let urgent = async {
        gate.reached().await;
        let line = format!(
            "enqueue -c config.yaml {}:{LAST}",
            pipeline.source.host().to_owned() + "/bulk"
        );
        let enqueued = pipeline.run_well(&line).await;
        gate.release();
        enqueued
    };
    let (bulk, enqueued) = tokio::join!(bulk, urgent);
    assert_eq!(enqueued.stdout, "");
    assert!(
        enqueued.stderr.contains("enqueued run_id="),
        "{enqueued:#?}"
    );

    let requests = pipeline.target.requests();
    let written = format!("/v2/bulk/manifests/{LAST}");
    let done = requests
        .iter()
        .position(|request| request.is("PUT", &written));
    let before = &requests[..done.expect("the image is written")];
    let checked = before.iter().filter(|request| is_check_of_bulk(request));
    let checked = checked.count();
    assert!(checked < BULK / 2, "{checked} of the bulk came before");

    assert_eq!(bulk.code, Some(0), "{bulk:#?}");
    let summary = bulk.report().head.summary;
    assert_eq!(summary.total as usize, BULK);
    assert_eq!(
        (summary.pulled as usize, summary.already_cached),
        (BULK - 1, 1)
    );
}

#[tokio::test]
async fn an_enqueued_image_comes_to_its_report_while_all_of_the_bulk_stands_still() {
    let pipeline = large_site().await;
    let gate = Gate::new();
    // The registry's first answer is let through: until it comes, nothing else is asked of a registry.
    let others = Rule::new("HEAD", "/v2/bulk/manifests/*")
        .when(|request| !request.path.ends_with(LAST))
        .after(1);
    pipeline.source.stage(others, Fault::hold(&gate));
    let _aggregator = pipeline.aggregator();
    let _worker = pipeline.worker_of(3, "only");
    let bulk = pipeline.run("producer -c config.yaml --wait --log-level warn");
    let urgent = async {
        gate.reached_by(2).await;
        let line = format!(
            "enqueue -c config.yaml {} --wait",
            pipeline.source.image("bulk", LAST)
        );
        let reports = [
            pipeline.run_well(&line).await,
            pipeline.run_well(&line).await,
        ];
        let again = pipeline.run("producer -c config.yaml").await;
        gate.release();
        (reports, again)
    };
    let (bulk, ([first, second], again)) = tokio::join!(bulk, urgent);
    assert_eq!(
        again.code,
        Some(75),
        "the bulk run still has its catalog: {again:#?}"
    );
    for (ended, action) in [(&first, Action::Pulled), (&second, Action::AlreadyCached)] {
        assert_eq!(ended.report().head.trigger, Trigger::Enqueue);
        assert_eq!(ended.only_result().action, action, "{ended:#?}");
    }
    assert_ne!(first.report().head.run_id, second.report().head.run_id);
    assert_eq!(bulk.code, Some(0), "{bulk:#?}");
}

#[tokio::test]
async fn enqueued_runs_keep_neither_each_other_nor_the_bulk_from_starting() {
    let pipeline = TestPipeline::start().await;
    pipeline.write_images(["app:1.0".to_owned()]);
    let app = pipeline.source.image("app", "1.0");
    // There is no worker, so all of these stay open.
    for _ in 0..2 {
        pipeline
            .run_well(&format!("enqueue -c config.yaml {app}"))
            .await;
    }
    pipeline.run_well("producer -c config.yaml").await;
    let second = pipeline.run("producer -c config.yaml").await;
    assert_eq!(second.code, Some(75), "{second:#?}");
    pipeline
        .run_well(&format!("enqueue -c config.yaml {app}"))
        .await;
}

#[tokio::test]
async fn an_image_that_the_config_does_not_name_goes_where_it_is_told_to() {
    let pipeline = TestPipeline::start().await;
    pipeline.write_images(["app:1.0".to_owned()]);
    pipeline.source.put_image("tool", "2", &image("tool"));
    let _aggregator = pipeline.aggregator();
    let _worker = pipeline.worker_of(1, "only");
    let line = format!(
        "enqueue -c config.yaml {} --target {}/kept/tool --platform all --wait",
        pipeline.source.image("tool", "2"),
        pipeline.target.host()
    );
    let would = pipeline.run_well(&format!("{line} --dry-run")).await;
    assert_eq!(would.only_result().action, Action::Skipped, "{would:#?}");
    assert_eq!(pipeline.target.digest("kept/tool", "2"), None);

    let ended = pipeline.run_well(&line).await;
    let result = ended.only_result();
    assert_eq!(result.action, Action::Pulled, "{ended:#?}");
    assert_eq!(result.target, pipeline.target.image("kept/tool", "2"));
    assert_eq!(ended.report().head.cache_registry, pipeline.target.host());
    let copied = pipeline.target.digest("kept/tool", "2");
    assert_eq!(copied.as_ref(), Some(image("tool").digest()));
}

/// Runs `enqueue` where there is no server: what is wrong with the arguments must show before one is asked.
async fn refused(arguments: &[&str]) -> Ended {
    let closed = ClosedPort::new().unwrap();
    let binary = env!("CARGO_BIN_EXE_image-sync-under-test");
    let program = Program::new(binary).env("NATS_URL", &format!("nats://{}", closed.host()));
    let catalog = Catalog::new("cache.test:5000")
        .image(Entry::new("nginx", "1.26"))
        .image(Entry::new("nginx", "1.27"));
    program.write("config.yaml", &catalog.yaml());
    let mut all = vec!["enqueue", "-c", "config.yaml"];
    all.extend(arguments);
    program.run(&all).await
}

#[tokio::test]
async fn bad_arguments_are_told_before_anything_is_contacted() {
    let target = "cache.test:5000/x";
    for (arguments, reason) in [
        (
            &["nginx:1.27", "nginx:1.28"][..],
            "error: config.yaml: \"nginx:1.28\" is none of the 2 images of the config, expected one of them, or \
             --target for any other; did you mean nginx:1.26?",
        ),
        (&["ngnix"], "did you mean nginx:1.26?"),
        (&["NGINX:1"], "error: \"NGINX:1\" is not a valid repository"),
        (
            &["me:hunter2@nginx:1"],
            "found an '@' or '?' where none belongs",
        ),
        (
            &["a:1", "b:1", "--target", target],
            "found 2 images with --target, expected one",
        ),
        (
            &["a", "--target", target],
            "\"a\" has no tag, expected one as in a:latest",
        ),
        (
            &["a:1", "--target", "x"],
            "--target: found \"x\" without a host",
        ),
        (&["nginx:1.27", "--platform", "all"], "--target <REFERENCE>"),
        (
            &["a:1", "--target", target, "--platform", "linux/amd46"],
            "linux/amd46",
        ),
        (&[], "<IMAGE>"),
    ] {
        let ended = refused(arguments).await;
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}: {ended:#?}"
        );
        assert!(ended.stderr.contains(reason), "{arguments:?}: {ended:#?}");
        assert!(!ended.stderr.contains("hunter2"), "{ended:#?}");
    }
    let unreachable = refused(&["nginx:1.27"]).await;
    assert_eq!(unreachable.code, Some(3), "{unreachable:#?}");
}
