//! What a person sees of a run while it is under way.

mod board;
mod rate;
mod view;

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use console::Term;
use image_sync_shared::ports::progress::{Progress, Silent};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use board::Board;

/// How often the display is drawn.
const TICK: Duration = Duration::from_millis(100);

/// Stderr, with a display at its end where it is a terminal.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    display: Option<Display>,
}

#[derive(Clone, Debug)]
struct Display {
    board: Arc<Board>,
    bar: ProgressBar,
}

impl Screen {
    /// The screen of this process. Without a terminal, or if `plain` is asked for, it has no display.
    pub(crate) fn of_process(plain: bool) -> Self {
        let display = (!plain && io::stderr().is_terminal()).then(Display::new);
        Self { display }
    }

    /// Whether a display is shown while a run is under way.
    pub(crate) fn has_display(&self) -> bool {
        self.display.is_some()
    }

    /// Starts the display. What a run tells is shown on it; without a display the worker's log lines are what there is.
    pub(crate) fn begin(&self) -> Arc<dyn Progress> {
        match &self.display {
            Some(display) => {
                display.bar.enable_steady_tick(TICK);
                display.board.clone()
            }
            None => Arc::new(Silent),
        }
    }

    /// Takes the display away.
    pub(crate) fn end(&self) {
        if let Some(display) = &self.display {
            display.bar.finish_and_clear();
        }
    }

    /// Writes to stderr without tearing the display.
    pub(crate) fn write(&self, text: &[u8]) -> io::Result<()> {
        let write = || io::stderr().lock().write_all(text);
        match &self.display {
            Some(display) => display.bar.suspend(write),
            None => write(),
        }
    }
}

impl Display {
    fn new() -> Self {
        let board = Arc::new(Board::new());
        let shown = Arc::clone(&board);
        let draw = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let (height, width) = Term::stderr().size();
            // One line stays free, for the cursor.
            let height = usize::from(height).saturating_sub(1);
            let lines = shown.view().lines(width.into(), height).join("\n");
            // A display has no one to tell of an error.
            out.write_str(&lines).ok();
        };
        let style = ProgressStyle::default_bar().with_key("board", draw);
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = style.template("{board}") {
            bar.set_style(style);
        }
        Self { board, bar }
    }
}
