//! `provision`: makes the streams and consumers of an installation.

pub(crate) mod nats_credentials;

use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use image_sync_queue::jetstream::{
    Change, Connection, History, JetStreamReports, ProvisionSettings, Storage, installed,
    provision, storage,
};
use tracing::warn;

use crate::process::clock::SystemClock;
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::process::stdout::Stdout;
use crate::run::connection::{ConnectionArgs, unfit};
use crate::run::runtime;
use crate::terminal::units;

/// Options of `provision`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ProvisionArgs {
    #[arg(
        long,
        value_name = "N",
        help = "On how many servers of a cluster everything is kept: 1, 3 or 5 [default: 1]"
    )]
    replicas: Option<usize>,
    /// How long a job may be in a worker's hand without a sign of life before another one gets it [default: 1m]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    visibility: Option<Duration>,
    /// For how long repeats of a job or an event are dropped [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    dedupe_window: Option<Duration>,
    /// How long the lease of a target lasts that is not renewed [default: 45s]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    lease_term: Option<Duration>,
    /// For how long a job is kept that nobody works [default: 14d]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    jobs_max_age: Option<Duration>,
    /// Disk for jobs, some 1000 bytes each; no more are taken when it is full [default: 512MiB]
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes)]
    jobs_max_bytes: Option<u64>,
    /// For how long the log of a run is kept [default: 14d]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    log_max_age: Option<Duration>,
    /// Disk for the logs of runs, some 1100 bytes per image; the oldest are dropped when it is full [default: 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes)]
    log_max_bytes: Option<u64>,
    /// For how long a dead letter is kept [default: 30d]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    letters_max_age: Option<Duration>,
    /// Disk for dead letters; the oldest are dropped when it is full [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes)]
    letters_max_bytes: Option<u64>,
    /// For how long reports are kept [default: 90d]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    reports_max_age: Option<Duration>,
    /// Disk for reports, some 100 bytes per image; the oldest are dropped when it is full [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes)]
    reports_max_bytes: Option<u64>,
    /// Disk for each of the four buckets of runs, leases, hosts and facts [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes)]
    bucket_max_bytes: Option<u64>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl ProvisionArgs {
    /// What is to be, where `installed` is there.
    fn over(&self, installed: &ProvisionSettings) -> ProvisionSettings {
        let there = installed.clone();
        ProvisionSettings {
            replicas: self.replicas.unwrap_or(there.replicas),
            visibility: self.visibility.unwrap_or(there.visibility),
            dedupe_window: self.dedupe_window.unwrap_or(there.dedupe_window),
            lease_term: self.lease_term.unwrap_or(there.lease_term),
            jobs_max_age: self.jobs_max_age.unwrap_or(there.jobs_max_age),
            jobs_max_bytes: self.jobs_max_bytes.unwrap_or(there.jobs_max_bytes),
            log_max_age: self.log_max_age.unwrap_or(there.log_max_age),
            log_max_bytes: self.log_max_bytes.unwrap_or(there.log_max_bytes),
            letters_max_age: self.letters_max_age.unwrap_or(there.letters_max_age),
            letters_max_bytes: self.letters_max_bytes.unwrap_or(there.letters_max_bytes),
            reports_max_age: self.reports_max_age.unwrap_or(there.reports_max_age),
            reports_max_bytes: self.reports_max_bytes.unwrap_or(there.reports_max_bytes),
            bucket_max_bytes: self.bucket_max_bytes.unwrap_or(there.bucket_max_bytes),
            ..there
        }
    }
}

