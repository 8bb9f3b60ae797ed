use std::time::Duration;

use image_sync_shared::failure::{FailureClass, Side};
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::Trigger;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::images::image;

use crate::tests::{Call, TestWorker, job};

const HOUR: Duration = Duration::from_secs(3600);

fn limited(retry_after: Option<Duration>) -> FailureClass {
    FailureClass::RateLimited {
        retry_after_ms: retry_after.map(|wait| wait.as_millis().try_into().unwrap()),
    }
}

fn put_image(fixture: &TestWorker, host: &str, name: &str) -> Job {
    let source = format!("{host}/{name}:1");
    fixture.registries.put_image(&source, &image(name));
    job(&source, &format!("cache.test/{name}:1"))
}

#[tokio::test(start_paused = true)]
async fn a_429_pauses_its_host_for_as_long_as_it_says_and_costs_no_attempt() {
    let ten_minutes = HOUR / 6;
    let mut fixture = TestWorker::new();
    fixture.settings.slots = 1;
    let jobs: Vec<_> = (0..5)
        .map(|n| put_image(&fixture, "hub.test", &format!("app{n}")))
        .collect();
    let class = limited(Some(ten_minutes));
    fixture
        .registries
        .fail(Call::PullManifest, "hub.test/app0", Side::Source, class, 1);
    let before = fixture.clock.now();
    let ran = fixture.work(jobs).await;
    for result in &ran.results {
        let entry = &result.entry;
        assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
    }
    assert!(ran.attempts.iter().all(|(_, failed, _)| *failed == 0));
    let told: Vec<u32> = ran.attempts.iter().map(|(idx, ..)| *idx).collect();
    assert_eq!(told, [0, 1, 2, 3, 4], "each job is told of once");
    assert!(fixture.clock.now() - before >= ten_minutes, "not cut short");
    assert_eq!(
        fixture.registries.count("HEAD source"),
        6,
        "the paused host was asked nothing more until it was over"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_of_one_host_does_not_pause_others() {
    let fixture = TestWorker::new();
    let (paused, free) = (
        put_image(&fixture, "hub.test", "paused"),
        put_image(&fixture, "free.test", "free"),
    );
    let class = limited(Some(HOUR));
    fixture
        .registries
        .fail(Call::Resolve, "hub.test", Side::Source, class, 1);
    let before = fixture.clock.now();
    let running = fixture.start();
    let (slow_run, _) = fixture.publish(Lane::Bulk, [paused]).await;
    let (run, expected) = fixture.publish(Lane::Bulk, [free]).await;
    fixture.results(&run, expected).await;
    let pause = fixture.settings.max_pause;
    assert!(fixture.clock.now() - before < pause);
    fixture.results(&slow_run, 1).await;
    assert!(fixture.clock.now() - before >= pause);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_side_that_answered_is_the_one_that_is_paused() {
    let fixture = TestWorker::new();
    let app = put_image(&fixture, "hub.test", "app");
    let class = limited(Some(HOUR));
    fixture
        .registries
        .fail(Call::PushManifest, "cache.test", Side::Target, class, 1);
    let running = fixture.start();
    let (run, expected) = fixture.publish(Lane::Bulk, [app]).await;
    while fixture
        .queue
        .ports()
        .pauses
        .paused_until("cache.test", HOUR)
        .is_none()
    {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let of_source = fixture.queue.ports().pauses.paused_until("hub.test", HOUR);
    assert_eq!(of_source, None);
    let ran = fixture.results(&run, expected).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_retry_after_the_backoff_of_a_429_grows_up_to_five_minutes() {
    let fixture = TestWorker::new();
    let app = put_image(&fixture, "hub.test", "app");
    fixture
        .registries
        .fail(Call::Resolve, "hub.test", Side::Source, limited(None), 30);
    let before = fixture.clock.now();
    let ran = fixture.work([app]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert_eq!(ran.only().entry.attempts, 1);
    let took = fixture.clock.now() - before;
    assert!(took > HOUR / 4, "{took}: pauses grow");
    assert!(took < HOUR * 3, "{took}: and are bounded");
}

#[tokio::test(start_paused = true)]
async fn no_retry_after_is_waited_for_longer_than_max_pause() {
    for retry_after in [Duration::from_secs(86_400), Duration::from_millis(u64::MAX)] {
        let mut fixture = TestWorker::new();
        fixture.settings.max_pause = Duration::from_secs(60);
        let app = put_image(&fixture, "hub.test", "app");
        let class = limited(Some(retry_after));
        fixture
            .registries
            .fail(Call::Resolve, "hub.test", Side::Source, class, 1);
        let before = fixture.clock.now();
        let ran = fixture.work([app]).await;
        assert_eq!(ran.only().entry.action, Action::Pulled);
        let took = fixture.clock.now() - before;
        let longest = fixture.settings.max_pause + 2 * fixture.settings.pause_spread;
        assert!(
            took >= fixture.settings.max_pause && took <= longest,
            "{took}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_another_worker_set_for_years_ends_after_ones_own_max_pause() {
    let fixture = TestWorker::new();
    let app = put_image(&fixture, "hub.test", "app");
    let (before, pauses) = (fixture.clock.now(), fixture.queue.ports().pauses.clone());
    let years = before + 10_000 * 24 * HOUR;
    let set = pauses.pause("hub.test", years, "429", Duration::MAX).await;
    assert_eq!(set, Ok(true));
    let ran = fixture.work([app]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    let took = fixture.clock.now() - before;
    let longest = fixture.settings.max_pause + 2 * fixture.settings.pause_spread;
    assert!(
        took >= fixture.settings.max_pause && took <= longest,
        "{took}"
    );
}

#[tokio::test(start_paused = true)]
async fn images_of_a_host_that_is_paused_beyond_their_deadline_fail_at_once() {
    let mut fixture = TestWorker::new();
    fixture.settings.slots = 1;
    let before = fixture.clock.now();
    let jobs = (0..3).map(|n| Job {
        deadline_at: Some(before + Duration::from_secs(12)),
        ..put_image(&fixture, "hub.test", &format!("app{n}"))
    });
    let jobs: Vec<_> = jobs.collect();
    fixture.registries.fail(
        Call::Resolve,
        "hub.test",
        Side::Source,
        limited(Some(24 * HOUR)),
        1,
    );
    let ran = fixture.work(jobs).await;
    assert_eq!(fixture.clock.now(), before, "nobody waited");
    for result in &ran.results {
        assert_eq!(result.class.map(FailureClass::name), Some("rate_limited"));
        let error = result.entry.error.as_deref().unwrap();
        let pause = "left alone until 2026-11-20T12:15:00Z";
        let deadline = "too late for the run's deadline 2026-11-20T12:00:12Z";
        assert!(error.starts_with("source: check hub.test/app"), "{error}");
        assert!(
            error.contains(pause) && error.ends_with(deadline),
            "{error}"
        );
    }
    assert_eq!(fixture.registries.count("HEAD source"), 1);
    let pauses = &fixture.queue.ports().pauses;
    assert!(
        pauses.paused_until("hub.test", HOUR).is_some(),
        "for later runs"
    );
}

fn by_hand(job: Job) -> Job {
    Job {
        trigger: Trigger::Enqueue,
        ..job
    }
}

/// A worker for which `hub.test` is paused, perhaps by mistake.
async fn fixture_with_paused_host() -> TestWorker {
    let fixture = TestWorker::new();
    let pauses = &fixture.queue.ports().pauses;
    let until = fixture.clock.now() + HOUR / 6;
    let is_new = pauses.pause("hub.test", until, "429", HOUR).await;
    assert_eq!(is_new, Ok(true));
    fixture
}

fn is_paused(fixture: &TestWorker) -> bool {
    let pauses = &fixture.queue.ports().pauses;
    pauses.paused_until("hub.test", HOUR).is_some()
}

#[tokio::test(start_paused = true)]
async fn a_job_by_hand_asks_a_paused_host_and_a_good_answer_ends_the_pause() {
    let fixture = fixture_with_paused_host().await;
    let before = fixture.clock.now();
    let (bulk, app) = (
        put_image(&fixture, "hub.test", "bulk"),
        put_image(&fixture, "hub.test", "app"),
    );
    let running = fixture.start();
    let (waiting, _) = fixture.publish(Lane::Bulk, [bulk]).await;
    while fixture.events(&waiting).await == 0 {
        tokio::task::yield_now().await;
    }
    let (run, expected) = fixture.publish(Lane::Now, [by_hand(app)]).await;
    let ran = fixture.results(&run, expected).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    // A look into a log takes a moment.
    let took = fixture.clock.now() - before;
    assert!(took < Duration::from_secs(1), "{took}: nobody waited");
    assert!(!is_paused(&fixture));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_first_good_answer_to_a_job_by_hand_ends_the_pause_whatever_comes_of_the_job() {
    let fixture = fixture_with_paused_host().await;
    let app = by_hand(put_image(&fixture, "hub.test", "app"));
    let class = FailureClass::Denied;
    fixture
        .registries
        .fail(Call::PushManifest, "cache.test", Side::Target, class, 1);
    let ran = fixture.work([app]).await;
    assert_eq!(ran.only().class, Some(FailureClass::Denied));
    assert!(!is_paused(&fixture));
}

#[tokio::test(start_paused = true)]
async fn a_job_by_hand_that_gets_another_429_waits_like_all_others() {
    let fixture = fixture_with_paused_host().await;
    let before = fixture.clock.now();
    let app = by_hand(put_image(&fixture, "hub.test", "app"));
    // HEAD is answered all the time, as by Docker Hub.
    let class = limited(Some(HOUR / 5));
    fixture
        .registries
        .fail(Call::PullManifest, "hub.test", Side::Source, class, 1);
    let running = fixture.start();
    let (run, _) = fixture.publish(Lane::Now, [app]).await;
    while fixture.events(&run).await == 0 {
        tokio::task::yield_now().await;
    }
    let pauses = &fixture.queue.ports().pauses;
    let until = pauses.paused_until("hub.test", HOUR);
    assert_eq!(until, Some(before + HOUR / 5), "set again");
    let ran = fixture.results(&run, 1).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert!(fixture.clock.now() >= before + HOUR / 5);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_manifest_that_is_read_by_its_tag_is_a_good_answer_to_a_job_by_hand() {
    let fixture = fixture_with_paused_host().await;
    let source = "hub.test/app:1";
    let app = image("app");
    fixture.registries.put_image(source, &app);
    let digest = app.digest().to_string();
    let (side, missing) = (Side::Source, FailureClass::NotFound);
    // Nothing is served by digest, and the blobs are refused.
    let registries = &fixture.registries;
    registries.fail(Call::PullManifest, &digest, side, missing, usize::MAX);
    let denied = FailureClass::Denied;
    registries.fail(Call::CopyBlob, "hub.test", side, denied, usize::MAX);
    let job = by_hand(job(source, "cache.test/app:1"));
    let ran = fixture.work([job]).await;
    assert_eq!(ran.only().class, Some(FailureClass::Denied));
    assert_eq!(
        fixture
            .registries
            .count("GET source manifest hub.test/app:1"),
        1
    );
    assert!(!is_paused(&fixture));
}
