//! What the tests over a queue share: a nats-server that is provisioned, registries, and the program with its config.

use std::sync::Arc;
use std::time::Duration;

use image_sync_queue::jetstream::{ConnectSettings, Connection, JetStream, Role};
use image_sync_shared::run::outcome::JobResult;
use image_sync_shared::run::report::{Report, RunStatus};
use image_sync_shared::run::{RunEvent, RunId};
use image_sync_testkit::fake_registry::{At, Fault, Gate, Rule};
use image_sync_testkit::images::image;
use image_sync_testkit::servers::NatsServer;
use image_sync_testkit::{FakeRegistry, Image, Proxy, TokioClock};
use image_sync_tests::{Catalog, Ended, Entry, Program, Running};
use time::OffsetDateTime;

/// The tag of all images.
pub(crate) const TAG: &str = "1.0";

/// A producer that waits for the report.
pub(crate) const PRODUCER: &str = "producer -c config.yaml --wait";

/// So many images that their report is stored in several pieces of 128 KiB.
pub(crate) const LARGE: usize = 300;
/// Where a piece of a report is on its way to the nats-server.
pub(crate) const A_PIECE_OF_A_REPORT: &str = "PUB $O.imgsync_reports.C.";

/// What a role says when its server has gone.
pub(crate) const CUT: &str = "the connection to NATS was cut";

/// Small streams.
const SIZES: &str = "--jobs-max-bytes 16MiB --log-max-bytes 16MiB --letters-max-bytes 16MiB \
                     --reports-max-bytes 16MiB --bucket-max-bytes 4MiB";
/// Times so short that the loss of a worker shows soon.
pub(crate) const TIMES: &str = "--visibility 2s --lease-term 2s";

/// What the roles meet at. Everything ends when it is dropped.
pub(crate) struct TestPipeline {
    pub(crate) nats: NatsServer,
    pub(crate) source: FakeRegistry,
    pub(crate) target: FakeRegistry,
    pub(crate) program: Program,
}

impl TestPipeline {
    /// All of it, provisioned with the usual times, which no role exceeds that is alive. No role runs yet, and there is no
    /// config.
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// All of it, provisioned with these times.
    pub(crate) async fn with(times: &str) -> Self {
        let nats = NatsServer::start().await.unwrap();
        let program =
            Program::new(env!("CARGO_BIN_EXE_image-sync-under-test")).env("NATS_URL", &nats.url());
        let pipeline = Self {
            nats,
            source: FakeRegistry::start().await.unwrap(),
            target: FakeRegistry::start().await.unwrap(),
            program,
        };
        pipeline.provision(times).await;
        pipeline
    }

    /// Provisions it with these times.
    pub(crate) async fn provision(&self, times: &str) {
        let provision = self.role(&format!("provision {SIZES} {times}"));
        let ended = provision.ended().await;
        assert_eq!(ended.code, Some(0), "{ended:#?}");
    }

    /// A proxy in front of the nats-server.
    pub(crate) async fn proxy(&self) -> Proxy {
        Proxy::start(&self.nats.host()).await.unwrap()
    }
}

/// Images and the config that names them.
impl TestPipeline {
    /// A catalog of images that the source has: `team/app1` and so on.
    pub(crate) fn catalog(&self, images: usize) -> Catalog {
        (1..=images).fold(Catalog::new(self.target.host()), |catalog, number| {
            let repository = repository(number);
            self.source.put_image(&repository, TAG, &app(number));
            catalog.image(self.entry(&repository))
        })
    }

    /// One repository of the source, under the same name in the cache.
    pub(crate) fn entry(&self, repository: &str) -> Entry {
        Entry::new(&format!("{}/{repository}", self.source.host()), TAG).cache_as(repository)
    }

    /// Holds the first blob of image `number` that the source sends, in the middle of its bytes.
    pub(crate) fn hold_a_blob(&self, number: usize) -> Gate {
        let gate = Gate::new();
        let path = format!("/v2/{}/blobs/*", repository(number));
        let rule = Rule::new("GET", path).first(1);
        self.source.stage(rule, Fault::stall(At::Body(1), &gate));
        gate
    }

    /// Writes a config of these images of the source, `repository:tag` each.
    pub(crate) fn write_images(&self, images: impl IntoIterator<Item = String>) {
        let catalog = Catalog::new(self.target.host());
        let catalog = images.into_iter().fold(catalog, |catalog, image| {
            let (repository, tag) = image.split_once(':').unwrap();
            let source = format!("{}/{repository}", self.source.host());
            catalog.image(Entry::new(&source, tag).cache_as(repository))
        });
        self.write(&catalog);
    }

