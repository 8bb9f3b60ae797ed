//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) mod completions;
pub(crate) mod man_pages;

use crate::commands::archive::load::{self, LoadArgs};
use crate::commands::archive::save::{self, SaveArgs};
use crate::commands::config::convert::{self, ConvertArgs};
use crate::commands::config::tags::{self, TagsArgs};
use crate::commands::dead_letters::{self, DeadLettersCommand};
use crate::commands::enqueue::{self, EnqueueArgs};
use crate::commands::hosts::{self, HostsCommand};
use crate::commands::provision::ProvisionArgs;
use crate::commands::provision::nats_credentials::{self, NatsCredentialsArgs};
use crate::commands::roles::aggregator::AggregatorArgs;
use crate::commands::roles::producer::ProducerArgs;
use crate::commands::roles::webhook::{self, WebhookArgs};
use crate::commands::roles::worker::WorkerArgs;
use crate::commands::runs::why::{self, WhyArgs};
use crate::commands::runs::{self, RunsCommand};
use crate::commands::sync::SyncArgs;
use crate::commands::sync::aliyun::{self, AliyunArgs};
use crate::commands::sync::copy::{self, CopyArgs};
use crate::commands::sync::kyma::{self, KymaArgs};
use crate::commands::workers::{self, WorkersCommand};
use crate::options::{CommonArgs, DialectArgs};
use crate::process::environment::Environment;
use crate::server::healthcheck::{self, HealthcheckArgs};

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
  image-sync sync -c config.yaml --check
  image-sync sync -c config.yaml --only '*nginx*' --report report.json

Exit codes:
  0    all well
  1    an image failed, and `skip_on_error` is off
  2    bad arguments or config; nothing was contacted
  3    the run could not be carried out, was interrupted, or its deadline passed
  4    with --check: something would be copied
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

const COMPLETIONS_HELP: &str = "\
Examples:
  image-sync completions bash > /etc/bash_completion.d/image-sync
  image-sync completions zsh > /usr/local/share/zsh/site-functions/_image-sync
  image-sync completions fish > /usr/share/fish/vendor_completions.d/image-sync.fish";

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
    Sync(Box<SyncArgs>),
    /// Copy one image, or those that rules choose, to any number of targets, without a config that names them
    #[command(after_help = copy::HELP)]
    Copy(Box<CopyArgs>),
    /// Save the images of the config as files, for a registry that has no way to their sources
    #[command(after_help = save::HELP)]
    Save(Box<SaveArgs>),
    /// Load the images of an archive that `save` has written into a registry
    #[command(after_help = load::HELP)]
    Load(Box<LoadArgs>),
    /// Do as Kyma's image-syncer does, with its options
    #[command(after_help = kyma::HELP)]
    Kyma(Box<KymaArgs>),
    /// Do as Aliyun's image-syncer does, with its options
    #[command(after_help = aliyun::HELP)]
    Aliyun(Box<AliyunArgs>),
    /// Make the streams of an installation at a NATS server, or change what is named; can be repeated
    #[command(
        after_help = "Example:\n  image-sync provision --nats nats://127.0.0.1:4222 --jobs-max-bytes 4GiB"
    )]
    Provision(Box<ProvisionArgs>),
    /// Make passwords for the users of a NATS server, one for each role, and the part of its config that has them
    #[command(after_help = nats_credentials::HELP)]
    NatsCredentials(NatsCredentialsArgs),
    /// Publish a check of every image of the config as a run, for workers anywhere
    #[command(after_help = PRODUCER_HELP)]
    Producer(Box<ProducerArgs>),
    /// Take jobs and work them until SIGTERM; any number of workers share them
    #[command(after_help = "Example:\n  image-sync worker -c config.yaml --slots 8")]
    Worker(Box<WorkerArgs>),
    /// Take events of registries, and have the images checked that they concern, ahead of the bulk
    #[command(after_help = webhook::HELP)]
    Webhook(Box<WebhookArgs>),
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
    /// Look at the workers that are there
    #[command(subcommand, after_help = workers::HELP)]
    Workers(WorkersCommand),
    /// Ask a running program how it is, for supervisors that can only start a command
    #[command(after_help = healthcheck::HELP)]
    Healthcheck(HealthcheckArgs),
    /// Work on the config file
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write manual pages, one for each command
    #[command(after_help = "Example:\n  image-sync man /usr/local/share/man/man1")]
    Man {
        /// Where they go
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

impl Command {
    /// Whether it shows a run that others carry out until that ends.
    pub(crate) fn shows_a_run_of_others(&self) -> bool {
        match self {
            Self::Producer(args) => args.shows_its_run(),
            Self::Enqueue(args) => args.shows_its_run(),
            Self::DeadLetters(command) => command.shows_its_run(),
            Self::Runs(command) => command.shows_a_run(),
            _ => false,
        }
    }

    /// Every command has `--config`, also these.
    pub(crate) fn takes_nothing_from_a_config(&self) -> bool {
        use Command::{
            Aggregator, DeadLetters, Healthcheck, Hosts, NatsCredentials, Provision, Runs, Why,
            Workers,
        };
        matches!(
            self,
            Aggregator(_)
                | DeadLetters(_)
                | Healthcheck(_)
                | Hosts(_)
                | NatsCredentials(_)
                | Provision(_)
                | Runs(_)
                | Why(_)
                | Workers(_)
        )
    }
}

/// What has a JSON Schema.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SchemaOf {
    Config,
    Report,
}

