//! `worker`: takes jobs and works them until it is told to stop.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use image_sync_catalog::config_file::Images;
use image_sync_queue::Ports;
use image_sync_registry::Router;
use image_sync_shared::config::Config;
use image_sync_shared::image::reference::Location;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::fleet::Duty;
use image_sync_shared::ports::telemetry::measures::Measures;
use image_sync_shared::ports::telemetry::progress::Progress;
use image_sync_shared::secret::mac::MacKey;
use image_sync_worker::{Admission, AdmissionRules, Shutdown, Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::presence::{Member, own_name};
use crate::options::{CommonArgs, DialectArgs, at_least_one};
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::run::connection::{ConnectionArgs, MaxDeliver, secret_in};
use crate::run::runtime;
use crate::run::setup::{self, Loaded, Named};
use crate::run::wiring::{self, Outside};
use crate::server::{HttpServer, ListenArgs};
use crate::telemetry::metrics::Hosts;
use crate::terminal::progress::Hand;
use crate::terminal::units;

// Help that names variables is no doc comment, as those would have to be set in backticks.
const ALLOW_TARGET: &str = "\
Write under this registry, path or folder too if a job says so, and not only under the config's cache_registry, as in \
quay.io/mirror; may be given several times [env: IMAGE_SYNC_ALLOW_TARGET, with commas]";
const ALLOW_FOLDERS: &str = "\
Read folders (oci:) that only jobs name, and write those under --allow-target \
[env: IMAGE_SYNC_ALLOW_FOLDERS=true]";
const FACTS_KEY_FILE: &str = "\
File with a secret that all workers share, and nobody else has: they trust each other's facts then \
[env: IMAGE_SYNC_FACTS_KEY_FILE] [default: each worker goes by facts that it found out itself]";
/// So many characters of a key at least: 128 random bits in base64.
const SHORTEST_KEY: usize = 22;

/// Options of `worker`.
#[derive(Args, Clone, Debug)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    dialect: DialectArgs,
    /// Jobs worked at the same time, instead of `settings.concurrency`
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    slots: Option<NonZeroUsize>,
    /// What results and leases call it; no two workers have one name [default: HOST-PID]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// After SIGINT or SIGTERM, how long jobs in hand may take to be finished, as in 45s or 2m
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "25s")]
    grace: Duration,
    /// The time between two signs of life for a job in hand and the lease of its target [default: a third of the
    /// shorter one of `provision --visibility` and `--lease-term`, and no longer than that]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    heartbeat: Option<Duration>,
    #[command(flatten)]
    max_deliver: MaxDeliver,
    #[arg(long, value_name = "PREFIX", help = ALLOW_TARGET)]
    allow_target: Vec<Location>,
    #[arg(long, help = ALLOW_FOLDERS)]
    allow_folders: bool,
    #[arg(long, value_name = "FILE", help = FACTS_KEY_FILE)]
    facts_key_file: Option<PathBuf>,
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Within which times a worker has to give signs of life.
#[derive(Clone, Copy, Debug)]
struct Timing {
    /// How long a job may be out unsettled before it comes again.
    visibility: Duration,
    /// How long a lease lasts that is not renewed.
    lease_term: Duration,
}

impl Timing {
    async fn of(queue: &Ports) -> Result<Self, QueueError> {
        Ok(Self {
            visibility: queue.jobs.visibility().await?,
            lease_term: queue.leases.term().await?,
        })
    }
}

impl WorkerArgs {
    fn settings(
        &self,
        config: &Config,
        rules: AdmissionRules,
        timing: Timing,
    ) -> Result<WorkerSettings, Problem> {
        let slots = self
            .slots
            .map_or(config.settings.concurrency, NonZeroUsize::get);
        let name = self.name.clone();
        let name = name.unwrap_or_else(own_name);
        let heartbeat = heartbeat(self.heartbeat, timing).map_err(Problem::usage)?;
        Ok(WorkerSettings {
            admission: Admission::Rules(Box::new(rules)),
            // One slot is kept for what is asked for by hand, unless it is the only one.
            reserved_for_now: usize::from(slots > 1),
            retry: config.settings.retry,
            max_pause: config.settings.max_pause,
            grace: self.grace,
            heartbeat,
            // A lease that is not renewed any more ends after about three of them.
            busy_wait: heartbeat,
            target_hosts: config.target_hosts(),
            ..WorkerSettings::new(name, slots)
        })
    }
}

impl WorkerArgs {
    /// What jobs may have it do. Once a flag is given, its variable counts for nothing.
    fn rules(
        &self,
        config: &Config,
        images: &Images,
        environment: &Environment,
    ) -> Result<AdmissionRules, Problem> {
        let mut targets = self.allow_target.clone();
        if targets.is_empty() {
            let named = environment.allow_target.as_deref().unwrap_or_default();
            let named = named
                .split(',')
                .map(str::trim)
                .filter(|text| !text.is_empty());
            let parsed = named
                .map(str::parse::<Location>)
                .collect::<Result<Vec<_>, _>>();
            targets = parsed
                .map_err(|error| Problem::usage(format!("IMAGE_SYNC_ALLOW_TARGET: {error}")))?;
        }
        let folders = self.allow_folders || environment.allow_folders()?;
        Ok(AdmissionRules::of(config, images.samples()).and(targets, folders))
    }

