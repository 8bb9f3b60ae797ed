//! What the manifests say is done, by pods without a cluster.

use std::fs;

use image_sync_shared::run::report::Summary;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::Auth;
use image_sync_testkit::images::image;
use image_sync_tests::{Ended, Program, ask};

use super::cluster::Cluster;
use super::manifests::{Pod, manifests_below, pods_of};
use crate::files::{repository, text_of};

/// What the configs of the manifests name, those of the seed included.
const IMAGES: [(&str, &str); 5] = [
    ("library/nginx", "1.27-alpine"),
    ("library/alpine", "3.20"),
    ("project-zot/zot-linux-amd64", "v2.1.2"),
    ("akeyless/k8s-secrets-sidecar", "0.35.1"),
    ("akeyless/k8s-webhook-server", "latest"),
];

/// A registry that gives images to whom it knows alone: `sync` with the password `s3cret`.
async fn source() -> FakeRegistry {
    let source = FakeRegistry::start().await.unwrap();
    for (repository, tag) in IMAGES {
        source.put_image(repository, tag, &image(repository));
    }
    source.set_auth(Auth::Basic {
        user: "sync".to_owned(),
        password: "s3cret".to_owned(),
    });
    source
}

/// A config whose sources are all at one registry, without TLS.
fn config_at(source: &FakeRegistry, config: &str) -> String {
    let host = source.host();
    let config = config
        .replace("docker.io/", &format!("{host}/"))
        .replace("ghcr.io/", &format!("{host}/"));
    let settings = "settings:\n  source_tls_verify: false\n";
    let config = config.replace("settings:\n", settings);
    assert!(config.contains(settings) && config.contains(host));
    config
}

/// What `kubectl create secret generic dockerhub-auth --from-file=.dockerconfigjson=…` makes.
fn put_credentials(cluster: &Cluster, source: &FakeRegistry) {
    let auth = "c3luYzpzM2NyZXQ=";
    let content = format!(
        r#"{{"auths": {{"{}": {{"auth": "{auth}"}}}}}}"#,
        source.host()
    );
    cluster.put("dockerhub-auth", &[(".dockerconfigjson", &content)]);
}

fn pods_below(folder: &str) -> Vec<Pod> {
    pods_of(&manifests_below(folder))
}

fn the_pod(pods: &[Pod], place: &str) -> Pod {
    let mut found = pods.iter().filter(|pod| pod.place.ends_with(place));
    let pod = found.next().unwrap_or_else(|| panic!("no {place}"));
    pod.clone()
}

fn summary(ended: &Ended) -> Summary {
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    ended.report().head.summary
}

/// The Job fills the cache, and then the CronJob finds all in place.
async fn fill_and_check(cluster: &mut Cluster, pods: &[Pod], images: u32) {
    let first = cluster
        .run_pod(&the_pod(pods, "Job image-sync-initial"))
        .await;
    assert_eq!(summary(&first).pulled, images, "{first:#?}");
    let second = cluster.run_pod(&the_pod(pods, "CronJob image-sync")).await;
    assert_eq!(summary(&second).already_cached, images, "{second:#?}");
}

#[tokio::test]
async fn the_overlay_single_fills_the_cache_and_then_finds_all_in_place() {
    let (source, mut cluster) = (source().await, Cluster::start());
    let config = text_of("deploy/kubernetes/base/config.yaml");
    cluster.put(
        "image-sync-config",
        &[("config.yaml", &config_at(&source, &config))],
    );
    put_credentials(&cluster, &source);
    let pods = pods_below("deploy/kubernetes/overlays/single");
    fill_and_check(&mut cluster, &pods, 3).await;
}

#[tokio::test]
async fn the_seeds_own_manifests_run_with_only_the_image_changed() {
    let (source, mut cluster) = (source().await, Cluster::start());
    let manifests = manifests_below("tests/tests/deploy/kubernetes/seed");
    let config = manifests
        .iter()
        .find(|manifest| manifest.kind() == "ConfigMap");
    let config = config.unwrap().object["data"]["config.yaml"]
        .as_str()
        .unwrap();
    cluster.put(
        "image-sync-config",
        &[("config.yaml", &config_at(&source, config))],
    );
    put_credentials(&cluster, &source);
    let pods = pods_of(&manifests);
    fill_and_check(&mut cluster, &pods, 4).await;
}

#[tokio::test]
async fn the_overlay_pipeline_comes_up_works_a_run_and_takes_a_push() {
    let (source, mut cluster) = (source().await, Cluster::start());
    let config = text_of("deploy/kubernetes/base/config.yaml");
    cluster.put(
        "image-sync-config",
        &[("config.yaml", &config_at(&source, &config))],
    );
    let nats = repository("deploy/kubernetes/components/nats/nats.conf");
    let nats = fs::read_to_string(nats).unwrap();
    cluster.put("image-sync-nats-config", &[("nats.conf", &nats)]);
    put_credentials(&cluster, &source);
    let program = Program::new(env!("CARGO_BIN_EXE_image-sync-under-test"));
    let made = program.run(&["nats-credentials", "credentials"]).await;
    assert_eq!(made.code, Some(0), "{made:#?}");
    let credentials = program.home().join("credentials");
    for role in ["provision", "producer", "worker", "aggregator", "webhook"] {
        cluster.put_folder(&format!("image-sync-nats-{role}"), &credentials.join(role));
    }
    cluster.put_folder("image-sync-nats-server", &credentials.join("nats"));

    let nats = pods_below("deploy/kubernetes/components/nats");
    cluster
        .start_pod(&the_pod(&nats, "StatefulSet nats"), "nats")
        .await;
    let pods = pods_below("deploy/kubernetes/overlays/pipeline");
    let provisioned = cluster
        .run_pod(&the_pod(&pods, "Job image-sync-provision"))
        .await;
    assert_eq!(provisioned.code, Some(0), "{provisioned:#?}");
    for role in ["worker", "aggregator", "aggregator", "webhook"] {
        let name = format!("image-sync-{role}");
        cluster
            .start_pod(&the_pod(&pods, &format!("Deployment {name}")), &name)
            .await;
    }
    let produced = cluster
        .run_pod(&the_pod(&pods, "CronJob image-sync-producer"))
        .await;
    assert_eq!(produced.code, Some(0), "{produced:#?}");
    let password = fs::read_to_string(credentials.join("operator/password")).unwrap();
    let first = cluster.operator("runs watch latest", &password).await;
    assert_eq!(summary(&first).pulled, 3, "{first:#?}");

    source.put_image("library/alpine", "3.20", &image("pushed"));
    let event = format!(
        r#"{{"image": "{}"}}"#,
        source.image("library/alpine", "3.20")
    );
    let secret = fs::read_to_string(credentials.join("webhook/secret")).unwrap();
    let proof = format!("authorization: Bearer {secret}\r\n");
    let webhook = format!("{}:8080", cluster.address("image-sync-webhook"));
    let answer = ask(&webhook, "POST", "/v1/hooks/generic", &proof, &event).await;
    assert_eq!(answer.0, 202, "{answer:?}");
    let second = cluster.operator("runs watch latest", &password).await;
    assert_eq!(summary(&second).pulled, 1, "{second:#?}");
    assert_eq!(cluster.end().await, [] as [String; 0]);
}