/// What to do with the config.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Load the config and say what it means; contacts nothing
    #[command(after_help = "Example:\n  image-sync config check -c config.yaml")]
    Check(DialectArgs),
    /// Print the config of another tool in the form of this program
    #[command(after_help = convert::HELP)]
    Convert(Box<ConvertArgs>),
    /// Print the JSON Schema of configs, for editors, or of reports, for programs
    #[command(after_help = "Example:\n  image-sync config schema > config.schema.json")]
    Schema {
        /// Of what
        #[arg(default_value = "config")]
        of: SchemaOf,
    },
    /// List the tags of a repository, and say which rules leave out which and why
    #[command(after_help = tags::HELP)]
    Tags(Box<TagsArgs>),
}

/// The command line as it is understood, with all commands.
pub(crate) fn command() -> clap::Command {
    with_truth_values(Cli::command())
}

/// Lets each option that is there or not be written with a truth value too, as in `--dry-run=false`.
fn with_truth_values(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|option| match option.get_action() {
        ArgAction::SetTrue => option
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .value_name("true|false")
            .default_value("false")
            .default_missing_value("true")
            .hide_default_value(true)
            .hide_possible_values(true),
        _ => option,
    });
    command.mut_subcommands(with_truth_values)
}

/// How the program is called where it takes the place of other tools.
const IMAGE_SYNCER: &str = "image-syncer";

/// The arguments with the command that the name of the program means: called `image-syncer` it is Kyma's tool where images are
/// named as there, else Aliyun's.
pub(crate) fn with_command(
    args: impl IntoIterator<Item = OsString>,
    environment: &Environment,
) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let name = args.first().map(Path::new).and_then(Path::file_name);
    let is_syncer = name.is_some_and(|name| name == IMAGE_SYNCER);
    let texts = args.iter().skip(1).map(|arg| arg.to_string_lossy());
    let names_command = texts
        .clone()
        .next()
        .is_some_and(|first| !first.starts_with('-'));
    if is_syncer && !names_command {
        let is_kyma = |arg: &str| {
            let is_short = arg.starts_with("-i") && !arg.starts_with("-im");
            is_short || arg.split('=').next() == Some("--images-file")
        };
        let has_file = environment.syncers.images_file.is_some();
        let of_kyma = has_file || texts.clone().any(|arg| is_kyma(&arg));
        let command = if of_kyma { "kyma" } else { "aliyun" };
        args.insert(1, command.into());
    }
    args
}

/// Options of every command, and the command.
pub(crate) type Invocation = (CommonArgs, Command);

