//! The artifacts that belong to an image.

mod borne;
mod late;
mod listed;

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::media_type::OCI_INDEX;
use image_sync_shared::image::referrers::referrers_tag;
use image_sync_shared::run::job::{Job, Referrers};
use image_sync_shared::run::outcome::{Action, ArtifactCounts};
use image_sync_testkit::Image;
use image_sync_testkit::images::{
    artifact, cosign_signature, docker_image, image, index, index_of,
};

use crate::tests::{Call, TestWorker, job};

const SOURCE: &str = "source.test/app:1";
const TARGET: &str = "cache.test/app:1";
const SBOM: &str = "application/spdx+json";

/// A job of an image with its artifacts.
fn with(referrers: Referrers) -> Job {
    let mut job = job(SOURCE, TARGET);
    job.policy.image.referrers = Some(Box::new(referrers));
    job
}

fn all() -> Job {
    with(Referrers::default())
}

/// Puts an artifact beside the image that it refers to.
fn attach(fixture: &TestWorker, place: &str, artifact: &Image) {
    let repository = place.rsplit_once(':').unwrap().0;
    let place = format!("{repository}@{}", artifact.digest());
    fixture.registries.put_image(&place, artifact);
}

/// Puts an artifact under a tag.
fn tag(fixture: &TestWorker, place: &str, tag: &str, artifact: &Image) {
    let repository = place.rsplit_once(':').unwrap().0;
    fixture
        .registries
        .put_image(&format!("{repository}:{tag}"), artifact);
}

fn counts(copied: u32, present: u32) -> ArtifactCounts {
    ArtifactCounts {
        copied,
        present,
        ..ArtifactCounts::default()
    }
}

fn has(fixture: &TestWorker, artifact: &Image) -> bool {
    let found = fixture
        .registries
        .manifest("cache.test/app", artifact.digest());
    found.is_some()
}

/// What the index of what refers to `subject` lists.
fn listed_at_target(fixture: &TestWorker, subject: &Digest) -> Vec<Digest> {
    let tag = format!("cache.test/app:{}", referrers_tag(subject));
    let Some(digest) = fixture.registries.tag(&tag) else {
        return Vec::new();
    };
    let index = fixture.registries.manifest("cache.test/app", &digest);
    let listed = image_sync_shared::image::referrers::listed(&index.unwrap().bytes).unwrap();
    listed.into_iter().map(|entry| entry.digest).collect()
}

#[tokio::test(start_paused = true)]
async fn signatures_and_sboms_come_before_the_tag_and_those_of_children_before_the_index() {
    let fixture = TestWorker::new();
    fixture.registries.have_referrers_api("source.test");
    fixture.registries.have_referrers_api("cache.test");
    let index = index("app", &["linux/amd64", "linux/arm64"]);
    let child = &index.children[0];
    fixture.registries.put_image(SOURCE, &index);
    let sbom = artifact(SBOM, b"of a child", Some(child));
    let seal = artifact("application/seal", b"of the index", Some(&index));
    let (of_child, of_index) = (cosign_signature(child), cosign_signature(&index));
    attach(&fixture, SOURCE, &sbom);
    attach(&fixture, SOURCE, &seal);
    tag(&fixture, SOURCE, &of_child.0, &of_child.1);
    tag(&fixture, SOURCE, &of_index.0, &of_index.1);
    let ran = fixture.work([all()]).await;
    let entry = &ran.only().entry;
    assert_eq!(
        (entry.action, entry.artifacts),
        (Action::Pulled, Some(counts(4, 0))),
        "{entry:#?}"
    );
    let requests = fixture.registries.requests();
    let pushes = requests
        .iter()
        .filter(|request| request.starts_with("PUT target manifest"));
    let place = |name: &str| pushes.clone().position(|push| push.contains(name)).unwrap();
    let order = [
        place(child.digest().as_str()),
        place(sbom.digest().as_str()).max(place(&of_child.0)),
        place(&format!("cache.test/app@{}", index.digest())),
        place(seal.digest().as_str()).max(place(&of_index.0)),
        place(TARGET),
    ];
    assert!(order.is_sorted(), "{order:?} {requests:#?}");
    assert!(pushes.clone().next_back().unwrap().ends_with(TARGET));
    assert_eq!(
        fixture
            .registries
            .tag(&format!("cache.test/app:{}", of_index.0))
            .as_ref(),
        Some(of_index.1.digest())
    );
}

