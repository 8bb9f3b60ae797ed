//! What the world around asks a running program over HTTP: `/livez`, `/readyz` and `/metrics`, on `--listen`.
//!
//! A command takes the address first ([`Probes::listen`]), gives [`Probes::of_work`] or [`Probes::of_runs`] to all that
//! count, serves from within its runtime ([`Probes::serve`]) and says when its queue is there ([`Serving::ready`]).

mod answers;
mod server;

use std::fmt;
use std::io;
use std::net::{TcpListener, ToSocketAddrs as _};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use image_sync_queue::Length;
use image_sync_queue::in_process::InProcess;
use image_sync_queue::jetstream::Backlog;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::job_queue::Lane;
use image_sync_shared::ports::measures::{Measures, Unmeasured};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::exit::Problem;
use crate::metrics::Metrics;

/// How long the queue may take to say how long it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where probes are served, `HOST:PORT`.
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

/// A queue that says how long it is; that it answers is what readiness means.
#[async_trait]
pub(crate) trait QueueLength: Send + Sync {
    /// How much it holds.
    async fn length(&self) -> Result<Length, QueueError>;
}

#[async_trait]
impl QueueLength for InProcess {
    async fn length(&self) -> Result<Length, QueueError> {
        let jobs = Lane::ALL.map(|lane| (lane.name(), self.held(lane)));
        Ok(Length {
            jobs: jobs.to_vec(),
            dead_letters: None,
        })
    }
}

#[async_trait]
impl QueueLength for Backlog {
    async fn length(&self) -> Result<Length, QueueError> {
        self.length().await
    }
}

/// The metrics, and the place where they and the probes are served. Without `--listen` both are absent and cost nothing.
pub(crate) struct Probes(Option<Listening>);

struct Listening {
    listener: TcpListener,
    metrics: Metrics,
}

/// What the answers are made of.
struct State {
    metrics: Metrics,
    /// Set once all is wired.
    queue: OnceLock<Arc<dyn QueueLength>>,
    /// Cancelled when the program begins to end.
    stop: CancellationToken,
}

/// Serves probes until it is dropped.
pub(crate) struct Serving {
    state: Option<Arc<State>>,
    _server: JoinSet<()>,
}

impl Probes {
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

    /// Who counts what a worker does, and the client of registries. To be called once.
    pub(crate) fn of_work(&mut self) -> Arc<dyn Measures> {
        match &mut self.0 {
            Some(listening) => Arc::new(listening.metrics.of_work()),
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
        let mut server = JoinSet::new();
        let Some(Listening { listener, metrics }) = self.0 else {
            return Ok(Serving {
                state: None,
                _server: server,
            });
        };
        let listener = tokio::net::TcpListener::from_std(listener);
        let listener = listener.map_err(Problem::not_carried_out)?;
        let address = listener.local_addr().map_err(Problem::not_carried_out)?;
        info!(%address, "serving /livez, /readyz and /metrics");
        let state = Arc::new(State {
            metrics,
            queue: OnceLock::new(),
            stop: stop.clone(),
        });
        server.spawn(server::serve(listener, Arc::clone(&state)));
        Ok(Serving {
            state: Some(state),
            _server: server,
        })
    }
}

impl Serving {
    /// All is wired: ready as long as the queue answers.
    pub(crate) fn ready(&self, queue: Arc<dyn QueueLength>) {
        if let Some(state) = &self.state {
            // Only the first one counts: a program has one queue.
            state.queue.set(queue).ok();
        }
    }
}

impl State {
    /// Why the program is not ready, if it is not. The metrics of the queue are up to date afterwards.
    async fn readiness(&self) -> Result<(), String> {
        if self.stop.is_cancelled() {
            return Err("shutting down".to_owned());
        }
        let queue = self.queue.get().ok_or("starting")?;
        let answer = timeout(PATIENCE, queue.length()).await;
        let length = answer.map_err(|_elapsed| "the queue does not answer".to_owned())?;
        let length = length.map_err(|error| error.to_string())?;
        self.metrics.queue_is(&length);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

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
        let Err(problem) = Probes::listen(Some(&Address(wanted.clone()))) else {
            panic!("{wanted} was taken twice")
        };
        assert_eq!(problem.exit, Exit::NotCarriedOut);
        assert!(problem.to_string().contains(&wanted), "{problem}");
    }
}
