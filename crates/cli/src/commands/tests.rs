//! Commands over the queue of a single process: they take ports, and know no server.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use image_sync_catalog::config_file;
use image_sync_queue::in_process::{InProcess, InProcessSettings};
use image_sync_queue::memo::MemoryMemo;
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::panics::lock;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::ports::telemetry::measures::{Measures, Unmeasured};
use image_sync_shared::ports::telemetry::progress::Silent;
use image_sync_shared::run::job::Job;
use image_sync_testkit::TokioClock;
use image_sync_worker::{Shutdown, Worker, WorkerSettings};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::roles::{aggregator, producer};
use super::runs::why;
use super::{dead_letters, enqueue, hosts, runs};
use crate::args::{self, Command};
use crate::options::{OutputArgs, ReportFormat, TableArgs};
use crate::output::Outputs;
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::process::stdout::Stdout;
use crate::run::setup::Loaded;
use crate::run::wiring::{self, Outside};
use crate::samples::InPlace;
use crate::terminal::progress::Screen;

/// Registries in which every image is in place, but those that may not be read.
fn in_place() -> InPlace {
    InPlace(|at, tag| {
        if at.side == Side::Source && at.repository.name().ends_with("denied") {
            let denied = FailureClass::Denied;
            return Err(Failure::new(at.side, Step::Check, tag, denied, "403"));
        }
        Ok(())
    })
}

const CONFIG: &str = "\
cache_registry: localhost:5000
images:
- {source: quay.io/a/good, tag: '1', platform: all}
- {source: quay.io/a/denied, tag: '1', platform: all}
";

/// A queue, and what commands wrote about it.
struct TestInstallation {
    queue: InProcess,
    stop: CancellationToken,
    roles: JoinSet<()>,
    config: &'static str,
}

impl TestInstallation {
    /// Nobody works there.
    fn deserted() -> Self {
        let clock = Arc::new(TokioClock::default());
        Self {
            queue: InProcess::new(InProcessSettings::default(), clock),
            stop: CancellationToken::new(),
            roles: JoinSet::new(),
            config: CONFIG,
        }
    }

    /// A worker and an aggregator are there.
    fn busy() -> Self {
        let mut installation = Self::deserted();
        installation.start_worker();
        installation.start_aggregator();
        installation
    }

    fn start_worker(&mut self) {
        let ports = self.queue.ports();
        let outside = Outside {
            registries: Arc::new(in_place()),
            memo: ports.memos.of(None),
            progress: Arc::new(Silent),
            measures: Arc::new(Unmeasured),
            clock: Arc::clone(&ports.clock),
        };
        let ports = wiring::worker_ports(ports, outside);
        let worker = Worker::new(ports, WorkerSettings::new("w1", 2));
        self.roles
            .spawn(async move { worker.run(&Shutdown::default()).await.unwrap() });
    }

    fn start_aggregator(&mut self) {
        let (ports, stop) = (self.queue.ports().clone(), self.stop.clone());
        let measures: Arc<dyn Measures> = Arc::new(Unmeasured);
        self.roles.spawn(async move {
            aggregator::aggregate(&ports, &measures, &stop)
                .await
                .unwrap();
        });
    }

    /// What came of a command line, and what it wrote.
    async fn try_run(&self, line: &str) -> Result<(Exit, String), Problem> {
        let words = ["image-sync"].into_iter().chain(line.split_whitespace());
        let (_, command) = args::parse(words.map(OsString::from)).unwrap();
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let stdout = Stdout::Memory(Arc::clone(&written));
        let exit = self.carry_out(command, &stdout).await?;
        let written = String::from_utf8(lock(&written).clone()).unwrap();
        Ok((exit, written))
    }

    async fn carry_out(&self, command: Command, stdout: &Stdout) -> Result<Exit, Problem> {
        let (ports, stop) = (self.queue.ports(), &self.stop);
        let (environment, screen) = (&Environment::default(), &Screen::of_process(true));
        match command {
            Command::Runs(command) => {
                runs::carry_out(&command, ports, environment, screen, stdout, stop).await
            }
            Command::DeadLetters(command) => {
                dead_letters::carry_out(&command, ports, environment, screen, stdout, stop).await
            }
            Command::Hosts(command) => {
                hosts::carry_out(&command, command.host()?, ports, environment, stdout).await
            }
            Command::Why(args) => {
                why::tell(&args, &args.meant()?, ports, environment, stdout).await
            }
            Command::Enqueue(args) => {
                let loaded = self.loaded();
                let images = enqueue::chosen(&args, &loaded).map_err(Problem::usage)?;
                let outputs = outputs(environment, screen, stdout);
                enqueue::enqueue(&args, &loaded.config, &images, ports, outputs, stop).await
            }
            Command::Producer(args) => {
                let outputs = outputs(environment, screen, stdout);
                producer::produce(&args, &self.loaded(), &of_producer(), ports, outputs, stop).await
            }
            other => panic!("{other:?} is not run here"),
        }
    }

