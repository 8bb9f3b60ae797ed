//! `load`: the images of an archive to a registry.

use std::path::PathBuf;

use clap::Args;
use image_sync_catalog::config_file::{self, DialectOptions, Parsed};
use image_sync_registry::Archive;
use image_sync_shared::config::Config;
use image_sync_shared::image::reference::{Location, Reference};
use image_sync_shared::run::job::Trust;
use serde_json::{Value, json};

use super::location;
use crate::commands::sync::{Beside, WorkArgs, work_with};
use crate::options::CommonArgs;
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::run::choice::ChoiceArgs;
use crate::run::setup::{self, Named};
use crate::run::state::State;
use crate::terminal::progress::Screen;

pub(crate) const HELP: &str = "\
Examples:
  image-sync load carry.tar registry.inside.example:5000
  image-sync load carry.tar registry.inside.example:5000/mirror --dry-run
  image-sync load folder oci:./cache

Images keep the names that `save` gave them. Settings and registries are those of the config, if --config
names one or there is one in its usual place; its images are not worked. Exit codes are those of `sync`.";

/// Options of `load`.
#[derive(Args, Clone, Debug)]
pub(crate) struct LoadArgs {
    /// What `save` has written
    #[arg(value_name = "FOLDER|FILE.tar")]
    from: PathBuf,
    /// Where the images go: HOST or HOST/PREFIX as in localhost:5000/mirror, or oci:FOLDER
    #[arg(value_name = "TARGET")]
    target: String,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
}

/// Runs `load`.
pub(crate) fn run(
    common: &CommonArgs,
    args: &LoadArgs,
    environment: &Environment,
    screen: &Screen,
) -> Result<Exit, Problem> {
    let place = location(&args.from)?;
    check_target(&args.target)?;
    let dialect = DialectOptions::default();
    let config = match setup::load_if_any(Named::new(common, &dialect), environment)? {
        Some(loaded) => loaded.config,
        None => config_file::usual().map_err(Problem::usage)?,
    };
    let archive = Archive::open(&args.from).map_err(Problem::usage)?;
    let images = archive.images().map_err(Problem::usage)?;
    let parsed = parsed(&place, &args.target, &images, &config)?;
    let images = args.choice.choose(&args.from, parsed.images)?;
    let config = Config {
        cache_registry: parsed.config.cache_registry,
        further_targets: Vec::new(),
        ..config
    };
    let beside = Beside {
        archive: Some(archive),
        state: Some(State::of_this_process()),
        ..Beside::default()
    };
    work_with(config, &images, &args.work, beside, environment, screen)
}

/// What is wrong with it is not repeated, as there may be a password in it.
fn check_target(target: &str) -> Result<(), Problem> {
    if target.parse::<Location>().is_ok() {
        return Ok(());
    }
    Err(Problem::usage(
        "TARGET: this is no place for images, expected HOST, HOST:PORT or HOST/PREFIX as in localhost:5000/mirror, or oci:FOLDER",
    ))
}

/// The config that the archive stands for.
fn parsed(
    place: &Location,
    target: &str,
    images: &[(String, Reference)],
    config: &Config,
) -> Result<Parsed, Problem> {
    let image = |(name, reference): &(String, Reference)| {
        let joint = match reference {
            Reference::Tag(_) => ':',
            Reference::Digest(_) => '@',
        };
        json!({"source": format!("{place}/{name}{joint}{reference}"), "cache_as": name})
    };
    let images: Vec<Value> = images.iter().map(image).collect();
    let mut settings = json!({});
    match config.defaults.target_trust {
        Trust::Verified => settings["cache_insecure"] = false.into(),
        Trust::Insecure => settings["cache_insecure"] = true.into(),
        Trust::InsecureByDefault => {}
    }
    let text = json!({
        "cache_registry": target,
        "settings": settings,
        "defaults": {"platform": "all", "referrers": true},
        "images": images,
    });
    let parsed = config_file::parse(&text.to_string(), &place.to_string());
    parsed.map_err(Problem::usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_and_the_target_is_reached_as_the_config_says() {
        let digest = image_sync_shared::image::digest::Digest::of(b"a");
        let images = [
            (
                "library/nginx".to_owned(),
                Reference::Tag("1.27".to_owned()),
            ),
            ("team/app".to_owned(), Reference::Digest(digest.clone())),
        ];
        let place = Location::Folder("carry.tar".into());
        let usual = config_file::usual().unwrap();
        let of = |trust: Trust| {
            let mut config = usual.clone();
            config.defaults.target_trust = trust;
            parsed(&place, "localhost:5000/mirror", &images, &config)
                .ok()
                .unwrap()
        };
        let parsed = of(Trust::Insecure);
        let targets: Vec<String> = parsed.images.iter().map(|it| it.target_name()).collect();
        let expected = [
            "localhost:5000/mirror/library/nginx:1.27".to_owned(),
            format!("localhost:5000/mirror/team/app@{digest}"),
        ];
        assert_eq!(targets, expected);
        for trust in [Trust::Insecure, Trust::Verified, Trust::InsecureByDefault] {
            let image = of(trust).images.iter().next().unwrap();
            assert_eq!(image.target_trust, trust);
            assert!(image.policy.referrers.is_some());
        }
    }

    #[test]
    fn a_target_that_is_none_is_told() {
        for target in ["http://localhost:5000", "me:secret@localhost:5000", "a b"] {
            let told = check_target(target).unwrap_err().to_string();
            assert!(told.starts_with("TARGET: "), "{told}");
            assert!(!told.contains("secret"), "{told}");
        }
        for target in ["localhost:5000", "harbor.example/mirror", "oci:./cache"] {
            assert!(check_target(target).is_ok(), "{target}");
        }
    }
}
