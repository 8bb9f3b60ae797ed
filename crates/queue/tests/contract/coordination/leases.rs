//! Leases.

use image_sync_shared::ports::queue::leases::{Lease, Renewal};

use crate::contract::test_queue::TestQueue;

const KEY: &str = "localhost:5000/library/nginx:1.27";

pub(crate) async fn a_lease_is_exclusive(queue: &dyn TestQueue) {
    take(queue).await;
    assert_eq!(acquire(queue, KEY, "w2").await, None);
    assert_eq!(acquire(queue, KEY, "w1").await, None, "not even its holder");
}

pub(crate) async fn leases_of_different_keys_are_apart(queue: &dyn TestQueue) {
    take(queue).await;
    assert!(
        acquire(queue, "localhost:5000/library/nginx:1.28", "w2")
            .await
            .is_some()
    );
}

pub(crate) async fn a_lease_expires(queue: &dyn TestQueue) {
    take(queue).await;
    queue.advance(queue.times().lease_term / 2).await;
    assert_eq!(acquire(queue, KEY, "w2").await, None);
    advance_past_the_term(queue).await;
    assert!(acquire(queue, KEY, "w2").await.is_some());
}

pub(crate) async fn a_renewal_prolongs_a_lease(queue: &dyn TestQueue) {
    let mut lease = take(queue).await;
    for _ in 0..4 {
        queue.advance(queue.times().lease_term / 2).await;
        lease = held(renew(queue, &lease).await);
        assert_eq!(acquire(queue, KEY, "w2").await, None);
    }
    advance_past_the_term(queue).await;
    assert!(acquire(queue, KEY, "w2").await.is_some());
}

pub(crate) async fn a_stale_renewal_fails(queue: &dyn TestQueue) {
    let first = take(queue).await;
    let second = held(renew(queue, &first).await);
    assert_eq!(renew(queue, &first).await, Renewal::Lost);
    advance_past_the_term(queue).await;
    let third = acquire(queue, KEY, "w2").await.unwrap();
    assert_eq!(renew(queue, &second).await, Renewal::Lost);
    held(renew(queue, &third).await);
}

pub(crate) async fn a_lease_that_ran_out_cannot_be_renewed(queue: &dyn TestQueue) {
    let lease = take(queue).await;
    advance_past_the_term(queue).await;
    assert_eq!(renew(queue, &lease).await, Renewal::Lost);
}

pub(crate) async fn a_release_frees(queue: &dyn TestQueue) {
    let lease = take(queue).await;
    queue.ports().leases.release(lease.clone()).await.unwrap();
    assert_eq!(renew(queue, &lease).await, Renewal::Lost);
    assert!(acquire(queue, KEY, "w2").await.is_some());
}

pub(crate) async fn a_stale_release_leaves_the_holder_alone(queue: &dyn TestQueue) {
    let stale = take(queue).await;
    advance_past_the_term(queue).await;
    let lease = acquire(queue, KEY, "w2").await.unwrap();
    queue.ports().leases.release(stale).await.unwrap();
    assert_eq!(acquire(queue, KEY, "w3").await, None);
    held(renew(queue, &lease).await);
}

async fn take(queue: &dyn TestQueue) -> Lease {
    let lease = acquire(queue, KEY, "w1").await;
    lease.expect("the lease should have been free")
}

async fn acquire(queue: &dyn TestQueue, key: &str, holder: &str) -> Option<Lease> {
    queue.ports().leases.acquire(key, holder).await.unwrap()
}

async fn renew(queue: &dyn TestQueue, lease: &Lease) -> Renewal {
    queue.ports().leases.renew(lease).await.unwrap()
}

fn held(renewal: Renewal) -> Lease {
    match renewal {
        Renewal::Held(lease) => lease,
        Renewal::Lost => panic!("the lease should have been held"),
    }
}

async fn advance_past_the_term(queue: &dyn TestQueue) {
    let times = queue.times();
    queue.advance(times.lease_term + times.quiet).await;
}

pub(crate) async fn it_is_known_who_holds_a_lease(queue: &dyn TestQueue) {
    let leases = &queue.ports().leases;
    assert_eq!(leases.holders().await.unwrap().len(), 0);
    let mut lease = take(queue).await;
    let other = "localhost:5000/library/nginx:1.28";
    acquire(queue, other, "w2").await.unwrap();
    lease = held(renew(queue, &lease).await);
    let holders = leases.holders().await.unwrap();
    let named = |key: &str| holders.get(key).map(String::as_str);
    assert_eq!((named(KEY), named(other)), (Some("w1"), Some("w2")));
    leases.release(lease).await.unwrap();
    let holders = leases.holders().await.unwrap();
    assert_eq!(holders.into_keys().collect::<Vec<_>>(), [other]);
}
