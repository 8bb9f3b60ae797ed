//! Faults of a source while a blob is read from it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image_sync_shared::failure::{FailureClass, Side};
use image_sync_shared::image::manifest::Descriptor;
use image_sync_testkit::fake_registry::{At, Auth, Fault, Gate, Request, Rule};
use image_sync_testkit::{FakeRegistry, PrivateCa};

use crate::support::{
    LARGE, RouterBuilder, TestRegistries, blob, copied, copy, repository, source, target,
};

fn any_blob() -> Rule {
    Rule::new("GET", "/v2/from/blobs/*")
}

fn redirect_to(registry: &FakeRegistry) -> Fault {
    Fault::Redirect {
        base: registry.url().to_owned(),
        query: "signature=of-the-url".to_owned(),
    }
}

#[tokio::test]
async fn a_blob_costs_one_get_as_it_is() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", LARGE);
    registries.put(&blob);
    assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
    registries.assert_copied(&blob).await;
    let requests = registries.source.requests();
    assert_eq!(requests.len(), 1, "{requests:#?}");
    assert_eq!(requests[0].header("accept-encoding"), Some("identity"));
    assert_eq!(requests[0].header("range"), None);
}

#[tokio::test]
async fn a_connection_that_is_cut_before_the_body_fails() {
    for at in [At::Headers, At::MidHeaders] {
        let registries = TestRegistries::start().await;
        let blob = blob("a", LARGE);
        registries.put(&blob);
        registries.source.stage(any_blob(), Fault::reset(at));
        registries
            .fails(&blob, Side::Source, FailureClass::Connection)
            .await;
        assert_eq!(registries.source.count("GET", "*"), 1);
        assert_eq!(registries.target_methods(), ["POST", "DELETE"]);
    }
}

#[tokio::test]
async fn a_body_that_is_cut_goes_on_where_it_was() {
    for cut in [
        Fault::reset(At::Body(1_000_000)),
        Fault::close(At::Body(1_000_000)),
    ] {
        let registries = TestRegistries::start().await;
        let blob = blob("a", LARGE);
        registries.put(&blob);
        registries.source.stage(any_blob().first(1), cut);
        assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
        registries.assert_copied(&blob).await;
        assert_eq!(
            registries.target_methods(),
            ["POST", "PUT"],
            "it took no notice"
        );
        let requests = registries.source.requests();
        assert_eq!(requests.len(), 2);
        let range = requests[1].header("range").unwrap();
        let from = range.strip_prefix("bytes=").unwrap().strip_suffix('-');
        assert!(
            from.unwrap().parse::<u64>().unwrap() <= 1_000_000,
            "{range}"
        );
        assert_eq!(requests[1].status, Some(206));
    }
}

#[tokio::test]
async fn a_registry_that_ignores_range_sends_the_blob_again() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", LARGE);
    registries.put(&blob);
    registries
        .source
        .behave(|behaviour| behaviour.ranges = false);
    let cut = Fault::close(At::Body(1_000_000));
    registries.source.stage(any_blob().first(1), cut);
    assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
    registries.assert_copied(&blob).await;
    assert_eq!(registries.source.requests()[1].status, Some(200));
    assert_eq!(registries.target_methods(), ["POST", "PUT"]);
}

#[tokio::test]
async fn a_body_that_is_cut_again_and_again_comes_whole_as_long_as_it_comes() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", LARGE);
    registries.put(&blob);
    registries
        .source
        .stage(any_blob(), Fault::close(At::Body(100_000)));
    assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
    registries.assert_copied(&blob).await;
    assert_eq!(registries.source.count("GET", "*"), LARGE.div_ceil(100_000));
}

#[tokio::test]
async fn a_body_of_which_little_comes_again_and_again_fails_in_the_end() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", LARGE);
    registries.put(&blob);
    registries
        .source
        .stage(any_blob(), Fault::close(At::Body(10_000)));
    registries
        .fails(&blob, Side::Source, FailureClass::Connection)
        .await;
    assert_eq!(registries.source.count("GET", "*"), 6, "five times more");
}

