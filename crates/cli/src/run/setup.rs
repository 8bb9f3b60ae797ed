//! From the command line and the environment to a checked config and a way to the registries. Nothing is contacted.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image_sync_catalog::config_file::{self, DialectOptions, Images, Input, STDIN, STDIN_NAME};
use image_sync_registry::{Archive, ClientOptions, FixedLimits, Router, Timeouts};
use image_sync_shared::config::{Config, RegistrySettings};
use image_sync_shared::image::reference::{Location, canonical_host};
use image_sync_shared::ports::telemetry::measures::{Measures, Unmeasured};
use image_sync_shared::text::nearest::nearest;
use tracing::{info, warn};

use crate::options::CommonArgs;
use crate::process::clock::SystemClock;
use crate::process::environment::{Environment, variable_as_text as variable};
use crate::process::exit::Problem;

const DEFAULT_CONFIG: &str = "/etc/image-sync/config.yaml";

/// A config with its images, and where it stands.
pub(crate) struct Loaded {
    pub(crate) file: PathBuf,
    pub(crate) config: Config,
    pub(crate) images: Images,
}

impl Loaded {
    /// Refuses what can be loaded but once.
    pub(crate) fn again(&self, because: &str) -> Result<(), Problem> {
        if self.file == Path::new(STDIN_NAME) || self.images.are_of_stdin() {
            return Err(Problem::usage(format!(
                "{because}: the config or a list in it is read from stdin, which can be read but once, expected a file"
            )));
        }
        Ok(())
    }
}

/// Which config, and what the command line says beside it.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    file: Option<&'a Path>,
    dialect: &'a DialectOptions,
}

impl<'a> Named<'a> {
    pub(crate) fn new(common: &'a CommonArgs, dialect: &'a DialectOptions) -> Self {
        let file = common.config.as_deref();
        Self { file, dialect }
    }

    /// This file, whatever else is said.
    pub(crate) fn file(file: &'a Path, dialect: &'a DialectOptions) -> Self {
        Self {
            file: Some(file),
            dialect,
        }
    }
}

/// Loads the config that the command line names, else the environment, else the one in its usual place, and the list of images
/// that stdin has if the config says so.
pub(crate) fn load(named: Named<'_>, environment: &Environment) -> Result<Loaded, Problem> {
    let (loaded, naming) = load_with(named, environment, Some(&mut io::stdin().lock()))?;
    if let Some(warning) = naming {
        warn!("{warning}");
    }
    Ok(loaded)
}

/// The same for a role that works no list: stdin is not read for one.
pub(crate) fn load_without_list(
    named: Named<'_>,
    environment: &Environment,
) -> Result<Loaded, Problem> {
    load_with(named, environment, None).map(|(loaded, _)| loaded)
}

fn load_with<'a>(
    named: Named<'a>,
    environment: &Environment,
    stdin: Option<&'a mut dyn Read>,
) -> Result<(Loaded, Option<String>), Problem> {
    let Named {
        file: named,
        dialect,
    } = named;
    let chosen = named.or(environment.config.as_deref());
    let file = chosen.unwrap_or(Path::new(DEFAULT_CONFIG));
    let (file, parsed) = if file == Path::new(STDIN) {
        let parsed = match stdin {
            Some(stdin) => config_file::load_stdin(stdin, dialect, &variable),
            None => config_file::load_stdin(&mut io::stdin().lock(), dialect, &variable),
        };
        (Path::new(STDIN_NAME), parsed)
    } else {
        let input = Input {
            variables: &variable,
            dialect,
            stdin,
        };
        (file, config_file::load(file, input))
    };
    let parsed = parsed.map_err(|error| match chosen {
        Some(_) => Problem::usage(error),
        None => Problem::usage(format!("{error}{}", another_file(&error.to_string()))),
    })?;
    for warning in parsed.warnings {
        warn!("{warning}");
    }
    let loaded = Loaded {
        file: file.to_owned(),
        config: parsed.config,
        images: parsed.images,
    };
    Ok((loaded, parsed.naming))
}

