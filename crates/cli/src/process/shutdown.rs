//! SIGINT and SIGTERM: the first one ends the run in order, the second one at once.

use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::process::exit::Exit;
use crate::terminal::progress::Screen;
use crate::terminal::units;

/// After the grace time, for what is handed back and told to others. With the default of the grace time that is over before
/// Kubernetes, by its own default, kills.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(3);

/// When the process is to have ended. It is the process that signals are sent to, and not a part of it.
static END: OnceLock<Instant> = OnceLock::new();

/// How long the process may still take, once it was told to end.
pub(crate) fn time_left() -> Option<Duration> {
    let end = END.get()?;
    Some(end.saturating_duration_since(Instant::now()))
}

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

    /// Cancels `stop` at the first signal, and returns at the second one. A display of the screen counts the time down.
    pub(crate) async fn watch(
        mut self,
        stop: CancellationToken,
        grace: Duration,
        screen: Option<&Screen>,
    ) -> Exit {
        let first = self.next().await;
        // Before the token: whoever that wakes may ask how much time is left.
        END.get_or_init(|| Instant::now() + grace + LAST_WORDS);
        stop.cancel();
        if !screen.is_some_and(|screen| screen.count_down(first.name(), grace)) {
            let grace = units::setting(grace);
            warn!(
                "{} received: ending in order within {grace}; another one ends at once",
                first.name()
            );
        }
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