    /// The key of facts that are shared, if there is one.
    fn facts_key(&self, environment: &Environment) -> Result<Option<MacKey>, Problem> {
        let named = self.facts_key_file.as_ref();
        let Some(file) = named.or(environment.facts_key_file.as_ref()) else {
            return Ok(None);
        };
        let secret = secret_in(file)?;
        let length = secret.reveal().len();
        if length < SHORTEST_KEY {
            return Err(Problem::usage(format!(
                "{}: found a key of {length} bytes, expected {SHORTEST_KEY} or more, as `openssl rand -base64 32` makes them",
                file.display()
            )));
        }
        Ok(Some(MacKey::of_text(secret.reveal())))
    }
}

/// Three signs of life within the shorter time, so that one may be lost and one be late.
fn heartbeat(asked: Option<Duration>, timing: Timing) -> Result<Duration, String> {
    let longest = timing.visibility.min(timing.lease_term) / 3;
    match asked {
        None => Ok(longest),
        Some(asked) if !asked.is_zero() && asked <= longest => Ok(asked),
        Some(asked) => Err(format!(
            "--heartbeat is {}, expected more than 0s and at most {}: a third of the shorter one of the provisioned \
             visibility time ({}) and lease term ({})",
            units::setting(asked),
            units::setting(longest),
            units::setting(timing.visibility),
            units::setting(timing.lease_term),
        )),
    }
}

/// Runs `worker`.
pub(crate) fn run(
    common: &CommonArgs,
    args: &WorkerArgs,
    environment: &Environment,
) -> Result<Exit, Problem> {
    let Loaded { config, images, .. } = setup::load_without_list(
        Named::new(common, &args.dialect.options(environment)),
        environment,
    )?;
    let rules = args.rules(&config, &images, environment)?;
    let facts_key = args.facts_key(environment)?;
    let mut server = HttpServer::listen(&args.listen)?;
    let measures = server.of_work(|| Hosts::of(&config, images.samples()));
    let router = setup::measured_registries(&config, environment, Arc::clone(&measures))?;
    let router = Arc::new(router);
    runtime::run(args.grace, |stop| async move {
        let serving = server.serve(&stop)?;
        let opening = args
            .connection
            .worker(environment, args.max_deliver, &serving);
        // Opening waits for as long as a stream is not there, and `stop` must end that too.
        let Some(queue) = stop.run_until_cancelled(Box::pin(opening)).await else {
            return Ok(Exit::Success);
        };
        let queue = queue?;
        let timing = Timing::of(queue.ports()).await;
        let timing = timing.map_err(Problem::not_carried_out)?;
        let settings = args.settings(&config, rules, timing)?;
        serving.ready(Arc::clone(&queue.ports().backlog));
        info!(
            worker = settings.name,
            slots = settings.slots,
            "worker started"
        );
        let hand = Arc::new(Hand::new(config.settings.stall_timeout));
        let member = Member {
            duty: Duty::Worker,
            name: settings.name.clone(),
            since: queue.ports().clock.now(),
            slots: settings.slots,
            hand: Some(Arc::clone(&hand)),
        };
        let outside = outside(queue.ports(), facts_key, &router, measures, hand);
        let ports = wiring::worker_ports(queue.ports(), outside);
        let worker = Worker::new(ports, settings);
        let shutdown = Shutdown {
            stop,
            abort: CancellationToken::new(),
        };
        let fleet = &*queue.ports().fleet;
        let ended = tokio::select! {
            ended = worker.run(&shutdown) => ended,
            never = member.tell_on(fleet) => match never {},
        };
        member.leave(fleet).await;
        // Looked at now: a stop that comes while all is closed is not why the worker ended.
        let was_told_to = shutdown.stop.is_cancelled();
        // Uploads that were broken off are cancelled at their registries.
        router.close().await;
        let closed = queue.close().await;
        ended.and(closed).map_err(Problem::not_carried_out)?;
        if was_told_to {
            Ok(Exit::Success)
        } else {
            Err(Problem::not_carried_out(QueueError::Closed))
        }
    })
}

fn outside(
    queue: &Ports,
    facts_key: Option<MacKey>,
    router: &Arc<Router>,
    measures: Arc<dyn Measures>,
    progress: Arc<dyn Progress>,
) -> Outside {
    Outside {
        registries: router.clone(),
        memo: queue.memos.of(facts_key),
        progress,
        measures,
        clock: Arc::clone(&queue.clock),
    }
}

#[cfg(test)]
mod tests {
    use image_sync_catalog::config_file;
    use image_sync_shared::run::job::{Job, Trust};

