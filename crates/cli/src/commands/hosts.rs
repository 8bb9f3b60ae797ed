//! `hosts`: looks at the registries that are left alone, and lifts a pause.

mod listing;

use clap::{Args, Subcommand};
use image_sync_catalog::config_file;
use image_sync_queue::Ports;
use image_sync_shared::ports::queue::host_pauses::HostPauses;
use tracing::info;

use crate::output;
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::process::stdout::Stdout;
use crate::run::connection::{ConnectionArgs, ListArgs};
use crate::run::runtime;

pub(crate) const HELP: &str = "\
Examples:
  image-sync hosts list
  image-sync hosts resume docker.io";

/// What to do with registries that answered 429.
#[derive(Debug, Subcommand)]
pub(crate) enum HostsCommand {
    /// All that are paused: until when, since when, why
    List(Box<ListArgs>),
    /// End the pause of one: workers ask it again at once
    Resume(Box<ResumeArgs>),
}

/// Options of `hosts resume`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ResumeArgs {
    /// The registry, as docker.io or localhost:5000
    #[arg(value_name = "HOST")]
    host: String,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl HostsCommand {
    fn connection(&self) -> &ConnectionArgs {
        match self {
            Self::List(args) => &args.connection,
            Self::Resume(args) => &args.connection,
        }
    }

    /// The registry that it names.
    pub(super) fn host(&self) -> Result<Option<String>, Problem> {
        match self {
            Self::List(_) => Ok(None),
            Self::Resume(args) => host(&args.host).map(Some),
        }
    }
}

/// Runs `hosts`.
pub(crate) fn run(command: &HostsCommand, environment: &Environment) -> Result<Exit, Problem> {
    let host = command.host()?;
    runtime::run(runtime::GRACE, |_stop| async move {
        let queue = command.connection().operator(environment).await?;
        let carried_out = carry_out(command, host, queue.ports(), environment, &Stdout::Process);
        queue.ended(carried_out.await).await
    })
}

/// Does what was asked for, of this registry if it names one.
pub(super) async fn carry_out(
    command: &HostsCommand,
    host: Option<String>,
    queue: &Ports,
    environment: &Environment,
    stdout: &Stdout,
) -> Result<Exit, Problem> {
    let pauses = &*queue.pauses;
    match (command, host) {
        (HostsCommand::List(args), _) => {
            let shape = output::shape(args.output, environment.no_color);
            let all = pauses.list().await.map_err(Problem::not_carried_out)?;
            listing::write(all, shape, stdout).await
        }
        (HostsCommand::Resume(_), host) => resume(pauses, &host.unwrap_or_default()).await,
    }
}

/// The host that repositories have which is meant by this name.
fn host(text: &str) -> Result<String, Problem> {
    config_file::registry_host(text).map_err(Problem::usage)
}

async fn resume(pauses: &dyn HostPauses, host: &str) -> Result<Exit, Problem> {
    let resumed = pauses.resume(host).await;
    if resumed.map_err(Problem::not_carried_out)? {
        info!(host, "resumed: workers ask it again");
        return Ok(Exit::Success);
    }
    let others = pauses.list().await.map_err(Problem::not_carried_out)?;
    let others: Vec<String> = others.into_iter().map(|pause| pause.host).collect();
    Err(Problem::usage(not_paused(host, &others)))
}

fn not_paused(host: &str, others: &[String]) -> String {
    match others {
        [] => format!("{host} is not paused, nor is any other registry"),
        [other] => format!("{host} is not paused; {other} is"),
        others => format!("{host} is not paused; these are: {}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_named_as_users_write_it() {
        for (text, expected) in [
            ("docker.io", "docker.io"),
            ("index.docker.io", "docker.io"),
            ("registry-1.docker.io", "docker.io"),
            ("ghcr.io/", "ghcr.io"),
            ("localhost:5000", "localhost:5000"),
            ("[::1]:5000", "[::1]:5000"),
        ] {
            assert_eq!(host(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_registry_is_refused_without_telling_a_password() {
        for text in [
            "",
            "ghcr.io/team",
            "oci:./cache",
            "https://ghcr.io",
            "me:hunter2@ghcr.io",
        ] {
            let problem = host(text).unwrap_err();
            assert_eq!(problem.exit, Exit::Usage, "{text}");
            let told = problem.to_string();
            assert!(
                told.contains("expected") && !told.contains("hunter2"),
                "{told}"
            );
        }
    }

    #[test]
    fn a_registry_that_is_not_paused_is_told_with_those_that_are() {
        let told = |others: &[&str]| {
            let others: Vec<String> = others.iter().map(|host| (*host).to_owned()).collect();
            not_paused("a.test", &others)
        };
        assert_eq!(told(&[]), "a.test is not paused, nor is any other registry");
        assert_eq!(told(&["b.test"]), "a.test is not paused; b.test is");
        let several = "a.test is not paused; these are: b.test, c.test";
        assert_eq!(told(&["b.test", "c.test"]), several);
    }
}
