//! A cluster of three nats-servers of which some die, leave or stand still while a run is open.

use image_sync_shared::run::report::RunStatus;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{At, Fault, Gate, Rule};
use image_sync_testkit::images::image;
use image_sync_testkit::servers::NatsCluster;
use image_sync_tests::{Catalog, Entry, Program, Running};

const PROVISION: &str = "provision --replicas 3 --jobs-max-bytes 16MiB --log-max-bytes 16MiB --letters-max-bytes 16MiB \
                         --reports-max-bytes 16MiB --bucket-max-bytes 4MiB";
const IMAGES: usize = 40;

/// A cluster, registries, and roles that are connected to its first server.
struct Site {
    cluster: NatsCluster,
    source: FakeRegistry,
    target: FakeRegistry,
    program: Program,
}

impl Site {
    async fn start() -> Self {
        let cluster = NatsCluster::start().await.unwrap();
        let program = Program::new(env!("CARGO_BIN_EXE_image-sync-under-test"))
            .env("NATS_URL", &cluster.nodes[0].url());
        let pipeline = Self {
            cluster,
            source: FakeRegistry::start().await.unwrap(),
            target: FakeRegistry::start().await.unwrap(),
            program,
        };
        let provisioned = pipeline.role(PROVISION).ended().await;
        assert_eq!(provisioned.code, Some(0), "{provisioned:#?}");
        let mut catalog = Catalog::new(pipeline.target.host());
        for number in 0..IMAGES {
            let repository = format!("app{number}");
            pipeline
                .source
                .put_image(&repository, "1.0", &image(&repository));
            let source = format!("{}/{repository}", pipeline.source.host());
            catalog = catalog.image(Entry::new(&source, "1.0").cache_as(&repository));
        }
        pipeline.program.write("config.yaml", &catalog.yaml());
        pipeline
    }

    fn role(&self, line: &str) -> Running {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.program.start(&words)
    }

    /// Holds the blobs of an image in the middle of their bytes.
    fn hold(&self, number: usize) -> Gate {
        let gate = Gate::new();
        let rule = Rule::new("GET", format!("/v2/app{number}/blobs/*")).first(1);
        self.source.stage(rule, Fault::stall(At::Body(1), &gate));
        gate
    }

    /// A run in the middle of which `harm` is done: all images are copied, and whoever waits for it has its report.
    async fn survives(mut self, harm: impl AsyncFnOnce(&mut NatsCluster, &Running)) {
        let gate = self.hold(IMAGES / 2);
        let aggregator = self.role("aggregator");
        let worker = self.role("worker -c config.yaml --name w --slots 2");
        aggregator.line("aggregator started").await;
        worker.line("worker started").await;
        let producer = self.role("producer -c config.yaml --wait");
        producer.line("waiting for the end of the run").await;
        gate.reached().await;
        harm(&mut self.cluster, &worker).await;
        gate.release();
        let ended = producer.ended().await;
        assert_eq!(
            ended.code,
            Some(0),
            "{ended:#?} {worker:#?} {aggregator:#?}"
        );
        let report = ended.report();
        assert_eq!(report.head.status, RunStatus::Complete, "{report:#?}");
        assert_eq!(report.results.len(), IMAGES);
        assert_eq!(report.head.summary.failed, 0, "{report:#?}");
        self.target.assert_every_tag_is_complete();
        worker.stop().await;
        aggregator.stop().await;
    }
}

const NOTICED: &str = "the connection to NATS was cut";

#[tokio::test]
async fn a_run_outlasts_the_leader_of_its_streams() {
    let pipeline = Site::start().await;
    pipeline
        .survives(async |cluster, _| {
            let leader = cluster.leader_of("IMGSYNC_JOBS").await.unwrap();
            cluster.nodes[leader].kill().unwrap();
        })
        .await;
}

#[tokio::test]
async fn a_run_outlasts_two_of_three_servers_that_are_away_for_a_while() {
    let pipeline = Site::start().await;
    pipeline
        .survives(async |cluster, worker| {
            for node in &mut cluster.nodes[..2] {
                node.kill().unwrap();
            }
            worker.line(NOTICED).await;
            for node in &mut cluster.nodes[..2] {
                node.restart().await.unwrap();
            }
        })
        .await;
}

#[tokio::test]
async fn a_run_outlasts_a_rolling_restart() {
    let pipeline = Site::start().await;
    pipeline
        .survives(async |cluster, _| {
            for number in 0..cluster.nodes.len() {
                cluster.nodes[number].kill().unwrap();
                cluster.nodes[number].restart().await.unwrap();
                for stream in ["IMGSYNC_JOBS", "IMGSYNC_RUNLOG"] {
                    cluster.healed(stream).await.unwrap();
                }
            }
        })
        .await;
}

#[tokio::test]
async fn a_server_that_stands_still_with_its_connections_open_is_left_for_another() {
    let pipeline = Site::start().await;
    pipeline
        .survives(async |cluster, worker| {
            cluster.nodes[0].stand_still().unwrap();
            worker.line(NOTICED).await;
        })
        .await;
}

#[tokio::test]
async fn provision_on_a_cluster_warns_of_one_replica() {
    let pipeline = Site::start().await;
    let elsewhere = "provision --prefix other --jobs-max-bytes 1MiB --log-max-bytes 1MiB --letters-max-bytes 1MiB \
                     --reports-max-bytes 1MiB --bucket-max-bytes 1MiB";
    let warned = pipeline.role(elsewhere).ended().await;
    assert_eq!(warned.code, Some(0), "{warned:#?}");
    assert!(warned.stderr.contains("--replicas 3"), "{warned:#?}");
    let kept = pipeline.role(PROVISION).ended().await;
    assert!(!kept.stderr.contains("is one of the cluster"), "{kept:#?}");
}