/// Runs `provision`.
pub(crate) fn run(args: &ProvisionArgs, environment: &Environment) -> Result<Exit, Problem> {
    runtime::run(runtime::GRACE, |_stop| async {
        let connection = args.connection.connect(environment, "image-sync provision");
        let connection = connection.await?;
        let there = installed(&connection).await;
        let there = there.map_err(Problem::not_carried_out)?;
        let settings = args.over(&there);
        let now = connection.time(&SystemClock).await;
        let objects = provision(&connection, &settings, now).await;
        let objects = objects.map_err(unfit)?;
        let is_change = objects.iter().any(|(_, change)| *change == Change::Updated);
        let changed = if is_change {
            changed(&there, &settings)
        } else {
            Vec::new()
        };
        let sizes = sizes(&connection, &settings).await?;
        let written = Stdout::Process.write(|out| {
            for (object, change) in &objects {
                writeln!(out, "{object}: {}", word(*change))?;
            }
            let lines = changed.iter().chain(&sizes);
            lines
                .into_iter()
                .try_for_each(|line| writeln!(out, "{line}"))
        });
        written.map_err(Problem::not_carried_out)?;
        if let Some(warning) = keeps_one_copy(connection.cluster(), settings.replicas) {
            warn!("{warning}");
        }
        if is_change && shortens(&there, &settings) {
            warn!(
                "restart the workers: those that run give signs of life as the longer times need it, and lose their jobs"
            );
        }
        Ok(Exit::Success)
    })
}

/// What is reserved, what there is, and how long history lasts.
async fn sizes(
    connection: &Connection,
    settings: &ProvisionSettings,
) -> Result<[String; 2], Problem> {
    let storage = storage(connection).await;
    let history = JetStreamReports::new(connection.clone()).history().await;
    Ok([
        reserved(settings, &storage.map_err(Problem::not_carried_out)?),
        kept(&history.map_err(Problem::not_carried_out)?),
    ])
}

fn reserved(settings: &ProvisionSettings, storage: &Storage) -> String {
    let (size, limit) = (units::bytes, storage.limit.map(units::bytes));
    let limit = limit.map_or_else(
        || "as much as the server has (its max_file_store)".to_owned(),
        |limit| format!("{limit} at most"),
    );
    format!(
        "reserved: {} on each server that keeps it; the account holds {}, and may hold {limit}",
        size(settings.reserved()),
        size(storage.used)
    )
}

fn kept(history: &History) -> String {
    let lasts = match history.lasts {
        Some(lasts) => format!(
            "at this rate, each is kept for some {}",
            time_roughly(lasts)
        ),
        None => "too few to say how long each is kept".to_owned(),
    };
    format!(
        "history: {}, {} of {}; {lasts}",
        units::count(history.reports, "report"),
        units::bytes(history.bytes),
        units::bytes(history.max_bytes)
    )
}

/// A time in its largest unit.
fn time_roughly(time: Duration) -> String {
    const HOUR: u64 = 60 * 60;
    match time.as_secs() {
        seconds if seconds >= 48 * HOUR => units::count(seconds / (24 * HOUR), "day"),
        seconds if seconds >= 2 * HOUR => units::count(seconds / HOUR, "hour"),
        seconds => units::count(seconds / 60, "minute"),
    }
}

/// What it means that a cluster keeps everything on one of its servers, if it does.
fn keeps_one_copy(cluster: Option<String>, replicas: usize) -> Option<String> {
    let cluster = cluster.filter(|_| replicas == 1)?;
    Some(format!(
        "the server is one of the cluster {cluster:?}, and everything is kept on one of its servers: while that one is away, all \
         stands still, and what it loses is lost; --replicas 3 keeps it on three"
    ))
}

/// Whether workers have less time for signs of life than before.
fn shortens(there: &ProvisionSettings, settings: &ProvisionSettings) -> bool {
    settings.visibility < there.visibility || settings.lease_term < there.lease_term
}

/// A line for each setting that is another than before.
fn changed(there: &ProvisionSettings, settings: &ProvisionSettings) -> Vec<String> {
    let both = described(there).into_iter().zip(described(settings));
    both.filter(|(from, to)| from != to)
        .map(|((option, from), (_, to))| format!("{option}: changed {from} -> {to}"))
        .collect()
}

