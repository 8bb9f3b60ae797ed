//! Blobs that are sent in chunks, and what becomes of cuts in between.

use image_sync_shared::failure::{FailureClass, Side};
use image_sync_testkit::fake_registry::{At, Fault, Request, Rule, Uploads};
use image_sync_testkit::images::Blob;

use crate::support::{LARGE, RouterBuilder, TestRegistries, blob, copied, copy, folder, source};

const MIB: usize = 1024 * 1024;

fn any_patch() -> Rule {
    Rule::new("PATCH", "/v2/to/blobs/uploads/*")
}

/// Two registries, the target with a chunk size of a mebibyte, and a blob of a little more than three.
async fn in_mebibytes() -> (TestRegistries, Blob) {
    let mut registries = TestRegistries::start().await;
    registries.router = RouterBuilder::new()
        .chunks(registries.target.host(), 1 << 20)
        .router();
    let blob = blob("a", LARGE + 5);
    registries.put(&blob);
    (registries, blob)
}

/// The Content-Range of all PATCH requests.
fn ranges(registries: &TestRegistries) -> Vec<String> {
    let requests = registries.target.requests();
    let patches = requests.iter().filter(|request| request.method == "PATCH");
    patches
        .map(|patch| patch.header("content-range").unwrap().to_owned())
        .collect()
}

/// Where the second PATCH after a cut begins.
fn resumed_at(registries: &TestRegistries) -> usize {
    let ranges = ranges(registries);
    ranges[2].split_once('-').unwrap().0.parse().unwrap()
}

#[tokio::test]
async fn a_blob_longer_than_chunk_size_is_sent_in_chunks_and_closed_without_a_body() {
    let (registries, blob) = in_mebibytes().await;
    assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
    registries.assert_copied(&blob).await;
    assert_eq!(
        ranges(&registries),
        [
            "0-1048575",
            "1048576-2097151",
            "2097152-3145727",
            "3145728-3145732"
        ]
    );
    let requests = registries.target.requests();
    let lengths: Vec<_> = requests
        .iter()
        .map(|r| r.header("content-length"))
        .collect();
    let mib = Some("1048576");
    assert_eq!(lengths, [Some("0"), mib, mib, mib, Some("5"), Some("0")]);
    assert_eq!(requests.last().unwrap().method, "PUT");
    assert_eq!(registries.source.count("*", "*"), 1, "read once");
}

#[tokio::test]
async fn a_blob_within_chunk_size_is_sent_whole() {
    let (registries, _) = in_mebibytes().await;
    for length in [0, 1, MIB] {
        let blob = blob("b", length);
        registries.put(&blob);
        registries.target.reset();
        assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
        assert_eq!(registries.target_methods(), ["POST", "PUT"], "{length}");
    }
}

#[tokio::test]
async fn chunks_are_as_long_as_oci_chunk_max_length_allows() {
    let registries = TestRegistries::start().await;
    registries.target.behave(|behaviour| {
        behaviour.chunk_min = Some(1000);
        behaviour.chunk_max = Some(1_000_000);
        behaviour.body_limit = Some(1_000_000);
    });
    let blob = blob("a", 3_000_000);
    registries.put(&blob);
    let own = registries.to().repository;
    assert_eq!(
        registries.copy_or_mount(&blob, &own).await,
        Ok(copied(&blob))
    );
    registries.assert_copied(&blob).await;
    let methods = ["POST", "PATCH", "PATCH", "PATCH", "PUT"];
    assert_eq!(registries.target_methods(), methods);
}

#[tokio::test]
async fn an_oci_chunk_max_length_of_a_byte_is_refused() {
    let registries = TestRegistries::start().await;
    registries
        .target
        .behave(|behaviour| behaviour.chunk_max = Some(1));
    let blob = blob("a", LARGE);
    registries.put(&blob);
    let failure = registries
        .fails(&blob, Side::Target, FailureClass::Invalid)
        .await;
    assert!(failure.answer.contains("chunks of 1 bytes"), "{failure}");
}