#[tokio::test]
async fn a_body_that_is_cut_twice_at_the_same_byte_fails_at_once() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", LARGE);
    registries.put(&blob);
    registries
        .source
        .behave(|behaviour| behaviour.ranges = false);
    registries
        .source
        .stage(any_blob(), Fault::close(At::Body(100_000)));
    registries
        .fails(&blob, Side::Source, FailureClass::Connection)
        .await;
    assert_eq!(registries.source.count("GET", "*"), 2);
}

#[tokio::test]
async fn a_rest_that_is_refused_fails_as_it_is_refused() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", LARGE);
    registries.put(&blob);
    let cut = Fault::close(At::Body(100_000));
    registries.source.stage(any_blob().first(1), cut);
    registries
        .source
        .stage(any_blob().after(1), Fault::status(503));
    registries
        .fails(&blob, Side::Source, FailureClass::Unavailable)
        .await;
}

#[tokio::test]
async fn a_body_that_stalls_fails_on_the_source() {
    let registries = TestRegistries::with(RouterBuilder::new().impatient()).await;
    let blob = blob("a", LARGE);
    registries.put(&blob);
    let gate = Gate::new();
    registries
        .source
        .stage(any_blob(), Fault::stall(At::Body(1_000_000), &gate));
    let failure = registries
        .fails(&blob, Side::Source, FailureClass::Timeout)
        .await;
    assert!(failure.answer.contains("no byte came"), "{failure}");
    let methods = registries.target_methods();
    assert_eq!(methods, ["POST", "PUT", "DELETE"]);
}

#[tokio::test]
async fn an_answer_that_stalls_fails_on_the_source() {
    let registries = TestRegistries::with(RouterBuilder::new().impatient()).await;
    let blob = blob("a", LARGE);
    registries.put(&blob);
    let gate = Gate::new();
    registries
        .source
        .stage(any_blob(), Fault::stall(At::MidHeaders, &gate));
    registries
        .fails(&blob, Side::Source, FailureClass::Timeout)
        .await;
    assert_eq!(registries.target_methods(), ["POST", "DELETE"]);
}

#[tokio::test]
async fn another_length_is_noticed_before_a_byte_is_sent() {
    for (fault, length) in [
        (Fault::TooShort(1), LARGE - 1),
        (Fault::TooLong(1), LARGE + 1),
    ] {
        let registries = TestRegistries::start().await;
        let blob = blob("a", LARGE);
        registries.put(&blob);
        registries.source.stage(any_blob(), fault);
        let failure = registries
            .fails(&blob, Side::Source, FailureClass::DigestMismatch)
            .await;
        assert!(failure.answer.contains(&length.to_string()), "{failure}");
        assert!(failure.answer.contains(&LARGE.to_string()), "{failure}");
        assert_eq!(registries.target_methods(), ["POST", "DELETE"]);
    }
}

