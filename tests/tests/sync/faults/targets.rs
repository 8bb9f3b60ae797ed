//! What a target may do wrong on the way.

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::media_type;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{
    At, Auth, Fault, Gate, ImmutableTags, Mounts, Rule, UploadLocation, Uploads,
};
use image_sync_testkit::images::{
    ImageBuilder, deterministic_bytes, docker_image, docker_list, image, image_with_layers, index,
};
use image_sync_tests::Ended;

use crate::support::{REPOSITORY, TAG, TestSync, all, status};

#[tokio::test]
async fn a_server_error_of_every_kind_of_request_is_tried_again() {
    for (method, kind) in [
        ("HEAD", "manifests"),
        ("POST", "blobs"),
        ("PUT", "blobs"),
        ("PUT", "manifests"),
    ] {
        let image = image("app");
        let fixture = TestSync::with(&image).await;
        let staged = fixture
            .target
            .stage(all(method, kind).first(2), status(503));
        fixture.is_copied(&image, 1).await;
        assert_eq!(staged.hits(), 2, "{method} {kind}");
    }
}

#[tokio::test]
async fn a_server_error_that_stays_fails_when_the_attempts_are_used_up() {
    let fixture = TestSync::with(&image("app")).await;
    fixture.target.stage(all("PUT", "manifests"), status(500));
    fixture.fails(3, &["target: push manifest", "500"]).await;
}

#[tokio::test]
async fn a_result_tells_what_all_attempts_sent() {
    let image = image_with_layers("app", 2, 1000);
    let fixture = TestSync::with(&image).await;
    let refused = all("PUT", "manifests").first(3);
    fixture.target.stage(refused, status(500));
    let ended = fixture.is_copied(&image, 2).await;
    let sent: u64 = image.blobs.iter().map(|blob| blob.bytes.len() as u64).sum();
    let (result, head) = (ended.only_result(), ended.report().head);
    assert_eq!((result.bytes_copied, head.bytes_copied), (sent, sent));
    let blobs = result.blobs;
    assert_eq!((blobs.copied, blobs.mounted, blobs.present), (3, 0, 0));
}

#[tokio::test]
async fn what_the_target_does_not_know_yet_although_it_was_just_sent_is_sent_again() {
    let unknown = |status, code: &str| {
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"unknown"}}]}}"#);
        Fault::status(status).with_body(body)
    };
    for (kind, fault) in [
        ("manifests", unknown(400, "MANIFEST_BLOB_UNKNOWN")),
        ("manifests", unknown(404, "MANIFEST_UNKNOWN")),
        ("manifests", status(404)),
        ("manifests", status(409)),
        ("manifests", status(412)),
        ("manifests", status(423)),
        ("blobs", unknown(404, "BLOB_UPLOAD_UNKNOWN")),
        ("blobs", unknown(404, "BLOB_UNKNOWN")),
        ("blobs", status(404)),
        ("blobs", status(409)),
        ("blobs", status(423)),
    ] {
        let image = image("app");
        let fixture = TestSync::with(&image).await;
        let staged = fixture.target.stage(all("PUT", kind).first(2), fault);
        fixture.is_copied(&image, 1).await;
        assert_eq!(staged.hits(), 2, "{kind}");
    }
}

#[tokio::test]
async fn an_index_waits_for_children_that_the_target_does_not_know_yet() {
    let index = index("app", &["linux/amd64", "linux/arm64"]);
    let fixture = TestSync::with(&index).await;
    let root = Rule::new("PUT", format!("/v2/*/manifests/{TAG}"));
    let staged = fixture.target.stage(root.first(1), status(404));
    fixture.is_copied(&index, 1).await;
    assert_eq!(staged.hits(), 1);
}

#[tokio::test]
async fn an_upload_that_a_proxy_gave_up_on_is_not_sent_again_where_it_arrived() {
    let image = image_with_layers("app", 1, 100_000);
    let fixture = TestSync::with(&image).await;
    let staged = fixture
        .target
        .stage(all("PUT", "blobs"), Fault::DoneButAnswered(504));
    fixture.is_copied(&image, 1).await;
    assert_eq!(staged.hits(), image.blobs.len(), "each once");
}

