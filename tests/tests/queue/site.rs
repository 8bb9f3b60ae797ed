//! An installation with a catalog, as the commands for single images find it.

use std::sync::Arc;
use std::time::Duration;

use image_sync_queue::jetstream::{
    ConnectSettings, Connection, DEFAULT_MAX_DELIVER, JetStream, Role,
};
use image_sync_shared::run::RunId;
use image_sync_testkit::servers::NatsServer;
use image_sync_testkit::{FakeRegistry, TokioClock};
use image_sync_tests::{Catalog, Ended, Entry, Program};
use tokio::process::Child;
use tokio::time::timeout;

/// How long a command may take: what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(90);

/// A provisioned nats-server, registries, and the program.
pub(crate) struct Site {
    nats: NatsServer,
    pub(crate) source: FakeRegistry,
    pub(crate) target: FakeRegistry,
    program: Program,
}

impl Site {
    /// With times so short that the loss of a worker shows soon.
    pub(crate) async fn start() -> Self {
        let nats = NatsServer::start().await.unwrap();
        let binary = env!("CARGO_BIN_EXE_image-sync-under-test");
        let program = Program::new(binary).env("NATS_URL", &nats.url());
        let site = Self {
            nats,
            source: FakeRegistry::start().await.unwrap(),
            target: FakeRegistry::start().await.unwrap(),
            program,
        };
        let provisioned = site.run(
            "provision --visibility 1s --lease-term 2s --jobs-max-bytes 16MiB --log-max-bytes 16MiB \
             --letters-max-bytes 16MiB --reports-max-bytes 16MiB --bucket-max-bytes 4MiB",
        );
        let ended = provisioned.await;
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        site
    }

    /// Writes a config with these images, `repository:tag` each.
    pub(crate) fn write_config(&self, images: impl IntoIterator<Item = String>) {
        let catalog = Catalog::new(self.target.host());
        let catalog = images.into_iter().fold(catalog, |catalog, image| {
            let (repository, tag) = image.split_once(':').unwrap();
            let source = format!("{}/{repository}", self.source.host());
            catalog.image(Entry::new(&source, tag).cache_as(repository))
        });
        self.program.write("config.yaml", &catalog.yaml());
    }

    /// Starts the program. Nobody reads its log, so there is to be little of it.
    pub(crate) fn role(&self, line: &str) -> Child {
        let quiet = line.split_whitespace().chain(["--log-level", "warn"]);
        self.program.spawn(&quiet.collect::<Vec<_>>())
    }

    pub(crate) fn worker(&self, name: &str, slots: usize) -> Child {
        self.role(&format!(
            "worker -c config.yaml --heartbeat 300ms --slots {slots} --name {name}"
        ))
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, line: &str) -> Ended {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ended = timeout(PATIENCE, self.program.run(&words)).await;
        ended.expect("the command should come to an end")
    }

    /// Runs the program to its end, which must be a good one.
    pub(crate) async fn run_well(&self, line: &str) -> Ended {
        let ended = self.run(line).await;
        assert_eq!(ended.code, Some(0), "{line}: {ended:#?}");
        ended
    }

    /// The queue itself, to see what commands leave behind.
    pub(crate) async fn queue(&self) -> JetStream {
        let connection = Connection::open(ConnectSettings::new(self.nats.url()));
        let clock = Arc::new(TokioClock::default());
        let queue = JetStream::open(
            connection.await.unwrap(),
            Role::Operator,
            clock,
            DEFAULT_MAX_DELIVER,
        );
        queue.await.unwrap()
    }

    /// The report of a run as it is stored.
    pub(crate) async fn report(&self, run: &RunId) -> String {
        let report = self.queue().await.reports().get(run).await.unwrap();
        let report = report.unwrap_or_else(|| panic!("run {run} should have a report"));
        std::io::read_to_string(report).unwrap()
    }
}