/// The options and their values.
fn described(settings: &ProvisionSettings) -> [(&'static str, String); 13] {
    let size = units::bytes;
    [
        ("--replicas", settings.replicas.to_string()),
        ("--visibility", time(settings.visibility)),
        ("--dedupe-window", time(settings.dedupe_window)),
        ("--lease-term", time(settings.lease_term)),
        ("--jobs-max-age", time(settings.jobs_max_age)),
        ("--jobs-max-bytes", size(settings.jobs_max_bytes)),
        ("--log-max-age", time(settings.log_max_age)),
        ("--log-max-bytes", size(settings.log_max_bytes)),
        ("--letters-max-age", time(settings.letters_max_age)),
        ("--letters-max-bytes", size(settings.letters_max_bytes)),
        ("--reports-max-age", time(settings.reports_max_age)),
        ("--reports-max-bytes", size(settings.reports_max_bytes)),
        ("--bucket-max-bytes", size(settings.bucket_max_bytes)),
    ]
}

/// A time as one would set it.
fn time(time: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match time.as_secs() {
        seconds if seconds > 0 && seconds % DAY == 0 => format!("{}d", seconds / DAY),
        _ => units::setting(time),
    }
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Created => "created",
        Change::Updated => "changed",
        Change::None => "as it should be",
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        provision: ProvisionArgs,
    }

    fn over(installed: &ProvisionSettings, line: &str) -> ProvisionSettings {
        let words = std::iter::once("x").chain(line.split_whitespace());
        Only::parse_from(words).provision.over(installed)
    }

    #[test]
    fn what_is_not_said_stays_as_it_is() {
        let there = ProvisionSettings {
            replicas: 3,
            visibility: Duration::from_secs(2),
            jobs_max_bytes: 16 * 1024 * 1024,
            ..ProvisionSettings::default()
        };
        assert_eq!(over(&there, ""), there);
        let larger = ProvisionSettings {
            jobs_max_bytes: 32 * 1024 * 1024,
            ..there.clone()
        };
        assert_eq!(over(&there, "--jobs-max-bytes 32MiB"), larger);
        let line = "--jobs-max-bytes: changed 16.0 MiB -> 32.0 MiB";
        assert_eq!(changed(&there, &larger), [line]);
    }

    #[test]
    fn one_replica_on_a_cluster_is_told() {
        let cluster = || Some("c1".to_owned());
        let warning = keeps_one_copy(cluster(), 1).unwrap();
        assert!(warning.contains("\"c1\"") && warning.contains("--replicas 3"));
        assert_eq!(keeps_one_copy(cluster(), 3), None);
        assert_eq!(keeps_one_copy(None, 1), None);
    }

    #[test]
    fn what_is_reserved_and_how_long_history_lasts_are_told() {
        let storage = |limit| Storage { used: 1024, limit };
        let told = |limit| reserved(&ProvisionSettings::default(), &storage(limit));
        let expected = "reserved: 2.1 GiB on each server that keeps it; the account holds 1.0 KiB, and may hold ";
        let whole = format!("{expected}as much as the server has (its max_file_store)");
        assert_eq!(told(None), whole);
        assert_eq!(told(Some(1 << 33)), format!("{expected}8.0 GiB at most"));
        let history = |hours: Option<u64>| History {
            reports: 3,
            bytes: 2_048,
            max_bytes: 1 << 20,
            lasts: hours.map(|hours| Duration::from_secs(hours * 3_600)),
        };
        let start = "history: 3 reports, 2.0 KiB of 1.0 MiB; ";
        for (hours, end) in [
            (None, "too few to say how long each is kept"),
            (Some(1), "at this rate, each is kept for some 60 minutes"),
            (Some(30), "at this rate, each is kept for some 30 hours"),
            (Some(2_160), "at this rate, each is kept for some 90 days"),
        ] {
            assert_eq!(kept(&history(hours)), format!("{start}{end}"));
        }
    }

    #[test]
    fn the_default_that_the_help_tells_is_that_of_the_queue() {
        let (usual, command) = (ProvisionSettings::default(), Only::command());
        for (option, _) in described(&usual) {
            let arguments = command.get_arguments();
            let mut named =
                arguments.filter(|argument| argument.get_long() == option.strip_prefix("--"));
            let help = named.next().unwrap().get_help().unwrap().to_string();
            let (_, default) = help.split_once("[default: ").unwrap();
            let line = format!("{option} {}", default.trim_end_matches(']'));
            assert_eq!(over(&usual, &line), usual, "{line}");
        }
    }
}
