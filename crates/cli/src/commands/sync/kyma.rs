//! `kyma`: a run with the file, the options and the environment variables of Kyma's image-syncer.

use std::path::PathBuf;

use clap::Args;
use image_sync_catalog::config_file::{DialectOptions, Format};
use image_sync_shared::config::{Login, PasswordSource};
use image_sync_shared::secret::Secret;

use super::{SyncArgs, WorkArgs, run_with};
use crate::options::CommonArgs;
use crate::process::environment::{Environment, SyncerEnvironment};
use crate::process::exit::{Exit, Problem};
use crate::run::setup::Named;
use crate::terminal::progress::Screen;

pub(crate) const HELP: &str = "\
Example:
  image-sync kyma --images-file external-images.yaml --target-repo-auth-key key.json

A program that is called image-syncer takes these options too. A tag that is there with another
image is an error of that image, and the others are worked all the same. Exit codes are those of `sync`.";

const IMAGES_FILE: &str = "YAML file with the list of images [env: SYNCER_IMAGES_FILE]";
const AUTH_KEY: &str = "JSON key file for the target repository [env: SYNCER_TARGET_REPO_AUTH_KEY]";
const PREFIX: &str = "What stands before the names of images at the target, instead of targetRepoPrefix in the file [env: SYNCER_TARGET_REPO_PREFIX]";
const ACCESS_TOKEN: &str =
    "Access token for the target repository, instead of a key [env: SYNCER_ACCESS_TOKEN]";
/// Who a JSON key file of Google's is for.
const JSON_KEY: &str = "_json_key";

/// Options of `kyma`.
#[derive(Args, Clone, Debug)]
pub(crate) struct KymaArgs {
    #[arg(short = 'i', long, value_name = "FILE", help = IMAGES_FILE)]
    images_file: Option<PathBuf>,
    #[arg(short = 't', long, value_name = "FILE", help = AUTH_KEY)]
    target_repo_auth_key: Option<PathBuf>,
    #[arg(short = 'r', long, value_name = "PREFIX", help = PREFIX)]
    target_repo_prefix: Option<String>,
    #[arg(short = 'a', long, value_name = "TOKEN", help = ACCESS_TOKEN, conflicts_with = "target_repo_auth_key")]
    access_token: Option<String>,
    /// Log more, as `SYNCER_DEBUG` does
    #[arg(long)]
    debug: bool,
    #[command(flatten)]
    work: WorkArgs,
}

/// Runs `kyma`.
pub(crate) fn run(
    common: &CommonArgs,
    args: &KymaArgs,
    environment: &Environment,
    screen: &Screen,
) -> Result<Exit, Problem> {
    let said = &environment.syncers;
    let file = args.images_file.as_deref().or(said.images_file.as_deref());
    let file = file.or(common.config.as_deref()).ok_or_else(|| {
        Problem::usage(
            "which images is said nowhere, expected --images-file FILE or SYNCER_IMAGES_FILE",
        )
    })?;
    let dialect = args.dialect(said);
    let mut sync = SyncArgs {
        work: args.work.clone(),
        ..SyncArgs::default()
    };
    sync.work.dry_run |= said.dry_run()?;
    run_with(Named::file(file, &dialect), &sync, environment, screen)
}

impl KymaArgs {
    /// Whether more is to be logged.
    pub(crate) fn debug(&self, environment: &Environment) -> Result<bool, Problem> {
        Ok(self.debug || environment.syncers.debug()?)
    }

    fn dialect(&self, said: &SyncerEnvironment) -> DialectOptions {
        let prefix = self.target_repo_prefix.clone();
        DialectOptions {
            format: Some(Format::Kyma),
            target_repo_prefix: prefix.or_else(|| said.target_repo_prefix.clone()),
            target_login: self.login(said),
            ..DialectOptions::default()
        }
    }

    /// Who we are at the target. What the command line says holds, whatever of the two it is.
    fn login(&self, said: &SyncerEnvironment) -> Option<Login> {
        let by_token = |token: Secret| Login {
            token: Some(PasswordSource::Inline(token)),
            ..Login::default()
        };
        let by_key = |file: PathBuf| Login {
            username: Some(JSON_KEY.to_owned()),
            password: Some(PasswordSource::File(file)),
            token: None,
        };
        let token = self.access_token.clone().map(Secret::new);
        let key = self.target_repo_auth_key.clone();
        let own = token.map(by_token).or_else(|| key.map(by_key));
        own.or_else(|| said.access_token.clone().map(by_token))
            .or_else(|| said.target_repo_auth_key.clone().map(by_key))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        kyma: KymaArgs,
    }

    fn dialect(line: &str, said: &SyncerEnvironment) -> DialectOptions {
        let line = Line::parse_from(format!("x {line}").split_whitespace());
        line.kyma.dialect(said)
    }

    #[test]
    fn who_we_are_at_the_target_is_what_the_command_line_says_else_the_environment() {
        let said = SyncerEnvironment {
            target_repo_auth_key: Some("env.json".into()),
            target_repo_prefix: Some("a.io/env/".to_owned()),
            ..SyncerEnvironment::default()
        };
        let of_environment = dialect("-i f", &said);
        assert_eq!(
            of_environment.target_repo_prefix.as_deref(),
            Some("a.io/env/")
        );
        let login = of_environment.target_login.unwrap();
        assert_eq!(login.username.as_deref(), Some("_json_key"));
        assert_eq!(
            login.password,
            Some(PasswordSource::File("env.json".into()))
        );
        let own = dialect("-i f -a t0ken -r a.io/own/", &said);
        assert_eq!(own.target_repo_prefix.as_deref(), Some("a.io/own/"));
        let login = own.target_login.unwrap();
        assert_eq!((login.username, login.password), (None, None));
        assert_eq!(
            login.token,
            Some(PasswordSource::Inline(Secret::new("t0ken")))
        );
        assert_eq!(
            dialect("-i f", &SyncerEnvironment::default()).target_login,
            None
        );
    }
}
