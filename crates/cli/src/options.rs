//! Options that several commands share.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use image_sync_catalog::config_file::{DialectOptions, Format};
use image_sync_catalog::selection::one_off::RuleTexts;
use image_sync_shared::run::Trigger;

use crate::process::environment::Environment;
use crate::terminal::report_table::Extent;

// Help that names variables is no doc comment, as those would have to be set in backticks.
const CONFIG: &str =
    "Config file, - for stdin [env: IMAGE_SYNC_CONFIG] [default: /etc/image-sync/config.yaml]";
const TARGET: &str = "\
Where images go, for configs that do not say it, as plain lists: HOST or HOST/PREFIX [env: IMAGE_SYNC_TARGET]";
const LOG_LEVEL: &str = "\
What is logged: error, warn, info, debug, trace, off, or directives such as image_sync_registry=debug \
[env: IMAGE_SYNC_LOG, RUST_LOG] [default: info, warn beside a progress display]";

/// Options of every command.
#[derive(Clone, Args, Debug)]
pub(crate) struct CommonArgs {
    #[arg(short, long, value_name = "FILE", global = true, help = CONFIG)]
    pub(crate) config: Option<PathBuf>,
    /// How log lines look on stderr
    #[arg(long, value_name = "FORMAT", global = true, default_value = "text")]
    pub(crate) log_format: LogFormat,
    #[arg(long, value_name = "LEVEL", global = true, help = LOG_LEVEL)]
    pub(crate) log_level: Option<String>,
    /// Show no progress display, but plain log lines, on a terminal too
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
}

/// Options for configs that were written for another tool.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FormatArgs {
    /// How the config is written [default: what it looks like]
    #[arg(long, value_name = "FORMAT", value_parser = format())]
    format: Option<Format>,
    /// What stands before the names of images at the target, for the lists of Kyma's image-syncer
    #[arg(long, value_name = "PREFIX")]
    target_repo_prefix: Option<String>,
}

/// The same of commands that have no other --target.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DialectArgs {
    #[command(flatten)]
    format: FormatArgs,
    #[arg(long, value_name = "TARGET", help = TARGET)]
    target: Option<String>,
    /// Keep hosts and paths in the names of images there, for the files of skopeo sync
    #[arg(long)]
    scoped: bool,
    /// Copy images for all their platforms, as skopeo sync does with --all
    #[arg(long)]
    all_platforms: bool,
}

impl FormatArgs {
    /// With what the environment says.
    pub(crate) fn options(&self, environment: &Environment) -> DialectOptions {
        DialectOptions {
            format: self.format,
            target: environment.target.clone(),
            target_repo_prefix: self.target_repo_prefix.clone(),
            ..DialectOptions::default()
        }
    }
}

impl DialectArgs {
    /// With what the environment says.
    pub(crate) fn options(&self, environment: &Environment) -> DialectOptions {
        let options = self.format.options(environment);
        DialectOptions {
            target: self.target.clone().or(options.target),
            scoped: self.scoped,
            all_platforms: self.all_platforms,
            ..options
        }
    }
}

/// Options of commands that write a report.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutputArgs {
    /// The report on stdout; auto is a table on a terminal and JSON otherwise, ndjson a line of JSON for each image and the run
    /// [default: auto]
    #[arg(long, value_name = "FORMAT", verbatim_doc_comment)]
    pub(crate) output: Option<ReportFormat>,
    /// Write the report as JSON to this file too
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// Options of commands that start a run of a catalog.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TriggerArgs {
    /// What the report says has set the run off [default: manual; schedule with --every, and of `producer`]
    #[arg(long, value_name = "TRIGGER")]
    trigger: Option<RunTrigger>,
}

impl TriggerArgs {
    /// What is said, else what is usual.
    pub(crate) fn or(self, usual: RunTrigger) -> Trigger {
        match self.trigger.unwrap_or(usual) {
            RunTrigger::Manual => Trigger::Manual,
            RunTrigger::Schedule => Trigger::Schedule,
        }
    }
}

/// What sets a run of a catalog off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunTrigger {
    Manual,
    Schedule,
}

/// Options of tables of a report.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableArgs {
    /// Have a line in the table for images that are up to date too, and all names of those that failed
    #[arg(long)]
    all: bool,
    /// Show nothing but what failed, and no progress
    #[arg(short, long, conflicts_with = "all")]
    pub(crate) quiet: bool,
}

impl TableArgs {
    /// How much of the report is shown.
    pub(crate) fn extent(self) -> Extent {
        match (self.quiet, self.all) {
            (true, _) => Extent::Failures,
            (false, true) => Extent::All,
            (false, false) => Extent::Changes,
        }
    }
}

/// Options that choose among the tags of a repository, as the key `tags` of an image in a config does.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RuleArgs {
    /// All tags of the source
    #[arg(long)]
    all_tags: bool,
    /// Only tags that this regular expression matches as a whole, or another one of them
    #[arg(long, value_name = "REGEX")]
    include: Vec<String>,
    /// No tags that this regular expression matches as a whole
    #[arg(long, value_name = "REGEX")]
    exclude: Vec<String>,
    /// What --semver and --sort see of a tag: the first group of this regular expression, or all that it matches
    #[arg(long, value_name = "REGEX")]
    extract: Option<String>,
    /// Only versions of this range, as in '>=1.29, <2'
    #[arg(long, value_name = "RANGE")]
    semver: Option<String>,
    /// The order, the highest first
    #[arg(long, value_name = "ORDER", value_parser = ["semver", "created", "alphabetical", "numerical"])]
    sort: Option<String>,
    /// So many tags at most, the first ones by --sort, or by --semver without it
    #[arg(long, value_name = "N")]
    latest: Option<String>,
}

impl RuleArgs {
    /// What they say, if there is any.
    pub(crate) fn texts(&self) -> Option<RuleTexts> {
        let keys = [
            ("extract", &self.extract),
            ("semver", &self.semver),
            ("sort", &self.sort),
            ("latest", &self.latest),
        ];
        let said = keys
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.clone()?)));
        let texts = RuleTexts {
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            others: said.collect(),
        };
        (self.all_tags || texts != RuleTexts::default()).then_some(texts)
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// How a list looks on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    #[default]
    Auto,
    Json,
    Table,
}

/// How a report looks on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    #[default]
    Auto,
    Json,
    Ndjson,
    Table,
}

impl ReportFormat {
    /// How what is no report looks beside it.
    pub(crate) fn others(self) -> Output {
        match self {
            Self::Auto => Output::Auto,
            Self::Json | Self::Ndjson => Output::Json,
            Self::Table => Output::Table,
        }
    }
}

/// Understands the name of a format.
pub(crate) fn format() -> impl TypedValueParser<Value = Format> {
    let names = Format::all().map(Format::name);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Format>())
}

/// Understands a count.
pub(crate) fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse().ok();
    number.ok_or_else(|| "expected a number, 1 or more".to_owned())
}