#[tokio::test]
async fn after_a_413_chunks_of_half_the_size_are_tried_and_what_worked_is_remembered() {
    for uploads in [Uploads::All, Uploads::PatchOnly] {
        let registries = TestRegistries::start().await;
        registries.target.behave(|behaviour| {
            behaviour.body_limit = Some(6 << 20);
            behaviour.uploads = uploads;
        });
        let blobs = [blob("a", 20 * MIB), blob("b", 12 * MIB)];
        for blob in &blobs {
            registries.put(blob);
            assert_eq!(registries.copy(blob).await, Ok(copied(blob)));
        }
        registries.router.close().await;
        let refused = |request: &Request| request.status == Some(413);
        assert_eq!(registries.target.count_where(refused), 2, "20 and 10 MiB");
        let taken = |request: &Request| request.method == "PATCH" && !refused(request);
        assert_eq!(registries.target.count_where(taken), 4 + 3);
        for blob in &blobs {
            let there = registries.target.blob("to", &blob.digest);
            assert_eq!(there.as_ref(), Some(&blob.bytes));
        }
        assert_eq!(registries.target.open_uploads(), [""; 0]);
    }
}

#[tokio::test]
async fn a_413_that_no_chunk_gets_around_says_what_may() {
    let registries = TestRegistries::start().await;
    registries
        .target
        .behave(|behaviour| behaviour.body_limit = Some(1 << 20));
    for length in [LARGE, 12 * MIB] {
        let blob = blob("a", length);
        registries.put(&blob);
        let failure = registries
            .fails(&blob, Side::Target, FailureClass::Invalid)
            .await;
        assert!(failure.answer.contains("413"), "{failure}");
        assert!(failure.answer.contains("chunk_size"), "{failure}");
    }
}

#[tokio::test]
async fn a_chunk_that_is_cut_is_resumed_where_the_registry_says_it_is() {
    for cut in [
        Fault::reset(At::RequestBody(500_000)),
        Fault::close(At::RequestBody(500_000)),
    ] {
        let (registries, blob) = in_mebibytes().await;
        registries.target.stage(any_patch().nth(2), cut);
        assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
        registries.assert_copied(&blob).await;
        assert_eq!(registries.target.count("GET", "/v2/to/blobs/uploads/*"), 1);
        assert_eq!(registries.target.count("POST", "*"), 1, "the same upload");
        let at = resumed_at(&registries);
        assert!((MIB..=MIB + 500_000).contains(&at), "{at}");
        let requests = registries.source.requests();
        assert_eq!(requests.len(), 2, "{requests:#?}");
        let range = requests[1].header("range");
        assert_eq!(range, Some("bytes=1048576-"), "from the chunk's start");
    }
}

#[tokio::test]
async fn a_chunk_whose_answer_is_lost_is_not_sent_again() {
    for (fault, source_requests) in [
        (Fault::reset(At::Headers), 1),
        (Fault::DoneButAnswered(504), 1),
        (Fault::DoneButAnswered(416), 1),
    ] {
        let (registries, blob) = in_mebibytes().await;
        registries.target.stage(any_patch().nth(2), fault);
        assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
        registries.assert_copied(&blob).await;
        assert_eq!(resumed_at(&registries), 2 * MIB);
        assert_eq!(registries.source.count("*", "*"), source_requests);
    }
}

#[tokio::test]
async fn a_chunk_that_is_refused_for_a_moment_is_sent_again() {
    for status in [416, 500, 502] {
        let (registries, blob) = in_mebibytes().await;
        registries
            .target
            .stage(any_patch().nth(2), Fault::status(status));
        assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)), "{status}");
        registries.assert_copied(&blob).await;
        assert_eq!(resumed_at(&registries), MIB);
    }
}

