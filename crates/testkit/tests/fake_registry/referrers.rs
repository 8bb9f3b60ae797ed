//! Referrers, and what registries without them say.

use image_sync_testkit::images::{
    artifact, artifact_index, cosign_bundle, cosign_signature, image, notation_signature,
};
use image_sync_testkit::{FakeRegistry, Image};
use serde_json::Value;

use crate::client::{Answer, ask};

const SBOM: &str = "application/spdx+json";

fn path(subject: &Image) -> String {
    format!("/v2/app/referrers/{}", subject.digest())
}

async fn get(registry: &FakeRegistry, target: &str) -> Answer {
    ask(registry, "GET", target, &[], &[]).await.unwrap()
}

fn digests(page: &Answer) -> Vec<String> {
    let listed = page.json()["manifests"].as_array().cloned();
    let digest = |entry: &Value| entry["digest"].as_str().unwrap_or_default().to_owned();
    listed.unwrap().iter().map(digest).collect()
}

fn sorted(images: &[&Image]) -> Vec<String> {
    let mut digests: Vec<String> = images.iter().map(|i| i.digest().to_string()).collect();
    digests.sort();
    digests
}

async fn put(registry: &FakeRegistry, reference: &str, image: &Image) -> Answer {
    let target = format!("/v2/app/manifests/{reference}");
    let headers = [("content-type", image.media_type())];
    ask(registry, "PUT", &target, &headers, image.bytes())
        .await
        .unwrap()
}

#[tokio::test]
async fn referrers_where_the_registry_has_them() {
    let registry = FakeRegistry::start().await.unwrap();
    let app = image("app");
    let sbom = artifact(SBOM, b"{}", Some(&app));
    let signature = notation_signature(&app);
    let of_sbom = cosign_bundle(&sbom);
    let index = artifact_index("a/b", vec![image("child")], &app);
    registry.put_image("app", "1", &app);
    for artifact in [&sbom, &signature, &of_sbom, &index] {
        registry.put_untagged("app", artifact);
    }
    let without = get(&registry, &path(&app)).await;
    assert_eq!(
        (without.status, without.header("content-type")),
        (404, "text/plain; charset=utf-8")
    );
    registry.behave(|b| b.referrers = true);
    let with = get(&registry, &path(&app)).await;
    assert_eq!(
        (with.status, with.header("content-type")),
        (200, "application/vnd.oci.image.index.v1+json")
    );
    assert_eq!(digests(&with), sorted(&[&sbom, &signature, &index]));
    let listed = with.json()["manifests"].clone();
    let of = |image: &Image| {
        let mut entries = listed.as_array().into_iter().flatten();
        entries
            .find(|entry| entry["digest"] == image.digest().as_str())
            .cloned()
            .unwrap()
    };
    assert_eq!(of(&sbom)["artifactType"], SBOM);
    assert!(of(&sbom).get("annotations").is_none(), "{listed}");
    assert_eq!(
        of(&signature)["artifactType"],
        "application/vnd.cncf.notary.signature"
    );
    assert_eq!(
        of(&signature)["annotations"]["io.cncf.notary.x509chain.thumbprint#S256"],
        "[\"00\"]"
    );
    assert_eq!(of(&signature)["size"], signature.bytes().len());
    assert_eq!(of(&index)["mediaType"], index.media_type());
    assert_eq!(
        digests(&get(&registry, &path(&sbom)).await),
        sorted(&[&of_sbom])
    );
    assert!(digests(&get(&registry, &path(&index)).await).is_empty());
}

#[tokio::test]
async fn what_is_unknown_has_no_referrers() {
    let registry = FakeRegistry::builder().behaviour(|b| b.referrers = true);
    let registry = registry.start().await.unwrap();
    registry.create_repository("app");
    let unknown = get(&registry, &path(&image("unknown"))).await;
    assert_eq!((unknown.status, digests(&unknown)), (200, Vec::new()));
    let no_digest = get(&registry, "/v2/app/referrers/1").await;
    assert_eq!(no_digest.status, 400);
    let no_repository = get(&registry, &path(&image("app")).replace("app", "other")).await;
    assert_eq!(no_repository.status, 404);
    assert_eq!(no_repository.json()["errors"][0]["code"], "NAME_UNKNOWN");
}

