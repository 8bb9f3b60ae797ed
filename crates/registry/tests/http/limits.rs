//! How many requests to one host are under way at the same time.

use futures_util::future::join;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Gate, Rule};

use crate::support::{RouterBuilder, assert_all_found, put_many, resolve_many};

#[tokio::test]
async fn no_more_than_max_connections() {
    let registry = FakeRegistry::start().await.unwrap();
    put_many(&registry, 30);
    let router = RouterBuilder::new()
        .with(registry.host(), |settings| {
            settings.max_connections = Some(3);
        })
        .router();
    assert_all_found(&resolve_many(&router, registry.host(), 1).await);
    let gate = Gate::new();
    registry.stage(Rule::new("*", "*"), Fault::hold(&gate));
    let release = async {
        gate.reached_by(3).await;
        gate.release();
    };
    let (answers, ()) = join(resolve_many(&router, registry.host(), 30), release).await;
    assert_all_found(&answers);
    assert_eq!(registry.most_in_flight(), 3);
}

#[tokio::test]
async fn a_host_that_stands_still_does_not_hold_another() {
    let (slow, quick) = (
        FakeRegistry::start().await.unwrap(),
        FakeRegistry::start().await.unwrap(),
    );
    put_many(&slow, 5);
    put_many(&quick, 5);
    let gate = Gate::new();
    slow.stage(Rule::new("*", "*"), Fault::hold(&gate));
    let setup =
        RouterBuilder::new().with(slow.host(), |settings| settings.max_connections = Some(1));
    let router = setup
        .with(quick.host(), |settings| settings.max_connections = Some(1))
        .router();
    let held = async { assert_all_found(&resolve_many(&router, slow.host(), 5).await) };
    let free = async {
        gate.reached().await;
        assert_all_found(&resolve_many(&router, quick.host(), 5).await);
        gate.release();
    };
    join(held, free).await;
}
