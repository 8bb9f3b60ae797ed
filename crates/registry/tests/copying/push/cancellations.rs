//! Copies that nobody waits for any more.

use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_testkit::fake_registry::{At, Fault, Gate, Rule};

use crate::support::{LARGE, TestRegistries, blob, copied};

/// Drops a copy when a request stands at the gate, then lets everything go on.
async fn dropped_at(gate: &Gate, registries: &TestRegistries, length: usize) {
    let blob = blob("a", length);
    registries.put(&blob);
    tokio::select! {
        arrival = registries.copy(&blob) => panic!("it was not held: {arrival:?}"),
        () = gate.reached() => {}
    }
    gate.release();
    registries.assert_nothing_left(&blob).await;
}

#[tokio::test]
async fn an_upload_is_cancelled_that_begins_when_nobody_waits_for_it() {
    let registries = TestRegistries::start().await;
    let gate = Gate::new();
    registries
        .target
        .stage(Rule::new("POST", "*"), Fault::hold(&gate));
    dropped_at(&gate, &registries, 1000).await;
    assert_eq!(registries.target_methods(), ["POST", "DELETE"]);
}

#[tokio::test]
async fn an_upload_is_cancelled_while_the_source_is_waited_for() {
    for at in [At::Headers, At::Body(1_000_000)] {
        let registries = TestRegistries::start().await;
        let gate = Gate::new();
        let begun = Gate::new();
        registries
            .target
            .stage(Rule::new("POST", "*"), Fault::hold(&begun));
        begun.release();
        registries
            .source
            .stage(Rule::new("GET", "*"), Fault::stall(at, &gate));
        dropped_at(&gate, &registries, LARGE).await;
        assert_eq!(
            registries.target.count("DELETE", "/v2/to/blobs/uploads/*"),
            1
        );
    }
}

#[tokio::test]
async fn an_upload_is_cancelled_in_the_middle_of_its_body() {
    let registries = TestRegistries::start().await;
    let gate = Gate::new();
    registries.target.stage(
        Rule::new("PUT", "*"),
        Fault::stall(At::RequestBody(1_000_000), &gate),
    );
    dropped_at(&gate, &registries, 20 * LARGE).await;
    assert_eq!(registries.target_methods(), ["POST", "PUT", "DELETE"]);
}

#[tokio::test]
async fn an_upload_that_succeeded_is_not_cancelled() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", LARGE);
    registries.put(&blob);
    assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
    registries.router.close().await;
    assert_eq!(registries.target.count("DELETE", "*"), 0);
}

#[tokio::test]
async fn closing_waits_for_a_cancellation() {
    let registries = TestRegistries::start().await;
    let (put, delete) = (Gate::new(), Gate::new());
    registries.target.stage(
        Rule::new("PUT", "*"),
        Fault::stall(At::RequestBody(1), &put),
    );
    registries
        .target
        .stage(Rule::new("DELETE", "*"), Fault::hold(&delete));
    let blob = blob("a", 20 * LARGE);
    registries.put(&blob);
    tokio::select! {
        arrival = registries.copy(&blob) => panic!("it was not held: {arrival:?}"),
        () = put.reached() => {}
    }
    put.release();
    delete.reached().await;
    tokio::select! {
        biased;
        () = registries.router.close() => panic!("the cancellation is not over"),
        () = std::future::ready(()) => {}
    }
    delete.release();
    registries.assert_nothing_left(&blob).await;
}

#[tokio::test]
async fn a_cancellation_that_fails_harms_nobody() {
    let registries = TestRegistries::start().await;
    registries
        .target
        .stage(Rule::new("DELETE", "*"), Fault::status(405));
    let blob = blob("a", 1000);
    registries
        .target
        .stage(Rule::new("PUT", "*").first(1), Fault::status(500));
    registries.put(&blob);
    registries.copy(&blob).await.unwrap_err();
    assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
    let there = registries
        .router
        .has_blob(&registries.to(), &blob.digest)
        .await;
    assert_eq!(there, Ok(true));
    registries.router.close().await;
}

#[tokio::test]
async fn an_upload_that_is_further_than_its_location_is_asked_for_and_cancelled() {
    let registries = TestRegistries::start().await;
    registries
        .target
        .behave(|behaviour| behaviour.cancels_known_uploads_only = true);
    let blob = blob("a", LARGE);
    registries.put(&blob);
    let cut = Fault::reset(At::RequestBody(1_000_000));
    registries.target.stage(Rule::new("PUT", "*"), cut);
    registries.copy(&blob).await.unwrap_err();
    registries.assert_nothing_left(&blob).await;
    let methods = registries.target_methods();
    assert_eq!(methods, ["POST", "PUT", "DELETE", "GET", "DELETE"]);
}

#[tokio::test]
async fn an_upload_that_is_accepted_but_not_ended_by_its_closing_put_is_cancelled() {
    for location in [None, Some("/v2/to/blobs/uploads/moved")] {
        let registries = TestRegistries::start().await;
        let accepted = Fault::status(202);
        let accepted = match location {
            Some(moved) => accepted.with_header("location", moved),
            None => accepted,
        };
        registries.target.stage(Rule::new("PUT", "*"), accepted);
        let blob = blob("a", 1000);
        registries.put(&blob);
        let failure = registries.copy(&blob).await.unwrap_err();
        assert!(failure.answer.contains("expected 201 Created"), "{failure}");
        registries.router.close().await;
        let expected = location.unwrap_or("/v2/to/blobs/uploads/*");
        assert_eq!(registries.target.count("DELETE", expected), 1);
    }
}
