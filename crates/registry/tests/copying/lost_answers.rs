//! Uploads whose answer is a proxy's, or is lost.

use image_sync_shared::failure::FailureClass;
use image_sync_testkit::fake_registry::{At, Fault, Uploads};

use super::support::{LARGE, Pair, blob, copied};
use super::targets::any_put;

#[tokio::test]
async fn an_upload_that_a_proxy_answered_is_asked_for_before_it_is_sent_again() {
    for uploads in [Uploads::All, Uploads::PatchOnly] {
        for status in [502, 504] {
            let pair = Pair::start().await;
            pair.target.behave(|behaviour| behaviour.uploads = uploads);
            let blob = blob("a", LARGE);
            pair.put(&blob);
            let done = any_put().when(move |put| {
                uploads == Uploads::All || put.header("content-length") == Some("0")
            });
            pair.target.stage(done, Fault::DoneButAnswered(status));
            assert_eq!(pair.copy(&blob).await, Ok(copied(&blob)));
            assert_eq!(pair.target.count("HEAD", "*"), 1);
            assert_eq!(
                pair.source.count("GET", "*"),
                pair.target.count("POST", "*")
            );
            pair.router.close().await;
            assert!(pair.target.has_blob("to", &blob.digest));
            assert_eq!(pair.target.open_uploads(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn an_upload_that_did_not_arrive_is_asked_for_once_more_and_then_sent_again() {
    let pair = Pair::start().await;
    let blob = blob("a", 1000);
    pair.put(&blob);
    pair.target.stage(any_put().first(1), Fault::status(504));
    let failure = pair.copy(&blob).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable);
    pair.router.close().await;
    assert_eq!(pair.target_methods(), ["POST", "PUT", "HEAD", "DELETE"]);
    pair.target.reset();
    assert_eq!(pair.copy(&blob).await, Ok(copied(&blob)));
    assert_eq!(pair.target_methods(), ["HEAD", "POST", "PUT"]);
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_is_found_and_not_sent_again() {
    for length in [1000, LARGE] {
        let pair = Pair::start().await;
        let blob = blob("a", length);
        pair.put(&blob);
        pair.target.stage(any_put(), Fault::reset(At::Headers));
        let failure = pair.copy(&blob).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Connection);
        pair.router.close().await;
        pair.target.reset();
        let own = pair.to().repository;
        assert_eq!(pair.copy_or_mount(&blob, &own).await, Ok(copied(&blob)));
        assert_eq!(pair.target_methods(), ["HEAD"]);
    }
}
