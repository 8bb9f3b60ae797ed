//! Lines at the end of a terminal that are drawn over again and again.

use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use console::{Term, measure_text_width};
use image_sync_shared::panics::lock;

use super::Viewed;
use super::view::{EndingView, View};

/// The time between two frames.
const FRAME: Duration = Duration::from_millis(100);

/// How wide a key is that a terminal shows behind the last line.
const ECHO: usize = 2;

/// The display of this process, at the end of stderr.
#[derive(Default)]
pub(super) struct Display {
    state: Mutex<State>,
    is_over: Condvar,
}

#[derive(Default)]
struct State {
    /// What is drawn; nothing while there is nothing to be seen.
    board: Option<Arc<dyn Viewed>>,
    /// How often a board was shown.
    shown: u64,
    /// Once a signal came: which, and until when what is in hand may take.
    ending: Option<(&'static str, Instant)>,
    /// The columns of each line that is on the terminal.
    frame: Vec<usize>,
}

impl Display {
    /// Draws what `board` says, until the end or until another one is shown.
    pub(super) fn show(self: &Arc<Self>, board: Arc<dyn Viewed>) {
        let mut state = self.state();
        state.board = Some(board);
        state.shown += 1;
        let (display, number) = (Arc::clone(self), state.shown);
        thread::spawn(move || display.draw_on(number));
    }

    /// Says from now on that `signal` came, and how much of `grace` is left. False if nothing is drawn.
    pub(super) fn count_down(&self, signal: &'static str, grace: Duration) -> bool {
        let mut state = self.state();
        state.ending = Some((signal, Instant::now() + grace));
        state.board.is_some()
    }

    /// Takes the lines away.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.board = None;
        // A display has no one to tell of an error.
        state.draw(&[]).ok();
        self.is_over.notify_all();
    }

    /// Writes above the lines.
    pub(super) fn write(&self, text: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.draw(text)
    }

    fn draw_on(&self, number: u64) {
        let mut state = self.state();
        while state.board.is_some() && state.shown == number {
            state.draw(&[]).ok();
            let waited = self.is_over.wait_timeout(state, FRAME);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Writes `text` in place of the lines, and the lines as they are now below it.
    fn draw(&mut self, text: &[u8]) -> io::Result<()> {
        let (height, width) = Term::stderr().size();
        let (height, width) = (usize::from(height), usize::from(width));
        // One line stays free, for the cursor, and at the end of each one room for a ^C that the terminal shows.
        let height = height.saturating_sub(1);
        let room = width.saturating_sub(ECHO);
        let lines = self.board.as_ref().map(|board| {
            let ending = self.ending.map(|(signal, until)| EndingView {
                signal,
                left: until.saturating_duration_since(Instant::now()),
            });
            let view = board.view();
            View { ending, ..view }.lines(room, height)
        });
        let lines = lines.unwrap_or_default();
        let mut out = erased(&self.frame, width).into_bytes();
        out.extend(text);
        out.extend(lines.join("\n").bytes());
        self.frame = lines.iter().map(|line| measure_text_width(line)).collect();
        let mut stderr = io::stderr().lock();
        stderr.write_all(&out)?;
        stderr.flush()
    }
}

/// What takes lines away from a terminal of `width` columns whose cursor is at the end of the last one. The terminal may have been
/// made narrower since they were drawn: then those that are too long take several rows.
fn erased(lines: &[usize], width: usize) -> String {
    let rows = lines
        .iter()
        .map(|columns| columns.div_ceil(width.max(1)).max(1));
    match rows.sum::<usize>() {
        0 => String::new(),
        1 => "\r\u{1b}[J".to_owned(),
        rows => format!("\r\u{1b}[{}A\u{1b}[J", rows - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_erased_where_they_are() {
        assert_eq!(erased(&[], 80), "");
        assert_eq!(erased(&[30], 80), "\r\u{1b}[J");
        assert_eq!(erased(&[30, 0, 80], 80), "\r\u{1b}[2A\u{1b}[J");
    }

    #[test]
    fn lines_that_wrapped_when_the_terminal_was_made_narrower_are_erased_whole() {
        assert_eq!(erased(&[80], 79), "\r\u{1b}[1A\u{1b}[J");
        assert_eq!(erased(&[75, 30, 20, 60], 20), "\r\u{1b}[9A\u{1b}[J");
        assert_eq!(erased(&[10], 0), "\r\u{1b}[9A\u{1b}[J", "no width at all");
    }
}
