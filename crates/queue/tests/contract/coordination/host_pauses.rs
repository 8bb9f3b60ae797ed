//! Host pauses.

use std::time::Duration;

use image_sync_shared::ports::queue::host_pauses::HostPause;
use time::macros::datetime;

use crate::contract::test_queue::TestQueue;

const HOST: &str = "registry-1.docker.io";
/// Longer than any pause of these rules.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) async fn a_paused_host_is_left_alone_until_its_time(queue: &dyn TestQueue) {
    let pauses = &queue.ports().pauses;
    assert_eq!(pauses.paused_until(HOST, DAY), None);
    let until = queue.clock().now() + queue.times().visibility;
    pauses.pause(HOST, until, "429", DAY).await.unwrap();
    assert_eq!(pauses.paused_until(HOST, DAY), Some(until));
    queue.advance(queue.times().visibility / 2).await;
    assert_eq!(pauses.paused_until(HOST, DAY), Some(until));
    queue.advance(queue.times().visibility / 2).await;
    assert_eq!(pauses.paused_until(HOST, DAY), None);
    assert_eq!(pauses.list().await, Ok(Vec::new()));
    let again = until + queue.times().visibility;
    assert!(
        pauses.pause(HOST, again, "429", DAY).await.unwrap(),
        "a new pause"
    );
}

pub(crate) async fn the_longest_pause_wins(queue: &dyn TestQueue) {
    let (pauses, now) = (&queue.ports().pauses, queue.clock().now());
    let step = queue.times().visibility;
    for (pause, longest) in [(2, 2), (1, 2), (3, 3)] {
        let set = pauses.pause(HOST, now + step * pause, "429", DAY);
        let is_new = set.await.unwrap();
        assert_eq!(is_new, pause == 2, "the first");
        assert_eq!(pauses.paused_until(HOST, DAY), Some(now + step * longest));
    }
}

pub(crate) async fn pauses_of_different_hosts_are_apart(queue: &dyn TestQueue) {
    let pauses = &queue.ports().pauses;
    let until = queue.clock().now() + queue.times().visibility;
    pauses.pause(HOST, until, "429", DAY).await.unwrap();
    for other in ["ghcr.io", "docker.io", "localhost:5000", ""] {
        assert_eq!(pauses.paused_until(other, DAY), None, "{other}");
        assert_eq!(pauses.resume(other).await, Ok(false), "{other}");
    }
    assert_eq!(pauses.paused_until(HOST, DAY), Some(until));
}

pub(crate) async fn no_pause_is_longer_than_it_may_be_for_who_sets_it(queue: &dyn TestQueue) {
    let (pauses, before) = (&queue.ports().pauses, queue.clock().now());
    let longest = queue.times().visibility * 5;
    let end_of_time = datetime!(9999-12-31 23:59:59.999999999 UTC);
    pauses
        .pause(HOST, end_of_time, "429", longest)
        .await
        .unwrap();
    let after = queue.clock().now();
    let until = pauses.paused_until(HOST, DAY).unwrap();
    assert!(before + longest <= until && until <= after + longest);
}

pub(crate) async fn no_pause_is_longer_than_it_may_be_for_who_honours_it(queue: &dyn TestQueue) {
    let (pauses, before) = (&queue.ports().pauses, queue.clock().now());
    let longest = queue.times().visibility;
    pauses.pause(HOST, before + DAY, "429", DAY).await.unwrap();
    let until = pauses.paused_until(HOST, longest).unwrap();
    assert!(until <= queue.clock().now() + longest, "{until}");
    queue.advance(longest).await;
    assert_eq!(pauses.paused_until(HOST, longest), None);
    // Nor is the end of that one in the way of the next.
    let again = queue.clock().now() + longest / 2;
    assert_eq!(pauses.pause(HOST, again, "429", longest).await, Ok(true));
    assert_eq!(pauses.paused_until(HOST, longest), Some(again));
}

pub(crate) async fn a_pause_that_is_lifted_is_over_and_may_come_again(queue: &dyn TestQueue) {
    let pauses = &queue.ports().pauses;
    let until = queue.clock().now() + DAY / 2;
    assert_eq!(pauses.resume(HOST).await, Ok(false), "it is not paused");
    for _ in 0..2 {
        assert_eq!(pauses.pause(HOST, until, "429", DAY).await, Ok(true));
        assert_eq!(pauses.paused_until(HOST, DAY), Some(until));
        assert_eq!(pauses.resume(HOST).await, Ok(true));
        assert_eq!(pauses.paused_until(HOST, DAY), None);
        assert_eq!(pauses.resume(HOST).await, Ok(false));
        assert_eq!(pauses.list().await, Ok(Vec::new()));
    }
}

pub(crate) async fn pauses_are_listed_with_their_reasons(queue: &dyn TestQueue) {
    let (pauses, before) = (&queue.ports().pauses, queue.clock().now());
    let until = |hosts: u32| before + queue.times().visibility * 10 * hosts;
    for (number, host) in [(2, "b.test:5000"), (1, "a.test")] {
        let reason = format!("429 of {host}");
        let set = pauses.pause(host, until(number), &reason, DAY);
        assert_eq!(set.await, Ok(true));
    }
    let listed = pauses.list().await.unwrap();
    let now = queue.clock().now();
    assert!(listed.iter().all(|pause| pause.since <= now), "{listed:?}");
    let expected = [(1, "a.test"), (2, "b.test:5000")].map(|(number, host)| HostPause {
        host: host.to_owned(),
        since: listed[number as usize - 1].since,
        until: until(number),
        reason: format!("429 of {host}"),
    });
    assert_eq!(listed, expected);
}
