//! `copy`: one image, or what rules choose of a repository, to any number of targets, without a config that names them.

use clap::Args;
use image_sync_catalog::config_file::{self, DialectOptions, Images};
use image_sync_catalog::selection::one_off::Order;
use image_sync_shared::config::Config;
use image_sync_shared::image::reference::{Location, Repository};

use super::{WorkArgs, work};
use crate::options::{CommonArgs, RuleArgs};
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::run::setup::{self, Named};
use crate::terminal::progress::Screen;

pub(crate) const HELP: &str = "\
Examples:
  image-sync copy nginx:1.27 localhost:5000/library/nginx
  image-sync copy nginx:1.27 localhost:5000/web:stable oci:./cache/nginx --platform all
  image-sync copy registry.k8s.io/pause localhost:5000/pause --semver '>=3.8' --latest 2
  image-sync copy ghcr.io/acme/app:1.0 localhost:5000/acme/app --platform all --referrers

Settings, defaults and registries are those of the config, if --config names one or there is one in its
usual place; its images are not worked. Exit codes are those of `sync`.";

/// Options of `copy`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CopyArgs {
    /// The image, as nginx:1.27, docker.io/library/nginx@sha256:... or oci:FOLDER:1.27; without a tag where options choose among its tags
    #[arg(value_name = "SOURCE")]
    source: String,
    /// Where it goes, as localhost:5000/nginx or oci:FOLDER, with a tag where that is another one
    #[arg(value_name = "TARGET", required = true)]
    targets: Vec<String>,
    /// Which platforms: all, linux/arm64, or several with commas [default: as in the config, or linux/amd64]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// What becomes of a tag that is there with another image [default: as in the config, or always]
    #[arg(long, value_name = "POLICY", value_parser = ["always", "never", "error"])]
    overwrite: Option<String>,
    /// What becomes of an image that lacks a wanted platform [default: as in the config, or fail]
    #[arg(long, value_name = "POLICY", value_parser = ["fail", "skip"])]
    platform_missing: Option<String>,
    /// Copy the artifacts that belong to the image too, as signatures and SBOMs [default: as in the config, or false]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    referrers: Option<bool>,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
}

/// Runs `copy`.
pub(crate) fn run(
    common: &CommonArgs,
    args: &CopyArgs,
    environment: &Environment,
    screen: &Screen,
) -> Result<Exit, Problem> {
    let config =
        match setup::load_if_any(Named::new(common, &DialectOptions::default()), environment)? {
            Some(loaded) => loaded.config,
            None => config_file::usual().map_err(Problem::usage)?,
        };
    let images = args.images(&config)?;
    let config = for_these(config, &images);
    work(config, &images, &args.work, environment, screen)
}

impl CopyArgs {
    fn images(&self, config: &Config) -> Result<Images, Problem> {
        let referrers = self.referrers.map(|referrers| referrers.to_string());
        let keys = [
            ("platform", &self.platform),
            ("overwrite", &self.overwrite),
            ("platform_missing", &self.platform_missing),
            ("referrers", &referrers),
        ];
        let said = keys
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.clone()?)));
        let rules = self.rules.texts();
        let order = Order {
            source: &self.source,
            targets: &self.targets,
            rules: rules.as_ref(),
            keys: said.collect(),
        };
        order.images(&config.defaults).map_err(Problem::usage)
    }
}

/// The config as if it had these images and no others: their targets are its places, and the report names the first.
fn for_these(config: Config, images: &Images) -> Config {
    let mut places = images.samples().map(|image| match image.target {
        Repository::Registry { host, name } => Location::Registry { host, prefix: name },
        Repository::Folder(folder) => Location::Folder(folder),
    });
    let first = places.next();
    let first = first.map(|place| match place {
        Location::Registry { host, .. } => Location::Registry {
            host,
            prefix: String::new(),
        },
        Location::Folder(_) => place,
    });
    Config {
        cache_registry: first.unwrap_or(config.cache_registry),
        further_targets: places.collect(),
        ..config
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CopyArgs,
    }

    #[test]
    fn artifacts_come_as_the_command_line_says_or_else_as_the_defaults_of_the_config_do() {
        let of = |defaults: &str, option: &[&str]| {
            let text = format!("{{cache_registry: a.test, images: [], defaults: {{{defaults}}}}}");
            let config = config_file::parse(&text, "c.yaml").unwrap().config;
            let line = ["copy", "quay.io/a/b:1", "a.test/b"].iter().chain(option);
            let args = Line::parse_from(line).args;
            let images = args.images(&config).ok().unwrap();
            let referrers = images.iter().next().unwrap().policy.referrers;
            referrers.map(|referrers| referrers.required)
        };
        assert_eq!(of("", &[]), None);
        assert_eq!(of("", &["--referrers"]), Some(false));
        let required = "referrers: {required: true}";
        assert_eq!(of(required, &[]), Some(true), "as in the config");
        assert_eq!(of(required, &["--referrers=true"]), Some(false));
        assert_eq!(of(required, &["--referrers=false"]), None);
    }

    #[test]
    fn the_places_of_a_copy_are_its_targets_and_the_report_names_the_first() {
        let config = config_file::usual().unwrap();
        let targets = ["a.test:5000/app", "b.test/mirror/app:2", "oci:./here"].map(str::to_owned);
        let order = Order {
            source: "quay.io/a/b:1",
            targets: &targets,
            rules: None,
            keys: Vec::new(),
        };
        let images = order.images(&config.defaults).unwrap();
        let config = for_these(config, &images);
        assert_eq!(config.cache_registry.to_string(), "a.test:5000");
        let further = config.further_targets.iter().map(Location::to_string);
        assert_eq!(
            further.collect::<Vec<_>>(),
            ["b.test/mirror/app", "oci:./here"]
        );
        assert_eq!(config.target_hosts(), 3, "each has a share of the slots");
    }
}