    use super::*;

    const TIMING: Timing = Timing {
        visibility: Duration::from_secs(60),
        lease_term: Duration::from_secs(45),
    };

    #[test]
    fn a_sign_of_life_comes_three_times_in_the_shorter_time() {
        assert_eq!(heartbeat(None, TIMING), Ok(Duration::from_secs(15)));
        let short = Timing {
            visibility: Duration::from_secs(3),
            ..TIMING
        };
        assert_eq!(heartbeat(None, short), Ok(Duration::from_secs(1)));
        let asked = Some(Duration::from_millis(500));
        assert_eq!(heartbeat(asked, short), Ok(Duration::from_millis(500)));
    }

    /// The rules of this config, and a job.
    fn admitted(config: &str, source: &str, trust: Trust) -> Result<(Trust, Trust), String> {
        let parsed = config_file::parse(config, "c.yaml").unwrap();
        let rules = AdmissionRules::of(&parsed.config, parsed.images.iter());
        let trust = match trust {
            Trust::Verified => "verified",
            Trust::InsecureByDefault | Trust::Insecure => "insecure",
        };
        let job = serde_json::json!({
            "v": 1, "job_id": "r:0", "run_id": "r", "idx": 0, "trigger": "cron", "image": "i", "tag": "t",
            "source": {"repository": source, "reference": "1", "trust": trust},
            "target": {"repository": "cache.test/a", "reference": "1", "trust": trust},
            "platforms": "all", "policy": {"timeout_secs": 1}, "attempt": 1,
            "first_enqueued_at": "2026-11-20T12:00:00Z",
        });
        let job: Job = serde_json::from_value(job).unwrap();
        let admitted = rules.admit(&job).map_err(|refusal| refusal.to_string())?;
        Ok((admitted.source.trust, admitted.target.trust))
    }

    #[test]
    fn what_a_config_has_artifacts_read_from_is_a_source_too() {
        let config = "{cache_registry: cache.test, defaults: {referrers: {from: 'oci:/signatures'}}, images: [{source: a.io/a, tag: t}, \
                      {source: b.io/b, tag: t, source_tls_verify: false, referrers: {from: lab.test/b}}]}";
        let source = |source| admitted(config, source, Trust::Insecure).map(|(source, _)| source);
        assert_eq!(source("lab.test/other"), Ok(Trust::Insecure));
        assert_eq!(source("quay.io/a"), Ok(Trust::Verified));
        source("oci:/signatures").unwrap();
        source("oci:/images").unwrap_err();
    }

    #[test]
    fn a_config_says_where_its_worker_goes_without_verified_tls_and_which_folders_it_reads() {
        use Trust::{Insecure, InsecureByDefault, Verified};
        let config = "{cache_registry: cache.test, settings: {cache_insecure: false}, registries: {lab.test: {insecure: true}}, \
                      images: [{source: dev.test/a, tag: t, source_tls_verify: false}, {source: 'oci:/images/a', tag: t}]}";
        let source = |source| admitted(config, source, Insecure).map(|(source, _)| source);
        assert_eq!(source("quay.io/a/b"), Ok(Verified));
        assert_eq!(source("lab.test/a"), Ok(Insecure), "by registries");
        assert_eq!(source("dev.test/other"), Ok(Insecure), "by an image");
        assert!(source("oci:/images/a").is_ok());
        let refused = source("oci:/images/b").unwrap_err();
        assert!(refused.contains("--allow-folders"), "{refused}");
        let strict = admitted(config, "lab.test/a", Verified);
        assert_eq!(strict, Ok((Verified, Verified)), "as the job says");
        let target = |config| admitted(config, "quay.io/a/b", Insecure).map(|(_, target)| target);
        assert_eq!(target(config), Ok(Verified));
        let loose = "{cache_registry: cache.test, settings: {cache_insecure: true}, images: []}";
        assert_eq!(target(loose), Ok(Insecure));
        let unsaid = "{cache_registry: cache.test, images: []}";
        assert_eq!(target(unsaid), Ok(InsecureByDefault));
        let image = "{cache_registry: cache.test, images: [{source: a.io/b, tag: t, cache_insecure: true}]}";
        assert_eq!(target(image), Ok(Insecure), "by an image");
        let sources =
            "{cache_registry: cache.test, settings: {source_tls_verify: false}, images: []}";
        let unverified = admitted(sources, "quay.io/a/b", Insecure).map(|(source, _)| source);
        assert_eq!(unverified, Ok(Insecure));
    }

    #[test]
    fn signs_of_life_that_come_too_late_or_without_end_are_refused() {
        for asked in [Duration::ZERO, Duration::from_secs(16)] {
            let refused = heartbeat(Some(asked), TIMING).unwrap_err();
            assert!(refused.contains("at most 15s"), "{refused}");
            assert!(refused.contains("lease term (45s)"), "{refused}");
        }
    }
}
