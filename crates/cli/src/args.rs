//! The command line.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::commands::aggregator::AggregatorArgs;
use crate::commands::dead_letters::{self, DeadLettersCommand};
use crate::commands::enqueue::{self, EnqueueArgs};
use crate::commands::hosts::{self, HostsCommand};
use crate::commands::producer::ProducerArgs;
use crate::commands::provision::ProvisionArgs;
use crate::commands::runs::{self, RunsCommand};
use crate::commands::sync::SyncArgs;
use crate::commands::why::{self, WhyArgs};
use crate::commands::worker::WorkerArgs;
use crate::options::CommonArgs;

const EXAMPLES: &str = "\
Examples:
  image-sync sync -c config.yaml             copy what changed
  image-sync sync -c config.yaml --dry-run   say what would be copied
  image-sync config check -c config.yaml     see what the config means, contact nothing
  image-sync -c config.yaml                  the same as `image-sync sync -c config.yaml`";

const SYNC_HELP: &str = "\
Examples:
  image-sync sync -c config.yaml
  image-sync sync -c config.yaml --dry-run --output table
  image-sync sync -c config.yaml --only '*nginx*' --report report.json

Exit codes:
  0    all well
  1    an image failed, and `skip_on_error` is off
  2    bad arguments or config; nothing was contacted
  3    the run could not be carried out, was interrupted, or its deadline passed
  75   skipped, as a run of this catalog is open
  130  ended at once by a second SIGINT (143: by a second SIGTERM)

SIGINT and SIGTERM end the run in order: what is in hand is finished or given back, and
what was done is reported.";

const PRODUCER_HELP: &str = "\
Examples:
  image-sync producer -c config.yaml
  image-sync producer -c config.yaml --wait --overlap join > report.json
  image-sync producer -c config.yaml --every 1h

Exit codes are those of `sync`; without --wait, 0 says that all jobs are published.";

/// Keeps container images in a cache registry equal to their sources
#[derive(Debug, Parser)]
#[command(name = "image-sync", version, after_help = EXAMPLES, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(flatten, next_help_heading = "Options of every command")]
    pub(crate) common: CommonArgs,
    // A call that names no command means `sync`, as the first release had no commands.
    #[command(
        flatten,
        next_help_heading = "Options of `sync`, which is meant where no command is named"
    )]
    bare_sync: SyncArgs,
    #[command(subcommand)]
    named: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check every image of the config and copy what changed
    #[command(after_help = SYNC_HELP)]
    Sync(SyncArgs),
    /// Make the streams of an installation at a NATS server, or change what is named; can be repeated
    #[command(
        after_help = "Example:\n  image-sync provision --nats nats://127.0.0.1:4222 --jobs-max-bytes 4GiB"
    )]
    Provision(Box<ProvisionArgs>),
    /// Publish a check of every image of the config as a run, for workers anywhere
    #[command(after_help = PRODUCER_HELP)]
    Producer(Box<ProducerArgs>),
    /// Take jobs and work them until SIGTERM; any number of workers share them
    #[command(after_help = "Example:\n  image-sync worker -c config.yaml --slots 8")]
    Worker(Box<WorkerArgs>),
    /// Make the reports of runs, and give up jobs that kill their workers
    #[command(after_help = "Example:\n  image-sync aggregator --nats nats://127.0.0.1:4222")]
    Aggregator(Box<AggregatorArgs>),
    /// Put images ahead of the bulk, as a run of just these
    #[command(after_help = enqueue::HELP)]
    Enqueue(Box<EnqueueArgs>),
    /// Look at jobs that were given up, and put them back or drop them
    #[command(subcommand, after_help = dead_letters::HELP)]
    DeadLetters(DeadLettersCommand),
    /// Look at runs, wait for one, or cancel it
    #[command(subcommand, after_help = runs::HELP)]
    Runs(RunsCommand),
    /// Say why an image is not up to date
    #[command(after_help = why::HELP)]
    Why(Box<WhyArgs>),
    /// Look at registries that are left alone as they answered 429, and lift a pause
    #[command(subcommand, after_help = hosts::HELP)]
    Hosts(HostsCommand),
    /// Work on the config file
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  image-sync completions bash > /etc/bash_completion.d/image-sync"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
}

impl Command {
    /// Every command has `--config`, also these.
    pub(crate) fn takes_nothing_from_a_config(&self) -> bool {
        use Command::{Aggregator, DeadLetters, Hosts, Provision, Runs, Why};
        matches!(
            self,
            Aggregator(_) | DeadLetters(_) | Hosts(_) | Provision(_) | Runs(_) | Why(_)
        )
    }
}