    async fn run(&self, line: &str) -> (Exit, String) {
        let ran = self.try_run(line).await;
        ran.unwrap_or_else(|problem| panic!("{line}: {problem}"))
    }

    /// What a command that must not fail wrote, as JSON.
    async fn json(&self, line: &str) -> Value {
        let (exit, written) = self.run(line).await;
        assert_eq!(exit, Exit::Success, "{line}");
        serde_json::from_str(&written).unwrap_or_else(|error| panic!("{line}: {error}: {written}"))
    }

    fn loaded(&self) -> Loaded {
        let parsed = config_file::parse(self.config, "c.yaml").unwrap();
        Loaded {
            file: PathBuf::from("c.yaml"),
            config: parsed.config,
            images: parsed.images,
        }
    }

    /// The next job, as a worker of another version might take it.
    async fn take_job(&self) -> Job {
        let pulled = self.queue.ports().jobs.pull(&Lane::ALL, 1, Duration::ZERO);
        let delivery = pulled.await.unwrap().pop().unwrap();
        delivery.settle.done().await.unwrap();
        delivery.job
    }
}

fn outputs(environment: &Environment, screen: &Screen, stdout: &Stdout) -> Outputs {
    let args = OutputArgs {
        output: Some(ReportFormat::Json),
        report: None,
    };
    Outputs::prepare(
        &args,
        TableArgs::default(),
        environment,
        screen,
        stdout.clone(),
    )
    .unwrap()
}

fn of_producer() -> producer::Outside {
    producer::Outside {
        registries: Arc::new(in_place()),
        creation_times: Arc::new(MemoryMemo::default()),
    }
}

#[tokio::test(start_paused = true)]
async fn an_enqueued_image_is_waited_for_and_its_run_is_listed_and_shown() {
    let installation = TestInstallation::busy();
    let (exit, report) = installation.run("enqueue quay.io/a/good:1 --wait").await;
    assert_eq!(exit, Exit::Success);
    let told: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(told["results"][0]["action"], "already_cached");
    let list = installation.json("runs list --output json").await;
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["status"], "complete");
    assert_eq!(list[0]["run_id"], told["run_id"]);
    let shown = installation.run("runs show latest --output json").await;
    assert_eq!(shown, (Exit::Success, report));
    let one = installation.json("runs show latest --image *good* --output json");
    assert_eq!(one.await["results"][0]["tag"], "1");
    let why = installation
        .json("why quay.io/a/good:1 --output json")
        .await;
    assert_eq!(why["runs"][0]["state"], "up_to_date", "{why}");
}

#[tokio::test(start_paused = true)]
async fn an_open_run_is_listed_shown_and_cancelled() {
    let mut installation = TestInstallation::deserted();
    let enqueued = installation.run("enqueue quay.io/a/good:1").await;
    assert_eq!(enqueued, (Exit::Success, String::new()));
    let list = installation.json("runs list --output json").await;
    assert_eq!(
        (&list[0]["status"], &list[0]["jobs"]),
        (&json!("open"), &json!(1))
    );
    let open = installation.json("runs show latest --output json").await;
    assert_eq!(open["status"], "open");
    assert_eq!(open["nobody_takes_jobs"], true);
    assert_eq!(open["images"][0]["state"], "waiting");
    let why = installation
        .json("why quay.io/a/good:1 --output json")
        .await;
    let sentence = why["sentence"].as_str().unwrap();
    assert!(sentence.contains("waits for a worker"), "{sentence}");
    // Nobody is there to end the run: it is cancelled once that is stored.
    let asked = Instant::now();
    let cancelled = installation.run("runs cancel latest").await;
    assert_eq!(cancelled, (Exit::Success, String::new()));
    assert!(asked.elapsed() < Duration::from_secs(1));
    installation.start_aggregator();
    let waited = installation.run("runs cancel latest --wait").await;
    assert_eq!(waited, (Exit::Success, String::new()));
    let list = installation.json("runs list --output json").await;
    assert_eq!(list[0]["status"], "cancelled");
    let (exit, report) = installation.run("runs watch latest --output json").await;
    assert_eq!(exit, Exit::NotCarriedOut);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["missing"][0]["image"], "quay.io/a/good");
    let again = installation
        .try_run("runs cancel latest")
        .await
        .unwrap_err();
    assert_eq!(again.exit, Exit::Usage, "{again}");
}

