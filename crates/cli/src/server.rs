//! The one HTTP server of a running program, on `--listen`: `/livez`, `/readyz` and `/metrics`.
//!
//! A command takes the address first ([`HttpServer::listen`]), gives [`HttpServer::of_work`] or [`HttpServer::of_runs`] to
//! all that count, serves from within its runtime ([`HttpServer::serve`]) and says when its queue is there
//! ([`Serving::ready`]). What is asked is in `probes`, what an outsider can do to the server in `connections`.

mod connections;
pub(crate) mod healthcheck;
mod hooks;
mod listen;
mod probes;
mod tls;

use std::io;
use std::net::{TcpListener, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::config::webhooks::Sender;
use image_sync_shared::ports::queue::backlog::Backlog;
use image_sync_shared::ports::telemetry::measures::{Measures, Unmeasured};
use image_sync_webhook::ledger::Outcome;
use image_sync_webhook::receive::EventMeasures;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::process::exit::Problem;
use crate::telemetry::metrics::{Hosts, Metrics};
use connections::Limits;
use hooks::Slot;
pub(crate) use hooks::{Guards, Hooks, NotEnqueued, Scripts};
pub(crate) use listen::{Address, ListenArgs};
use probes::Probes;
use tls::Tls;

/// The metrics, and the place where they and the probes are served. Without `--listen` both are absent and cost nothing.
pub(crate) struct HttpServer(Option<Listening>);

struct Listening {
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    metrics: Metrics,
    has_hooks: bool,
}

/// Serves until it is dropped.
pub(crate) struct Serving {
    probes: Option<Arc<Probes>>,
    hooks: Slot,
    _server: JoinSet<()>,
}

impl HttpServer {
    /// Takes the address, so that one that cannot be had is told before anything else is done.
    pub(crate) fn listen(args: &ListenArgs) -> Result<Self, Problem> {
        let Some(Address(address)) = &args.listen else {
            return Ok(Self(None));
        };
        let tls = args.tls().map(Tls::open).transpose();
        let tls = tls.map_err(Problem::usage)?.map(Arc::new);
        let told = |error: io::Error| format!("cannot listen on {address} (--listen): {error}");
        let found = address.to_socket_addrs().map_err(told);
        let found: Vec<_> = found.map_err(Problem::usage)?.collect();
        let listener = TcpListener::bind(&*found).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        Ok(Self(Some(Listening {
            listener: listener.map_err(told).map_err(Problem::not_carried_out)?,
            tls,
            metrics: Metrics::new(),
            has_hooks: false,
        })))
    }

    /// Who counts what a worker does, and the client of registries; `hosts` are those that metrics name. To be called once.
    pub(crate) fn of_work(&mut self, hosts: impl FnOnce() -> Hosts) -> Arc<dyn Measures> {
        match &mut self.0 {
            Some(listening) => Arc::new(listening.metrics.of_work(hosts())),
            None => Arc::new(Unmeasured),
        }
    }

    /// Who counts what an aggregator does. To be called once.
    pub(crate) fn of_runs(&mut self) -> Arc<dyn Measures> {
        match &mut self.0 {
            Some(listening) => Arc::new(listening.metrics.of_runs()),
            None => Arc::new(Unmeasured),
        }
    }

    /// Who counts events of these senders; their paths are served too, and those of scripts. To be called once.
    pub(crate) fn of_events(
        &mut self,
        senders: impl Iterator<Item = Sender>,
    ) -> Arc<dyn EventMeasures> {
        match &mut self.0 {
            Some(listening) => {
                listening.has_hooks = true;
                Arc::new(listening.metrics.of_events(senders))
            }
            None => Arc::new(Uncounted),
        }
    }

    /// Serves from now on: alive, and not ready before [`Serving::ready`] nor once `stop` is cancelled. Needs a runtime.
    pub(crate) fn serve(self, stop: &CancellationToken) -> Result<Serving, Problem> {
        let Some(Listening {
            listener,
            tls,
            metrics,
            has_hooks,
        }) = self.0
        else {
            return Ok(Serving::nothing());
        };
        let listener = tokio::net::TcpListener::from_std(listener);
        let listener = listener.map_err(Problem::not_carried_out)?;
        let address = listener.local_addr().map_err(Problem::not_carried_out)?;
        let probes = Arc::new(Probes::new(metrics, stop.clone()));
        let (mut router, hooks) = (probes::router(Arc::clone(&probes)), Slot::default());
        if has_hooks {
            router = router.merge(hooks::router(Arc::clone(&hooks)));
            info!(%address, "serving /v1/hooks, /v1/enqueue, /livez, /readyz and /metrics");
        } else {
            info!(%address, "serving /livez, /readyz and /metrics");
        }
        let mut server = JoinSet::new();
        server.spawn(connections::serve(listener, router, Limits::default(), tls));
        Ok(Serving {
            probes: Some(probes),
            hooks,
            _server: server,
        })
    }
}

impl Serving {
    /// Serves nothing, as for a command.
    pub(crate) fn nothing() -> Self {
        Self {
            probes: None,
            hooks: Slot::default(),
            _server: JoinSet::new(),
        }
    }

    /// What is waited for meanwhile, which readiness says.
    pub(crate) fn waits_for(&self, what: String) {
        if let Some(probes) = &self.probes {
            probes.waits_for(what);
        }
    }

    /// Events and scripts are heard from now on.
    pub(crate) fn hears(&self, hooks: Arc<Hooks>) {
        self.hooks.set(hooks).ok();
    }

    /// All is wired: ready as long as the queue answers.
    pub(crate) fn ready(&self, queue: Arc<dyn Backlog>) {
        if let Some(probes) = &self.probes {
            probes.ready(queue);
        }
    }
}

/// Counts nothing.
struct Uncounted;

impl EventMeasures for Uncounted {
    fn event_ended(&self, _: Sender, _: Outcome) {}

    fn jobs_stored(&self, _: Duration) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::exit::Exit;

    #[test]
    fn an_address_that_is_taken_is_told_with_its_name() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let wanted = taken.local_addr().unwrap().to_string();
        let Err(problem) = HttpServer::listen(&ListenArgs::at(&wanted)) else {
            panic!("{wanted} was taken twice")
        };
        assert_eq!(problem.exit, Exit::NotCarriedOut);
        assert!(problem.to_string().contains(&wanted), "{problem}");
    }
}
