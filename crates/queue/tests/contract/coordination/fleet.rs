//! What members of the fleet tell each other.

use image_sync_shared::ports::queue::fleet::Duty;

use crate::contract::samples::member;
use crate::contract::test_queue::{TestQueue, in_time};

pub(crate) async fn what_a_member_tells_is_heard_by_all_who_listen(queue: &dyn TestQueue) {
    let fleet = &queue.ports().fleet;
    let nobody_hears = member(Duty::Worker, "before");
    fleet.tell(&nobody_hears).await.unwrap();
    let listeners = [fleet.listen().await, fleet.listen().await];
    let told = [
        member(Duty::Worker, "a.b-1"),
        member(Duty::Aggregator, "x * > \u{fc}"),
    ];
    for presence in &told {
        fleet.tell(presence).await.unwrap();
    }
    for listener in listeners {
        let mut listener = listener.unwrap();
        for presence in &told {
            assert_eq!(in_time(queue, listener.next()).await, *presence);
        }
    }
}

pub(crate) async fn all_members_hear_that_they_are_asked(queue: &dyn TestQueue) {
    let fleet = &queue.ports().fleet;
    fleet
        .ask()
        .await
        .expect("that nobody hears it is no failure");
    let members = [fleet.asked().await, fleet.asked().await];
    for _ in 0..2 {
        fleet.ask().await.unwrap();
    }
    for member in members {
        let mut member = member.unwrap();
        for _ in 0..2 {
            in_time(queue, member.next()).await;
        }
    }
}
