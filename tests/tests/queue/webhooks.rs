//! `webhook`: what registries and scripts tell of is at the target.

use std::time::Duration;

use image_sync_testkit::images::image;
use image_sync_testkit::servers::DockerRegistry;
use image_sync_testkit::{FakeRegistry, Image};
use image_sync_tests::{Catalog, Entry, Running, Watched};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{CUT, TestPipeline};

/// The source, as the config calls it: where it really is, only the worker knows.
const SOURCE: &str = "registry.test";
const REPOSITORY: &str = "team/app";
const SECRET: &str = "the-secret-of-docker-registry";
const PATH_SECRET: &str = "the-secret-of-a-path";
const API_SECRET: &str = "the-secret-of-scripts";
/// The longest time in which a target is checked twice at most.
const WINDOW: Duration = Duration::from_secs(5);

/// All roles, with a docker-registry that tells of what is pushed.
struct TestEvents {
    pipeline: TestPipeline,
    source: DockerRegistry,
    webhook: Watched,
    roles: [Running; 2],
}

impl TestEvents {
    async fn start() -> Self {
        let pipeline = TestPipeline::start().await;
        let entry = Entry::of_tags(&format!("{SOURCE}/{REPOSITORY}"), "{include: ['v.*']}");
        let catalog = Catalog::new(pipeline.target.host()).image(entry.cache_as(REPOSITORY));
        let hooks = format!(
            "webhooks:\n  distribution: {{registry: {SOURCE}, secret_file: secret}}\n  \
             quay: {{secret_file: path-secret}}\n  api: {{secret_file: api-secret}}\n"
        );
        let program = &pipeline.program;
        program.write("webhook.yaml", &(catalog.yaml() + &hooks));
        program.write("secret", SECRET);
        program.write("path-secret", PATH_SECRET);
        program.write("api-secret", API_SECRET);
        let webhook =
            pipeline.role("webhook -c webhook.yaml --listen 127.0.0.1:0 --log-level trace");
        let webhook = Watched::over(webhook).await;
        webhook.readiness_is(200).await;
        let url = format!("http://{}/v1/hooks/distribution", webhook.address());
        let source = DockerRegistry::builder().notifies(&url, &format!("Bearer {SECRET}"));
        let source = source.start().await.unwrap();
        let place = format!("{{endpoint: 'http://{}'}}", source.host());
        pipeline.write(&catalog.registry(SOURCE, &place));
        let roles = [pipeline.worker("w1"), pipeline.aggregator()];
        roles[0].line("worker started").await;
        roles[1].line("aggregator started").await;
        Self {
            pipeline,
            source,
            webhook,
            roles,
        }
    }

    async fn push(&self, tag: &str, image: &Image) {
        self.source.push(REPOSITORY, tag, image).await.unwrap();
    }

    fn target(&self) -> &FakeRegistry {
        &self.pipeline.target
    }

    /// Returns when the target's tag is this image.
    async fn comes(&self, tag: &str, image: &Image) {
        let path = format!("/v2/{REPOSITORY}/manifests/{tag}");
        let mut next = 0;
        while self.target().digest(REPOSITORY, tag).as_ref() != Some(image.digest()) {
            let written = self.target().wait_for(|request| {
                request.is("PUT", &path) && request.answered.is_some() && request.sequence >= next
            });
            next = written.await.sequence + 1;
        }
    }

    /// The runs that events or scripts led to.
    async fn runs(&self, trigger: &str) -> Vec<Value> {
        let list = self.pipeline.run_well("runs list --output json").await;
        let mut runs: Vec<Value> = serde_json::from_str(&list.stdout).unwrap();
        runs.retain(|run| run["trigger"] == trigger);
        runs
    }

    /// What came lately.
    async fn came(&self) -> Value {
        let proof = format!("authorization: Bearer {API_SECRET}\r\n");
        let (status, came) = self.webhook.ask("GET", "/v1/hooks", &proof, "").await;
        assert_eq!(status, 200, "{came}");
        serde_json::from_str(&came).unwrap()
    }

    /// Ends all roles, and expects that each ends in order and that none has said a secret.
    async fn stop(self) {
        for role in self.roles.into_iter().chain([self.webhook.role]) {
            let ended = role.stop().await;
            for secret in [SECRET, PATH_SECRET, API_SECRET] {
                assert!(!ended.stderr.contains(secret), "{ended:#?}");
            }
        }
        self.pipeline.target.assert_every_tag_is_complete();
    }
}

#[tokio::test]
async fn a_push_at_docker_registry_is_at_the_target_and_other_tags_are_not() {
    let test = TestEvents::start().await;
    test.push("other", &image("other")).await;
    test.push("v1", &image("v1")).await;
    test.comes("v1", &image("v1")).await;
    test.push("v1", &image("v1 again")).await;
    test.comes("v1", &image("v1 again")).await;
    assert_eq!(test.target().digest(REPOSITORY, "other"), None);
    let came = test.came().await;
    let events = &came["senders"]["distribution"]["events"];
    assert_eq!(
        (&events["stored"], &events["unmatched"]),
        (&json!(2), &json!(1)),
        "{came}"
    );
    test.stop().await;
}

