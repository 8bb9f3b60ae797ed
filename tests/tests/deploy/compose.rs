//! compose.yaml, brought up without an engine.

mod confinement;
mod documented;
mod project;
mod service;

use std::fs;

use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{At, Fault, Gate, Rule};
use image_sync_testkit::images::image;
use image_sync_testkit::servers::skopeo;
use image_sync_tests::{Ended, ask};

use project::Project;

/// What deploy/compose/config.yaml names, at a registry that stands for those of the config.
const IMAGES: [(&str, &str); 6] = [
    ("library/alpine", "3.20"),
    ("library/busybox", "1.36"),
    ("pause", "3.10"),
    ("library/nginx", "1.27.0"),
    ("library/nginx", "1.27.1"),
    ("library/nginx", "1.28.0"),
];
/// All but nginx 1.28, which the rule of the config leaves out.
const CHOSEN: u32 = 5;

async fn sources() -> FakeRegistry {
    let source = FakeRegistry::start().await.unwrap();
    for (repository, tag) in IMAGES {
        source.put_image(repository, tag, &image(&format!("{repository}:{tag}")));
    }
    source
}

fn project(source: &FakeRegistry) -> Project {
    let host = source.host();
    Project::read(&[
        ("docker.io/library", &format!("{host}/library")),
        ("registry.k8s.io/pause", &format!("{host}/pause")),
        (
            "cache_registry: cache:5000",
            "cache_registry: cache:5000\nsettings: {source_tls_verify: false}",
        ),
    ])
}

/// The manifest that the cache has for a tag of a source that the test stands for.
async fn cached(project: &Project, image: &str) -> String {
    let cache = project.address("cache");
    let place = format!("docker://{cache}:5000/127.0.0.1/{image}");
    let inspected = skopeo(&["inspect", "--tls-verify=false", "--raw", &place]).await;
    inspected.unwrap()
}

fn manifest(source: &FakeRegistry, repository: &str, tag: &str) -> String {
    let manifest = source.manifest(repository, tag).unwrap();
    String::from_utf8(manifest.bytes.to_vec()).unwrap()
}

/// How many images a run has copied, once it ended well.
fn pulled(ended: &Ended) -> u32 {
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    ended.report().head.summary.pulled
}

/// What a registry says of a push: the status of the answer.
async fn push(project: &Project, service: &str, image: &str, secret: &str) -> u16 {
    let event = format!(r#"{{"image": "{image}"}}"#);
    let authorization = format!("authorization: Bearer {secret}\r\n");
    let address = format!("{}:8080", project.address(service));
    let answer = ask(
        &address,
        "POST",
        "/v1/hooks/generic",
        &authorization,
        &event,
    )
    .await;
    answer.0
}

#[tokio::test]
async fn the_whole_pipeline_comes_up_by_itself_and_outlasts_a_worker() {
    let source = sources().await;
    let mut project = project(&source);
    let gate = Gate::new();
    let held = Rule::new("GET", "/v2/library/alpine/blobs/*").first(1);
    source.stage(held, Fault::stall(At::Body(1), &gate));

    project.up(&["provision"]).await;
    project.completed("provision").await;
    // A killed worker's jobs are another one's after a minute, unless the installation says otherwise.
    let shorter = "provision --visibility 5s --lease-term 5s";
    let provisioned = project.run("provision", shorter).await;
    assert_eq!(provisioned.code, Some(0), "{provisioned:#?}");
    project.up(&project.usual()).await;
    for _ in 1..4 {
        project.start("worker").await;
    }

    gate.reached().await;
    let shown = project
        .run("operator", "runs show latest --image *alpine*")
        .await;
    let doomed = project.running("worker").iter_mut().find(|(_, worker)| {
        let name_ends_so = format!("-{}\"", worker.process_id());
        shown.stdout.contains(&name_ends_so)
    });
    let (_, doomed) = doomed.expect("who has it in hand");
    doomed.kill().await;
    gate.release();
    let watched = project.run("operator", "runs watch latest").await;
    assert_eq!(pulled(&watched), CHOSEN, "{watched:#?}");
    for (repository, tag) in &IMAGES[..5] {
        let found = cached(&project, &format!("{repository}:{tag}")).await;
        assert_eq!(found, manifest(&source, repository, tag));
    }
    project
        .running("worker")
        .retain_mut(|(_, worker)| worker.is_running());
    assert_eq!(project.running("worker").len(), 3);
    assert_eq!(project.down().await, [] as [String; 0]);
}

#[tokio::test]
async fn a_push_is_in_the_cache_once_a_webhook_with_the_secret_of_the_project_told_of_it() {
    let source = sources().await;
    let mut project = project(&source);
    project.up(&project.usual()).await;
    let first = project.run("operator", "runs watch latest").await;
    assert_eq!(pulled(&first), CHOSEN);

    source.put_image("library/alpine", "3.20", &image("pushed"));
    let pushed = source.image("library/alpine", "3.20");
    assert_eq!(
        push(&project, "webhook", &pushed, "wrong-secret-1234").await,
        401
    );
    let secret = project.file_of("webhook", "/run/secrets/webhook/secret");
    let secret = fs::read_to_string(secret).unwrap();
    assert_eq!(push(&project, "webhook", &pushed, &secret).await, 202);
    let second = project.run("operator", "runs watch latest").await;
    assert_eq!(pulled(&second), 1);
    let found = cached(&project, "library/alpine:3.20").await;
    assert_eq!(found, manifest(&source, "library/alpine", "3.20"));
    assert_eq!(project.down().await, [] as [String; 0]);
}

#[tokio::test]
async fn a_role_with_its_own_password_is_refused_what_is_another_ones() {
    let source = sources().await;
    let mut project = project(&source);
    project.up(&["provision"]).await;
    project.completed("provision").await;
    for (role, line) in [
        ("operator", "provision"),
        ("worker", "provision"),
        ("worker", "producer"),
        ("worker", "dead-letters list"),
        ("aggregator", "provision"),
        ("aggregator", "dead-letters list"),
        ("producer", "worker"),
        ("producer", "aggregator"),
        ("webhook", "worker"),
        ("webhook", "dead-letters list"),
        ("provision", "hosts list"),
    ] {
        let ended = project.run(role, line).await;
        assert_eq!(ended.code, Some(3), "{role}: {line}: {ended:#?}");
        let told = ended.stderr.contains("NATS does not let this user");
        assert!(told, "{role}: {line}: {ended:#?}");
    }
    // The password is the role's own: with it, nobody is another one.
    let other = project
        .run("worker", "runs list --nats-user operator")
        .await;
    assert!(
        other.stderr.contains("does not accept these credentials"),
        "{other:#?}"
    );
    assert_eq!(other.code, Some(3), "{other:#?}");
}

#[tokio::test]
async fn one_process_without_nats_does_the_same_as_the_service_single() {
    let source = sources().await;
    let mut project = project(&source);
    project.up(&["single"]).await;
    assert!(!project.is_running("nats"));
    let single = &project.running("single")[0].1;
    single.line("run ended").await;
    source.put_image("pause", "3.10", &image("pushed"));
    let secret = project.file_of("single", "/run/secrets/webhook/secret");
    let secret = fs::read_to_string(secret).unwrap();
    let pushed = source.image("pause", "3.10");
    assert_eq!(push(&project, "single", &pushed, &secret).await, 202);
    let single = &project.running("single")[0].1;
    single.lines("run ended", 2).await;
    let found = cached(&project, "pause:3.10").await;
    assert_eq!(found, manifest(&source, "pause", "3.10"));
    assert_eq!(project.down().await, [] as [String; 0]);
}