#[tokio::test(start_paused = true)]
async fn an_artifact_of_an_artifact_comes_as_far_as_depth_says() {
    for (depth, copied) in [(3, 3), (2, 2), (1, 1)] {
        let fixture = TestWorker::new();
        fixture.registries.have_referrers_api("source.test");
        let app = image("app");
        let sbom = artifact(SBOM, b"sbom", Some(&app));
        let seal = artifact("application/seal", b"seal", Some(&sbom));
        let proof = artifact("application/proof", b"proof", Some(&seal));
        fixture.registries.put_image(SOURCE, &app);
        for artifact in [&sbom, &seal, &proof] {
            attach(&fixture, SOURCE, artifact);
        }
        let referrers = Referrers {
            depth,
            ..Referrers::default()
        };
        let ran = fixture.work([with(referrers)]).await;
        assert_eq!(
            ran.only().entry.artifacts,
            Some(counts(copied, 0)),
            "{depth}"
        );
        assert_eq!(has(&fixture, &proof), depth == 3);
        assert_eq!(
            listed_at_target(&fixture, app.digest()),
            [sbom.digest().clone()]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_types_that_are_wanted_come() {
    for (types, exclude, expected) in [
        (vec![SBOM], vec![], [true, false, false]),
        (vec![], vec!["*cosign*"], [true, true, false]),
        (
            vec!["application/vnd.dev.cosign.*"],
            vec![],
            [false, false, true],
        ),
    ] {
        let fixture = TestWorker::new();
        fixture.registries.have_referrers_api("source.test");
        let app = image("app");
        let sbom = artifact(SBOM, b"sbom", Some(&app));
        let seal = artifact("application/seal", b"seal", Some(&app));
        let (name, signature) = cosign_signature(&app);
        fixture.registries.put_image(SOURCE, &app);
        attach(&fixture, SOURCE, &sbom);
        attach(&fixture, SOURCE, &seal);
        tag(&fixture, SOURCE, &name, &signature);
        let texts = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        let referrers = Referrers {
            types: texts(types),
            exclude: texts(exclude),
            ..Referrers::default()
        };
        fixture.work([with(referrers)]).await;
        let came = [&sbom, &seal, &signature].map(|artifact| has(&fixture, artifact));
        assert_eq!(came, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_an_index_does_not_fit_a_platform_of_it() {
    let fixture = TestWorker::new();
    fixture.registries.have_referrers_api("source.test");
    let index = index("app", &["linux/amd64", "linux/arm64"]);
    fixture.registries.put_image(SOURCE, &index);
    let (of_child, of_index) = (
        cosign_signature(&index.children[0]),
        cosign_signature(&index),
    );
    tag(&fixture, SOURCE, &of_child.0, &of_child.1);
    tag(&fixture, SOURCE, &of_index.0, &of_index.1);
    attach(&fixture, SOURCE, &artifact(SBOM, b"sbom", Some(&index)));
    let mut job = all();
    job.platforms = "linux/amd64".parse().unwrap();
    let expected = ArtifactCounts {
        copied: 1,
        unfit: 2,
        ..ArtifactCounts::default()
    };
    let ran = fixture.work([job.clone()]).await;
    assert_eq!(ran.only().entry.artifacts, Some(expected));
    assert!(!has(&fixture, &of_index.1) && has(&fixture, &of_child.1));
    let again = fixture.work([job]).await;
    let present = ArtifactCounts {
        copied: 0,
        present: 1,
        ..expected
    };
    assert_eq!(again.only().entry.artifacts, Some(present));
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_a_manifest_that_was_converted_does_not_fit() {
    let fixture = TestWorker::new();
    fixture.registries.take_no_docker("cache.test");
    let app = docker_image("app");
    fixture.registries.put_image(SOURCE, &app);
    let (name, signature) = cosign_signature(&app);
    tag(&fixture, SOURCE, &name, &signature);
    let unfit = ArtifactCounts {
        unfit: 1,
        ..ArtifactCounts::default()
    };
    for action in [Action::Pulled, Action::AlreadyCached] {
        let ran = fixture.work([all()]).await;
        let entry = &ran.only().entry;
        assert_eq!(
            (entry.action, entry.artifacts),
            (action, Some(unfit)),
            "{entry:#?}"
        );
        assert!(!has(&fixture, &signature));
    }
}

#[tokio::test(start_paused = true)]
async fn artifacts_are_found_in_the_repository_that_is_named() {
    let fixture = TestWorker::new();
    fixture.registries.have_referrers_api("signatures.test");
    let app = image("app");
    fixture.registries.put_image(SOURCE, &app);
    let (name, signature) = cosign_signature(&app);
    fixture
        .registries
        .put_image(&format!("signatures.test/all:{name}"), &signature);
    let referrers = Referrers {
        from: Some(image_sync_shared::run::job::ReferrersFrom {
            repository: "signatures.test/all".parse().unwrap(),
            trust: image_sync_shared::run::job::Trust::Verified,
        }),
        ..Referrers::default()
    };
    let ran = fixture.work([with(referrers)]).await;
    assert_eq!(ran.only().entry.artifacts, Some(counts(1, 0)));
    assert_eq!(
        fixture
            .registries
            .tag(&format!("cache.test/app:{name}"))
            .as_ref(),
        Some(signature.digest())
    );
}

#[tokio::test(start_paused = true)]
async fn an_artifact_may_be_an_index() {
    let fixture = TestWorker::new();
    fixture.registries.have_referrers_api("source.test");
    let app = image("app");
    fixture.registries.put_image(SOURCE, &app);
    let (name, _) = cosign_signature(&app);
    let bundle = index_of(OCI_INDEX, vec![image("one"), image("two")]);
    tag(&fixture, SOURCE, &name, &bundle);
    let ran = fixture.work([all()]).await;
    assert_eq!(ran.only().entry.artifacts, Some(counts(1, 0)));
    assert!(bundle.children.iter().all(|child| has(&fixture, child)));
    assert_eq!(fixture.registries.written_incomplete(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn artifacts_that_are_indexes_are_held_in_memory_one_at_a_time() {
    let fixture = TestWorker::new();
    let app = image("app");
    fixture.registries.put_image(SOURCE, &app);
    let (name, _) = cosign_signature(&app);
    let of = |name: &str| index_of(OCI_INDEX, vec![image(name)]);
    let bundles = [of("one"), of("two")];
    let names = [name.clone(), name.replace(".sig", ".att")];
    for (name, bundle) in names.iter().zip(&bundles) {
        tag(&fixture, SOURCE, name, bundle);
    }
    let child = |of: &Image| format!("source.test/app@{}", of.children[0].digest());
    let gate = fixture
        .registries
        .gate(Call::PullManifest, &child(&bundles[0]));
    let open = async {
        gate.arrived().await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(fixture.registries.count(&child(&bundles[1])), 0);
        gate.open();
    };
    let (ran, ()) = tokio::join!(fixture.work([all()]), open);
    assert_eq!(ran.only().entry.artifacts, Some(counts(2, 0)));
}