#[tokio::test]
async fn a_secret_in_a_path_is_in_no_log_whatever_its_level() {
    let test = TestEvents::start().await;
    let body = json!({
        "repository": REPOSITORY,
        "docker_url": format!("{SOURCE}/{REPOSITORY}"),
        "updated_tags": ["other"],
    });
    let body = body.to_string();
    for (secret, expected) in [(PATH_SECRET, 202), (&PATH_SECRET[1..], 401)] {
        let path = format!("/v1/hooks/quay/{secret}");
        let (status, said) = test.webhook.ask("POST", &path, "", &body).await;
        assert_eq!(status, expected, "{said}");
        assert!(!said.contains(secret), "{said}");
    }
    let line = test.webhook.role.line("/v1/hooks/quay/***").await;
    assert!(line.contains("status=202"), "{line}");
    let wrong = &PATH_SECRET[1..];
    assert_eq!(
        test.webhook.role.count(wrong),
        0,
        "nor a wrong one, which may be that of another path"
    );
    test.stop().await;
}

#[tokio::test]
async fn events_that_are_answered_503_while_nats_is_away_are_sent_again_and_none_is_lost() {
    let mut test = TestEvents::start().await;
    test.pipeline.nats.kill().unwrap();
    test.webhook.role.line(CUT).await;
    for number in 1..=3 {
        let tag = format!("v{number}");
        test.push(&tag, &image(&tag)).await;
    }
    test.webhook.role.line("status=503").await;
    test.pipeline.nats.restart().await.unwrap();
    for number in 1..=3 {
        let tag = format!("v{number}");
        test.comes(&tag, &image(&tag)).await;
    }
    let came = test.came().await;
    let events = &came["senders"]["distribution"]["events"];
    assert!(events["not_stored"].as_u64() > Some(0), "{came}");
    test.stop().await;
}

#[tokio::test]
async fn of_a_storm_of_pushes_the_last_digest_is_at_the_target_after_two_checks_per_window() {
    const PUSHES: usize = 40;
    let test = TestEvents::start().await;
    let (one, other, last) = (image("one"), image("other"), image("last"));
    let began = Instant::now();
    for image in [&one, &other].into_iter().cycle().take(PUSHES) {
        test.push("v1", image).await;
    }
    test.push("v1", &last).await;
    test.comes("v1", &last).await;
    // Until then events may still have come: the registry tells of a push after it was answered.
    let windows = began.elapsed().as_secs() / WINDOW.as_secs() + 1;
    let runs = test.runs("webhook").await;
    let jobs: u64 = runs.iter().map(|run| run["jobs"].as_u64().unwrap()).sum();
    assert!(
        jobs <= windows * 2,
        "{jobs} jobs in {windows} windows: {runs:#?}"
    );
    test.stop().await;
}

#[tokio::test]
async fn an_image_that_a_script_asks_for_over_http_is_checked_in_a_run_of_its_own() {
    let test = TestEvents::start().await;
    test.push("v1", &image("v1")).await;
    test.comes("v1", &image("v1")).await;
    let proof = format!("authorization: Bearer {API_SECRET}\r\n");
    let enqueue = async |proof: &str, name: &str| {
        let body = json!({ "image": name }).to_string();
        test.webhook.ask("POST", "/v1/enqueue", proof, &body).await
    };
    let name = format!("{SOURCE}/{REPOSITORY}:v1");
    let (status, said) = enqueue(&proof, &name).await;
    assert_eq!(status, 202, "{said}");
    let said: Value = serde_json::from_str(&said).unwrap();
    let run = said["run"].as_str().unwrap();
    assert_eq!(said["jobs"], json!([format!("{run}:0")]), "{said}");
    let line = test.webhook.role.line("path=\"/v1/enqueue\"").await;
    assert!(line.contains("status=202"), "{line}");
    test.pipeline.run_well(&format!("runs watch {run}")).await;
    let runs = test.runs("enqueue").await;
    assert_eq!((runs.len(), &runs[0]["jobs"]), (1, &json!(1)), "{runs:#?}");
    assert_eq!(
        runs[0]["ended"]["summary"]["already_cached"], 1,
        "{runs:#?}"
    );
    let (status, said) = enqueue(&proof, "nobody.test/has:v1").await;
    assert_eq!(status, 400, "{said}");
    assert!(said.contains("nobody.test/has"), "{said}");
    assert_eq!(enqueue("", &name).await.0, 401);
    assert_eq!(test.runs("enqueue").await.len(), 1);
    test.stop().await;
}