    /// Writes the config of all roles.
    pub(crate) fn write(&self, catalog: &Catalog) {
        self.program.write("config.yaml", &catalog.yaml());
    }
}

/// The roles as processes.
impl TestPipeline {
    /// The program with these arguments.
    pub(crate) fn role(&self, line: &str) -> Running {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        self.program.start(&arguments)
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, line: &str) -> Ended {
        self.role(line).ended().await
    }

    /// Runs the program to its end, which must be a good one.
    pub(crate) async fn run_well(&self, line: &str) -> Ended {
        let ended = self.run(line).await;
        assert_eq!(ended.code, Some(0), "{line}: {ended:#?}");
        ended
    }

    /// The program with these arguments, which reaches the nats-server through a proxy.
    pub(crate) fn role_at(&self, proxy: &Proxy, line: &str) -> Running {
        self.role(&format!("{line} --nats nats://{}", proxy.host()))
    }

    /// An aggregator.
    pub(crate) fn aggregator(&self) -> Running {
        self.role("aggregator")
    }

    /// A worker of four slots whose signs of life fit the times that are provisioned.
    pub(crate) fn worker(&self, name: &str) -> Running {
        self.worker_with(name, "--slots 4 --heartbeat 500ms")
    }

    /// A worker of so many slots.
    pub(crate) fn worker_of(&self, slots: usize, name: &str) -> Running {
        self.worker_with(name, &format!("--slots {slots}"))
    }

    /// A worker that is told `more`.
    pub(crate) fn worker_with(&self, name: &str, more: &str) -> Running {
        self.role(&format!("worker -c config.yaml --name {name} {more}"))
    }

    /// A producer that waits for the report.
    pub(crate) fn producer(&self) -> Running {
        self.role(PRODUCER)
    }
}

/// What can be seen at the server.
impl TestPipeline {
    /// The queue, as an operator sees it.
    pub(crate) async fn queue(&self) -> JetStream {
        let settings = ConnectSettings::new(self.nats.url());
        let connection = Connection::open(settings).await.unwrap();
        let clock = Arc::new(TokioClock::starting_at(now()));
        let opened = JetStream::open(connection, Role::Operator, clock, u64::MAX);
        opened.await.unwrap()
    }

    /// The report of a run as it is stored.
    pub(crate) async fn report_of(&self, run: &RunId) -> String {
        let report = self.queue().await.ports().reports.get(run).await.unwrap();
        let mut report = report.unwrap_or_else(|| panic!("run {run} should have a report"));
        std::io::read_to_string(report.text().unwrap()).unwrap()
    }

    /// The results in the log of a run, in their order, those included that do not count.
    pub(crate) async fn results_of(&self, run: &RunId) -> Vec<JobResult> {
        let queue = self.queue().await;
        let mut log = queue.ports().log.read(run).await.unwrap();
        let mut results = Vec::new();
        while let Some(event) = log.next(Duration::ZERO).await.unwrap() {
            if let RunEvent::Result(result) = event {
                results.push(*result);
            }
        }
        results
    }

    /// What must be so after a run that all images of [`catalog`](Self::catalog) were copied in, whatever died meanwhile.
    pub(crate) fn assert_all_pulled(&self, ended: &Ended, images: usize) -> Report {
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        let report = ended.report();
        let (summary, count) = (report.head.summary, u32::try_from(images).unwrap());
        assert_eq!(report.head.status, RunStatus::Complete, "{report:#?}");
        assert_eq!(
            (summary.pulled, summary.total),
            (count, count),
            "{report:#?}"
        );
        assert_eq!(report.results.len(), images, "one result per image");
        for (number, result) in (1..=images).zip(&report.results) {
            let repository = repository(number);
            assert!(result.image.ends_with(&repository), "{result:#?}");
            self.assert_tag(&repository, &app(number));
        }
        self.target.assert_every_tag_is_complete();
        report
    }

    /// The target's tag is this image.
    pub(crate) fn assert_tag(&self, repository: &str, image: &Image) {
        let at_target = self.target.digest(repository, TAG);
        assert_eq!(at_target.as_ref(), Some(image.digest()), "{repository}");
    }
}

/// The repository of image `number`, counted from 1.
pub(crate) fn repository(number: usize) -> String {
    format!("team/app{number}")
}

/// Image `number`.
pub(crate) fn app(number: usize) -> Image {
    image(&repository(number))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server counts in the machine's time"
)]
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