#[tokio::test]
async fn a_chunk_that_is_refused_twice_at_the_same_byte_fails() {
    let (registries, blob) = in_mebibytes().await;
    registries
        .target
        .stage(any_patch().after(1), Fault::status(500));
    let class = FailureClass::Unavailable;
    registries.fails(&blob, Side::Target, class).await;
    assert_eq!(registries.target.count("PATCH", "*"), 3);
}

#[tokio::test]
async fn a_registry_that_has_lost_what_came_before_gets_it_again() {
    let (registries, blob) = in_mebibytes().await;
    registries
        .target
        .stage(any_patch().nth(3), Fault::status(500));
    // It says so, and then that it has more after all.
    let state = Rule::new("GET", "/v2/to/blobs/uploads/*").first(1);
    let lost = Fault::SetHeader("range".to_owned(), "0-99".to_owned());
    registries.target.stage(state, lost);
    assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
    registries.assert_copied(&blob).await;
    let ranges = ranges(&registries);
    assert!(ranges[3].starts_with("100-"), "{ranges:?}");
    assert!(ranges[4].starts_with("2097152-"), "{ranges:?}");
}

#[tokio::test]
async fn a_registry_that_takes_a_part_of_a_chunk_gets_the_rest() {
    let (registries, blob) = in_mebibytes().await;
    let part = Fault::SetHeader("range".to_owned(), "0-1999999".to_owned());
    registries.target.stage(any_patch().nth(2), part);
    assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
    registries.assert_copied(&blob).await;
    assert_eq!(resumed_at(&registries), 2_000_000);
}

#[tokio::test]
async fn an_upload_that_is_unknown_after_a_cut_fails_as_it_was_cut() {
    let (registries, blob) = in_mebibytes().await;
    let cut = Fault::reset(At::RequestBody(500_000));
    registries.target.stage(any_patch().nth(2), cut);
    let state = Rule::new("GET", "/v2/to/blobs/uploads/*");
    registries.target.stage(state, Fault::status(404));
    let class = FailureClass::Connection;
    registries.fails(&blob, Side::Target, class).await;
}

#[tokio::test]
async fn the_range_of_a_416_counts_where_the_upload_cannot_be_asked_for() {
    let (registries, blob) = in_mebibytes().await;
    let refused = Fault::Answer {
        status: 416,
        headers: vec![("Range".to_owned(), "0-1048575".to_owned())],
        body: String::new(),
    };
    registries.target.stage(any_patch().nth(2), refused);
    let state = Rule::new("GET", "/v2/to/blobs/uploads/*");
    registries.target.stage(state, Fault::status(405));
    assert_eq!(registries.copy(&blob).await, Ok(copied(&blob)));
    registries.assert_copied(&blob).await;
    assert_eq!(resumed_at(&registries), MIB);
}

#[tokio::test]
async fn a_folder_is_read_again_from_the_chunk_that_was_cut() {
    let (registries, blob) = in_mebibytes().await;
    let scratch = tempfile::tempdir().unwrap();
    let from = source(folder(scratch.path()));
    let to_folder = crate::support::target(folder(scratch.path()));
    let filled = copy(
        &registries.router,
        &registries.from(),
        &to_folder,
        &blob.descriptor(),
    )
    .await;
    filled.unwrap();
    let cut = Fault::close(At::RequestBody(500_000));
    registries.target.stage(any_patch().nth(2), cut);
    let arrival = copy(
        &registries.router,
        &from,
        &registries.to(),
        &blob.descriptor(),
    )
    .await;
    assert_eq!(arrival, Ok(copied(&blob)));
    registries.assert_copied(&blob).await;
    assert!(resumed_at(&registries) >= MIB);
}

#[tokio::test]
async fn a_blob_of_wrong_bytes_never_comes_whole_in_chunks_either() {
    let (registries, blob) = in_mebibytes().await;
    registries
        .source
        .stage(Rule::new("GET", "*"), Fault::WrongBytes);
    let class = FailureClass::DigestMismatch;
    registries.fails(&blob, Side::Source, class).await;
    assert_eq!(registries.target.count("PUT", "*"), 0);
}
