//! Copies that nobody waits for any more.

use image_sync_shared::ports::registries::Registries as _;
use image_sync_testkit::fake_registry::{At, Fault, Gate, Rule};

use super::support::{LARGE, Pair, blob, copied};

/// Drops a copy when a request stands at the gate, then lets everything go on.
async fn dropped_at(gate: &Gate, pair: &Pair, length: usize) {
    let blob = blob("a", length);
    pair.put(&blob);
    tokio::select! {
        arrival = pair.copy(&blob) => panic!("it was not held: {arrival:?}"),
        () = gate.reached() => {}
    }
    gate.release();
    pair.assert_nothing_left(&blob).await;
}

#[tokio::test]
async fn an_upload_is_cancelled_that_begins_when_nobody_waits_for_it() {
    let pair = Pair::start().await;
    let gate = Gate::new();
    pair.target
        .stage(Rule::new("POST", "*"), Fault::hold(&gate));
    dropped_at(&gate, &pair, 1000).await;
    assert_eq!(pair.target_methods(), ["POST", "DELETE"]);
}

#[tokio::test]
async fn an_upload_is_cancelled_while_the_source_is_waited_for() {
    for at in [At::Headers, At::Body(1_000_000)] {
        let pair = Pair::start().await;
        let gate = Gate::new();
        let begun = Gate::new();
        pair.target
            .stage(Rule::new("POST", "*"), Fault::hold(&begun));
        begun.release();
        pair.source
            .stage(Rule::new("GET", "*"), Fault::stall(at, &gate));
        dropped_at(&gate, &pair, LARGE).await;
        assert_eq!(pair.target.count("DELETE", "/v2/to/blobs/uploads/*"), 1);
    }
}

#[tokio::test]
async fn an_upload_is_cancelled_in_the_middle_of_its_body() {
    let pair = Pair::start().await;
    let gate = Gate::new();
    pair.target.stage(
        Rule::new("PUT", "*"),
        Fault::stall(At::RequestBody(1_000_000), &gate),
    );
    dropped_at(&gate, &pair, 20 * LARGE).await;
    assert_eq!(pair.target_methods(), ["POST", "PUT", "DELETE"]);
}

#[tokio::test]
async fn an_upload_that_succeeded_is_not_cancelled() {
    let pair = Pair::start().await;
    let blob = blob("a", LARGE);
    pair.put(&blob);
    assert_eq!(pair.copy(&blob).await, Ok(copied(&blob)));
    pair.router.close().await;
    assert_eq!(pair.target.count("DELETE", "*"), 0);
}

#[tokio::test]
async fn closing_waits_for_a_cancellation() {
    let pair = Pair::start().await;
    let (put, delete) = (Gate::new(), Gate::new());
    pair.target.stage(
        Rule::new("PUT", "*"),
        Fault::stall(At::RequestBody(1), &put),
    );
    pair.target
        .stage(Rule::new("DELETE", "*"), Fault::hold(&delete));
    let blob = blob("a", 20 * LARGE);
    pair.put(&blob);
    tokio::select! {
        arrival = pair.copy(&blob) => panic!("it was not held: {arrival:?}"),
        () = put.reached() => {}
    }
    put.release();
    delete.reached().await;
    tokio::select! {
        biased;
        () = pair.router.close() => panic!("the cancellation is not over"),
        () = std::future::ready(()) => {}
    }
    delete.release();
    pair.assert_nothing_left(&blob).await;
}

#[tokio::test]
async fn a_cancellation_that_fails_harms_nobody() {
    let pair = Pair::start().await;
    pair.target
        .stage(Rule::new("DELETE", "*"), Fault::status(405));
    let blob = blob("a", 1000);
    pair.target
        .stage(Rule::new("PUT", "*").first(1), Fault::status(500));
    pair.put(&blob);
    pair.copy(&blob).await.unwrap_err();
    assert_eq!(pair.copy(&blob).await, Ok(copied(&blob)));
    let there = pair.router.has_blob(&pair.to(), &blob.digest).await;
    assert_eq!(there, Ok(true));
    pair.router.close().await;
}

#[tokio::test]
async fn an_upload_that_is_further_than_its_location_is_asked_for_and_cancelled() {
    let pair = Pair::start().await;
    pair.target
        .behave(|behaviour| behaviour.cancels_known_uploads_only = true);
    let blob = blob("a", LARGE);
    pair.put(&blob);
    let cut = Fault::reset(At::RequestBody(1_000_000));
    pair.target.stage(Rule::new("PUT", "*"), cut);
    pair.copy(&blob).await.unwrap_err();
    pair.assert_nothing_left(&blob).await;
    let methods = pair.target_methods();
    assert_eq!(methods, ["POST", "PUT", "DELETE", "GET", "DELETE"]);
}
