//! Jobs and messages that were given up, and `dead-letters`.

use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::outcome::Action;
use image_sync_shared::run::report::RunStatus;
use image_sync_shared::run::{RunId, Trigger};
use image_sync_testkit::fake_registry::{Fault, Gate, Rule};
use image_sync_testkit::images::image;
use image_sync_testkit::network::proxy::Toward;
use image_sync_tests::Ended;
use serde_json::Value;

use crate::support::{TIMES, TestPipeline};

/// How often a job is delivered before it is poison.
const MAX_DELIVER: usize = 5;

impl TestPipeline {
    /// The letters, oldest first.
    async fn letters(&self) -> Vec<Value> {
        let listed = self.run_well("dead-letters list").await;
        serde_json::from_str(&listed.stdout).unwrap()
    }

    async fn ids(&self) -> Vec<String> {
        let letters = self.letters().await;
        letters
            .iter()
            .map(|letter| text(letter, "id").to_owned())
            .collect()
    }

    /// Runs `dead-letters` with what it must refuse.
    async fn refused(&self, arguments: &str) -> Ended {
        let ended = self.run(&format!("dead-letters {arguments}")).await;
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{arguments}: {ended:#?}"
        );
        ended
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

#[tokio::test]
async fn a_replayed_job_succeeds_once_its_cause_is_gone_and_the_old_report_stays() {
    let pipeline = TestPipeline::start().await;
    pipeline.write_images(["app:1.0".to_owned(), "late:1.0".to_owned()]);
    pipeline.source.put_image("app", "1.0", &image("app"));
    let _aggregator = pipeline.aggregator();
    let _worker = pipeline.worker_of(2, "only");
    let failed = pipeline.run("producer -c config.yaml --wait").await;
    assert_eq!(failed.code, Some(1), "{failed:#?}");
    let old = failed.report();

    let letters = pipeline.letters().await;
    let [letter] = letters.as_slice() else {
        panic!("one letter, not {letters:#?}")
    };
    assert_eq!(text(letter, "run_id"), old.head.run_id.as_str());
    assert_eq!(
        text(letter, "image"),
        format!("{}/late", pipeline.source.host())
    );
    assert_eq!(
        (text(letter, "tag"), &letter["attempts"]),
        ("1.0", &1.into())
    );
    assert!(text(letter, "reason").contains("not found"), "{letter:#}");
    let id = text(letter, "id");

    let in_vain = pipeline
        .run(&format!("dead-letters replay {id} --wait"))
        .await;
    assert_eq!(
        in_vain.code,
        Some(1),
        "its cause is still there: {in_vain:#?}"
    );
    let ids = pipeline.ids().await;
    assert_ne!(ids, [id], "it died again, as the job of another run");

    pipeline.source.put_image("late", "1.0", &image("late"));
    let replayed = pipeline.run_well("dead-letters replay --all --wait").await;
    let new = replayed.report();
    assert_eq!(new.head.trigger, Trigger::Replay);
    assert_eq!(new.head.cache_registry, pipeline.target.host());
    let result = replayed.only_result();
    assert_eq!(
        (result.action, result.attempts),
        (Action::Pulled, 1),
        "{replayed:#?}"
    );
    assert_eq!(
        pipeline.target.digest("late", "1.0").as_ref(),
        Some(image("late").digest())
    );
    assert_eq!(pipeline.ids().await, Vec::<String>::new());

    assert_ne!(new.head.run_id, old.head.run_id);
    assert_eq!(pipeline.report_of(&old.head.run_id).await, failed.stdout);
    assert_eq!(pipeline.report_of(&new.head.run_id).await, replayed.stdout);
    let nothing = pipeline.run_well("dead-letters replay --all --wait").await;
    assert_eq!(nothing.stdout, "", "{nothing:#?}");
}

#[tokio::test]
async fn a_job_that_kills_every_worker_becomes_a_dead_letter_and_a_failed_result() {
    let pipeline = TestPipeline::with(TIMES).await;
    let names = ["before", "killer", "after"];
    for name in names {
        pipeline.source.put_image(name, "1.0", &image(name));
    }
    pipeline.write_images(names.map(|name| format!("{name}:1.0")));
    let gate = Gate::new();
    let killing = Rule::new("HEAD", "/v2/killer/manifests/*");
    let staged = pipeline.source.stage(killing, Fault::hold(&gate));
    let _aggregator = pipeline.aggregator();
    let run = pipeline.run("producer -c config.yaml --wait --log-level warn");
    let kill_all = async {
        for death in 1..=MAX_DELIVER {
            // One slot each: a worker takes no other image's job with it.
            let mut worker = pipeline.worker_of(1, &format!("w{death}"));
            gate.reached_by(death).await;
            worker.kill().await;
        }
        pipeline.worker_of(1, "survivor")
    };
    let (ended, _survivor) = tokio::join!(run, kill_all);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let report = ended.report();
    assert_eq!(report.head.status, RunStatus::Complete);
    let actions = report.results.iter().map(|result| result.action);
    let expected = [Action::Pulled, Action::Failed, Action::Pulled];
    assert_eq!(actions.collect::<Vec<_>>(), expected, "{ended:#?}");
    let error = report.results[1].error.as_deref().unwrap();
    let reason = format!("{MAX_DELIVER} deliveries ended without a result");
    assert!(error.contains(&reason), "{error}");
    assert_eq!(staged.hits(), MAX_DELIVER, "no worker takes it once more");

    let letters = pipeline.letters().await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!(text(&letters[0], "id"), format!("{}:1", report.head.run_id));
    assert_eq!(text(&letters[0], "reason"), error);
    gate.release();
    let replayed = pipeline.run_well("dead-letters replay --all --wait").await;
    assert_eq!(
        replayed.only_result().action,
        Action::Pulled,
        "{replayed:#?}"
    );
}

#[tokio::test]
async fn an_undecodable_message_becomes_a_dead_letter_and_holds_up_nothing() {
    let pipeline = TestPipeline::start().await;
    pipeline.write_images((1..=3).map(|number| format!("app{number}:1.0")));
    for name in ["app1", "app2", "app3"] {
        pipeline.source.put_image(name, "1.0", &image(name));
    }
    let queue = pipeline.queue().await;
    let broken: [&[u8]; 3] = [b"not a job", b"{\"v\":1}", b"\x1b[2J\xff\xc2\x9b1m"];
    for (lane, message) in [Lane::Now, Lane::Bulk, Lane::Bulk].into_iter().zip(broken) {
        queue
            .publish_raw(lane, &RunId::new("alien"), message)
            .await
            .unwrap();
    }
    let _aggregator = pipeline.aggregator();
    let _worker = pipeline.worker_of(1, "only");
    let ended = pipeline.run_well("producer -c config.yaml --wait").await;
    assert_eq!(ended.report().head.summary.pulled, 3, "{ended:#?}");

    let letters = pipeline.letters().await;
    assert_eq!(letters.len(), broken.len(), "{letters:#?}");
    for letter in &letters {
        assert!(text(letter, "id").starts_with("undecodable-"), "{letter:#}");
        assert_eq!(letter.get("raw"), None, "it is somebody's: {letter:#}");
    }
    let ids = pipeline.ids().await;
    let shown = pipeline
        .run_well(&format!("dead-letters show {}", ids[2]))
        .await;
    assert!(
        shown.stdout.chars().all(|c| c == '\n' || !c.is_control()),
        "{shown:#?}"
    );
    let letter: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(text(&letter, "raw"), "\u{1b}[2J\u{fffd}\u{9b}1m");

    let refused = pipeline.refused(&format!("replay {}", ids[0])).await;
    let reason = format!("dead letter {} is of a message that was no job", ids[0]);
    assert!(refused.stderr.contains(&reason), "{refused:#?}");
    let left = pipeline.run_well("dead-letters replay --all").await;
    assert!(
        left.stderr.contains("there is no dead letter to replay"),
        "{left:#?}"
    );
    assert_eq!(pipeline.ids().await, ids, "what cannot be replayed stays");
    pipeline
        .run_well(&format!("dead-letters drop {}", ids[1]))
        .await;
    assert_eq!(pipeline.ids().await, [&*ids[0], &*ids[2]]);
    pipeline.run_well("dead-letters drop --all").await;
    assert_eq!(pipeline.ids().await, Vec::<String>::new());
}

#[tokio::test]
async fn all_about_a_letter_can_be_seen_and_bad_input_changes_nothing() {
    let pipeline = TestPipeline::start().await;
    pipeline.write_images(["one:1.0".to_owned(), "two:1.0".to_owned()]);
    let trouble = Rule::new("HEAD", "/v2/two/manifests/*");
    pipeline.source.stage(trouble, Fault::status(503));
    let _aggregator = pipeline.aggregator();
    let _worker = pipeline.worker_of(1, "only");
    let failed = pipeline.run("producer -c config.yaml --wait").await;
    assert_eq!(failed.code, Some(1), "{failed:#?}");
    let ids = pipeline.ids().await;
    assert_eq!(ids.len(), 2);

    let run = failed.report().head.run_id;
    let shown = pipeline
        .run_well(&format!("dead-letters show {run}:1"))
        .await;
    let letter: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(letter["job"]["attempt"], 3, "{letter:#}");
    let history = letter["job"]["history"].as_array().unwrap();
    assert_eq!(history.len(), 2, "the attempts before the last: {letter:#}");
    assert!(
        text(&history[0]["failure"], "answer").contains("503"),
        "{letter:#}"
    );
    let table = pipeline.run_well("dead-letters list --output table").await;
    assert!(table.stdout.starts_with("ID  "), "{table:#?}");
    assert!(
        table.stdout.contains("two:1.0  source: check "),
        "{table:#?}"
    );

    let known = &ids[0];
    for (arguments, reason) in [
        ("show r9:9".to_owned(), "there is no dead letter \"r9:9\""),
        (
            format!("replay {known} r9:8 r9:9"),
            "there is no dead letter \"r9:8\", \"r9:9\"",
        ),
        (
            format!("drop {known} r9:9"),
            "nothing was done, as there is no dead letter \"r9:9\"",
        ),
        (format!("drop {known} --all"), "--all"),
        ("drop".to_owned(), "<ID>"),
        ("replay".to_owned(), "<ID>"),
        ("show".to_owned(), "<ID>"),
        ("list --output xml".to_owned(), "auto, json, table"),
        ("bury".to_owned(), "bury"),
    ] {
        let ended = pipeline.refused(&arguments).await;
        assert!(ended.stderr.contains(reason), "{arguments}: {ended:#?}");
    }
    assert_eq!(pipeline.ids().await, ids);
}

/// Killed where it stores the letter. A failed result that came before it would complete the run, and what is left of a
/// run that ended is dropped.
#[tokio::test]
async fn a_worker_killed_at_a_letter_leaves_the_job_to_another() {
    let pipeline = TestPipeline::with(TIMES).await;
    pipeline.write_images(["team/gone:1.0".to_owned()]);
    let proxy = pipeline.proxy().await;
    let letter = proxy.hold(Toward::Server, "imgsync.dlq.", 1);
    let _aggregator = pipeline.aggregator();
    let worker = "worker -c config.yaml --name doomed --slots 1";
    let mut doomed = pipeline.role_at(&proxy, worker);
    let producer = pipeline.producer();
    letter.reached().await;
    doomed.kill().await;
    let heir = pipeline.worker("heir");
    let ended = producer.ended().await;
    assert_eq!(ended.report().head.summary.failed, 1, "{ended:#?}");
    heir.stop().await;
    let letters = pipeline.letters().await;
    assert_eq!(letters.len(), 1);
    let reason = text(&letters[0], "reason");
    assert!(reason.contains("not found"), "{reason}");
}