/// What to do with the config.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Load the config and say what it means; contacts nothing
    #[command(after_help = "Example:\n  image-sync config check -c config.yaml")]
    Check,
}

/// Options of every command, and the command.
pub(crate) type Invocation = (CommonArgs, Command);

/// Understands the arguments, the program's name being the first.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let cli = Cli::try_parse_from(args)?;
    match cli.named {
        None => Ok((cli.common, Command::Sync(cli.bare_sync))),
        Some(_) if cli.bare_sync != SyncArgs::default() => Err(Cli::command().error(
            ErrorKind::ArgumentConflict,
            "options of `sync` go behind the command, as in `image-sync sync --dry-run`",
        )),
        Some(command) => Ok((cli.common, command)),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::options::{LogFormat, Output, OutputArgs};
    use crate::run::state::StateArgs;
    use crate::server;

    fn parsed(line: &str) -> Result<Invocation, clap::Error> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn sync(line: &str) -> (CommonArgs, SyncArgs) {
        match parsed(line).unwrap() {
            (common, Command::Sync(args)) => (common, args),
            (_, command) => panic!("`{line}` is {command:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sync_takes_its_options() {
        let (common, args) = sync(
            "image-sync sync -c x.yaml --dry-run --only *nginx* --output json --report r.json \
             --concurrency 8 --state-dir s --grace 2m --log-format json --log-level debug --no-progress \
             --listen [::1]:9090",
        );
        assert_eq!(common.config.as_deref(), Some(Path::new("x.yaml")));
        assert_eq!(common.log_format, LogFormat::Json);
        assert_eq!(common.log_level.as_deref(), Some("debug"));
        assert!(common.no_progress);
        let expected = SyncArgs {
            dry_run: true,
            only: Some("*nginx*".to_owned()),
            output: OutputArgs {
                output: Some(Output::Json),
                report: Some("r.json".into()),
            },
            concurrency: NonZeroUsize::new(8),
            state: StateArgs {
                state_dir: Some("s".into()),
            },
            grace: Some(Duration::from_secs(120)),
            listen: server::address("[::1]:9090").ok(),
        };
        assert_eq!(args, expected);
    }

    #[test]
    fn a_call_without_a_command_is_sync() {
        for line in [
            "image-sync --config x.yaml --dry-run",
            "image-sync sync --config x.yaml --dry-run",
            "image-sync --config x.yaml sync --dry-run",
            "image-sync --dry-run --log-level info --config x.yaml",
        ] {
            let (common, args) = sync(line);
            assert_eq!(
                common.config.as_deref(),
                Some(Path::new("x.yaml")),
                "{line}"
            );
            assert!(args.dry_run, "{line}");
        }
        assert_eq!(sync("image-sync").1, SyncArgs::default());
    }

    #[test]
    fn options_of_sync_before_a_command_are_not_silently_lost() {
        for line in [
            "image-sync --dry-run sync",
            "image-sync --concurrency 3 config check",
        ] {
            let error = parsed(line).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ArgumentConflict, "{line}");
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn the_grace_time_has_a_default() {
        assert_eq!(sync("image-sync sync").1.grace(), Duration::from_secs(25));
        assert_eq!(sync("image-sync sync --grace 0s").1.grace(), Duration::ZERO);
    }

    #[test]
    fn bad_values_are_refused() {
        for (line, reason) in [
            (
                "image-sync sync --concurrency 0",
                "expected a number, 1 or more",
            ),
            (
                "image-sync sync --concurrency many",
                "expected a number, 1 or more",
            ),
            ("image-sync sync --grace soon", "--grace"),
            ("image-sync sync --listen 9090", "expected HOST:PORT"),
            ("image-sync sync --output xml", "auto, json, table"),
            ("image-sync sync --dryrun", "--dry-run"),
            ("image-sync snyc", "snyc"),
            ("image-sync config", "check"),
        ] {
            let error = parsed(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(reason), "{line}: {error}");
        }
    }

    #[test]
    fn other_commands_are_known() {
        let check = parsed("image-sync config check -c x.yaml").unwrap();
        assert!(matches!(check.1, Command::Config(ConfigCommand::Check)));
        assert_eq!(check.0.config.as_deref(), Some(Path::new("x.yaml")));
        let completions = parsed("image-sync completions zsh").unwrap().1;
        assert!(matches!(
            completions,
            Command::Completions { shell: Shell::Zsh }
        ));
    }
}
