//! Uploads whose answer is a proxy's, or is lost.

use image_sync_shared::failure::FailureClass;
use image_sync_testkit::fake_registry::{At, Fault, Uploads};

use crate::push::targets::any_put;
use crate::support::{LARGE, TestRegistries, blob, copied};

#[tokio::test]
async fn an_upload_that_a_proxy_answered_is_asked_for_before_it_is_sent_again() {
    for uploads in [Uploads::All, Uploads::PatchOnly] {
        for status in [502, 504] {
            let registries = TestRegistries::start().await;
            registries
                .target
                .behave(|behaviour| behaviour.uploads = uploads);
            let blob = blob("a", LARGE);
            registries.put(&blob);
            let done = any_put().when(move |put| {
                uploads == Uploads::All || put.header("content-length") == Some("0")
            });
            registries
                .target
                .stage(done, Fault::DoneButAnswered(status));
            assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
            assert_eq!(registries.target.count("HEAD", "*"), 1);
            assert_eq!(
                registries.source.count("GET", "*"),
                registries.target.count("POST", "*")
            );
            registries.router.close().await;
            assert!(registries.target.has_blob("to", &blob.digest));
            assert_eq!(registries.target.open_uploads(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn an_upload_that_did_not_arrive_is_asked_for_once_more_and_then_sent_again() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", 1000);
    registries.put(&blob);
    registries
        .target
        .stage(any_put().first(1), Fault::status(504));
    let failure = registries.copy(&blob).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable);
    registries.router.close().await;
    assert_eq!(
        registries.target_methods(),
        ["POST", "PUT", "HEAD", "DELETE"]
    );
    registries.target.reset();
    assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
    assert_eq!(registries.target_methods(), ["HEAD", "POST", "PUT"]);
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_is_found_and_not_sent_again() {
    for length in [1000, LARGE] {
        let registries = TestRegistries::start().await;
        let blob = blob("a", length);
        registries.put(&blob);
        registries
            .target
            .stage(any_put(), Fault::reset(At::Headers));
        let failure = registries.copy(&blob).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Connection);
        registries.router.close().await;
        registries.target.reset();
        let own = registries.to().repository;
        assert_eq!(
            registries.copy_or_mount(&blob, &own).await,
            Ok(copied(&blob))
        );
        assert_eq!(registries.target_methods(), ["HEAD"]);
    }
}