#[tokio::test(start_paused = true)]
async fn why_tells_for_which_target_an_image_of_several_is_not_up_to_date() {
    let mut installation = TestInstallation::deserted();
    installation.config = "{cache_registry: 'localhost:5000', images: [
        {source: quay.io/a/b, tag: '1', platform: all, targets: [cache, eu.example/b]}]}";
    installation.run("enqueue quay.io/a/b:1").await;
    let of_both = installation.json("why quay.io/a/b:1 --output json").await;
    let start = "quay.io/a/b:1 for localhost:5000/quay.io/a/b:1 waits for a worker";
    let sentence = of_both["sentence"].as_str().unwrap();
    assert!(sentence.starts_with(start), "{sentence}");
    let of_one = installation.json("why eu.example/b:1 --output json").await;
    let sentence = of_one["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("quay.io/a/b:1 waits for"),
        "{sentence}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_whole_catalog_is_produced_and_a_second_run_of_it_is_skipped() {
    let mut installation = TestInstallation::deserted();
    assert_eq!(installation.run("producer").await.0, Exit::Success);
    assert_eq!(installation.run("producer").await.0, Exit::Busy);
    installation.start_worker();
    installation.start_aggregator();
    let (exit, report) = installation.run("producer --overlap join --wait").await;
    assert_eq!(exit, Exit::ImagesFailed);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["summary"]["already_cached"], 1);
    assert_eq!(report["summary"]["failed"], 1);
    assert_eq!(
        installation.run("producer --wait").await.0,
        Exit::ImagesFailed
    );
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_listed_shown_replayed_and_dropped() {
    let installation = TestInstallation::busy();
    let (exit, _) = installation.run("enqueue quay.io/a/denied:1 --wait").await;
    assert_eq!(exit, Exit::ImagesFailed);
    let list = installation.json("dead-letters list --output json").await;
    assert_eq!(list.as_array().unwrap().len(), 1);
    let id = list[0]["id"].as_str().unwrap().to_owned();
    let letter = installation.json(&format!("dead-letters show {id}")).await;
    assert_eq!(letter["job"]["image"], "quay.io/a/denied");
    let why = installation
        .json("why quay.io/a/denied:1 --output json")
        .await;
    assert_eq!(why["dead_letters"], json!([id]));
    let replay = format!("dead-letters replay {id} --wait --output json");
    let (exit, report) = installation.run(&replay).await;
    assert_eq!(exit, Exit::ImagesFailed, "it fails again");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["trigger"], "replay");
    let list = installation.json("dead-letters list --output json").await;
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_ne!(list[0]["id"], id, "a letter of the new run");
    let unknown = installation.try_run("dead-letters drop nobody").await;
    assert_eq!(unknown.unwrap_err().exit, Exit::Usage);
    let dropped = installation.run("dead-letters drop --all").await;
    assert_eq!(dropped, (Exit::Success, String::new()));
    let list = installation.json("dead-letters list --output json").await;
    assert_eq!(list, json!([]));
}

#[tokio::test(start_paused = true)]
async fn paused_registries_are_listed_and_resumed() {
    let installation = TestInstallation::deserted();
    let ports = installation.queue.ports();
    let hour = Duration::from_secs(3_600);
    let until = ports.clock.now() + hour;
    let paused = ports.pauses.pause("quay.io", until, "429", hour).await;
    assert_eq!(paused, Ok(true));
    let list = installation.json("hosts list --output json").await;
    assert_eq!(
        (&list[0]["host"], &list[0]["reason"]),
        (&json!("quay.io"), &json!("429"))
    );
    assert_eq!(
        installation.run("hosts resume quay.io").await.0,
        Exit::Success
    );
    assert_eq!(
        installation.json("hosts list --output json").await,
        json!([])
    );
    let again = installation.try_run("hosts resume quay.io").await;
    assert_eq!(again.unwrap_err().exit, Exit::Usage);
}

#[tokio::test(start_paused = true)]
async fn a_run_of_which_a_worker_tells_in_unknown_words_ends_with_them_in_its_report() {
    for (action, class, exit, counted) in [
        ("signed", Value::Null, Exit::Success, "other"),
        (
            "quarantined",
            json!("policy_violated"),
            Exit::ImagesFailed,
            "failed",
        ),
        (
            "failed",
            json!({"quota_exceeded": {"until": "noon"}}),
            Exit::ImagesFailed,
            "failed",
        ),
    ] {
        let mut installation = TestInstallation::deserted();
        installation.start_aggregator();
        installation.run("enqueue quay.io/a/good:1").await;
        let job = installation.take_job().await;
        let result = json!({
            "v": 2, "event": "result", "idx": job.idx, "worker": "newer", "class": class, "mac": job.mac,
            "entry": {
                "image": job.image, "tag": job.tag, "target": job.target.image.to_string(), "platform": "all",
                "action": action, "remote_digest": null, "cached_digest": null, "duration_ms": 1, "attempts": 1,
                "bytes_copied": 0, "blobs": {"copied": 0, "mounted": 0, "present": 0},
            },
        });
        let unknown = json!({"v": 2, "event": "split", "into": 2}).to_string();
        for event in [unknown, result.to_string()] {
            let queue = &installation.queue;
            queue.append_raw(&job.run_id, event.as_bytes()).unwrap();
        }
        let (ended, report) = installation.run("runs watch latest --output json").await;
        assert_eq!(ended, exit, "{action}");
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["status"], "complete");
        assert_eq!(report["results"][0]["action"], action);
        assert_eq!(report["summary"][counted], 1, "{action}");
        let word = class
            .as_str()
            .or_else(|| class.as_object()?.keys().next().map(String::as_str));
        assert_eq!(report["results"][0]["error"].as_str(), word, "{action}");
    }
}
