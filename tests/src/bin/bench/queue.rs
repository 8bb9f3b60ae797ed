//! A catalog that is in place, by `sync` and by workers over the queue: what is measured is the way of a job.

use std::fs;
use std::io;
use std::process::Stdio;
use std::time::{Duration, Instant};

use image_sync_testkit::images::{Image, MadeUp};
use image_sync_testkit::servers::NatsServer;
use image_sync_testkit::{FakeRegistry, Link};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::measure::{self, Ended, Taken};
use super::options::Options;
use super::registries::put;
use super::results::{Requests, Round, Row};
use super::tools::image_sync::config;
use super::tools::{Found, Task, ours};
use super::workloads::Queue;

/// The registries, and image-sync.
struct Place<'a> {
    ours: &'a Found,
    source: FakeRegistry,
    target: FakeRegistry,
    links: Option<(Link, Link)>,
    images: usize,
    limit: Duration,
}

pub(crate) async fn run(
    queue: &Queue,
    round_trip: u64,
    tools: &[&Found],
    options: &Options,
) -> io::Result<Vec<Row>> {
    let images = options.images(queue.images);
    let place = Place::start(ours(tools)?, images, round_trip, options.limit).await?;
    let mut in_process = Vec::new();
    let mut by_workers: Vec<(usize, Vec<Round>)> = queue
        .workers
        .iter()
        .map(|count| (*count, Vec::new()))
        .collect();
    for _ in 0..options.rounds {
        in_process.push(place.sync().await?);
        for (workers, rounds) in &mut by_workers {
            rounds.push(place.over_queue(*workers).await?);
        }
    }
    let mut rows = vec![Row::new("sync", in_process.clone(), &in_process)];
    rows.extend(by_workers.into_iter().map(|(workers, rounds)| {
        let noun = if workers == 1 { "worker" } else { "workers" };
        Row::new(&format!("{workers} {noun}"), rounds, &in_process)
    }));
    Ok(rows)
}

impl<'a> Place<'a> {
    async fn start(
        ours: &'a Found,
        images: usize,
        round_trip: u64,
        limit: Duration,
    ) -> io::Result<Self> {
        let made_up = MadeUp::new(1, 0, 64);
        let all: Vec<Image> = (0..images).map(|number| made_up.image(number)).collect();
        let source = FakeRegistry::builder().without_records().start().await?;
        let target = FakeRegistry::builder().without_records().start().await?;
        put(&source, &all);
        put(&target, &all);
        let links = if round_trip == 0 {
            None
        } else {
            let time = Duration::from_millis(round_trip);
            Some((
                Link::start(source.host(), time).await?,
                Link::start(target.host(), time).await?,
            ))
        };
        Ok(Self {
            ours,
            source,
            target,
            links,
            images,
            limit,
        })
    }

    fn task(&self) -> Task {
        let (source, target) = match &self.links {
            None => (self.source.host(), self.target.host()),
            Some((source, target)) => (source.host(), target.host()),
        };
        Task {
            source: source.to_owned(),
            target: target.to_owned(),
            images: self.images,
            authority: None,
        }
    }

    async fn sync(&self) -> io::Result<Round> {
        let folder = TempDir::new()?;
        self.forget_requests();
        let invocation = self.ours.invocation(&self.task());
        match measure::run(&invocation, folder.path(), self.limit).await? {
            Ended::Done(taken) => Ok(self.round(taken, None)),
            Ended::OutOfTime => Err(io::Error::other("sync takes longer than the limit")),
            Ended::Failed(said) => Err(io::Error::other(format!("sync: {said}"))),
        }
    }

    /// From the start of the workers to the report, of a run whose jobs are there.
    async fn over_queue(&self, workers: usize) -> io::Result<Round> {
        let server = NatsServer::start().await?;
        let folder = TempDir::new()?;
        fs::write(folder.path().join(CONFIG), config(&self.task()))?;
        self.forget_requests();
        self.done(&server, &folder, &["provision"]).await?;
        self.done(&server, &folder, &["producer", "-c", CONFIG])
            .await?;
        let _aggregator = self.command(&server, &folder, &["aggregator"]).spawn()?;
        let before = cpu_secs(server.process_id())?;
        let started = Instant::now();
        let workers: Vec<Child> = (0..workers)
            .map(|number| {
                let name = format!("worker-{number}");
                let arguments = ["worker", "-c", CONFIG, "--name", &name];
                self.command(&server, &folder, &arguments).spawn()
            })
            .collect::<io::Result<_>>()?;
        let wait = ["producer", "-c", CONFIG, "--wait", "--overlap", "join"];
        self.done(&server, &folder, &wait).await?;
        let wall_secs = started.elapsed().as_secs_f64();
        let server_cpu = cpu_secs(server.process_id())? - before;
        let mut taken = Taken {
            wall_secs,
            cpu_secs: 0.0,
            peak_bytes: 0,
        };
        for id in workers.iter().filter_map(Child::id) {
            taken.cpu_secs += cpu_secs(id)?;
            taken.peak_bytes = taken.peak_bytes.max(peak_bytes(id)?);
        }
        let jobs = u32::try_from(self.images).map_err(io::Error::other)?;
        Ok(self.round(taken, Some(server_cpu * 1e6 / f64::from(jobs))))
    }

    fn round(&self, taken: Taken, server_cpu_us_per_job: Option<f64>) -> Round {
        Round {
            taken,
            requests: Requests {
                source: self.source.requests_by_method(),
                target: self.target.requests_by_method(),
            },
            server_cpu_us_per_job,
        }
    }

    fn forget_requests(&self) {
        self.source.reset();
        self.target.reset();
    }

    fn command(&self, server: &NatsServer, folder: &TempDir, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.ours.program());
        command
            .args(arguments)
            .args(["--log-level", "off"])
            .current_dir(folder.path())
            .env_clear()
            .env("HOME", folder.path())
            .env("NATS_URL", server.url())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn done(
        &self,
        server: &NatsServer,
        folder: &TempDir,
        arguments: &[&str],
    ) -> io::Result<()> {
        let status = self.command(server, folder, arguments).status();
        let what = arguments.join(" ");
        let Ok(status) = tokio::time::timeout(self.limit, status).await else {
            return Err(io::Error::other(format!("{what}: longer than the limit")));
        };
        let status = status?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("{what}: {status}")))
        }
    }
}

const CONFIG: &str = "config.yaml";

/// Where `/proc/PID/stat` has the time in user and system mode, behind the name.
const USER: usize = 11;
const SYSTEM: usize = 12;

/// In Linux's clock ticks, of which a second has 100 wherever a program is told of them.
fn cpu_secs(process: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, which comes second and in parentheses, may have any character in it.
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = |field: usize| -> io::Result<u32> {
        let text = rest.split(' ').nth(field).unwrap_or_default();
        text.parse().map_err(io::Error::other)
    };
    Ok(f64::from(ticks(USER)? + ticks(SYSTEM)?) / 100.0)
}

fn peak_bytes(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|text| text.trim().strip_suffix(" kB"));
    let kib: u64 = peak.unwrap_or_default().parse().map_err(io::Error::other)?;
    Ok(kib * 1024)
}
