//! The real servers start, count and stop.

use image_sync_testkit::fake_registry::{TokenService, TokenSigner};
use image_sync_testkit::servers::{
    DockerRegistry, NatsServer, skopeo, skopeo_copy, skopeo_inspect,
};
use image_sync_testkit::{FakeRegistry, PrivateCa, images};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

#[tokio::test]
async fn docker_registry_keeps_a_pushed_index_and_logs_every_request() {
    let registry = DockerRegistry::start().await.unwrap();
    let index = images::index("app", &["linux/amd64", "linux/arm64"]);
    registry.push("team/app", "1", &index).await.unwrap();
    assert_eq!(
        registry
            .count("PUT", "/v2/team/app/manifests/*")
            .await
            .unwrap(),
        3
    );
    assert_eq!(registry.count("POST", "*").await.unwrap(), 6);
    registry.forget_requests().await.unwrap();
    let place = format!("docker://{}", registry.image("team/app", "1"));
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &place]).await;
    assert_eq!(raw.unwrap().as_bytes(), &index.bytes()[..]);
    let manifests = registry
        .count("GET", "/v2/team/app/manifests/1")
        .await
        .unwrap();
    assert_eq!(manifests, 1);
    assert_eq!(registry.count("PUT", "*").await.unwrap(), 0);
}

#[tokio::test]
async fn docker_registry_keeps_docker_and_odd_manifests_as_they_are() {
    let registry = DockerRegistry::start().await.unwrap();
    let docker = images::docker_image("docker");
    registry.push("docker", "1", &docker).await.unwrap();
    let signed = images::image("signed");
    let (tag, signature) = images::cosign_signature(&signed);
    registry.push("signed", "1", &signed).await.unwrap();
    registry.push("signed", &tag, &signature).await.unwrap();
    let artifact = images::unknown_artifact_manifest("artifact");
    registry.push("artifact", "1", &artifact).await.unwrap();
    for (image, place) in [
        (docker, registry.image("docker", "1")),
        (signature, registry.image("signed", &tag)),
        (artifact, registry.image("artifact", "1")),
    ] {
        let place = format!("docker://{place}");
        let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &place]).await;
        assert_eq!(raw.unwrap().as_bytes(), &image.bytes()[..], "{place}");
    }
}

#[tokio::test]
async fn docker_registry_wants_the_password_over_tls() {
    let ca = PrivateCa::new().unwrap();
    let builder = DockerRegistry::builder().basic("user", "secret").tls(&ca);
    let registry = builder.start().await.unwrap();
    registry
        .push("app", "1", &images::image("app"))
        .await
        .unwrap();
    let place = format!("docker://{}", registry.image("app", "1"));
    let error = skopeo_inspect(&place).await.unwrap_err().to_string();
    assert!(error.contains("authentication required"), "{error}");
    let inspect = ["inspect", "--tls-verify=false", "--creds", "user:secret"];
    let known = skopeo(&[&inspect[..], &[&place]].concat()).await;
    assert!(known.unwrap().contains("\"Architecture\": \"amd64\""));
    assert_eq!(
        registry.count("PUT", "/v2/app/manifests/1").await.unwrap(),
        1
    );
}

#[tokio::test]
async fn two_registries_run_side_by_side_and_end_with_their_owner() {
    let first = DockerRegistry::builder().in_memory().start().await.unwrap();
    let second = DockerRegistry::start().await.unwrap();
    assert_ne!(first.host(), second.host());
    let host = first.host().to_owned();
    drop(first);
    assert!(TcpStream::connect(&host).await.is_err());
}

#[tokio::test]
async fn skopeo_reads_layout_folders() {
    let folder = tempfile::tempdir().unwrap();
    let image = images::image("app");
    let index = images::index("multi", &["linux/amd64", "linux/arm64"]);
    let both = [("one", &image), ("many", &index)];
    images::write_layout(folder.path(), &both).unwrap();
    let copy = folder.path().join("copy");
    for (tag, image) in both {
        let source = format!("oci:{}:{tag}", folder.path().display());
        let target = format!("oci:{}:{tag}", copy.display());
        skopeo_copy(&source, &target).await.unwrap();
        let tags = images::layout_tags(&copy).unwrap();
        assert_eq!(tags.last().unwrap().1.digest, *image.digest());
        for blob in image.all_blobs() {
            let bytes = images::layout_blob(&copy, &blob.digest).unwrap();
            assert_eq!(bytes.as_ref(), Some(&blob.bytes));
        }
    }
    let complete = images::incomplete_layout_tags(&copy).unwrap();
    assert_eq!(complete, Vec::<String>::new());
    let blob = &index.children[0].blobs[1].digest;
    std::fs::remove_file(copy.join("blobs/sha256").join(blob.hex())).unwrap();
    let incomplete = images::incomplete_layout_tags(&copy).unwrap();
    assert_eq!(incomplete, [format!("many: blob {blob} is missing")]);
}

#[tokio::test]
async fn nats_server_survives_a_kill_on_its_port_and_storage() {
    let mut server = NatsServer::start().await.unwrap();
    let url = server.url();
    assert!(greeting(&url).await.contains("\"jetstream\":true"));
    server.kill().unwrap();
    let address = url.trim_start_matches("nats://");
    assert!(TcpStream::connect(address).await.is_err());
    server.restart().await.unwrap();
    assert!(greeting(&url).await.contains("\"jetstream\":true"));
}

async fn greeting(url: &str) -> String {
    let address = url.trim_start_matches("nats://");
    let mut line = String::new();
    if let Ok(stream) = TcpStream::connect(address).await {
        let read = BufReader::new(stream).read_line(&mut line).await;
        line.push_str(&read.err().map(|e| e.to_string()).unwrap_or_default());
    }
    line
}

#[tokio::test]
async fn docker_registry_takes_signed_tokens() {
    let signer = TokenSigner::new().unwrap();
    let tokens = TokenService::new().user("user", "secret").signer(&signer);
    let service = FakeRegistry::builder()
        .tokens(&tokens)
        .start()
        .await
        .unwrap();
    let realm = format!("{}/token", service.url());
    let builder = DockerRegistry::builder().tokens(&signer, &realm);
    let registry = builder.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    images::write_layout(folder.path(), &[("1", &images::image("app"))]).unwrap();
    let source = format!("oci:{}:1", folder.path().display());
    let target = format!("docker://{}", registry.image("app", "1"));
    let copy = ["copy", "--dest-tls-verify=false"];
    let anonymous = skopeo(&[&copy[..], &[&source, &target]].concat()).await;
    assert!(anonymous.is_err());
    let known = [&copy[..], &["--dest-creds=user:secret", &source, &target]].concat();
    skopeo(&known).await.unwrap();
    assert_eq!(
        registry.count("PUT", "/v2/app/manifests/1").await.unwrap(),
        1
    );
    let users: Vec<_> = tokens.requests().into_iter().map(|r| r.user).collect();
    assert_eq!(users.first(), Some(&None));
    assert_eq!(users.last(), Some(&Some("user".to_owned())));
}