/// Understands the arguments, the program's name being the first.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(args);
    let matches = matches.map_err(with_option_of_config)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    match cli.named {
        None => Ok((cli.common, Command::Sync(Box::new(cli.bare_sync)))),
        Some(_) if cli.bare_sync != SyncArgs::default() => Err(command.error(
            ErrorKind::ArgumentConflict,
            "options of `sync` go behind the command, as in `image-sync sync --dry-run`",
        )),
        Some(command) => Ok((cli.common, command)),
    }
}

/// The error with a tip, where a config file stands where none goes.
fn with_option_of_config(mut error: clap::Error) -> clap::Error {
    let found = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand]
        .into_iter()
        .find_map(|kind| error.get(kind));
    let Some(ContextValue::String(found)) = found else {
        return error;
    };
    let file = Path::new(found);
    let is_config = file
        .extension()
        .is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
    if !found.starts_with('-') && (is_config || file.is_file()) {
        let tip = format!("a config file is named by an option: --config {found}");
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![StyledStr::from(tip)]),
        );
    }
    error
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::commands::sync::{WatchArgs, WorkArgs};
    use crate::options::{LogFormat, OutputArgs, ReportFormat, TableArgs, TriggerArgs};
    use crate::run::choice::ChoiceArgs;
    use crate::run::state::StateArgs;
    use crate::server::ListenArgs;

    fn parsed(line: &str) -> Result<Invocation, clap::Error> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn sync(line: &str) -> (CommonArgs, SyncArgs) {
        match parsed(line).unwrap() {
            (common, Command::Sync(args)) => (common, *args),
            (_, command) => panic!("`{line}` is {command:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn sync_takes_its_options() {
        let (common, args) = sync(
            "image-sync sync -c x.yaml --dry-run --only *nginx* --only-failed old.json --output json --report r.json \
             --concurrency 8 --state-dir s --grace 2m --log-format json --log-level debug --no-progress \
             --listen [::1]:9090",
        );
        assert_eq!(common.config.as_deref(), Some(Path::new("x.yaml")));
        assert_eq!(common.log_format, LogFormat::Json);
        assert_eq!(common.log_level.as_deref(), Some("debug"));
        assert!(common.no_progress);
        let expected = SyncArgs {
            dialect: DialectArgs::default(),
            choice: ChoiceArgs {
                only: Some("*nginx*".to_owned()),
                only_failed: Some("old.json".into()),
            },
            work: WorkArgs {
                dry_run: true,
                table: TableArgs::default(),
                check: false,
                output: OutputArgs {
                    output: Some(ReportFormat::Json),
                    report: Some("r.json".into()),
                },
                concurrency: NonZeroUsize::new(8),
                state: StateArgs {
                    state_dir: Some("s".into()),
                },
                grace: Some(Duration::from_secs(120)),
                listen: ListenArgs::at("[::1]:9090"),
                trigger: TriggerArgs::default(),
            },
            overlap: None,
            watch: WatchArgs::default(),
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
            assert!(args.work.dry_run, "{line}");
        }
        assert_eq!(sync("image-sync").1, SyncArgs::default());
    }

    #[test]
    fn options_that_are_there_or_not_may_have_a_truth_value() {
        let dry_run = |line: &str| sync(line).1.work.dry_run;
        for (line, expected) in [
            ("image-sync sync", false),
            ("image-sync sync --dry-run", true),
            ("image-sync sync --dry-run=true", true),
            ("image-sync sync --dry-run=false", false),
            ("image-sync --dry-run=true", true),
            ("image-sync --dry-run=false", false),
        ] {
            assert_eq!(dry_run(line), expected, "{line}");
        }
        for line in [
            "image-sync producer --dry-run=true --wait=false",
            "image-sync enqueue nginx --dry-run=true",
            "image-sync worker --allow-folders=true",
            "image-sync runs cancel latest --wait=false",
            "image-sync dead-letters replay --all=true",
        ] {
            parsed(line).unwrap();
        }
        assert!(
            parsed("image-sync sync --no-progress=true")
                .unwrap()
                .0
                .no_progress
        );
        let error = parsed("image-sync sync --dry-run=maybe").unwrap_err();
        assert!(error.to_string().contains("true, false"), "{error}");
        parsed("image-sync sync --dry-run true").unwrap_err();
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
    fn a_config_file_without_its_option_is_told_with_it() {
        for line in [
            "image-sync mirror.yaml",
            "image-sync sync mirror.yaml",
            "image-sync config check mirror.json",
            "image-sync producer --wait mirror.yml",
        ] {
            let error = parsed(line).unwrap_err().to_string();
            assert!(
                error.contains("tip: a config file is named by an option: --config mirror."),
                "{error}"
            );
        }
        for line in ["image-sync snyc", "image-sync sync --confg=a.yaml"] {
            let error = parsed(line).unwrap_err().to_string();
            assert!(!error.contains("a config file is named"), "{error}");
        }
    }

    #[test]
    fn the_grace_time_has_a_default() {
        assert_eq!(
            sync("image-sync sync").1.work.grace(),
            Duration::from_secs(25)
        );
        assert_eq!(
            sync("image-sync sync --grace 0s").1.work.grace(),
            Duration::ZERO
        );
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
            ("image-sync sync --output xml", "auto, json, ndjson, table"),
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
        assert!(matches!(check.1, Command::Config(ConfigCommand::Check(_))));
        assert_eq!(check.0.config.as_deref(), Some(Path::new("x.yaml")));
        let completions = parsed("image-sync completions zsh").unwrap().1;
        assert!(matches!(
            completions,
            Command::Completions { shell: Shell::Zsh }
        ));
    }

    /// The arguments that the program works with where it is called so.
    fn called(line: &str, environment: &Environment) -> String {
        let args = line.split_whitespace().map(OsString::from);
        let args = with_command(args, environment);
        let args = args.iter().map(|arg| arg.to_string_lossy().into_owned());
        args.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn called_image_syncer_the_program_takes_the_place_of_the_tools_of_that_name() {
        let nothing = Environment::default();
        for (line, expected) in [
            (
                "/opt/image-syncer --proc=6 --auth=./auth.json --images=./images.json --retries=3",
                "aliyun",
            ),
            ("image-syncer --config c.json", "aliyun"),
            ("image-syncer", "aliyun"),
            ("image-syncer -i images.yaml --dry-run=true", "kyma"),
            (
                "image-syncer --target-repo-auth-key k.json --images-file=i.yaml",
                "kyma",
            ),
            ("image-syncer --dry-run --images-file i.yaml", "kyma"),
        ] {
            let (program, rest) = line.split_once(' ').unwrap_or((line, ""));
            let expected = format!("{program} {expected} {rest}");
            assert_eq!(called(line, &nothing), expected.trim_end());
            parse(with_command(
                line.split_whitespace().map(OsString::from),
                &nothing,
            ))
            .unwrap();
        }
        for line in [
            "image-sync --dry-run",
            "image-syncer sync -c x.yaml",
            "x/image-sync",
        ] {
            assert_eq!(called(line, &nothing), line);
        }
        let mut with_file = Environment::default();
        with_file.syncers.images_file = Some("i.yaml".into());
        assert_eq!(
            called("image-syncer --debug", &with_file),
            "image-syncer kyma --debug"
        );
    }

    #[test]
    fn the_options_of_kyma_and_aliyun_are_taken_as_they_write_them() {
        for line in [
            "image-sync kyma -i f -t k -r p/ --dry-run=true --debug=false",
            "image-sync kyma --images-file=f --access-token=t --target-repo-prefix=p/ --dry-run",
            "image-sync aliyun --proc=6 --auth=./auth.json --images=./images.json --registry=r.example --retries=3",
            "image-sync aliyun --config=c.yaml --namespace n --os linux --os windows --arch amd64 --arch arm:v7 --force --log l",
            "image-sync aliyun --images i -p 10 -r 10 --output-success-images f --output-images-format json",
        ] {
            parsed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        for line in [
            "image-sync kyma -t k -a t",
            "image-sync aliyun --auth a",
            "image-sync aliyun --proc 0 --images i",
        ] {
            parsed(line).unwrap_err();
        }
    }
}
