//! Manifests: their digests, their bytes, and what is wrong with them.

use image_sync_shared::failure::{FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{MAX_MANIFEST_BYTES, RawManifest};
use image_sync_shared::image::media_type::{OCI_INDEX, OCI_MANIFEST};
use image_sync_shared::image::reference::Reference;
use image_sync_shared::ports::transfer::registries::{Pushed, Registries as _};
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{At, Fault, Gate, ImmutableTags, Rule};
use image_sync_testkit::images::{Image, docker_image, image};

use crate::support::{RouterBuilder, put_app, resolve_app, router, source, tag, target};

#[tokio::test]
async fn a_tag_is_resolved_by_one_head() {
    let registry = FakeRegistry::start().await.unwrap();
    let app = put_app(&registry);
    let router = router();
    let resolved = resolve_app(&router, registry.host())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(resolved.digest, *app.digest());
    assert_eq!(resolved.media_type, OCI_MANIFEST);
    let requests = registry.requests();
    assert_eq!(requests.len(), 1, "{requests:#?}");
    let request = &requests[0];
    assert!(request.is("HEAD", "/v2/app/manifests/v1"));
    let accepted = request.header("accept").unwrap();
    assert!(
        accepted.contains(OCI_INDEX) && accepted.ends_with("*/*"),
        "{accepted}"
    );
    assert!(
        request
            .header("user-agent")
            .unwrap()
            .starts_with("image-sync/")
    );
    assert_eq!(request.header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn an_image_that_is_not_there_is_none() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let router = router();
    for remote in [
        source(registry.host(), "app"),
        target(registry.host(), "new"),
    ] {
        assert_eq!(router.resolve(&remote, &tag("v2")).await, Ok(None));
    }
    let asked = (registry.count("HEAD", "*"), registry.count("GET", "*"));
    assert_eq!(
        asked,
        (2, 1),
        "a source that is new here is asked by GET too"
    );
}

#[tokio::test]
async fn without_a_stated_digest_the_manifest_is_hashed() {
    let registry = FakeRegistry::builder().behaviour(|b| b.states_digests = false);
    let registry = registry.start().await.unwrap();
    let app = put_app(&registry);
    let resolved = resolve_app(&router(), registry.host())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(resolved.digest, *app.digest());
    assert_eq!(
        (registry.count("HEAD", "*"), registry.count("GET", "*")),
        (1, 1)
    );
}

#[tokio::test]
async fn an_html_page_is_no_manifest_and_told_as_a_page() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let page = Fault::Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: "<!doctype html><title>Log in</title>".to_owned(),
    };
    registry.stage(Rule::new("*", "*"), page);
    let failure = resolve_app(&router(), registry.host()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Invalid);
    let start = "an HTML page came in place of a manifest: this is no registry";
    assert!(failure.answer.starts_with(start), "{failure}");
}

