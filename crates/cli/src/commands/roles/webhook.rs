//! `webhook`: takes events of registries, and publishes checks of the images that they concern.

mod test;
mod zot;

use std::sync::Arc;

use clap::{Args, Subcommand};
use image_sync_shared::config::Config;
use image_sync_shared::config::webhooks::{Sender, WebhookProof, Webhooks};
use image_sync_shared::ports::clock::Clock;
use image_sync_webhook::receive::EventMeasures;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::options::{CommonArgs, DialectArgs};
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::run::connection::{ConnectionArgs, OpenQueue};
use crate::run::events::current_catalog::CurrentCatalog;
use crate::run::events::{self, Events};
use crate::run::runtime;
use crate::run::setup::{self, Loaded, Named};
use crate::server::{Guards, HttpServer, ListenArgs, Serving};
use test::TestArgs;
use zot::ZotArgs;

pub(crate) const HELP: &str = "\
Examples:
  image-sync webhook -c config.yaml --listen 0.0.0.0:8080
  image-sync webhook test github -c config.yaml --image ghcr.io/project-zot/zot:v2

Registries send their events to /v1/hooks/SENDER, scripts ask for images at /v1/enqueue, and /v1/hooks says what
came: docs/webhooks.md says what to write where. Who may do so is in the config (webhooks).";

/// Options of `webhook`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct WebhookArgs {
    #[command(subcommand)]
    command: Option<WebhookCommand>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Clone, Debug, Subcommand)]
enum WebhookCommand {
    /// Send a sample of a sender to a running server, and say what would follow from it
    #[command(after_help = test::HELP)]
    Test(Box<TestArgs>),
}

/// Options of serving.
#[derive(Args, Clone, Debug)]
struct ServeArgs {
    #[command(flatten)]
    dialect: DialectArgs,
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    hooks: HookArgs,
    #[command(flatten)]
    zot: ZotArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Options of commands that take events.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::commands) struct HookArgs {
    /// Believe senders that the config does not name, and scripts without a secret, whoever they are: for networks that nobody
    /// else can reach
    #[arg(long)]
    pub(in crate::commands) insecure_no_auth: bool,
}

impl HookArgs {
    /// The senders that are heard.
    pub(in crate::commands) fn senders(&self, webhooks: &Webhooks) -> Vec<Sender> {
        let heard =
            |sender: &Sender| self.insecure_no_auth || webhooks.senders.contains_key(sender);
        Sender::ALL.into_iter().filter(heard).collect()
    }

    /// Who may ask.
    pub(in crate::commands) fn guards(
        &self,
        config: &Config,
        listen: &ListenArgs,
        clock: &Arc<dyn Clock>,
    ) -> Result<Guards, Problem> {
        let webhooks = &config.webhooks;
        if self.insecure_no_auth {
            warn!("--insecure-no-auth: whoever reaches this server can have images checked");
        }
        let needs_certificates = webhooks
            .senders
            .values()
            .flatten()
            .any(|settings| settings.proof == WebhookProof::ClientCertificate);
        if needs_certificates && !listen.trusts_clients() {
            return Err(Problem::usage(
                "webhooks: a sender has a client_certificate, expected --client-ca with the authorities that are trusted",
            ));
        }
        events::guards(config, self.insecure_no_auth, Arc::clone(clock))
    }
}

/// Runs `webhook`.
pub(crate) fn run(
    common: &CommonArgs,
    args: &WebhookArgs,
    environment: &Environment,
) -> Result<Exit, Problem> {
    match &args.command {
        Some(WebhookCommand::Test(args)) => test::run(common, args, environment),
        None => serve(common, &args.serve, environment),
    }
}

fn serve(
    common: &CommonArgs,
    args: &ServeArgs,
    environment: &Environment,
) -> Result<Exit, Problem> {
    if args.listen.listen.is_none() && args.zot.is_none() {
        return Err(Problem::usage(
            "found neither --listen nor --zot-events, expected where events come from, as in --listen 0.0.0.0:8080",
        ));
    }
    let dialect = args.dialect.options(environment);
    let loaded = setup::load(Named::new(common, &dialect), environment)?;
    loaded.again("webhook")?;
    let senders = args.hooks.senders(&loaded.config.webhooks);
    if senders.is_empty() && args.zot.is_none() {
        return Err(Problem::usage(format!(
            "{}: found no senders, expected webhooks: {{SENDER: {{secret_file: FILE}}}}, or --insecure-no-auth",
            loaded.file.display()
        )));
    }
    let mut server = HttpServer::listen(&args.listen)?;
    let measures = server.of_events(senders.into_iter());
    let again = {
        let (common, environment) = (common.clone(), environment.clone());
        move || setup::load(Named::new(&common, &dialect), &environment)
    };
    runtime::run(runtime::GRACE, |stop| async move {
        let serving = server.serve(&stop)?;
        let opening = args.connection.webhook(environment, &serving);
        let Some(queue) = stop.run_until_cancelled(Box::pin(opening)).await else {
            return Ok(Exit::Success);
        };
        let queue = queue?;
        let taking = take_events(args, loaded, &queue, measures, &serving, again, &stop);
        queue.ended(Box::pin(taking).await).await
    })
}

async fn take_events<L>(
    args: &ServeArgs,
    loaded: Loaded,
    queue: &OpenQueue,
    measures: Arc<dyn EventMeasures>,
    serving: &Serving,
    again: L,
    stop: &CancellationToken,
) -> Result<Exit, Problem>
where
    L: Fn() -> Result<Loaded, Problem> + Clone + Send + 'static,
{
    let ports = queue.ports();
    let guards = args
        .hooks
        .guards(&loaded.config, &args.listen, &ports.clock)?;
    let catalog = Arc::new(CurrentCatalog::new(loaded));
    let events = Events::new(ports, catalog, measures);
    serving.hears(events.hooks(guards));
    serving.ready(Arc::clone(&ports.backlog));
    info!("webhook started");
    let zot = args.zot.listen(queue, events.receiver(), stop);
    let ((), heard) = tokio::join!(events.run(again, stop), zot);
    heard.map(|()| Exit::Success)
}
