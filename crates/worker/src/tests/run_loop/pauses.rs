use std::time::Duration;

use image_sync_shared::failure::{FailureClass, Side};
use image_sync_shared::job::Job;
use image_sync_shared::outcome::Action;
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::job_queue::Lane;
use image_sync_shared::run::Trigger;
use image_sync_testkit::images::image;

use crate::tests::{Call, House, job};

const HOUR: Duration = Duration::from_secs(3600);

fn limited(retry_after: Option<Duration>) -> FailureClass {
    FailureClass::RateLimited {
        retry_after_ms: retry_after.map(|wait| wait.as_millis().try_into().unwrap()),
    }
}

fn hold(house: &House, host: &str, name: &str) -> Job {
    let source = format!("{host}/{name}:1");
    house.registries.hold(&source, &image(name));
    job(&source, &format!("cache.test/{name}:1"))
}

#[tokio::test(start_paused = true)]
async fn a_429_pauses_its_host_for_as_long_as_it_says_and_costs_no_attempt() {
    let ten_minutes = HOUR / 6;
    let mut house = House::new();
    house.settings.slots = 1;
    let jobs: Vec<_> = (0..5)
        .map(|n| hold(&house, "hub.test", &format!("app{n}")))
        .collect();
    let class = limited(Some(ten_minutes));
    house
        .registries
        .fail(Call::PullManifest, "hub.test/app0", Side::Source, class, 1);
    let before = house.clock.now();
    let ran = house.work(jobs).await;
    for result in &ran.results {
        let entry = &result.entry;
        assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
    }
    assert!(ran.attempts.iter().all(|(_, failed, _)| *failed == 0));
    let told: Vec<u32> = ran.attempts.iter().map(|(idx, ..)| *idx).collect();
    assert_eq!(told, [0, 1, 2, 3, 4], "each job is told of once");
    assert!(house.clock.now() - before >= ten_minutes, "not cut short");
    assert_eq!(
        house.registries.count("HEAD source"),
        6,
        "the paused host was asked nothing more until it was over"
    );
}

