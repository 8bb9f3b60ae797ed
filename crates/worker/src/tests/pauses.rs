use std::time::Duration;

use image_sync_shared::failure::{FailureClass, Side};
use image_sync_shared::job::Job;
use image_sync_shared::outcome::Action;
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::job_queue::Lane;
use image_sync_testkit::images::image;

use crate::testing::{Call, House, job};

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
    let mut house = House::new();
    house.settings.slots = 1;
    let jobs: Vec<_> = (0..5)
        .map(|n| hold(&house, "hub.test", &format!("app{n}")))
        .collect();
    let class = limited(Some(6 * HOUR));
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
    assert!(house.clock.now() - before >= 6 * HOUR, "not cut short");
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
    assert!(house.clock.now() - before < HOUR);
    house.results(&slow_run, 1).await;
    assert!(house.clock.now() - before >= HOUR);
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
        .paused_until("cache.test")
        .is_none()
    {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(house.queue.ports().pauses.paused_until("hub.test"), None);
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
