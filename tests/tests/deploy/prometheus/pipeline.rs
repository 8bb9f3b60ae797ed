//! All roles over a nats-server, with images to which everything happens that a metric tells.

use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_testkit::images::image;
use image_sync_testkit::servers::NatsServer;
use image_sync_tests::{Catalog, Entry, Program, Watched};

use super::exposition::Exposition;

const TAG: &str = "1.0";
const SECRET: &str = "the-secret-of-a-pipeline";
/// Nobody listens there.
const AWAY: &str = "127.0.0.1:1";

struct Pipeline {
    program: Program,
    source: FakeRegistry,
    target: FakeRegistry,
    _nats: NatsServer,
}

impl Pipeline {
    async fn start() -> Self {
        let nats = NatsServer::start().await.unwrap();
        let program = Program::new(env!("CARGO_BIN_EXE_image-sync-under-test"));
        let pipeline = Self {
            program: program.env("NATS_URL", &nats.url()),
            source: FakeRegistry::start().await.unwrap(),
            target: FakeRegistry::start().await.unwrap(),
            _nats: nats,
        };
        let sizes = "--jobs-max-bytes 16MiB --log-max-bytes 16MiB --letters-max-bytes 16MiB \
                     --reports-max-bytes 16MiB --bucket-max-bytes 4MiB";
        pipeline.ends_with(0, &format!("provision {sizes}")).await;
        pipeline
    }

    /// Writes a config of these repositories, `HOST/NAME` each.
    fn config(&self, file: &str, repositories: &[String]) {
        let catalog = Catalog::new(self.target.host());
        let catalog = repositories.iter().fold(catalog, |catalog, repository| {
            catalog.image(Entry::new(repository, TAG).cache_as("mirrored"))
        });
        let senders = ["generic", "distribution", "harbor", "quay"];
        let senders = senders.map(|sender| format!("{sender}: {{secret_file: secret}}"));
        let hooks = format!("webhooks: {{{}}}\n", senders.join(", "));
        self.program.write(file, &(catalog.yaml() + &hooks));
    }

    fn at_source(&self, name: &str) -> String {
        format!("{}/{name}", self.source.host())
    }

    async fn ends_with(&self, code: i32, line: &str) {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let ended = self.program.start(&arguments).ended().await;
        assert_eq!(ended.code, Some(code), "{line}: {ended:#?}");
    }

    async fn watched(&self, line: &str) -> Watched {
        let line = format!("{line} --listen 127.0.0.1:0");
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let watched = Watched::over(self.program.start(&arguments)).await;
        watched.readiness_is(200).await;
        watched
    }
}

/// The metrics of a worker, an aggregator and a webhook, once each of them has told of something.
pub(super) async fn all_metrics() -> Exposition {
    let pipeline = Pipeline::start().await;
    pipeline.program.write("secret", SECRET);
    let app = image("app");
    pipeline.source.put_image("app", TAG, &app);
    pipeline.config("config.yaml", &[pipeline.at_source("app")]);
    let aggregator = pipeline.watched("aggregator").await;
    let worker = pipeline.watched("worker -c config.yaml").await;
    let webhook = pipeline.watched("webhook -c config.yaml").await;
    // For how long reports are kept is told once there are two.
    for _ in 0..2 {
        let producer = "producer -c config.yaml --wait";
        pipeline.ends_with(0, producer).await;
    }
    // With its digest one look at the image is enough.
    let pushed = format!("{}:{TAG}@{}", pipeline.at_source("app"), app.digest());
    let event = format!(r#"{{"image": "{pushed}"}}"#);
    for (secret, answer) in [(SECRET, 202), ("not-the-secret-of-it", 401)] {
        let proof = format!("authorization: Bearer {secret}\r\n");
        let told = webhook.ask("POST", "/v1/hooks/generic", &proof, &event);
        assert_eq!(told.await.0, answer);
    }
    let of_event = r#"image_sync_last_run_timestamp_seconds{trigger="webhook",status="complete"}"#;
    aggregator.metrics_with(&[of_event]).await;
    pipeline.hindered_images().await;
    let of_worker = [
        r#"image_sync_jobs_total{outcome="failed"} 2"#,
        "image_sync_job_retries_total{",
        "image_sync_host_paused_until_timestamp_seconds{",
        r#"image_sync_registry_request_duration_seconds_count{host="other",method="HEAD",status="none"}"#,
        "image_sync_webhook_job_duration_seconds_count 1",
    ];
    let of_aggregator = [
        r#"image_sync_last_run_timestamp_seconds{trigger="schedule",status="complete"}"#,
        "image_sync_report_history_seconds{",
        "image_sync_dead_letters{} 2",
    ];
    let mut exposition = Exposition::default();
    exposition.take(&worker.metrics_with(&of_worker).await);
    exposition.take(&aggregator.metrics_with(&of_aggregator).await);
    exposition.take(&webhook.metrics_with(&["image_sync_ready 1"]).await);
    exposition
}

impl Pipeline {
    /// Images that are not there, whose registry answers 429, and whose registry is away.
    async fn hindered_images(&self) {
        let busy = Rule::new("HEAD", "/v2/busy/manifests/*");
        self.source.stage(busy, Fault::rate_limited(Some("3600")));
        let images = [
            self.at_source("gone"),
            self.at_source("busy"),
            format!("{AWAY}/away"),
        ];
        for image in images {
            self.config("hindered.yaml", std::slice::from_ref(&image));
            let enqueue = format!("enqueue -c hindered.yaml {image}:{TAG}");
            self.ends_with(0, &enqueue).await;
        }
    }
}