#[tokio::test]
async fn a_blob_whose_bytes_do_not_match_its_digest_never_becomes_part_of_an_image() {
    for length in [1, 1000, LARGE] {
        let registries = TestRegistries::start().await;
        let blob = blob("a", length);
        registries.put(&blob);
        registries.source.stage(any_blob(), Fault::WrongBytes);
        let failure = registries
            .fails(&blob, Side::Source, FailureClass::DigestMismatch)
            .await;
        assert!(
            failure.answer.contains("have the digest sha256:"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn a_blob_with_a_content_encoding_is_judged_by_its_digest() {
    for label in ["gzip", "x-gzip", "aws-chunked", ""] {
        let registries = TestRegistries::start().await;
        let blob = blob("a", 100_000);
        registries.put(&blob);
        let labelled = Fault::SetHeader("content-encoding".to_owned(), label.to_owned());
        registries.source.stage(any_blob(), labelled);
        assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)), "{label}");
        registries.assert_copied(&blob).await;
    }
}

#[tokio::test]
async fn a_blob_that_is_encoded_once_more_is_refused() {
    // Of another length, and of the length that is expected, so that the digest alone tells.
    let labelled = Fault::SetHeader("content-encoding".to_owned(), "br".to_owned());
    for faults in [vec![Fault::Encoded], vec![Fault::WrongBytes, labelled]] {
        let registries = TestRegistries::start().await;
        let blob = blob("a", 1000);
        registries.put(&blob);
        for fault in faults {
            registries.source.stage(any_blob(), fault);
        }
        let failure = registries
            .fails(&blob, Side::Source, FailureClass::Invalid)
            .await;
        assert!(
            failure.answer.contains("with Content-Encoding"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn refusals_are_classed_on_the_source_and_the_upload_is_cancelled() {
    let retry_after_ms = Some(7000);
    for (fault, class) in [
        (Fault::status(404), FailureClass::NotFound),
        (Fault::status(403), FailureClass::Denied),
        (Fault::status(500), FailureClass::Unavailable),
        (
            Fault::rate_limited(Some("7")),
            FailureClass::RateLimited { retry_after_ms },
        ),
    ] {
        let registries = TestRegistries::start().await;
        let blob = blob("a", 1000);
        registries.put(&blob);
        registries.source.stage(any_blob(), fault);
        registries.fails(&blob, Side::Source, class).await;
        assert_eq!(registries.target_methods(), ["POST", "DELETE"]);
    }
}

#[tokio::test]
async fn credentials_do_not_follow_a_blob_to_another_host() {
    let registry = FakeRegistry::builder().auth(Auth::basic("me", "secret"));
    let registry = registry.start().await.unwrap();
    let store = registry.second_host().start().await.unwrap();
    let target = FakeRegistry::start().await.unwrap();
    let blob = blob("a", LARGE);
    registry.put_blob("from", &blob.digest, blob.bytes.clone());
    let known = any_blob().when(Request::has_credentials);
    registry.stage(known, redirect_to(&store));
    // The rest is asked for at the registry again, as what a redirect leads to may be over by then.
    store.stage(any_blob().first(1), Fault::close(At::Body(1_000_000)));

    let router = RouterBuilder::new()
        .login(registry.host(), "me", "secret")
        .router();
    let from = source(repository(registry.host(), "from"));
    let to = crate::support::target(repository(target.host(), "to"));
    let arrival = copy(&router, &from, &to, &blob.descriptor()).await;
    assert_eq!(arrival, Ok(copied(&blob)));

    let credentials = registry.count_where(Request::has_credentials);
    assert_eq!(credentials, 2, "they are for the registry");
    assert_eq!(store.count("GET", "*"), 2);
    assert_eq!(store.count_where(Request::has_credentials), 0);
}

#[tokio::test]
async fn a_blob_is_not_fetched_over_plain_http_where_the_registry_has_tls() {
    let scratch = tempfile::tempdir().unwrap();
    let ca = PrivateCa::new().unwrap();
    let registry = FakeRegistry::builder().tls(&ca).start().await.unwrap();
    let store = registry.second_host().start().await.unwrap();
    let target = FakeRegistry::start().await.unwrap();
    let blob = blob("a", 1000);
    registry.put_blob("from", &blob.digest, blob.bytes.clone());
    registry.stage(any_blob(), redirect_to(&store));

    let setup = RouterBuilder::new().trusting(registry.host(), &ca, scratch.path());
    let from = source(repository(registry.host(), "from"));
    let to = crate::support::target(repository(target.host(), "to"));
    let copied = copy(&setup.router(), &from, &to, &blob.descriptor()).await;
    let failure = copied.unwrap_err();
    assert_eq!(failure.side, Side::Source);
    assert_eq!(failure.class, FailureClass::Invalid, "{failure}");
    assert_eq!(store.requests(), []);
}

#[tokio::test]
async fn a_blob_that_its_descriptor_embeds_need_not_be_at_the_source() {
    let (registry, blob) = (FakeRegistry::start().await.unwrap(), blob("a", 100));
    let router = RouterBuilder::new().router();
    let from = source(repository(registry.host(), "from"));
    let to = target(repository(registry.host(), "to"));
    let embedding = |bytes: &[u8]| Descriptor {
        data: Some(STANDARD.encode(bytes)),
        ..blob.descriptor()
    };
    for wrong in [&blob.bytes[1..], &[0; 100], b""] {
        let failure = copy(&router, &from, &to, &embedding(wrong))
            .await
            .unwrap_err();
        assert_eq!(failure.class, FailureClass::NotFound, "{failure}");
    }
    let arrival = copy(&router, &from, &to, &embedding(&blob.bytes)).await;
    assert_eq!(arrival, Ok(copied(&blob)));
    assert_eq!(registry.blob("to", &blob.digest), Some(blob.bytes));
}
