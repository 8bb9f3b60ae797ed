//! What a blob costs at its target, the forms that targets have, and their faults.

use image_sync_shared::failure::{Failure, FailureClass, Reaction, Side};
use image_sync_shared::image::digest::{Algorithm, Hasher};
use image_sync_shared::ports::transfer::registries::Arrival;
use image_sync_testkit::fake_registry::{
    At, Auth, Fault, Gate, Request, Rule, TokenService, UploadLocation, Uploads,
};
use image_sync_testkit::{FakeRegistry, PrivateCa};
use tokio::time::{Duration, advance, pause, resume};

use crate::support::{
    LARGE, RouterBuilder, TestRegistries, blob, copied, copy, methods, repository, source, target,
};

pub(crate) fn any_put() -> Rule {
    Rule::new("PUT", "/v2/to/blobs/uploads/*")
}

#[tokio::test]
async fn a_blob_costs_a_post_and_a_put_with_its_length() {
    for length in [0, 1, 1000, LARGE] {
        let registries = TestRegistries::start().await;
        let blob = blob("a", length);
        registries.put(&blob);
        assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
        registries.assert_copied(&blob).await;
        assert_eq!(registries.target_methods(), ["POST", "PUT"]);
        let put = &registries.target.requests()[1];
        assert_eq!(put.header("content-length"), Some(&*length.to_string()));
        assert_eq!(put.header("transfer-encoding"), None);
        assert_eq!(put.parameter("digest"), Some(blob.digest.to_string()));
    }
}

#[tokio::test]
async fn a_post_that_begins_an_upload_or_mounts_states_that_it_has_no_body() {
    for own in [false, true] {
        let registries = TestRegistries::start().await;
        registries
            .target
            .behave(|behaviour| behaviour.uploads = Uploads::PatchOnly);
        let blob = blob("a", 1000);
        registries.put(&blob);
        let to = registries.to().repository;
        let arrival = if own {
            registries.copy_or_mount(&blob, &to).await
        } else {
            registries.copy(&blob).await
        };
        assert_eq!(arrival, Ok(copied(&blob)));
        for request in registries.target.requests() {
            let length = request.header("content-length");
            assert_eq!(length.is_some(), request.method != "DELETE", "{request:?}");
        }
    }
}

#[tokio::test]
async fn a_blob_may_have_a_digest_of_another_algorithm() {
    let registries = TestRegistries::start().await;
    let mut blob = blob("a", LARGE);
    let mut hasher = Hasher::new(Algorithm::Sha512);
    hasher.update(&blob.bytes);
    blob.digest = hasher.finish();
    registries.put(&blob);
    assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
    registries.assert_copied(&blob).await;
}

#[tokio::test]
async fn a_location_may_be_relative_or_absolute_and_have_a_query() {
    for location in [
        UploadLocation::Relative,
        UploadLocation::Absolute,
        UploadLocation::WithQuery,
    ] {
        let registries = TestRegistries::start().await;
        let blob = blob("a", 1000);
        registries.put(&blob);
        registries
            .target
            .behave(|behaviour| behaviour.upload_location = location.clone());
        assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
        registries.assert_copied(&blob).await;
        let query = &registries.target.requests()[1].query;
        let own = query.starts_with("_state=a%2Fb%3D%3D&part=1&digest=");
        assert_eq!(own, location == UploadLocation::WithQuery, "{query}");
    }
}

#[tokio::test]
async fn an_upload_on_another_host_gets_no_credentials() {
    let registry = FakeRegistry::builder().auth(Auth::basic("me", "secret"));
    let registry = registry.start().await.unwrap();
    let store = registry.second_host().start().await.unwrap();
    let at_store = UploadLocation::At(store.url().to_owned());
    registry.behave(|behaviour| behaviour.upload_location = at_store);
    let origin = FakeRegistry::start().await.unwrap();
    let router = RouterBuilder::new()
        .login(registry.host(), "me", "secret")
        .router();
    let from = source(repository(origin.host(), "from"));
    let to = target(repository(registry.host(), "to"));

    let blob = blob("a", LARGE);
    origin.put_blob("from", &blob.digest, blob.bytes.clone());
    let arrival = copy(&router, &from, &to, &blob.descriptor()).await;
    assert_eq!(arrival, Ok(copied(&blob)));
    assert_eq!(methods(&store), ["PUT"]);

    // Nor does its cancellation.
    store.stage(any_put(), Fault::status(500));
    registry.remove_blob("to", &blob.digest);
    let failed = copy(&router, &from, &to, &blob.descriptor()).await;
    assert_eq!(failed.unwrap_err().class, FailureClass::Unavailable);
    router.close().await;
    assert_eq!(methods(&store), ["PUT", "PUT", "DELETE"]);
    assert_eq!(store.count_where(Request::has_credentials), 0);
}