#[tokio::test]
async fn referrers_come_page_by_page_and_of_one_type_where_that_is_asked_for() {
    let registry = FakeRegistry::builder().behaviour(|b| (b.referrers, b.page_size) = (true, 2));
    let registry = registry.start().await.unwrap();
    let app = image("app");
    let sboms: Vec<Image> = (0..5).map(|i| artifact(SBOM, &[i], Some(&app))).collect();
    let all: Vec<&Image> = sboms.iter().collect();
    let other = artifact("a/b", b"x", Some(&app));
    for image in all.iter().chain([&&other]) {
        registry.put_untagged("app", image);
    }
    let mut next = format!(
        "{}?artifactType=application%2Fspdx%2Bjson&n=100",
        path(&app)
    );
    let mut pages = Vec::new();
    while !next.is_empty() {
        let page = get(&registry, &next).await;
        assert_eq!(page.header("oci-filters-applied"), "artifactType");
        pages.push(digests(&page));
        let link = page.header("link").split('>').next().unwrap_or_default();
        next = link.trim_start_matches('<').to_owned();
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(pages.concat(), sorted(&all));
    registry.behave(|b| (b.filters_referrers, b.page_size) = (false, 100));
    let unfiltered = get(&registry, &format!("{}?artifactType=a%2Fb", path(&app))).await;
    assert_eq!(digests(&unfiltered).len(), 6);
    assert_eq!(unfiltered.header("oci-filters-applied"), "");
}

#[tokio::test]
async fn a_push_says_that_its_subject_was_processed_where_referrers_are_listed() {
    let registry = FakeRegistry::start().await.unwrap();
    let app = image("app");
    let sbom = artifact(SBOM, b"{}", Some(&app));
    for image in [&app, &sbom] {
        for blob in &image.blobs {
            registry.put_blob("app", &blob.digest, blob.bytes.clone());
        }
    }
    let pushed = put(&registry, sbom.digest().as_str(), &sbom).await;
    assert_eq!((pushed.status, pushed.header("oci-subject")), (201, ""));
    registry.behave(|b| b.referrers = true);
    let pushed = put(&registry, sbom.digest().as_str(), &sbom).await;
    assert_eq!(
        pushed.header("oci-subject"),
        app.digest().as_str(),
        "before its subject is there"
    );
    assert_eq!(put(&registry, "1", &app).await.header("oci-subject"), "");
}

#[tokio::test]
async fn artifacts_are_refused_as_told() {
    let registry = FakeRegistry::start().await.unwrap();
    let app = image("app");
    let (tag, signature) = cosign_signature(&app);
    let (sbom, notation) = (artifact(SBOM, b"{}", Some(&app)), notation_signature(&app));
    let loose = artifact(SBOM, b"{}", None);
    for image in [&app, &signature, &sbom, &notation] {
        registry.put_untagged("app", image);
    }
    let refused = async |reference: &str, image: &Image| {
        let answer = put(&registry, reference, image).await;
        let code = answer.json()["errors"][0]["code"].clone();
        (answer.status, code.as_str().unwrap_or_default().to_owned())
    };
    let taken = (201, String::new());
    let invalid = (400, "MANIFEST_INVALID".to_owned());
    registry.behave(|b| b.refuses_subjects = true);
    assert_eq!(refused("a", &sbom).await, invalid);
    assert_eq!(refused("b", &loose).await, taken);
    assert_eq!(refused(&tag, &signature).await, taken);
    registry.behave(|b| (b.refuses_subjects, b.refuses_artifact_types) = (false, true));
    for image in [&sbom, &loose, &notation] {
        assert_eq!(refused("a", image).await, invalid);
    }
    assert_eq!(refused(&tag, &signature).await, taken);
    assert_eq!(refused("1", &app).await, taken);
    registry.behave(|b| b.refused_tags = vec!["sha256-*".to_owned()]);
    assert_eq!(
        refused(&tag, &signature).await,
        (400, "TAG_INVALID".to_owned())
    );
    assert_eq!(
        refused(signature.digest().as_str(), &signature).await,
        taken
    );
    assert_eq!(refused("1", &app).await, taken);
}
