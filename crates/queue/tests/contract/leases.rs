//! Leases.

use image_sync_shared::ports::queue::leases::{Lease, Renewal};

use super::backend::Backend;

const KEY: &str = "localhost:5000/library/nginx:1.27";

pub(crate) async fn a_lease_is_exclusive(backend: &dyn Backend) {
    take(backend).await;
    assert_eq!(acquire(backend, KEY, "w2").await, None);
    assert_eq!(
        acquire(backend, KEY, "w1").await,
        None,
        "not even its holder"
    );
}

pub(crate) async fn leases_of_different_keys_are_apart(backend: &dyn Backend) {
    take(backend).await;
    assert!(
        acquire(backend, "localhost:5000/library/nginx:1.28", "w2")
            .await
            .is_some()
    );
}

pub(crate) async fn a_lease_expires(backend: &dyn Backend) {
    take(backend).await;
    backend.advance(backend.times().lease_term / 2).await;
    assert_eq!(acquire(backend, KEY, "w2").await, None);
    advance_past_the_term(backend).await;
    assert!(acquire(backend, KEY, "w2").await.is_some());
}

pub(crate) async fn a_renewal_prolongs_a_lease(backend: &dyn Backend) {
    let mut lease = take(backend).await;
    for _ in 0..4 {
        backend.advance(backend.times().lease_term / 2).await;
        lease = held(renew(backend, &lease).await);
        assert_eq!(acquire(backend, KEY, "w2").await, None);
    }
    advance_past_the_term(backend).await;
    assert!(acquire(backend, KEY, "w2").await.is_some());
}

pub(crate) async fn a_stale_renewal_fails(backend: &dyn Backend) {
    let first = take(backend).await;
    let second = held(renew(backend, &first).await);
    assert_eq!(renew(backend, &first).await, Renewal::Lost);
    advance_past_the_term(backend).await;
    let third = acquire(backend, KEY, "w2").await.unwrap();
    assert_eq!(renew(backend, &second).await, Renewal::Lost);
    held(renew(backend, &third).await);
}

pub(crate) async fn a_lease_that_ran_out_cannot_be_renewed(backend: &dyn Backend) {
    let lease = take(backend).await;
    advance_past_the_term(backend).await;
    assert_eq!(renew(backend, &lease).await, Renewal::Lost);
}

pub(crate) async fn a_release_frees(backend: &dyn Backend) {
    let lease = take(backend).await;
    backend.ports().leases.release(lease.clone()).await.unwrap();
    assert_eq!(renew(backend, &lease).await, Renewal::Lost);
    assert!(acquire(backend, KEY, "w2").await.is_some());
}

pub(crate) async fn a_stale_release_leaves_the_holder_alone(backend: &dyn Backend) {
    let stale = take(backend).await;
    advance_past_the_term(backend).await;
    let lease = acquire(backend, KEY, "w2").await.unwrap();
    backend.ports().leases.release(stale).await.unwrap();
    assert_eq!(acquire(backend, KEY, "w3").await, None);
    held(renew(backend, &lease).await);
}

async fn take(backend: &dyn Backend) -> Lease {
    let lease = acquire(backend, KEY, "w1").await;
    lease.expect("the lease should have been free")
}

async fn acquire(backend: &dyn Backend, key: &str, holder: &str) -> Option<Lease> {
    backend.ports().leases.acquire(key, holder).await.unwrap()
}

async fn renew(backend: &dyn Backend, lease: &Lease) -> Renewal {
    backend.ports().leases.renew(lease).await.unwrap()
}

fn held(renewal: Renewal) -> Lease {
    match renewal {
        Renewal::Held(lease) => lease,
        Renewal::Lost => panic!("the lease should have been held"),
    }
}

async fn advance_past_the_term(backend: &dyn Backend) {
    let times = backend.times();
    backend.advance(times.lease_term + times.quiet).await;
}

pub(crate) async fn it_is_known_who_holds_a_lease(backend: &dyn Backend) {
    let leases = &backend.ports().leases;
    assert_eq!(leases.holders().await.unwrap().len(), 0);
    let mut lease = take(backend).await;
    let other = "localhost:5000/library/nginx:1.28";
    acquire(backend, other, "w2").await.unwrap();
    lease = held(renew(backend, &lease).await);
    let holders = leases.holders().await.unwrap();
    let named = |key: &str| holders.get(key).map(String::as_str);
    assert_eq!((named(KEY), named(other)), (Some("w1"), Some("w2")));
    leases.release(lease).await.unwrap();
    let holders = leases.holders().await.unwrap();
    assert_eq!(holders.into_keys().collect::<Vec<_>>(), [other]);
}
