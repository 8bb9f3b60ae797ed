//! `provision`: makes the streams and consumers of an installation.

use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use image_sync_queue::jetstream::{Change, ProvisionSettings, provision};

use super::connection::{ConnectionArgs, unfit};
use super::runtime;
use crate::environment::Environment;
use crate::exit::{Exit, Problem};
use crate::{stdout, units};

/// Options of `provision`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ProvisionArgs {
    /// On how many servers of a cluster everything is kept: 1, 3 or 5
    #[arg(long, value_name = "N", default_value_t = 1)]
    replicas: usize,
    /// How long a job may be in a worker's hand without a sign of life before another one gets it
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "1m")]
    visibility: Duration,
    /// For how long repeats of a job or an event are dropped
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "10m")]
    dedupe_window: Duration,
    /// How long the lease of a target lasts that is not renewed
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "45s")]
    lease_term: Duration,
    /// For how long a job is kept that nobody works
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "14d")]
    jobs_max_age: Duration,
    /// Disk for jobs, some 1000 bytes each; no more are taken when it is full
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes, default_value = "1GiB")]
    jobs_max_bytes: u64,
    /// For how long the log of a run is kept
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "14d")]
    log_max_age: Duration,
    /// Disk for the logs of runs, some 1000 bytes per image; the oldest are dropped when it is full
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes, default_value = "2GiB")]
    log_max_bytes: u64,
    /// For how long a dead letter is kept
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "30d")]
    letters_max_age: Duration,
    /// Disk for dead letters; the oldest are dropped when it is full
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes, default_value = "128MiB")]
    letters_max_bytes: u64,
    /// For how long reports are kept
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "90d")]
    reports_max_age: Duration,
    /// Disk for reports; no more are taken when it is full
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes, default_value = "1GiB")]
    reports_max_bytes: u64,
    /// Disk for each of the four buckets of runs, leases, hosts and facts
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes, default_value = "64MiB")]
    bucket_max_bytes: u64,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl ProvisionArgs {
    fn settings(&self) -> ProvisionSettings {
        ProvisionSettings {
            replicas: self.replicas,
            visibility: self.visibility,
            dedupe_window: self.dedupe_window,
            lease_term: self.lease_term,
            jobs_max_age: self.jobs_max_age,
            jobs_max_bytes: self.jobs_max_bytes,
            log_max_age: self.log_max_age,
            log_max_bytes: self.log_max_bytes,
            letters_max_age: self.letters_max_age,
            letters_max_bytes: self.letters_max_bytes,
            reports_max_age: self.reports_max_age,
            reports_max_bytes: self.reports_max_bytes,
            bucket_max_bytes: self.bucket_max_bytes,
            ..ProvisionSettings::default()
        }
    }
}

/// Runs `provision`.
pub(crate) fn run(args: &ProvisionArgs, environment: &Environment) -> Result<Exit, Problem> {
    runtime::run(runtime::GRACE, |_stop| async {
        let connection = args.connection.connect(environment, "image-sync provision");
        let changes = provision(&connection.await?, &args.settings()).await;
        let changes = changes.map_err(unfit)?;
        let written = stdout::write(|out| {
            changes
                .iter()
                .try_for_each(|(object, change)| writeln!(out, "{object}: {}", word(*change)))
        });
        written.map_err(Problem::not_carried_out)?;
        Ok(Exit::Success)
    })
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
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        provision: ProvisionArgs,
    }

    fn settings(line: &str) -> ProvisionSettings {
        let words = std::iter::once("x").chain(line.split_whitespace());
        Only::parse_from(words).provision.settings()
    }

    #[test]
    fn what_is_not_said_is_as_the_queue_would_have_it() {
        assert_eq!(settings(""), ProvisionSettings::default());
    }

    #[test]
    fn sizes_and_times_can_be_said() {
        let expected = ProvisionSettings {
            replicas: 3,
            visibility: Duration::from_secs(2),
            jobs_max_bytes: 16 * 1024 * 1024,
            ..ProvisionSettings::default()
        };
        let line = "--replicas 3 --visibility 2s --jobs-max-bytes 16MiB";
        assert_eq!(settings(line), expected);
    }
}
