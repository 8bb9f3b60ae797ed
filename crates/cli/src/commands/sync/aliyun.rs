//! `aliyun`: a run with the files, the options and the environment variables of Aliyun's image-syncer.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use image_sync_catalog::config_file::{AliyunOptions, DialectOptions};

use super::{Beside, SyncArgs, WorkArgs, work_with};
use crate::options::{CommonArgs, at_least_one};
use crate::output::copied_images::{CopiedImages, ImagesForm};
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::run::setup::{self, Named};
use crate::terminal::progress::Screen;

pub(crate) const HELP: &str = "\
Examples:
  image-sync aliyun --auth auth.json --images images.json --proc 6 --retries 3
  image-sync aliyun --config config.json

A program that is called image-syncer takes these options too. Exit codes are those of `sync`.";

const REGISTRY: &str = "Where images go whose rule names no target [env: DEFAULT_REGISTRY]";
const NAMESPACE: &str =
    "The namespace there, of which they keep the last part of their name [env: DEFAULT_NAMESPACE]";
/// The file where none is named.
const CONFIG: &str = "config.json";

/// Options of `aliyun`.
#[derive(Args, Clone, Debug)]
pub(crate) struct AliyunArgs {
    /// File with credentials, YAML or JSON
    #[arg(long, value_name = "FILE", requires = "images")]
    auth: Option<PathBuf>,
    /// File with rules, YAML or JSON; --config names one with both
    #[arg(long, value_name = "FILE")]
    images: Option<PathBuf>,
    #[arg(long, value_name = "REGISTRY", help = REGISTRY)]
    registry: Option<String>,
    #[arg(long, value_name = "NAMESPACE", help = NAMESPACE)]
    namespace: Option<String>,
    /// Images worked at the same time
    #[arg(short = 'p', long, value_name = "N", value_parser = at_least_one)]
    proc: Option<NonZeroUsize>,
    /// How often a failed image is tried again
    #[arg(short = 'r', long, value_name = "N")]
    retries: Option<u32>,
    /// Only these operating systems, as in linux or windows:10.0.17763; may be repeated
    #[arg(long, value_name = "OS")]
    os: Vec<String>,
    /// Only these architectures, as in amd64 or arm:v7; may be repeated
    #[arg(long, value_name = "ARCH")]
    arch: Vec<String>,
    /// Accepted; what is equal at the target already is not written again
    #[arg(long)]
    force: bool,
    /// Log to this file [default: stderr]
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Write the images that were copied to this file, each source with its targets
    #[arg(long, value_name = "FILE")]
    output_success_images: Option<PathBuf>,
    /// How that file is written
    #[arg(long, value_name = "FORM", default_value = "yaml")]
    output_images_format: ImagesForm,
    #[command(flatten)]
    work: WorkArgs,
}

/// Runs `aliyun`.
pub(crate) fn run(
    common: &CommonArgs,
    args: &AliyunArgs,
    environment: &Environment,
    screen: &Screen,
) -> Result<Exit, Problem> {
    let file = args.images.as_deref().or(common.config.as_deref());
    let file = file.unwrap_or(Path::new(CONFIG));
    let dialect = args.dialect(environment)?;
    let mut loaded = setup::load(Named::file(file, &dialect), environment)?;
    if let Some(retries) = args.retries {
        loaded.config.settings.retry.attempts = retries.saturating_add(1);
    }
    let mut sync = SyncArgs {
        work: args.work.clone(),
        ..SyncArgs::default()
    };
    sync.work.concurrency = args.proc.or(sync.work.concurrency);
    let copied = args.output_success_images.as_deref();
    let copied = copied.map(|file| CopiedImages::prepare(file, args.output_images_format));
    let copied = copied.transpose()?;
    let images = sync.choice.choose(&loaded.file, loaded.images)?;
    work_with(
        loaded.config,
        &images,
        &sync.work,
        Beside {
            copied,
            ..Beside::default()
        },
        environment,
        screen,
    )
}

impl AliyunArgs {
    /// Where the log goes, if that is a file.
    pub(crate) fn log(&self) -> Option<&Path> {
        self.log.as_deref()
    }

    fn dialect(&self, environment: &Environment) -> Result<DialectOptions, Problem> {
        let auth = self.auth.as_deref().map(|file| {
            let name = file.display().to_string();
            let text = fs::read_to_string(file);
            let text = text.map_err(|error| Problem::usage(format!("--auth {name}: {error}")))?;
            Ok((name, text))
        });
        let said = &environment.syncers;
        let (registry, namespace) = (self.registry.clone(), self.namespace.clone());
        let named = |all: &[String]| {
            let all = all.iter().filter(|name| !name.is_empty());
            all.cloned().collect()
        };
        Ok(DialectOptions {
            format: "aliyun".parse().ok(),
            aliyun: AliyunOptions {
                auth: auth.transpose()?,
                registry: registry.or_else(|| said.default_registry.clone()),
                namespace: namespace.or_else(|| said.default_namespace.clone()),
                os: named(&self.os),
                arch: named(&self.arch),
                force: self.force,
            },
            ..DialectOptions::default()
        })
    }
}
