//! What a person sees of a run while it is under way.

mod board;
mod display;
mod fleet;
mod hand;
mod in_flight;
mod rate;
mod view;

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::telemetry::progress::{Progress, Silent};
use image_sync_shared::run::RunId;

use board::Board;
use display::Display;
pub(crate) use fleet::{FleetBoard, Standing};
pub(crate) use hand::Hand;
use view::View;

/// What can be seen at any moment.
trait Viewed: Send + Sync {
    /// How it is now.
    fn view(&self) -> View;
}

/// Stderr, with a display at its end where it is a terminal.
#[derive(Clone)]
pub(crate) struct Screen {
    /// The display; nothing is drawn before it begins.
    display: Option<Arc<Display>>,
}

impl Screen {
    /// The screen of this process. Without a terminal, or if `plain` is asked for, it has no display.
    pub(crate) fn of_process(plain: bool) -> Self {
        let has_display = !plain && io::stderr().is_terminal();
        Self {
            display: has_display.then(Arc::default),
        }
    }

    /// Whether a display is shown while a run is under way.
    pub(crate) fn has_display(&self) -> bool {
        self.display.is_some()
    }

    /// Starts the display. What a run tells is shown on it; without a display the worker's log lines are what there is.
    pub(crate) fn begin(&self, stall: Duration, clock: Arc<dyn Clock>) -> Arc<dyn Progress> {
        match &self.display {
            Some(display) => {
                let board = Arc::new(Board::new(stall, clock));
                display.show(Arc::<Board>::clone(&board));
                board
            }
            None => Arc::new(Silent),
        }
    }

    /// Starts the display of a run that others carry out.
    pub(crate) fn begin_fleet(
        &self,
        run: &RunId,
        clock: Arc<dyn Clock>,
    ) -> Option<Arc<FleetBoard>> {
        let display = self.display.as_ref()?;
        let board = Arc::new(FleetBoard::new(run.clone(), clock));
        display.show(Arc::<FleetBoard>::clone(&board));
        Some(board)
    }

    /// From now on the display says that `signal` came, and for how long what is in hand may still take. False if there is none.
    pub(crate) fn count_down(&self, signal: &'static str, grace: Duration) -> bool {
        match &self.display {
            Some(display) => display.count_down(signal, grace),
            None => false,
        }
    }

    /// Takes the display away.
    pub(crate) fn end(&self) {
        if let Some(display) = &self.display {
            display.end();
        }
    }

    /// Writes to stderr without tearing the display.
    pub(crate) fn write(&self, text: &[u8]) -> io::Result<()> {
        match &self.display {
            Some(display) => display.write(text),
            None => io::stderr().lock().write_all(text),
        }
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_display = self.has_display();
        f.debug_struct("Screen")
            .field("has_display", &has_display)
            .finish()
    }
}