/// Says which keys of `registries` are for hosts that no image has to do with.
pub(crate) fn warn_of_unused_registries(loaded: &Loaded) {
    for warning in unused_registries(loaded) {
        warn!("{warning}");
    }
}

fn unused_registries(Loaded { config, images, .. }: &Loaded) -> Vec<String> {
    let registries = &config.registries;
    let mirrors = registries.values().flat_map(|settings| &settings.mirrors);
    let mut used: BTreeSet<String> = mirrors.map(|mirror| host_of_mirror(mirror)).collect();
    let targets = config.targets().filter_map(Location::host);
    used.extend(targets.map(str::to_owned));
    let is_unused = |used: &BTreeSet<String>| registries.keys().any(|host| !used.contains(host));
    // As a catalog may be long, only for as long as there is a question.
    let mut images = images.samples();
    while is_unused(&used)
        && let Some(image) = images.next()
    {
        let artifacts = image.policy.referrers.as_ref();
        let artifacts = artifacts.and_then(|referrers| referrers.from.as_ref());
        let repositories = [&image.source, &image.target]
            .into_iter()
            .chain(artifacts.map(|from| &from.repository));
        used.extend(repositories.filter_map(|repository| repository.host().map(str::to_owned)));
    }
    let unused = registries.iter().filter(|(host, _)| !used.contains(*host));
    let told = unused.filter_map(|(host, settings)| {
        match nearest(host, used.iter().map(String::as_str)) {
            Some(near) => Some(format!(
                "registries.{host}: no image of this config is at {host}, did you mean {near}?"
            )),
            // Where a registry leads to another host, the settings of that one count for the connection.
            None if is_of_images(settings) => Some(format!(
                "registries.{host}: no image of this config is at {host}, so nothing of this is used"
            )),
            None => None,
        }
    });
    told.collect()
}

/// Whether settings say something beyond how a connection is made.
fn is_of_images(settings: &RegistrySettings) -> bool {
    settings.username.is_some()
        || settings.token.is_some()
        || !settings.paths.is_empty()
        || !settings.mirrors.is_empty()
        || settings.endpoint.is_some()
}

/// The host of `[SCHEME://]HOST[:PORT][/PREFIX]`.
fn host_of_mirror(mirror: &str) -> String {
    let rest = mirror.split_once("://").map_or(mirror, |(_, rest)| rest);
    canonical_host(rest.split('/').next().unwrap_or(rest)).to_owned()
}

/// The same, or nothing where none is named and there is none in its usual place.
pub(crate) fn load_if_any(
    named: Named<'_>,
    environment: &Environment,
) -> Result<Option<Loaded>, Problem> {
    let is_named = named.file.is_some() || environment.config.is_some();
    if is_named || Path::new(DEFAULT_CONFIG).exists() {
        return load_without_list(named, environment).map(Some);
    }
    Ok(None)
}

/// How another file is named, as a part of a message of one line, or below one of several.
fn another_file(error: &str) -> String {
    let before = if error.contains('\n') { "\n" } else { "; " };
    format!("{before}another file is named by --config or IMAGE_SYNC_CONFIG")
}

/// Checks the config that the command line names for a role that takes nothing from it: every role has `--config`, and
/// none passes over a file that is wrong.
pub(crate) fn check_unneeded(
    common: &CommonArgs,
    environment: &Environment,
) -> Result<(), Problem> {
    if common.config.is_some() {
        let dialect = DialectOptions::default();
        let file = load_without_list(Named::new(common, &dialect), environment)?.file;
        info!(file = %file.display(), "the config is sound, and nothing is taken from it");
    }
    Ok(())
}

/// The registries of `config`. Credentials and certificates are read now, so that what is wrong with them shows before
/// anything is contacted.
pub(crate) fn registries(config: &Config, environment: &Environment) -> Result<Router, Problem> {
    measured_registries(config, environment, Arc::new(Unmeasured))
}

/// What registries are reached through, and what is beside them.
pub(crate) struct Outside<'a> {
    pub(crate) environment: &'a Environment,
    /// Is told of every request.
    pub(crate) measures: Arc<dyn Measures>,
    /// An archive among the folders.
    pub(crate) archive: Option<Archive>,
}