#[tokio::test]
async fn a_limit_on_the_length_of_a_request_is_met_with_chunks() {
    let image = image_with_layers("app", 1, 3_000_000);
    for stated in [true, false] {
        let fixture = TestSync::with(&image).await;
        fixture.target.behave(|behaviour| {
            behaviour.body_limit = Some(1_000_000);
            behaviour.chunk_max = stated.then_some(1_000_000);
        });
        let mut catalog = fixture.catalog();
        if !stated {
            catalog = catalog.registry(fixture.target.host(), "{chunk_size: 900KiB}");
        }
        let ended = fixture.program.sync(&catalog, &[]).await;
        assert_eq!(ended.only_result().error, None, "{ended:#?}");
        assert_eq!(fixture.at_target().as_ref(), Some(image.digest()));
        assert!(fixture.target.count("PATCH", "*") >= 3);
        fixture.nothing_broken();
    }
}

#[tokio::test]
async fn a_mount_that_was_answered_201_and_is_not_there_is_sent() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    fixture
        .target
        .behave(|behaviour| behaviour.mounts = Mounts::Pretended);
    fixture.is_copied(&image, 1).await;
}

#[tokio::test]
async fn a_conflict_that_stays_fails_when_the_attempts_are_used_up() {
    let fixture = TestSync::with(&image("app")).await;
    fixture.target.stage(all("PUT", "manifests"), status(409));
    fixture.fails(3, &["target: push manifest", "409"]).await;
}

#[tokio::test]
async fn a_repository_that_the_target_does_not_create_fails_at_once() {
    let fixture = TestSync::with(&image("app")).await;
    fixture
        .target
        .behave(|behaviour| behaviour.creates_repositories = false);
    fixture
        .fails(1, &["target: push blob", "NAME_UNKNOWN"])
        .await;
}

#[tokio::test]
async fn a_refused_push_fails_at_once() {
    let fixture = TestSync::with(&image("app")).await;
    fixture.target.stage(all("POST", "blobs"), status(403));
    fixture.fails(1, &["target: push blob", "403"]).await;
}

#[tokio::test]
async fn an_upload_that_is_cut_is_begun_anew() {
    let image = image_with_layers("app", 1, 400_000);
    let fixture = TestSync::with(&image).await;
    let large = all("PUT", "blobs").when(|request| {
        request
            .header("content-length")
            .is_some_and(|length| length.len() > 5)
    });
    let staged = fixture
        .target
        .stage(large.first(1), Fault::reset(At::RequestBody(100_000)));
    fixture.is_copied(&image, 1).await;
    assert_eq!(staged.hits(), 1);
}

#[tokio::test]
async fn a_rate_limit_of_the_target_is_waited_out() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    fixture.target.stage(
        all("POST", "blobs").first(1),
        Fault::rate_limited(Some("1")),
    );
    fixture.is_copied(&image, 1).await;
}

#[tokio::test]
async fn a_503_with_retry_after_is_waited_out_and_counts_as_an_attempt() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    let overloaded = status(503).with_header("retry-after", "1");
    fixture
        .target
        .stage(all("POST", "blobs").first(1), overloaded);
    fixture.is_copied(&image, 2).await;
}

#[tokio::test]
async fn the_location_of_an_upload_may_have_any_form() {
    for location in [
        UploadLocation::Relative,
        UploadLocation::Absolute,
        UploadLocation::WithQuery,
    ] {
        let image = image("app");
        let fixture = TestSync::with(&image).await;
        fixture
            .target
            .behave(|behaviour| behaviour.upload_location = location);
        fixture.is_copied(&image, 1).await;
    }
}

#[tokio::test]
async fn an_upload_location_on_another_host_gets_no_credentials() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    fixture.target.set_auth(Auth::basic("bot", "hunter2"));
    let uploads: FakeRegistry = fixture.target.second_host().start().await.unwrap();
    let elsewhere = UploadLocation::At(uploads.url().to_owned());
    fixture
        .target
        .behave(|behaviour| behaviour.upload_location = elsewhere);
    let catalog = fixture
        .catalog()
        .registry(fixture.target.host(), "{username: bot, password: hunter2}");
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(fixture.at_target().as_ref(), Some(image.digest()));
    let requests = uploads.requests();
    assert!(
        !requests.is_empty() && requests.iter().all(|request| !request.has_credentials()),
        "{requests:#?}"
    );
}

#[tokio::test]
async fn a_registry_that_wants_patches_gets_them() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    fixture
        .target
        .behave(|behaviour| behaviour.uploads = Uploads::PatchOnly);
    fixture.is_copied(&image, 1).await;
}

