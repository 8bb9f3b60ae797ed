//! docker-registry and skopeo.

use image_sync_shared::image::digest::Digest;
use image_sync_testkit::PrivateCa;
use image_sync_testkit::images::{docker_image, image, index};
use image_sync_testkit::servers::{DockerRegistry, skopeo_copy, skopeo_inspect};
use image_sync_tests::{Catalog, Entry};

use crate::support::{REPOSITORY, TAG, program};

fn entry(host: &str) -> Entry {
    Entry::new(&format!("{host}/{REPOSITORY}"), TAG).cache_as(REPOSITORY)
}

#[tokio::test]
async fn a_registry_with_htpasswd_and_one_with_tls_of_a_private_ca() {
    let ca = PrivateCa::new().unwrap();
    let source = DockerRegistry::builder()
        .basic("bot", "hunter2")
        .start()
        .await
        .unwrap();
    let target = DockerRegistry::builder().tls(&ca).start().await.unwrap();
    let image = index("app", &["linux/amd64", "linux/arm64"]);
    source.push(REPOSITORY, TAG, &image).await.unwrap();
    let program = program();
    program.write("ca.pem", ca.ca_pem());
    program.write("password", "hunter2\n");
    let catalog = Catalog::new(target.host())
        .setting("cache_insecure: false")
        .image(entry(source.host()))
        .registry(source.host(), "{username: bot, password_file: password}")
        .registry(target.host(), "{ca_file: ca.pem}");
    let ended = program.sync(&catalog, &[]).await;
    assert_eq!(ended.report().head.summary.pulled, 1, "{ended:#?}");
    let again = program.sync(&catalog, &[]).await;
    assert_eq!(again.report().head.summary.already_cached, 1, "{again:#?}");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_ca_is_refused_unless_the_cache_is_insecure() {
    let ca = PrivateCa::new().unwrap();
    let (source, target) = (
        DockerRegistry::start().await.unwrap(),
        DockerRegistry::builder().tls(&ca).start().await.unwrap(),
    );
    source.push(REPOSITORY, TAG, &image("app")).await.unwrap();
    let program = program();
    let catalog = Catalog::new(target.host()).image(entry(source.host()));
    let strict = program
        .sync(&catalog.clone().setting("cache_insecure: false"), &[])
        .await;
    assert_eq!(strict.code, Some(1), "{strict:#?}");
    let error = strict.only_error();
    assert!(
        error.starts_with("target: check") && error.contains("certificate"),
        "{error}"
    );
    let lenient = program
        .sync(&catalog.setting("cache_insecure: true"), &[])
        .await;
    assert_eq!(lenient.report().head.summary.pulled, 1, "{lenient:#?}");
}

#[tokio::test]
async fn skopeo_reads_what_was_written_to_a_registry_and_to_a_folder() {
    let (source, target) = (
        DockerRegistry::start().await.unwrap(),
        DockerRegistry::start().await.unwrap(),
    );
    let image = index("app", &["linux/amd64", "linux/arm64"]);
    source.push(REPOSITORY, TAG, &image).await.unwrap();
    let program = program();
    for cache in [target.host(), "oci:./cache"] {
        let ended = program
            .sync(&Catalog::new(cache).image(entry(source.host())), &[])
            .await;
        assert_eq!(ended.report().head.summary.pulled, 1, "{ended:#?}");
    }
    let folder = format!("oci:{}/cache/{REPOSITORY}:{TAG}", program.home().display());
    let registry = format!("docker://{}/{REPOSITORY}:{TAG}", target.host());
    for (place, out) in [(&folder, "from-folder"), (&registry, "from-registry")] {
        let shown = skopeo_inspect(place).await.unwrap();
        assert!(shown.contains("linux"), "{shown}");
        // Unlike looking at it, this reads all layers.
        let out = format!("dir:{}/{out}", program.home().display());
        skopeo_copy(place, &out).await.unwrap();
    }
}

#[tokio::test]
async fn a_docker_schema_2_image_pushed_by_skopeo_keeps_its_digest() {
    let (source, target) = (
        DockerRegistry::start().await.unwrap(),
        DockerRegistry::start().await.unwrap(),
    );
    let first = DockerRegistry::start().await.unwrap();
    first
        .push(REPOSITORY, TAG, &docker_image("app"))
        .await
        .unwrap();
    let place =
        |registry: &DockerRegistry| format!("docker://{}/{REPOSITORY}:{TAG}", registry.host());
    skopeo_copy(&place(&first), &place(&source)).await.unwrap();
    let program = program();
    let ended = program
        .sync(
            &Catalog::new(target.host()).image(entry(source.host())),
            &[],
        )
        .await;
    let result = ended.only_result();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(result.expected_digest, result.remote_digest, "unchanged");
    let shown = skopeo_inspect(&place(&target)).await.unwrap();
    let digest: Digest = result.remote_digest.unwrap();
    assert!(shown.contains(digest.as_str()), "{shown}");
}

#[tokio::test]
async fn an_air_gap_is_crossed_in_a_folder() {
    let (source, target) = (
        DockerRegistry::start().await.unwrap(),
        DockerRegistry::start().await.unwrap(),
    );
    let image = index("app", &["linux/amd64", "linux/arm64"]);
    source.push(REPOSITORY, TAG, &image).await.unwrap();
    let program = program();
    let out = program
        .sync(
            &Catalog::new("oci:./carried").image(entry(source.host())),
            &[],
        )
        .await;
    assert_eq!(out.report().head.summary.pulled, 1, "{out:#?}");
    let from_folder = Entry::new(&format!("oci:./carried/{REPOSITORY}"), TAG).cache_as(REPOSITORY);
    let back = program
        .sync(&Catalog::new(target.host()).image(from_folder), &[])
        .await;
    assert_eq!(back.report().head.summary.pulled, 1, "{back:#?}");
    assert_eq!(
        back.only_result().expected_digest.as_ref(),
        Some(image.digest())
    );
}
