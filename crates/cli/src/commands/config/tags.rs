//! `config tags`: what rules make of the tags that a repository has now.

mod listing;

use clap::Args;
use image_sync_catalog::config_file::{self, Sources};
use image_sync_catalog::selection::one_off::RuleTexts;
use image_sync_catalog::selection::{self, SourceRules};
use image_sync_shared::config::{Config, Settings};
use image_sync_shared::image::reference::{Repository, split};
use image_sync_shared::ports::clock::Clock as _;

use crate::options::{CommonArgs, DialectArgs, Output, RuleArgs};
use crate::output::{self, Shape};
use crate::process::clock::SystemClock;
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::process::stdout::Stdout;
use crate::run::runtime;
use crate::run::setup::{self, Loaded, Named};
use crate::run::state::{State, StateArgs};
use listing::{Explanation, Told};

pub(crate) const HELP: &str = "\
Examples:
  image-sync config tags -c config.yaml registry.k8s.io/kube-apiserver
  image-sync config tags registry.k8s.io/pause --semver '>=3.8' --latest 2
  image-sync config tags registry.k8s.io/pause --output json

Without options for tags, the rules are those that the config has for this source, and for namespaces
(repositories) that have it. The config may be missing. Nothing is copied: the repository is listed, once, and where the age of images counts, they are asked for it.";

/// Options of `config tags`.
#[derive(Args, Clone, Debug)]
pub(crate) struct TagsArgs {
    /// The repository, as registry.k8s.io/pause
    #[arg(value_name = "SOURCE")]
    source: String,
    #[command(flatten)]
    dialect: DialectArgs,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    state: StateArgs,
    /// The answer on stdout; auto is a table on a terminal and JSON otherwise
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    output: Output,
}

/// Runs `config tags`.
pub(crate) fn run(
    common: &CommonArgs,
    args: &TagsArgs,
    environment: &Environment,
) -> Result<Exit, Problem> {
    let loaded = setup::load_if_any(
        Named::new(common, &args.dialect.options(environment)),
        environment,
    )?;
    let (repository, reference) = split(&args.source).map_err(Problem::usage)?;
    if reference.is_some() {
        let text = format!("{:?} is one image, expected a repository", args.source);
        return Err(Problem::usage(text));
    }
    let usual = || config_file::usual().map_err(Problem::usage);
    let config = match &loaded {
        Some(loaded) => loaded.config.clone(),
        None => usual()?,
    };
    let rules = rules(args, &config, loaded.as_ref(), &repository)?;
    let registries = setup::registries(&config, environment)?;
    let state = State::open(&args.state, environment);
    let shape = output::shape(args.output, environment.no_color);
    runtime::run(runtime::GRACE, |stop| async move {
        let sources = Sources {
            registries: &registries,
            creation_times: &*state.creation_times,
            now: SystemClock.now(),
        };
        let told = tell(&rules, sources, &config.settings, shape, &Stdout::Process);
        let told = stop.run_until_cancelled(told).await;
        told.unwrap_or_else(|| Err(Problem::not_carried_out("stopped before it was listed")))
    })
}

/// The rules that are asked about: those of the options, else those that the config has, else none.
fn rules(
    args: &TagsArgs,
    config: &Config,
    loaded: Option<&Loaded>,
    repository: &Repository,
) -> Result<Vec<SourceRules>, Problem> {
    if let Some(texts) = args.rules.texts() {
        let rules = texts
            .rules(&args.source, &config.defaults)
            .map_err(Problem::usage)?;
        return Ok(vec![rules]);
    }
    let of_config = |loaded: &Loaded| loaded.images.rules_for(repository).collect();
    let mut found: Vec<SourceRules> = loaded.map(of_config).unwrap_or_default();
    if found.is_empty() {
        let all = RuleTexts::default();
        let mut all = all
            .rules(&args.source, &config.defaults)
            .map_err(Problem::usage)?;
        all.place = match loaded {
            Some(loaded) => format!("no rules for it in {}", loaded.file.display()),
            None => "no rules".to_owned(),
        };
        found.push(all);
    }
    Ok(found)
}

/// Lists the repository, and writes what becomes of its tags.
async fn tell(
    rules: &[SourceRules],
    sources: Sources<'_>,
    settings: &Settings,
    shape: Shape,
    stdout: &Stdout,
) -> Result<Exit, Problem> {
    let explained = selection::explain(rules, sources, settings).await;
    let explained = explained.map_err(Problem::not_carried_out)?;
    let told = Told {
        repository: rules
            .first()
            .map_or_else(String::new, |rules| rules.source().to_string()),
        // Each of them has all tags.
        tags: explained
            .first()
            .map_or(0, |explained| explained.tags.len()),
        explanations: (rules.iter().zip(explained))
            .map(|(rules, explained)| Explanation {
                rules: rules.place.clone(),
                explained,
            })
            .collect(),
    };
    stdout
        .write_aside(move |out| listing::write(&told, shape, out))
        .await?;
    Ok(Exit::Success)
}
