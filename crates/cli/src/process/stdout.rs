//! Stdout: for reports and what else was asked for, never for logs.

use std::io::{self, BufWriter, StdoutLock, Write as _};

use thiserror::Error;
use tokio::task::spawn_blocking;

use crate::process::exit::Problem;

/// What was to be written to stdout could not be.
#[derive(Debug, Error)]
#[error("cannot write to stdout: {0}")]
pub(crate) struct StdoutError(io::Error);

/// Writes with `write` to stdout. A reader that went away, as `head` does, is no error: it has what it wants.
pub(crate) fn write(
    write: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> io::Result<()>,
) -> Result<(), StdoutError> {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = write(&mut out).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(StdoutError),
    }
}

/// The same from a role: a stdout that takes nothing must not keep a second signal from ending the program.
pub(crate) async fn write_aside(
    content: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> io::Result<()> + Send + 'static,
) -> Result<(), Problem> {
    let written = spawn_blocking(|| write(content)).await;
    written
        .map_err(Problem::not_carried_out)?
        .map_err(Problem::not_carried_out)
}