#[tokio::test]
async fn a_registry_that_takes_no_writes_is_told_with_what_to_do() {
    let registry = FakeRegistry::start().await.unwrap();
    let app = put_app(&registry);
    registry.stage(Rule::new("PUT", "*"), Fault::status(405));
    let to = target(registry.host(), "app");
    let failure = router().push_manifest(&to, &tag("v2"), &app.manifest).await;
    let answer = failure.unwrap_err().answer;
    assert!(
        answer.contains("it takes no writes, as one that is read-only"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_registry_without_head_is_asked_by_get() {
    let registry = FakeRegistry::start().await.unwrap();
    let app = put_app(&registry);
    registry.stage(Rule::new("HEAD", "*"), Fault::status(405));
    let router = router();
    let resolved = resolve_app(&router, registry.host())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(resolved.digest, *app.digest());
    let missing = router
        .resolve(&source(registry.host(), "app"), &tag("v2"))
        .await;
    assert_eq!(missing, Ok(None));
}

#[tokio::test]
async fn a_docker_content_digest_that_is_no_digest_is_ignored() {
    let registry = FakeRegistry::start().await.unwrap();
    let app = put_app(&registry);
    let sha384 = format!("sha384:{}", "0".repeat(96));
    let quoted = format!("{:?}", app.digest().as_str());
    let manifest = registry.manifest("app", "v1").unwrap();
    for none in ["", "unknown", "sha256:12", &sha384, &quoted] {
        let fault = Fault::SetHeader("docker-content-digest".to_owned(), none.to_owned());
        registry.stage(Rule::new("*", "*"), fault);
        let router = router();
        let resolved = resolve_app(&router, registry.host()).await.unwrap();
        assert_eq!(resolved.unwrap().digest, *app.digest(), "{none}");
        let at = target(registry.host(), "app");
        let pushed = router.push_manifest(&at, &tag("v2"), &manifest).await;
        assert_eq!(pushed, Ok(Pushed::default()), "{none}");
        registry.clear_faults();
    }
}

#[tokio::test]
async fn a_content_type_that_contradicts_the_manifest_of_its_kind_is_not_believed() {
    let registry = FakeRegistry::start().await.unwrap();
    let docker = docker_image("app");
    registry.put_image("app", "v1", &docker);
    let at = source(registry.host(), "app");
    for stated in [OCI_MANIFEST, "binary/octet-stream", "application/json"] {
        let fault = Fault::SetHeader("content-type".to_owned(), stated.to_owned());
        registry.stage(Rule::new("*", "*"), fault);
        let pulled = router().pull_manifest(&at, &tag("v1")).await.unwrap();
        assert_eq!(pulled.media_type, docker.media_type(), "{stated}");
        assert_eq!(pulled.digest, *docker.digest());
        registry.clear_faults();
    }
}

#[tokio::test]
async fn a_manifest_comes_byte_for_byte() {
    let registry = FakeRegistry::start().await.unwrap();
    let app = put_app(&registry);
    let router = router();
    let at = source(registry.host(), "app");
    for reference in [tag("v1"), Reference::Digest(app.digest().clone())] {
        let manifest = router.pull_manifest(&at, &reference).await.unwrap();
        assert_eq!(manifest.bytes, *app.bytes());
        assert_eq!(manifest.digest, *app.digest());
        assert_eq!(manifest.media_type, OCI_MANIFEST);
    }
}

#[tokio::test]
async fn wrong_bytes_are_no_manifest() {
    let registry = FakeRegistry::start().await.unwrap();
    let app = put_app(&registry);
    registry.stage(Rule::new("GET", "*"), Fault::WrongBytes);
    let router = router();
    let at = source(registry.host(), "app");
    for reference in [tag("v1"), Reference::Digest(app.digest().clone())] {
        let failure = router.pull_manifest(&at, &reference).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::DigestMismatch, "{failure}");
        assert_eq!(
            (failure.side, failure.step),
            (Side::Source, Step::PullManifest)
        );
        assert!(failure.answer.contains(app.digest().as_str()), "{failure}");
    }
}

#[tokio::test]
async fn a_manifest_that_is_cut_or_stands_still_is_told() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let gate = Gate::new();
    let router = RouterBuilder::new().impatient().router();
    let at = source(registry.host(), "app");
    for (fault, class) in [
        (Fault::reset(At::Body(10)), FailureClass::Connection),
        (Fault::close(At::Body(10)), FailureClass::Connection),
        (Fault::stall(At::Body(10), &gate), FailureClass::Timeout),
    ] {
        let staged = registry.stage(Rule::new("GET", "*").first(1), fault);
        let failure = router.pull_manifest(&at, &tag("v1")).await.unwrap_err();
        assert_eq!(failure.class, class, "{failure}");
        assert_eq!(staged.hits(), 1);
    }
    gate.release();
    router.pull_manifest(&at, &tag("v1")).await.unwrap();
}

#[tokio::test]
async fn four_mebibytes_are_the_longest_manifest() {
    let registry = FakeRegistry::start().await.unwrap();
    let router = router();
    let at = source(registry.host(), "app");
    for (tag_name, length, fits) in [
        ("most", MAX_MANIFEST_BYTES, true),
        ("more", MAX_MANIFEST_BYTES + 1, false),
    ] {
        let large = Image::from_bytes(OCI_MANIFEST, vec![b' '; length]);
        registry.put_image("app", tag_name, &large);
        let pulled = router.pull_manifest(&at, &tag(tag_name)).await;
        match pulled {
            Ok(manifest) => assert!(fits && manifest.bytes.len() == length),
            Err(failure) => {
                assert!(!fits, "{failure}");
                assert_eq!(failure.class, FailureClass::Invalid);
                assert!(failure.answer.contains("4194304 bytes"), "{failure}");
            }
        }
    }
}

#[tokio::test]
async fn a_manifest_is_asked_for_as_identity_and_judged_by_its_digest() {
    let registry = FakeRegistry::start().await.unwrap();
    let app = put_app(&registry);
    let unless_identity =
        Rule::new("*", "*").when(|request| request.header("accept-encoding") != Some("identity"));
    registry.stage(unless_identity, Fault::Encoded);
    let label = Fault::SetHeader("content-encoding".to_owned(), "x-gzip".to_owned());
    let at = source(registry.host(), "app");
    let router = router();
    router.pull_manifest(&at, &tag("v1")).await.unwrap();
    registry.stage(Rule::new("GET", "*"), label);
    for stated in [true, false] {
        registry.behave(|behaviour| behaviour.states_digests = stated);
        let pulled = router.pull_manifest(&at, &tag("v1")).await.unwrap();
        assert_eq!(pulled.digest, *app.digest());
    }
}

#[tokio::test]
async fn an_encoded_manifest_is_refused() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    registry.stage(Rule::new("GET", "*"), Fault::Encoded);
    let at = source(registry.host(), "app");
    for stated in [true, false] {
        registry.behave(|behaviour| behaviour.states_digests = stated);
        let failure = router().pull_manifest(&at, &tag("v1")).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Invalid);
        assert!(
            failure.answer.contains("Content-Encoding gzip"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn a_missing_manifest_is_told_with_its_name() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let at = source(registry.host(), "app");
    let failure = router().pull_manifest(&at, &tag("v2")).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::NotFound);
    assert_eq!(failure.subject, registry.image("app", "v2"));
    assert!(
        failure
            .answer
            .starts_with("404 Not Found: MANIFEST_UNKNOWN"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_manifest_is_pushed_as_it_is() {
    let registry = FakeRegistry::start().await.unwrap();
    let app = docker_image("app");
    registry.put_untagged("app", &app);
    let manifest = RawManifest {
        media_type: app.media_type().to_owned(),
        digest: app.digest().clone(),
        bytes: app.bytes().clone(),
    };
    let at = target(registry.host(), "app");
    router()
        .push_manifest(&at, &tag("v1"), &manifest)
        .await
        .unwrap();
    assert_eq!(registry.manifest("app", "v1"), Some(manifest));
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn a_target_that_stores_something_else_is_told() {
    let registry = FakeRegistry::start().await.unwrap();
    let app = put_app(&registry);
    let other = Digest::of(b"other").to_string();
    let fault = Fault::SetHeader("docker-content-digest".to_owned(), other.clone());
    registry.stage(Rule::new("PUT", "*"), fault);
    let manifest = registry.manifest("app", "v1").unwrap();
    let at = target(registry.host(), "app");
    let failure = router()
        .push_manifest(&at, &tag("v1"), &manifest)
        .await
        .unwrap_err();
    assert_eq!(failure.class, FailureClass::DigestMismatch);
    assert_eq!(
        (failure.side, failure.step),
        (Side::Target, Step::PushManifest)
    );
    assert!(
        failure.answer.contains(&other) && failure.answer.contains(app.digest().as_str()),
        "{failure}"
    );
}

#[tokio::test]
async fn a_refused_media_type_is_invalid_and_an_immutable_tag_is_told_apart() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let other = image("other");
    registry.put_untagged("app", &other);
    let manifest = registry.manifest("app", other.digest().as_str()).unwrap();
    let router = router();
    let at = target(registry.host(), "app");
    for status in [400, 415] {
        registry.behave(|b| {
            b.refused_media_types = vec![OCI_MANIFEST.to_owned()];
            b.refusal_status = status;
        });
        let failure = router
            .push_manifest(&at, &tag("v1"), &manifest)
            .await
            .unwrap_err();
        assert_eq!(failure.class, FailureClass::Invalid, "{failure}");
        assert!(failure.answer.contains("MANIFEST_INVALID"), "{failure}");
    }
    registry.behave(|b| b.refused_media_types.clear());
    for style in [
        ImmutableTags::Ecr,
        ImmutableTags::Harbor,
        ImmutableTags::Conflict,
    ] {
        registry.behave(|b| b.immutable_tags = Some(style));
        let failure = router
            .push_manifest(&at, &tag("v1"), &manifest)
            .await
            .unwrap_err();
        assert_eq!(failure.class, FailureClass::ImmutableTag, "{failure}");
    }
}

#[tokio::test]
async fn a_blob_is_asked_for_by_head() {
    let registry = FakeRegistry::start().await.unwrap();
    let digest = Digest::of(b"blob");
    registry.put_blob("app", &digest, "blob");
    let router = router();
    let at = target(registry.host(), "app");
    assert_eq!(router.has_blob(&at, &digest).await, Ok(true));
    assert_eq!(router.has_blob(&at, &Digest::of(b"other")).await, Ok(false));
    assert_eq!(registry.count("HEAD", "/v2/app/blobs/*"), 2);
    assert_eq!(registry.requests().len(), 2);
}