#[tokio::test(start_paused = true)]
async fn other_hosts_go_on() {
    let house = House::new();
    let (paused, free) = (
        hold(&house, "hub.test", "paused"),
        hold(&house, "free.test", "free"),
    );
    let class = limited(Some(HOUR));
    house
        .registries
        .fail(Call::Resolve, "hub.test", Side::Source, class, 1);
    let before = house.clock.now();
    let at_work = house.start();
    let (slow_run, _) = house.publish(Lane::Bulk, [paused]).await;
    let (run, expected) = house.publish(Lane::Bulk, [free]).await;
    house.results(&run, expected).await;
    let pause = house.settings.max_pause;
    assert!(house.clock.now() - before < pause);
    house.results(&slow_run, 1).await;
    assert!(house.clock.now() - before >= pause);
    at_work.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_side_that_answered_is_the_one_that_is_paused() {
    let house = House::new();
    let app = hold(&house, "hub.test", "app");
    let class = limited(Some(HOUR));
    house
        .registries
        .fail(Call::PushManifest, "cache.test", Side::Target, class, 1);
    let at_work = house.start();
    let (run, expected) = house.publish(Lane::Bulk, [app]).await;
    while house
        .queue
        .ports()
        .pauses
        .paused_until("cache.test", HOUR)
        .is_none()
    {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let of_source = house.queue.ports().pauses.paused_until("hub.test", HOUR);
    assert_eq!(of_source, None);
    let ran = house.results(&run, expected).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    at_work.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_retry_after_the_pauses_grow_up_to_five_minutes() {
    let house = House::new();
    let app = hold(&house, "hub.test", "app");
    house
        .registries
        .fail(Call::Resolve, "hub.test", Side::Source, limited(None), 30);
    let before = house.clock.now();
    let ran = house.work([app]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert_eq!(ran.only().entry.attempts, 1);
    let took = house.clock.now() - before;
    assert!(took > HOUR / 4, "{took}: pauses grow");
    assert!(took < HOUR * 3, "{took}: and are bounded");
}

#[tokio::test(start_paused = true)]
async fn no_retry_after_is_waited_for_longer_than_max_pause() {
    for retry_after in [Duration::from_secs(86_400), Duration::from_millis(u64::MAX)] {
        let mut house = House::new();
        house.settings.max_pause = Duration::from_secs(60);
        let app = hold(&house, "hub.test", "app");
        let class = limited(Some(retry_after));
        house
            .registries
            .fail(Call::Resolve, "hub.test", Side::Source, class, 1);
        let before = house.clock.now();
        let ran = house.work([app]).await;
        assert_eq!(ran.only().entry.action, Action::Pulled);
        let took = house.clock.now() - before;
        let longest = house.settings.max_pause + 2 * house.settings.pause_spread;
        assert!(
            took >= house.settings.max_pause && took <= longest,
            "{took}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_another_worker_set_for_years_ends_after_ones_own_max_pause() {
    let house = House::new();
    let app = hold(&house, "hub.test", "app");
    let (before, pauses) = (house.clock.now(), house.queue.ports().pauses.clone());
    let years = before + 10_000 * 24 * HOUR;
    let set = pauses.pause("hub.test", years, "429", Duration::MAX).await;
    assert_eq!(set, Ok(true));
    let ran = house.work([app]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    let took = house.clock.now() - before;
    let longest = house.settings.max_pause + 2 * house.settings.pause_spread;
    assert!(
        took >= house.settings.max_pause && took <= longest,
        "{took}"
    );
}

#[tokio::test(start_paused = true)]
async fn images_of_a_host_that_is_paused_beyond_their_deadline_fail_at_once() {
    let mut house = House::new();
    house.settings.slots = 1;
    let before = house.clock.now();
    let jobs = (0..3).map(|n| Job {
        deadline_at: Some(before + Duration::from_secs(12)),
        ..hold(&house, "hub.test", &format!("app{n}"))
    });
    let jobs: Vec<_> = jobs.collect();
    house.registries.fail(
        Call::Resolve,
        "hub.test",
        Side::Source,
        limited(Some(24 * HOUR)),
        1,
    );
    let ran = house.work(jobs).await;
    assert_eq!(house.clock.now(), before, "nobody waited");
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
    assert_eq!(house.registries.count("HEAD source"), 1);
    let pauses = &house.queue.ports().pauses;
    assert!(
        pauses.paused_until("hub.test", HOUR).is_some(),
        "for later runs"
    );
}

fn by_hand(job: Job) -> Job {
    Job {
        trigger: Trigger::Manual,
        ..job
    }
}

/// A house whose `hub.test` is paused, perhaps by mistake.
async fn paused_house() -> House {
    let house = House::new();
    let pauses = &house.queue.ports().pauses;
    let until = house.clock.now() + HOUR / 6;
    let is_new = pauses.pause("hub.test", until, "429", HOUR).await;
    assert_eq!(is_new, Ok(true));
    house
}

fn is_paused(house: &House) -> bool {
    let pauses = &house.queue.ports().pauses;
    pauses.paused_until("hub.test", HOUR).is_some()
}

#[tokio::test(start_paused = true)]
async fn a_job_by_hand_asks_a_paused_host_and_a_good_answer_ends_the_pause() {
    let house = paused_house().await;
    let before = house.clock.now();
    let (bulk, app) = (
        hold(&house, "hub.test", "bulk"),
        hold(&house, "hub.test", "app"),
    );
    let at_work = house.start();
    let (waiting, _) = house.publish(Lane::Bulk, [bulk]).await;
    while house.events(&waiting).await == 0 {
        tokio::task::yield_now().await;
    }
    let (run, expected) = house.publish(Lane::Now, [by_hand(app)]).await;
    let ran = house.results(&run, expected).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    // A look into a log takes a moment.
    let took = house.clock.now() - before;
    assert!(took < Duration::from_secs(1), "{took}: nobody waited");
    assert!(!is_paused(&house));
    at_work.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_first_good_answer_to_a_job_by_hand_ends_the_pause_whatever_comes_of_the_job() {
    let house = paused_house().await;
    let app = by_hand(hold(&house, "hub.test", "app"));
    let class = FailureClass::Denied;
    house
        .registries
        .fail(Call::PushManifest, "cache.test", Side::Target, class, 1);
    let ran = house.work([app]).await;
    assert_eq!(ran.only().class, Some(FailureClass::Denied));
    assert!(!is_paused(&house));
}

#[tokio::test(start_paused = true)]
async fn a_job_by_hand_that_gets_another_429_waits_like_all_others() {
    let house = paused_house().await;
    let before = house.clock.now();
    let app = by_hand(hold(&house, "hub.test", "app"));
    // HEAD is answered all the time, as by Docker Hub.
    let class = limited(Some(HOUR / 5));
    house
        .registries
        .fail(Call::PullManifest, "hub.test", Side::Source, class, 1);
    let at_work = house.start();
    let (run, _) = house.publish(Lane::Now, [app]).await;
    while house.events(&run).await == 0 {
        tokio::task::yield_now().await;
    }
    let pauses = &house.queue.ports().pauses;
    let until = pauses.paused_until("hub.test", HOUR);
    assert_eq!(until, Some(before + HOUR / 5), "set again");
    let ran = house.results(&run, 1).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert!(house.clock.now() >= before + HOUR / 5);
    at_work.stop().await;
}
