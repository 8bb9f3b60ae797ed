//! SIGINT and SIGTERM: the first one ends the run in order, the second one at once.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::exit::Exit;
use crate::units;

/// Listens to the signals that end the program.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// A signal that ends the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Interrupt,
    Terminate,
}

impl Signals {
    /// Listens from now on; the signals no longer end the process by themselves.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Cancels `stop` at the first signal, and returns at the second one.
    pub(crate) async fn watch(mut self, stop: CancellationToken, grace: Duration) -> Exit {
        let first = self.next().await;
        stop.cancel();
        let grace = units::setting(grace);
        warn!(
            "{} received: ending in order within {grace}; another one ends at once",
            first.name()
        );
        let second = self.next().await;
        warn!("{} received again: ending at once", second.name());
        Exit::Signal(second.number())
    }

    async fn next(&mut self) -> Ending {
        tokio::select! {
            _ = self.interrupt.recv() => Ending::Interrupt,
            _ = self.terminate.recv() => Ending::Terminate,
        }
    }
}

impl Ending {
    fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// The number that POSIX gives it.
    fn number(self) -> u8 {
        match self {
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }
}
