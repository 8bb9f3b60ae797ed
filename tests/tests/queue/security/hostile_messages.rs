//! What users of the NATS server may send, and what they cannot reach with it.

use std::time::Duration;

use image_sync_shared::ports::memo::Fact;
use image_sync_shared::ports::queue::dead_letters::DeadLetter;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::RunEvent;
use image_sync_shared::run::outcome::{Action, JobResult};
use image_sync_shared::secret::mac::MacKey;
use image_sync_testkit::images::{image, index};
use image_sync_testkit::{FakeRegistry, Image};
use image_sync_tests::Ended;
use serde_json::{Value, json};

use crate::support::{TAG, TestPipeline, now};

const PLATFORM: &str = "linux/arm64";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_worker_writes_no_target_that_neither_its_config_nor_its_flags_name() {
    let pipeline = TestPipeline::start().await;
    pipeline.write_images(["app:1.0".to_owned()]);
    pipeline.source.put_image("tool", "2", &image("tool"));
    let other = FakeRegistry::start().await.unwrap();
    let enqueue = |target: &str| {
        let tool = pipeline.source.image("tool", "2");
        format!("enqueue -c config.yaml {tool} --target {target} --wait")
    };
    let (target, folder) = (
        format!("{}/kept/tool", other.host()),
        pipeline.program.home().join("x"),
    );
    let _aggregator = pipeline.aggregator();
    let strict = pipeline.worker_of(1, "strict");
    for (target, flag) in [
        (target.clone(), format!("--allow-target {target}")),
        (
            format!("oci:{}", folder.display()),
            "--allow-folders".to_owned(),
        ),
    ] {
        let refused = pipeline.run(&enqueue(&target)).await;
        assert_eq!(refused.code, Some(1), "{refused:#?}");
        let report = refused.report();
        assert_eq!(
            (report.head.summary.failed, report.head.summary.total),
            (1, 1)
        );
        let error = refused.only_error();
        assert!(
            error.contains("refused: ") && error.contains(&flag),
            "{error}"
        );
        let id = format!("{}:0", report.head.run_id);
        let letter = pipeline.run_well(&format!("dead-letters show {id}")).await;
        assert!(letter.stdout.contains(&flag), "{letter:#?}");
    }
    assert!(other.requests().is_empty(), "{:#?}", other.requests());
    assert!(!folder.exists());
    strict.stop().await;

    let allowed = format!("--slots 1 --allow-target {}/kept", other.host());
    let _loose = pipeline.worker_with("loose", &allowed);
    let ended = pipeline.run_well(&enqueue(&target)).await;
    assert_eq!(ended.only_result().action, Action::Pulled, "{ended:#?}");
    let beside = pipeline
        .run(&enqueue(&format!("{}/keptt/tool", other.host())))
        .await;
    assert_eq!(beside.code, Some(1), "{beside:#?}");
}

#[tokio::test]
async fn a_letter_that_somebody_made_up_is_replayed_under_the_rules_of_the_worker() {
    let pipeline = TestPipeline::start().await;
    pipeline.write_images(["app:1.0".to_owned()]);
    pipeline.source.put_image("app", "1.0", &image("app"));
    let folder = pipeline.program.home().join("anywhere");
    let letter = DeadLetter {
        id: "x:0".to_owned(),
        died_at: now(),
        reason: "made up".to_owned(),
        job: Some(
            serde_json::from_value(job(&pipeline, &format!("oci:{}", folder.display()))).unwrap(),
        ),
        raw: None,
    };
    pipeline
        .queue()
        .await
        .ports()
        .letters
        .put(letter)
        .await
        .unwrap();
    let _aggregator = pipeline.aggregator();
    let _worker = pipeline.worker_of(1, "only");
    let replayed = pipeline.run("dead-letters replay --all --wait").await;
    assert_eq!(replayed.code, Some(1), "{replayed:#?}");
    assert!(
        replayed.only_error().contains("--allow-folders"),
        "{replayed:#?}"
    );
    assert!(!folder.exists());
}

/// A job of nobody's run that copies an image of the source to `target`.
fn job(pipeline: &TestPipeline, target: &str) -> Value {
    json!({
        "v": 1, "job_id": "x:0", "run_id": "x", "idx": 0, "trigger": "cron", "image": "app", "tag": TAG,
        "source": {"repository": format!("{}/app", pipeline.source.host()), "reference": TAG},
        "target": {"repository": target, "reference": TAG},
        "platforms": "all", "policy": {"timeout_secs": 60}, "attempt": 1,
        "first_enqueued_at": "2026-11-20T12:00:00Z",
    })
}

