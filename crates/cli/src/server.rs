//! The one HTTP server of a running program, on `--listen`: `/livez`, `/readyz` and `/metrics`.
//!
//! A command takes the address first ([`HttpServer::listen`]), gives [`HttpServer::of_work`] or [`HttpServer::of_runs`] to
//! all that count, serves from within its runtime ([`HttpServer::serve`]) and says when its queue is there
//! ([`Serving::ready`]). What is asked is in `probes`, what an outsider can do to the server in `connections`.

mod connections;
mod probes;

use std::fmt;
use std::io;
use std::net::{TcpListener, ToSocketAddrs as _};
use std::sync::Arc;

use image_sync_shared::ports::queue::backlog::Backlog;
use image_sync_shared::ports::telemetry::measures::{Measures, Unmeasured};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::process::exit::Problem;
use crate::telemetry::metrics::{Hosts, Metrics};
use connections::Limits;
use probes::Probes;

/// Where the program serves HTTP, `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address(String);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Understands the value of `--listen`.
pub(crate) fn address(text: &str) -> Result<Address, String> {
    let parts = text.rsplit_once(':');
    let valid = parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    let expected = || "expected HOST:PORT, as in 127.0.0.1:9090 or [::]:9090".to_owned();
    valid.then(|| Address(text.to_owned())).ok_or_else(expected)
}

/// The metrics, and the place where they and the probes are served. Without `--listen` both are absent and cost nothing.
pub(crate) struct HttpServer(Option<Listening>);

struct Listening {
    listener: TcpListener,
    metrics: Metrics,
}

/// Serves until it is dropped.
pub(crate) struct Serving {
    probes: Option<Arc<Probes>>,
    _server: JoinSet<()>,
}

impl HttpServer {
    /// Takes the address, so that one that cannot be had is told before anything else is done.
    pub(crate) fn listen(address: Option<&Address>) -> Result<Self, Problem> {
        let Some(Address(address)) = address else {
            return Ok(Self(None));
        };
        let told = |error: io::Error| format!("cannot listen on {address} (--listen): {error}");
        let found = address.to_socket_addrs().map_err(told);
        let found: Vec<_> = found.map_err(Problem::usage)?.collect();
        let listener = TcpListener::bind(&*found).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        Ok(Self(Some(Listening {
            listener: listener.map_err(told).map_err(Problem::not_carried_out)?,
            metrics: Metrics::new(),
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

    /// Serves from now on: alive, and not ready before [`Serving::ready`] nor once `stop` is cancelled. Needs a runtime.
    pub(crate) fn serve(self, stop: &CancellationToken) -> Result<Serving, Problem> {
        let Some(Listening { listener, metrics }) = self.0 else {
            return Ok(Serving::nothing());
        };
        let listener = tokio::net::TcpListener::from_std(listener);
        let listener = listener.map_err(Problem::not_carried_out)?;
        let address = listener.local_addr().map_err(Problem::not_carried_out)?;
        info!(%address, "serving /livez, /readyz and /metrics");
        let probes = Arc::new(Probes::new(metrics, stop.clone()));
        let router = probes::router(Arc::clone(&probes));
        let mut server = JoinSet::new();
        server.spawn(connections::serve(listener, router, Limits::default()));
        Ok(Serving {
            probes: Some(probes),
            _server: server,
        })
    }
}

impl Serving {
    /// Serves nothing, as for a command.
    pub(crate) fn nothing() -> Self {
        Self {
            probes: None,
            _server: JoinSet::new(),
        }
    }

    /// What is waited for meanwhile, which readiness says.
    pub(crate) fn waits_for(&self, what: String) {
        if let Some(probes) = &self.probes {
            probes.waits_for(what);
        }
    }

    /// All is wired: ready as long as the queue answers.
    pub(crate) fn ready(&self, queue: Arc<dyn Backlog>) {
        if let Some(probes) = &self.probes {
            probes.ready(queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::exit::Exit;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for text in ["127.0.0.1:9090", "[::1]:0", "localhost:80"] {
            assert_eq!(address(text).unwrap().to_string(), text);
        }
        for text in ["9090", ":9090", "localhost", "localhost:http", "a:65536"] {
            assert!(address(text).unwrap_err().contains("HOST:PORT"), "{text}");
        }
    }

    #[test]
    fn an_address_that_is_taken_is_told_with_its_name() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let wanted = taken.local_addr().unwrap().to_string();
        let Err(problem) = HttpServer::listen(Some(&Address(wanted.clone()))) else {
            panic!("{wanted} was taken twice")
        };
        assert_eq!(problem.exit, Exit::NotCarriedOut);
        assert!(problem.to_string().contains(&wanted), "{problem}");
    }
}