#[tokio::test]
async fn a_registry_that_refuses_mounts_gets_the_blobs() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    fixture
        .target
        .behave(|behaviour| behaviour.mounts = Mounts::Refused);
    fixture.is_copied(&image, 1).await;
}

#[tokio::test]
async fn an_immutable_tag_of_another_digest_fails_at_once() {
    for kind in [
        ImmutableTags::Ecr,
        ImmutableTags::Harbor,
        ImmutableTags::Conflict,
    ] {
        let fixture = TestSync::with(&image("app")).await;
        let old = image("old");
        fixture.target.put_image(REPOSITORY, TAG, &old);
        fixture
            .target
            .behave(|behaviour| behaviour.immutable_tags = Some(kind));
        let ended = fixture.sync().await;
        let result = ended.only_result();
        assert_eq!((ended.code, result.attempts), (Some(1), 1), "{ended:#?}");
        assert!(result.error.unwrap().contains("immutable"), "{ended:#?}");
        assert_eq!(fixture.at_target().as_ref(), Some(old.digest()));
    }
}

#[tokio::test]
async fn an_immutable_tag_of_the_right_digest_is_in_place() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    fixture.target.put_image(REPOSITORY, TAG, &image);
    fixture
        .target
        .behave(|behaviour| behaviour.immutable_tags = Some(ImmutableTags::Ecr));
    let ended = fixture.sync().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.report().head.summary.already_cached, 1);
}

#[tokio::test]
async fn a_refused_docker_manifest_is_converted_and_in_place_from_then_on() {
    for image in [
        docker_image("app"),
        docker_list("app", &["linux/amd64", "linux/arm64"]),
    ] {
        let fixture = TestSync::with(&image).await;
        fixture.target.behave(|behaviour| {
            behaviour.refused_media_types = vec![
                media_type::DOCKER_MANIFEST.to_owned(),
                media_type::DOCKER_LIST.to_owned(),
            ];
        });
        let first = fixture.sync().await;
        assert_eq!(first.code, Some(0), "{first:#?}");
        let result = first.only_result();
        assert_eq!(result.remote_digest.as_ref(), Some(image.digest()));
        assert_eq!(
            result.expected_digest,
            fixture.at_target(),
            "the converted digest"
        );
        assert_ne!(fixture.at_target().as_ref(), Some(image.digest()));
        fixture.nothing_broken();

        fixture.source.reset();
        fixture.target.reset();
        let second = fixture.sync().await;
        assert_eq!(
            second.report().head.summary.already_cached,
            1,
            "{second:#?}"
        );
        assert_eq!(
            (
                fixture.source.count("*", "*"),
                fixture.target.count("*", "*")
            ),
            (1, 1)
        );
    }
}

#[tokio::test]
async fn what_was_remembered_of_a_target_that_lost_it_is_asked_for_again() {
    let fixture = TestSync::start().await;
    let base = deterministic_bytes("base", 5000);
    let image = |name: &str| ImageBuilder::new(name).layer(base.clone()).build();
    let (first, second) = (image("first"), image("second"));
    fixture.source.put_image(REPOSITORY, "1", &first);
    fixture.source.put_image(REPOSITORY, "2", &second);
    let gate = Gate::new();
    let second_pull = Rule::new("GET", format!("/v2/*/manifests/{}", second.digest()));
    fixture.source.stage(second_pull, Fault::hold(&gate));
    let catalog = fixture.empty_catalog().setting("concurrency: 1");
    let catalog = catalog
        .image(fixture.entry(REPOSITORY, "1"))
        .image(fixture.entry(REPOSITORY, "2"));
    let child = fixture.program.spawn_sync(&catalog, &[]);
    gate.reached().await;
    let lost = Digest::of(&base);
    assert!(fixture.target.has_blob(REPOSITORY, &lost));
    fixture.target.remove_tag(REPOSITORY, "1");
    fixture.target.remove_blob(REPOSITORY, &lost);
    gate.release();
    let ended: Ended = child.wait_with_output().await.unwrap().into();
    assert_eq!(ended.report().head.summary.pulled, 2, "{ended:#?}");
    assert!(
        fixture.target.has_blob(REPOSITORY, &lost),
        "it was sent again"
    );
    fixture.nothing_broken();
}