#[tokio::test]
async fn an_upload_does_not_go_to_plain_http_where_the_registry_has_tls() {
    let scratch = tempfile::tempdir().unwrap();
    let ca = PrivateCa::new().unwrap();
    let registry = FakeRegistry::builder().tls(&ca).start().await.unwrap();
    let store = registry.second_host().start().await.unwrap();
    let at_store = UploadLocation::At(store.url().to_owned());
    registry.behave(|behaviour| behaviour.upload_location = at_store);
    let origin = FakeRegistry::start().await.unwrap();
    let blob = blob("a", 1000);
    origin.put_blob("from", &blob.digest, blob.bytes.clone());

    let setup = RouterBuilder::new().trusting(registry.host(), &ca, scratch.path());
    let from = source(repository(origin.host(), "from"));
    let to = target(repository(registry.host(), "to"));
    let failed = copy(&setup.router(), &from, &to, &blob.descriptor()).await;
    let failure = failed.unwrap_err();
    assert_eq!(failure.side, Side::Target);
    assert_eq!(failure.class, FailureClass::Invalid);
    assert!(failure.answer.contains("from https to http"), "{failure}");
    assert_eq!(store.requests(), []);
}

#[tokio::test]
async fn a_registry_that_refuses_a_put_with_a_body_gets_a_patch_from_then_on() {
    for length in [1, LARGE] {
        let registries = TestRegistries::start().await;
        registries
            .target
            .behave(|behaviour| behaviour.uploads = Uploads::PatchOnly);
        let blobs = [blob("a", length), blob("b", length)];
        let own = registries.to().repository;
        for blob in &blobs {
            registries.put(blob);
            let arrival = registries.copy_or_mount(blob, &own).await;
            assert_eq!(arrival, Ok(copied(blob)));
        }
        registries.router.close().await;
        let patch = ["POST", "PATCH", "PUT"];
        let mut methods = registries.target_methods();
        methods.retain(|method| method != "DELETE");
        assert_eq!(methods[..5], [&["POST", "PUT"][..], &patch].concat());
        assert_eq!(methods[5..], patch, "it is remembered");
        for blob in &blobs {
            assert!(registries.target.has_blob("to", &blob.digest));
        }
        assert_eq!(registries.target.open_uploads(), [""; 0]);
    }
}

#[tokio::test]
async fn each_status_by_which_a_put_with_a_body_may_be_refused_leads_to_a_patch() {
    for status in [400, 405, 411, 415, 416, 501] {
        let registries = TestRegistries::start().await;
        let blob = blob("a", 1000);
        registries.put(&blob);
        let with_body = any_put().when(|put| put.header("content-length") != Some("0"));
        registries.target.stage(with_body, Fault::status(status));
        let own = registries.to().repository;
        let arrival = registries.copy_or_mount(&blob, &own).await;
        assert_eq!(arrival, Ok(copied(&blob)), "{status}");
        assert!(registries.target.has_blob("to", &blob.digest));
    }
}

#[tokio::test]
async fn an_empty_blob_is_patched_too() {
    let registries = TestRegistries::start().await;
    registries
        .target
        .behave(|behaviour| behaviour.uploads = Uploads::PatchOnly);
    for blob in [blob("a", 1), blob("b", 0)] {
        registries.put(&blob);
        assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
        assert!(registries.target.has_blob("to", &blob.digest));
    }
}

#[tokio::test]
async fn a_put_that_is_refused_either_way_fails_and_is_not_remembered() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", LARGE);
    registries.put(&blob);
    let refused = registries.target.stage(any_put(), Fault::status(405));
    registries
        .fails(&blob, Side::Target, FailureClass::Invalid)
        .await;
    refused.end();
    registries.target.reset();
    assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
    assert_eq!(registries.target_methods(), ["POST", "PUT"]);
}

#[tokio::test]
async fn refusals_are_classed_on_the_target_and_the_upload_is_cancelled() {
    for length in [1000, LARGE] {
        for (status, class) in [
            (403, FailureClass::Denied),
            (404, FailureClass::Inconsistent),
            (409, FailureClass::Inconsistent),
            (412, FailureClass::Inconsistent),
            (423, FailureClass::Inconsistent),
            (500, FailureClass::Unavailable),
            (503, FailureClass::Unavailable),
        ] {
            let registries = TestRegistries::start().await;
            let blob = blob("a", length);
            registries.put(&blob);
            registries.target.stage(any_put(), Fault::status(status));
            registries.fails(&blob, Side::Target, class).await;
            assert_eq!(registries.target_methods(), ["POST", "PUT", "DELETE"]);
        }
    }
}

#[tokio::test]
async fn an_upload_that_cannot_begin_fails_on_the_target() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", 1000);
    registries.put(&blob);
    registries
        .target
        .behave(|behaviour| behaviour.creates_repositories = false);
    registries
        .fails(&blob, Side::Target, FailureClass::NotFound)
        .await;
    assert_eq!(registries.target_methods(), ["POST"]);
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_the_body_is_told_as_the_targets() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", 20 * LARGE);
    registries.put(&blob);
    registries.target.stage(any_put(), Fault::AnswerEarly(507));
    let failure = registries.copy(&blob).await.unwrap_err();
    assert_eq!(failure.side, Side::Target, "{failure}");
    registries.assert_nothing_left(&blob).await;
}

