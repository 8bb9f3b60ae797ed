use std::time::Duration;

use image_sync_shared::failure::{FailureClass, Side};
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::Trigger;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::Image;
use image_sync_testkit::images::{image, index};

use crate::tests::staged_faults::Call;
use crate::tests::{TestWorker, job};

const SOURCE: &str = "source.test/app:1";
const TARGET: &str = "cache.test/app:1";

/// A job that an event led to.
fn of_event() -> Job {
    Job {
        trigger: Trigger::Webhook,
        ..job(SOURCE, TARGET)
    }
}

/// One of a config that has senders of events.
fn of_bulk() -> Job {
    let mut job = job(SOURCE, TARGET);
    job.trigger = Trigger::Schedule;
    job.policy.confirms_source = true;
    job
}

#[tokio::test(start_paused = true)]
async fn an_event_during_a_copy_leads_to_a_check_after_it() {
    let fixture = TestWorker::new();
    let (old, new) = (image("old"), image("new"));
    fixture.registries.put_image(TARGET, &old);
    fixture.registries.put_image(SOURCE, &new);
    let layer = new.blobs[2].digest.as_str();
    let gate = fixture.registries.gate(Call::CopyBlob, layer);
    let running = fixture.start();
    let (bulk, expected) = fixture.publish(Lane::Bulk, [of_bulk()]).await;
    gate.arrived().await;
    // The source goes back to what the target has still: an image that is in place, if one looks now.
    fixture.registries.put_image(SOURCE, &old);
    let (event, _) = fixture.publish(Lane::Now, [of_event()]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    gate.open();
    assert_eq!(
        fixture.results(&bulk, expected).await.only().entry.action,
        Action::Pulled
    );
    let ran = fixture.results(&event, 1).await;
    running.stop().await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert_eq!(fixture.registries.tag(TARGET).as_ref(), Some(old.digest()));
}

/// Several platforms, so that an index is read between the check and the lease.
fn multi(name: &str) -> Image {
    index(name, &["linux/amd64", "linux/arm64"])
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_resolved_its_source_before_an_event_does_not_overwrite_what_came_of_that() {
    for (confirms, expected) in [(true, "old"), (false, "new")] {
        let fixture = TestWorker::new();
        let (old, new) = (multi("old"), multi("new"));
        let child = |of: &Image| of.child("linux/amd64").unwrap().clone();
        fixture.registries.put_image(TARGET, &child(&old));
        fixture.registries.put_image(SOURCE, &new);
        let gate = fixture.registries.gate(Call::PullManifest, "source.test");
        let running = fixture.start();
        let mut bulk = of_bulk();
        bulk.platforms = "linux/amd64".parse().unwrap();
        bulk.policy.confirms_source = confirms;
        let mut event = of_event();
        event.platforms = bulk.platforms.clone();
        let (bulk, _) = fixture.publish(Lane::Bulk, [bulk]).await;
        gate.arrived().await;
        fixture.registries.put_image(SOURCE, &old);
        let (event, _) = fixture.publish(Lane::Now, [event]).await;
        let ran = fixture.results(&event, 1).await;
        assert_eq!(ran.only().entry.action, Action::AlreadyCached);
        gate.open();
        fixture.results(&bulk, 1).await;
        running.stop().await;
        let expected = if expected == "old" {
            child(&old)
        } else {
            child(&new)
        };
        let tag = fixture.registries.tag(TARGET);
        assert_eq!(tag.as_ref(), Some(expected.digest()), "{confirms}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_event_says_was_pushed_may_take_a_while_to_be_there() {
    let fixture = TestWorker::new();
    fixture.registries.put_image(SOURCE, &image("app"));
    let (side, class) = (Side::Source, FailureClass::NotFound);
    let hide = || {
        let times = fixture.settings.retry.attempts as usize - 1;
        fixture
            .registries
            .fail(Call::Resolve, "source.test", side, class, times);
    };
    hide();
    let ran = fixture.work([of_event()]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert!(ran.only().entry.attempts > 1);
    let fixture_2 = TestWorker::new();
    let ran = fixture_2.work([of_bulk()]).await;
    let entry = &ran.only().entry;
    assert_eq!((entry.action, entry.attempts), (Action::Failed, 1));
}

#[tokio::test(start_paused = true)]
async fn senders_of_events_cost_one_request_per_copy_and_none_in_place() {
    let fixture = TestWorker::new();
    fixture.registries.put_image(SOURCE, &image("app"));
    fixture.work([of_bulk()]).await;
    assert_eq!(fixture.registries.count("HEAD source manifest"), 2);
    for job in [of_bulk(), of_event()] {
        fixture.registries.forget_requests();
        let ran = fixture.work([job]).await;
        assert_eq!(ran.only().entry.action, Action::AlreadyCached);
        assert_eq!(fixture.registries.requests().len(), 2);
    }
    fixture.registries.put_image(SOURCE, &image("newer"));
    fixture.registries.forget_requests();
    fixture.work([of_event()]).await;
    assert_eq!(fixture.registries.count("HEAD source manifest"), 1);
}

/// An event that tells of this digest.
fn telling_of(image: &Image) -> Job {
    Job {
        awaited: Some(image.digest().clone()),
        ..of_event()
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_event_tells_of_before_the_registry_shows_it_is_waited_for() {
    // What is at the target when the event comes: nothing, what the source shows, or something older.
    for at_target in [None, Some("old"), Some("older")] {
        let fixture = TestWorker::new();
        let new = image("new");
        fixture.registries.put_image(SOURCE, &image("old"));
        if let Some(name) = at_target {
            fixture.registries.put_image(TARGET, &image(name));
        }
        let running = fixture.start();
        let (run, _) = fixture.publish(Lane::Now, [telling_of(&new)]).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        fixture.registries.put_image(SOURCE, &new);
        let ran = fixture.results(&run, 1).await;
        running.stop().await;
        assert_eq!(ran.only().entry.action, Action::Pulled, "{at_target:?}");
        assert_eq!(fixture.registries.tag(TARGET).as_ref(), Some(new.digest()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_an_event_tells_of_may_not_be_there_yet() {
    let fixture = TestWorker::new();
    let new = image("new");
    let running = fixture.start();
    let (run, _) = fixture.publish(Lane::Now, [telling_of(&new)]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    fixture.registries.put_image(SOURCE, &new);
    let ran = fixture.results(&run, 1).await;
    running.stop().await;
    let entry = &ran.only().entry;
    assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
}

#[tokio::test(start_paused = true)]
async fn what_was_overwritten_before_it_was_seen_costs_a_few_looks() {
    let fixture = TestWorker::new();
    fixture.registries.put_image(SOURCE, &image("newest"));
    let ran = fixture.work([telling_of(&image("overwritten"))]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert_eq!(fixture.registries.count("HEAD source manifest"), 5);
    fixture.registries.forget_requests();
    let ran = fixture.work([telling_of(&image("newest"))]).await;
    assert_eq!(ran.only().entry.action, Action::AlreadyCached);
    assert_eq!(fixture.registries.requests().len(), 2);
}
