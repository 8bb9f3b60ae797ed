//! Stdout: for reports and what else was asked for, never for logs.

use std::io::{self, BufWriter, Write};

use thiserror::Error;
use tokio::task::spawn_blocking;

use crate::process::exit::Problem;

/// What was to be written to stdout could not be.
#[derive(Debug, Error)]
#[error("cannot write to stdout: {0}")]
pub(crate) struct StdoutError(io::Error);

/// Where what was asked for is written to.
#[derive(Clone, Debug, Default)]
pub(crate) enum Stdout {
    /// That of the process.
    #[default]
    Process,
    /// Memory, in tests of commands.
    #[cfg(test)]
    Memory(std::sync::Arc<std::sync::Mutex<Vec<u8>>>),
}

/// What is written to.
pub(crate) type Out = BufWriter<Box<dyn Write>>;

impl Stdout {
    /// Writes with `write`. A reader that went away, as `head` does, is no error: it has what it wants.
    pub(crate) fn write(
        &self,
        write: impl FnOnce(&mut Out) -> io::Result<()>,
    ) -> Result<(), StdoutError> {
        let mut out = BufWriter::new(self.open());
        let written = write(&mut out).and_then(|()| out.flush());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(StdoutError),
        }
    }

    /// The same from a role: a stdout that takes nothing must not keep a second signal from ending the program.
    pub(crate) async fn write_aside(
        &self,
        content: impl FnOnce(&mut Out) -> io::Result<()> + Send + 'static,
    ) -> Result<(), Problem> {
        let stdout = self.clone();
        let written = spawn_blocking(move || stdout.write(content)).await;
        written
            .map_err(Problem::not_carried_out)?
            .map_err(Problem::not_carried_out)
    }

    fn open(&self) -> Box<dyn Write> {
        match self {
            Self::Process => {
                let stdout = io::stdout().lock();
                #[cfg(target_os = "linux")]
                hold_much(&stdout);
                Box::new(stdout)
            }
            #[cfg(test)]
            Self::Memory(written) => Box::new(InMemory(std::sync::Arc::clone(written))),
        }
    }
}

/// What a pipe is made to hold, which is what Linux lets everyone ask for (`/proc/sys/fs/pipe-max-size`).
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 1024 * 1024;

/// Of itself a pipe holds 64 KiB, the report of some hundred images. Scripts that read it only once the program has ended
/// would wait for each other forever.
#[cfg(target_os = "linux")]
fn hold_much(stdout: &io::StdoutLock<'_>) {
    // What is no pipe says so, and what is one holds what it held before.
    rustix::pipe::fcntl_setpipe_size(stdout, PIPE_BYTES).ok();
}

#[cfg(test)]
struct InMemory(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

#[cfg(test)]
impl Write for InMemory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        image_sync_shared::panics::lock(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