#[tokio::test]
async fn a_connection_that_is_cut_in_the_middle_of_the_body_fails_on_the_target() {
    for then in [Fault::reset, Fault::close] {
        let registries = TestRegistries::start().await;
        let blob = blob("a", LARGE);
        registries.put(&blob);
        registries
            .target
            .stage(any_put(), then(At::RequestBody(1_000_000)));
        registries
            .fails(&blob, Side::Target, FailureClass::Connection)
            .await;
    }
}

#[tokio::test]
async fn a_target_that_takes_no_more_bytes_fails_and_not_the_source() {
    let registries = TestRegistries::with(RouterBuilder::new().impatient()).await;
    // More than the buffers of two sockets hold.
    let blob = blob("a", 20 * LARGE);
    registries.put(&blob);
    let gate = Gate::new();
    registries
        .target
        .stage(any_put(), Fault::stall(At::RequestBody(1_000_000), &gate));
    let failure = registries.copy(&blob).await.unwrap_err();
    assert_eq!(failure.side, Side::Target);
    assert_eq!(failure.class, FailureClass::Timeout);
    assert!(failure.answer.contains("no byte was taken"), "{failure}");
    gate.release();
    registries.assert_nothing_left(&blob).await;
}

/// What comes of a blob if the answer to its last byte takes so long.
async fn answered_after(seconds: u64, length: usize) -> Result<Arrival, Failure> {
    let registries = TestRegistries::start().await;
    let blob = blob("a", length);
    registries.put(&blob);
    let gate = Gate::new();
    registries
        .target
        .stage(any_put(), Fault::stall(At::Headers, &gate));
    let late = async {
        gate.reached().await;
        pause();
        advance(Duration::from_secs(seconds)).await;
        resume();
        gate.release();
    };
    let (arrival, ()) = tokio::join!(registries.copy(&blob), late);
    arrival
}

#[tokio::test]
async fn the_answer_after_the_last_byte_is_waited_for_longer_but_not_for_ever() {
    for length in [1000, LARGE] {
        let bytes = length as u64;
        let arrival = answered_after(299, length).await;
        assert_eq!(arrival, Ok(Arrival::Copied { bytes }));
        let failure = answered_after(301, length).await.unwrap_err();
        assert_eq!(failure.side, Side::Target);
        assert_eq!(failure.class, FailureClass::Timeout, "{failure}");
    }
}

#[tokio::test]
async fn a_registry_that_stored_other_bytes_fails() {
    let registries = TestRegistries::start().await;
    let (blob, other) = (blob("a", 1000), blob("other", 1));
    registries.put(&blob);
    let lie = Fault::SetHeader("docker-content-digest".to_owned(), other.digest.to_string());
    registries.target.stage(any_put(), lie);
    let failure = registries.copy(&blob).await.unwrap_err();
    assert_eq!(failure.side, Side::Target);
    assert_eq!(failure.class, FailureClass::DigestMismatch, "{failure}");
}

#[tokio::test]
async fn a_token_that_is_refused_in_the_middle_is_replaced() {
    let tokens = TokenService::new().user("me", "secret");
    let registry = FakeRegistry::builder().auth(Auth::bearer(&tokens));
    let registry = registry.start().await.unwrap();
    let origin = FakeRegistry::start().await.unwrap();
    let router = RouterBuilder::new()
        .login(registry.host(), "me", "secret")
        .router();
    let from = source(repository(origin.host(), "from"));
    let to = target(repository(registry.host(), "to"));
    let (small, large) = (blob("small", 1000), blob("large", LARGE));
    for blob in [&small, &large] {
        origin.put_blob("from", &blob.digest, blob.bytes.clone());
    }
    // Its end comes between the POST and the PUT.
    for reaction in [None, Some(Reaction::Retry)] {
        let blob = if reaction.is_none() { &small } else { &large };
        let gate = Gate::new();
        registry.stage(any_put().first(1), Fault::hold(&gate));
        let ended = async {
            gate.reached().await;
            tokens.expire_all();
            gate.release();
        };
        let descriptor = blob.descriptor();
        let (arrival, ()) = tokio::join!(copy(&router, &from, &to, &descriptor), ended);
        let failure = arrival.err().map(|failure| failure.class.reaction());
        assert_eq!(failure, reaction, "only what is whole can be sent again");
    }
    let arrival = copy(&router, &from, &to, &large.descriptor()).await;
    assert_eq!(arrival, Ok(copied(&large)));
    assert_eq!(
        tokens.requests().len(),
        3,
        "the first, and one after each end"
    );
    router.close().await;
    assert_eq!(registry.open_uploads(), [""; 0]);
}