/// The same, with what is beside them.
pub(crate) fn registries_with(config: &Config, outside: Outside<'_>) -> Result<Router, Problem> {
    let options = client_options(config, outside.environment, outside.measures);
    let router = match outside.archive {
        Some(archive) => Router::with_archive(options, archive),
        None => Router::new(options),
    };
    router.map_err(Problem::usage)
}

/// The same, with every request told to `measures`.
pub(crate) fn measured_registries(
    config: &Config,
    environment: &Environment,
    measures: Arc<dyn Measures>,
) -> Result<Router, Problem> {
    Router::new(client_options(config, environment, measures)).map_err(Problem::usage)
}

fn client_options(
    config: &Config,
    environment: &Environment,
    measures: Arc<dyn Measures>,
) -> ClientOptions {
    let timeouts = Timeouts {
        connect: config.settings.connect_timeout,
        answer: config.settings.response_timeout,
        stall: config.settings.stall_timeout,
        helper: config.settings.helper_timeout,
    };
    ClientOptions {
        registries: config.registries.clone(),
        credentials: environment.credentials(),
        proxies: environment.proxies(),
        certificate_folders: environment.certificate_folders(),
        timeouts,
        clock: Arc::new(SystemClock),
        measures,
        limits: Arc::new(FixedLimits::new(&config.registries)),
        shares_reads: config.target_hosts() > 1,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_what_the_config_says() {
        let text = "{cache_registry: a, images: [], settings: {connect_timeout: 5s, response_timeout: 6s, stall_timeout: 7s, \
                    helper_timeout: 8s}}";
        let config = config_file::parse(text, "c.yaml").unwrap().config;
        let options = client_options(&config, &Environment::default(), Arc::new(Unmeasured));
        let expected = Timeouts {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(6),
            stall: Duration::from_secs(7),
            helper: Duration::from_secs(8),
        };
        assert_eq!(options.timeouts, expected);
        let usual = config_file::parse("{cache_registry: a, images: []}", "c.yaml");
        let environment = Environment::default();
        let options = client_options(&usual.unwrap().config, &environment, Arc::new(Unmeasured));
        assert_eq!(options.timeouts, Timeouts::default());
    }

    #[test]
    fn reads_are_shared_where_targets_are_at_several_hosts() {
        let shares = |targets: &str| {
            let text = format!("{{cache_registry: a, targets: {targets}, images: []}}");
            let config = config_file::parse(&text, "c.yaml").unwrap().config;
            client_options(&config, &Environment::default(), Arc::new(Unmeasured)).shares_reads
        };
        assert!(shares("{b: {registry: b}}"));
        assert!(!shares("{b: {registry: a/elsewhere}}"));
        assert!(!shares("{}"));
    }

    #[test]
    fn a_registry_that_no_image_uses_is_told_and_one_that_may_be_led_to_is_not() {
        let told = |registries: &str| {
            let text = format!(
                "{{cache_registry: \"cache.example:5000\", registries: {registries}, images: [{{source: ghcr.io/a, tag: \"1\"}}]}}"
            );
            let parsed = config_file::parse(&text, "c.yaml").unwrap();
            unused_registries(&Loaded {
                file: "c.yaml".into(),
                config: parsed.config,
                images: parsed.images,
            })
        };
        let used = r#"{ghcr.io: {mirrors: ["https://m.example/x"]}, m.example: {insecure: true}, "cache.example:5000": {plain_http: true}}"#;
        assert_eq!(told(used), [""; 0]);
        assert_eq!(told("{storage.example: {ca_file: a.pem}}"), [""; 0]);
        let login = "{username: u, password: p}";
        let other = told(&format!("{{quay.example: {login}}}"));
        assert_eq!(other.len(), 1);
        assert!(
            other[0].contains("registries.quay.example: no image"),
            "{other:?}"
        );
        let misspelt = told("{ghrc.io: {ca_file: a.pem}}");
        assert!(
            misspelt[0].ends_with("did you mean ghcr.io?"),
            "{misspelt:?}"
        );
    }
}
