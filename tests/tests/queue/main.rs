//! The roles as processes, over a real nats-server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod bad_input;
mod dead_letters;
mod enqueue;
mod permissions;
mod site;

use std::process::Stdio;

use image_sync_shared::outcome::ImageResult;
use image_sync_shared::report::{Report, RunStatus};
use image_sync_shared::run::Trigger;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Gate, Rule};
use image_sync_testkit::images::image;
use image_sync_testkit::servers::NatsServer;
use image_sync_tests::{Catalog, Ended, Entry, Program};
use tokio::process::Child;

/// A nats-server, registries, and the program with its config.
struct World {
    _nats: NatsServer,
    source: FakeRegistry,
    target: FakeRegistry,
    program: Program,
}

impl World {
    /// All provisioned, with `images` images in the catalog, of which the last one is missing at the source.
    async fn start(images: usize) -> Self {
        let nats = NatsServer::start().await.unwrap();
        let program =
            Program::new(env!("CARGO_BIN_EXE_image-sync-under-test")).env("NATS_URL", &nats.url());
        let world = Self {
            _nats: nats,
            source: FakeRegistry::start().await.unwrap(),
            target: FakeRegistry::start().await.unwrap(),
            program,
        };
        for number in 1..images {
            let repository = repository(number);
            world
                .source
                .put_image(&repository, "1.0", &image(&repository));
        }
        world
            .program
            .write("config.yaml", &world.catalog(images).yaml());
        world.provision().await;
        world
    }

    fn catalog(&self, images: usize) -> Catalog {
        (1..=images).fold(Catalog::new(self.target.host()), |catalog, number| {
            let repository = repository(number);
            let source = format!("{}/{repository}", self.source.host());
            catalog.image(Entry::new(&source, "1.0").cache_as(&repository))
        })
    }

    /// With times so short that the loss of a worker shows soon.
    async fn provision(&self) {
        let sizes = "--jobs-max-bytes 16MiB --log-max-bytes 16MiB --letters-max-bytes 16MiB \
                     --reports-max-bytes 16MiB --bucket-max-bytes 4MiB --visibility 2s --lease-term 2s";
        let mut arguments = vec!["provision"];
        arguments.extend(sizes.split_whitespace());
        let ended = self.program.run(&arguments).await;
        assert_eq!(ended.code, Some(0), "{ended:#?}");
    }

    fn role(&self, line: &str) -> Child {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        self.program.spawn(&arguments)
    }

    fn worker(&self, name: &str) -> Child {
        self.role(&format!(
            "worker -c config.yaml --slots 4 --heartbeat 500ms --name {name}"
        ))
    }

    async fn produced(&self) -> Ended {
        let arguments = "producer -c config.yaml --wait";
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        self.program.run(&arguments).await
    }
}

fn repository(number: usize) -> String {
    format!("team/app{number}")
}

/// Ends a role as its supervisor would, and expects that it ends in order.
async fn stop(child: Child) {
    terminate(&child);
    let ended: Ended = child.wait_with_output().await.unwrap().into();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

fn terminate(child: &Child) {
    let id = child.id().expect("a running process").to_string();
    let kill = std::process::Command::new("kill")
        .args(["-s", "TERM", &id])
        .stderr(Stdio::inherit())
        .status();
    assert!(kill.unwrap().success());
}

/// A report without what differs from run to run.
fn comparable(mut report: Report) -> (Trigger, RunStatus, Vec<ImageResult>) {
    for result in &mut report.results {
        result.duration_ms = 0;
    }
    (report.head.trigger, report.head.status, report.results)
}

#[tokio::test]
async fn the_report_over_the_queue_is_that_of_sync() {
    let world = World::start(20).await;
    let aggregator = world.role("aggregator");
    let workers = [world.worker("a"), world.worker("b")];
    let ended = world.produced().await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let over_queue = ended.report();
    assert_eq!(over_queue.head.summary.pulled, 19, "{ended:#?}");
    assert_eq!(over_queue.head.summary.failed, 1, "{ended:#?}");
    world.target.assert_every_tag_is_complete();
    for role in workers.into_iter().chain([aggregator]) {
        stop(role).await;
    }

    // The same catalog for a target that has nothing of it yet; only its host is another.
    let fresh = FakeRegistry::start().await.unwrap();
    let text = world.catalog(20).yaml();
    let text = text.replace(world.target.host(), fresh.host());
    world.program.write("sync.yaml", &text);
    let synced = world.program.run(&["sync", "-c", "sync.yaml"]).await;
    let same_host = synced.stdout.replace(fresh.host(), world.target.host());
    let in_one_process: Report = serde_json::from_str(&same_host).unwrap();
    assert_eq!(synced.code, ended.code);
    assert_eq!(over_queue.head.summary, in_one_process.head.summary);
    assert_eq!(comparable(over_queue), comparable(in_one_process));
}

#[tokio::test]
async fn a_killed_worker_loses_no_job() {
    let world = World::start(6).await;
    let gate = Gate::new();
    world.source.stage(
        Rule::new("GET", "/v2/team/app2/blobs/*"),
        Fault::hold(&gate),
    );
    let _aggregator = world.role("aggregator");
    let mut doomed = world.worker("doomed");
    let produced = world.produced();
    let kill = async {
        gate.reached().await;
        doomed.kill().await.unwrap();
        gate.release();
        world.worker("heir")
    };
    let (ended, _heir) = tokio::join!(produced, kill);
    let report = ended.report();
    assert_eq!(report.head.status, RunStatus::Complete, "{ended:#?}");
    assert_eq!((report.results.len(), report.head.summary.failed), (6, 1));
    let copied = image(&repository(2));
    let at_target = world.target.digest("team/app2", "1.0");
    assert_eq!(at_target.as_ref(), Some(copied.digest()));
    world.target.assert_every_tag_is_complete();
}