#[tokio::test]
async fn a_result_that_somebody_made_up_ends_no_run_and_hides_no_true_one() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(2));
    pipeline.run_well("producer -c config.yaml").await;
    let queue = pipeline.queue().await;
    let jobs = queue
        .ports()
        .jobs
        .pull(&[Lane::Bulk], 1, Duration::from_secs(10))
        .await;
    let taken = jobs.unwrap().pop().unwrap();
    let run = taken.job.run_id.clone();
    // The code of one job is none of another, and there is none without the job.
    for (idx, mac) in [
        (0, None),
        (1, None),
        (1 - taken.job.idx, taken.job.mac),
        (9, taken.job.mac),
    ] {
        let forged = json!({
            "idx": idx, "worker": "nobody", "entry": {
                "image": taken.job.image, "tag": taken.job.tag, "action": "already_cached", "remote_digest": null,
                "cached_digest": null, "duration_ms": 1, "error": null, "target": taken.job.target.image.to_string(),
                "platform": "all", "attempts": 1, "bytes_copied": u64::MAX,
                "blobs": {"copied": 0, "mounted": 0, "present": 0},
            },
        });
        let mut forged: JobResult = serde_json::from_value(forged).unwrap();
        forged.mac = mac;
        let event = RunEvent::Result(Box::new(forged));
        queue.ports().log.append(&run, &event).await.unwrap();
    }
    let again = taken.job.deferred(now());
    taken.settle.requeue(&again).await.unwrap();
    let _aggregator = pipeline.aggregator();
    let _worker = pipeline.worker("true");
    let watched = pipeline.run("runs watch latest").await;
    let report = pipeline.assert_all_pulled(&watched, 2);
    assert!(
        report.head.bytes_copied < u64::from(u32::MAX),
        "{report:#?}"
    );
    assert_eq!(
        pipeline.results_of(&run).await.len(),
        6,
        "the forged ones are in the log"
    );
}

impl TestPipeline {
    /// A catalog of one platform of an index.
    fn write_index(&self) {
        let entry = self.entry("indexed").platform(PLATFORM);
        self.write(&self.catalog(0).image(entry));
    }

    /// Whatever is asked of the source for one run.
    async fn requests_of_a_run(&self) -> (Ended, usize) {
        self.source.reset();
        let ended = self.producer().ended().await;
        (ended, self.source.count("*", "*"))
    }
}

fn child(index: &Image) -> &Image {
    index.child(PLATFORM).unwrap()
}

#[tokio::test]
async fn a_fact_that_somebody_put_into_the_bucket_keeps_no_image_old() {
    let pipeline = TestPipeline::start().await;
    let platforms = ["linux/amd64", PLATFORM];
    let (old, new) = (index("old", &platforms), index("new", &platforms));
    pipeline.source.put_image("indexed", TAG, &old);
    pipeline.write_index();
    pipeline.program.write("facts.key", SECRET);
    let _aggregator = pipeline.aggregator();
    let worker = pipeline.worker_with("w", "--facts-key-file facts.key");
    let first = pipeline.producer().ended().await;
    assert_eq!(first.only_result().action, Action::Pulled, "{first:#?}");

    let fact = Fact::Chosen {
        index: new.digest().clone(),
        platforms: PLATFORM.parse().unwrap(),
        missing: image_sync_shared::run::job::PlatformMissing::Fail,
    };
    let others = pipeline
        .queue()
        .await
        .ports()
        .memos
        .of(Some(MacKey::of_text("somebody's own key")));
    others.remember(&fact, child(&old).digest(), now()).await;
    pipeline.source.put_image("indexed", TAG, &new);
    let moved = pipeline.producer().ended().await;
    assert_eq!(moved.only_result().action, Action::Pulled, "{moved:#?}");
    let there = pipeline.target.digest("indexed", TAG);
    assert_eq!(there.as_ref(), Some(child(&new).digest()));
    worker.stop().await;
}

#[tokio::test]
async fn workers_of_one_key_go_by_each_others_facts_and_others_by_their_own() {
    let pipeline = TestPipeline::start().await;
    pipeline
        .source
        .put_image("indexed", TAG, &index("app", &["linux/amd64", PLATFORM]));
    pipeline.write_index();
    pipeline.program.write("facts.key", SECRET);
    let _aggregator = pipeline.aggregator();
    let with_key = "--facts-key-file facts.key";
    let first = pipeline.worker_with("first", with_key);
    let copied = pipeline.producer().ended().await;
    assert_eq!(copied.only_result().action, Action::Pulled, "{copied:#?}");
    first.stop().await;
    for (name, more, requests) in [("second", with_key, [1, 1]), ("third", "", [2, 1])] {
        let worker = pipeline.worker_with(name, more);
        for expected in requests {
            let (ended, asked) = pipeline.requests_of_a_run().await;
            assert_eq!(
                ended.only_result().action,
                Action::AlreadyCached,
                "{ended:#?}"
            );
            assert_eq!(asked, expected, "{name}");
        }
        worker.stop().await;
    }
}

#[tokio::test]
async fn flags_of_what_a_worker_may_do_are_checked_before_anything_is_contacted() {
    let pipeline = TestPipeline::start().await;
    pipeline.write_images(["app:1.0".to_owned()]);
    pipeline.program.write("short.key", "0123456789");
    for (flags, reason) in [
        (
            "--allow-target https://cache.test",
            "a scheme does not belong here",
        ),
        ("--allow-target oci:", "the folder is missing"),
        ("--facts-key-file no.key", "no.key cannot be read"),
        (
            "--facts-key-file short.key",
            "found a key of 10 bytes, expected 22 or more",
        ),
    ] {
        let ended = pipeline
            .run(&format!("worker -c config.yaml {flags}"))
            .await;
        assert_eq!(ended.code, Some(2), "{flags}: {ended:#?}");
        assert!(ended.stderr.contains(reason), "{flags}: {ended:#?}");
        assert!(!ended.stderr.contains("0123456789"), "{ended:#?}");
    }
}
