//! What a person sees of a run while it is under way.

mod board;
mod rate;
mod view;

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use console::Term;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::telemetry::progress::{Progress, Silent};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use board::Board;

/// How often the display is drawn.
const FRAMES_PER_SECOND: u8 = 10;

/// Stderr, with a display at its end where it is a terminal.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    /// The display; nothing is drawn before it begins.
    display: Option<ProgressBar>,
}

impl Screen {
    /// The screen of this process. Without a terminal, or if `plain` is asked for, it has no display.
    pub(crate) fn of_process(plain: bool) -> Self {
        let blank = || {
            let target = ProgressDrawTarget::stderr_with_hz(FRAMES_PER_SECOND);
            ProgressBar::with_draw_target(None, target).with_style(style("", None))
        };
        let display = (!plain && io::stderr().is_terminal()).then(blank);
        Self { display }
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
                display.set_style(style("{board}", Some(Arc::clone(&board))));
                display.enable_steady_tick(Duration::from_secs(1) / u32::from(FRAMES_PER_SECOND));
                board
            }
            None => Arc::new(Silent),
        }
    }

    /// Takes the display away.
    pub(crate) fn end(&self) {
        if let Some(display) = &self.display {
            display.finish_and_clear();
        }
    }

    /// Writes to stderr without tearing the display.
    pub(crate) fn write(&self, text: &[u8]) -> io::Result<()> {
        let write = || io::stderr().lock().write_all(text);
        match &self.display {
            Some(display) => display.suspend(write),
            None => write(),
        }
    }
}

/// The display's style: the lines of `board` stand where the template names it.
fn style(template: &str, board: Option<Arc<Board>>) -> ProgressStyle {
    let draw = move |_: &ProgressState, out: &mut dyn fmt::Write| {
        let (height, width) = Term::stderr().size();
        // One line stays free, for the cursor.
        let height = usize::from(height).saturating_sub(1);
        let lines = board
            .as_ref()
            .map(|board| board.view().lines(width.into(), height));
        // A display has no one to tell of an error.
        out.write_str(&lines.unwrap_or_default().join("\n")).ok();
    };
    // The templates are those above, so the default is never taken.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("board", draw)
}
