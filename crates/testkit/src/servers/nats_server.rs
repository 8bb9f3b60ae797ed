//! nats-server with `JetStream`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::net::TcpListener;

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::process::Process;

const ATTEMPTS: usize = 10;

/// The file that it is started from, in its folder.
const CONFIGURATION: &str = "nats.conf";

/// Streams reserve their `max_bytes`, and of itself a server gives away three quarters of what is free on its disk: so
/// that no test depends on the disk of the machine, the tests' servers give away more than all of them reserve.
const JETSTREAM: &str = "jetstream { max_file_store: 1TB }\n";

/// A server with its storage in a temporary folder.
pub struct NatsServer {
    port: u16,
    arguments: Vec<OsString>,
    process: Process,
    folder: TempDir,
    is_running: bool,
}

impl NatsServer {
    /// Starts a server with `JetStream` on a free port.
    pub async fn start() -> io::Result<Self> {
        Self::start_with::<&str>(&[]).await
    }

    /// Starts it with more arguments.
    pub async fn start_with<A: AsRef<OsStr>>(arguments: &[A]) -> io::Result<Self> {
        Self::start_from(JETSTREAM, arguments.iter().map(Into::into).collect()).await
    }

    /// Starts it with more configuration, in the server's own syntax.
    pub async fn start_configured(configuration: &str) -> io::Result<Self> {
        Self::start_from(&format!("{JETSTREAM}{configuration}"), Vec::new()).await
    }

    /// Starts a server without `JetStream`.
    pub async fn start_without_jetstream() -> io::Result<Self> {
        Self::start_from("", Vec::new()).await
    }

    async fn start_from(configuration: &str, mut arguments: Vec<OsString>) -> io::Result<Self> {
        let folder = TempDir::new()?;
        let file = folder.path().join(CONFIGURATION);
        fs::write(&file, configuration)?;
        arguments.extend(["-c".into(), file.into_os_string()]);
        let mut attempt = 1;
        loop {
            let port = free_port()?;
            let process = run(port, &folder, &arguments)?;
            match ready(&process, port).await {
                Ok(()) => {
                    return Ok(Self {
                        port,
                        arguments,
                        process,
                        folder,
                        is_running: true,
                    });
                }
                // Another process took the port in between.
                Err(error)
                    if attempt < ATTEMPTS
                        && error.to_string().contains("address already in use") =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Its address: `127.0.0.1:4711`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its URL: `nats://127.0.0.1:4711`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.host())
    }

    /// The id of its process, as for signals.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// All that it wrote since it was started last.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.process.output().lines()
    }

    /// Kills it (SIGKILL) and waits for its end. Its storage stays.
    pub fn kill(&mut self) -> io::Result<()> {
        self.is_running = false;
        self.process.kill()
    }

    /// Whether it was neither killed nor stopped.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.is_running
    }

    /// Lets it stand still (SIGSTOP): its connections stay open, and nothing comes over them.
    pub fn stand_still(&mut self) -> io::Result<()> {
        self.is_running = false;
        let id = self.process_id().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-STOP", &id])
            .status()?;
        if sent.success() {
            Ok(())
        } else {
            Err(io::Error::other("SIGSTOP could not be sent"))
        }
    }

    /// From now on it can write no file any more, as if its disk were full: not beyond the first byte of one (`RLIMIT_FSIZE`).
    /// Started again, it can.
    pub fn fill_disk(&self) -> io::Result<()> {
        let id = self.process_id().to_string();
        let limited = std::process::Command::new("prlimit")
            .args(["--pid", &id, "--fsize=1:1"])
            .status()?;
        if limited.success() {
            Ok(())
        } else {
            Err(io::Error::other("RLIMIT_FSIZE could not be set"))
        }
    }

    /// Gives it this configuration from its next start on, as [`Self::start_configured`].
    pub fn configure(&self, configuration: &str) -> io::Result<()> {
        let file = self.folder.path().join(CONFIGURATION);
        fs::write(file, format!("{JETSTREAM}{configuration}"))
    }

    /// Starts it again after [`Self::kill`], on the same port and storage.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.process = run(self.port, &self.folder, &self.arguments)?;
        ready(&self.process, self.port).await?;
        self.is_running = true;
        Ok(())
    }
}

fn run(port: u16, folder: &TempDir, more: &[OsString]) -> io::Result<Process> {
    let mut arguments: Vec<OsString> = ["-a", "127.0.0.1", "-p"].iter().map(Into::into).collect();
    arguments.push(port.to_string().into());
    arguments.push("-sd".into());
    arguments.push(folder.path().into());
    arguments.extend_from_slice(more);
    Process::start(&program(), "nats-server", &arguments)
}

async fn ready(process: &Process, port: u16) -> io::Result<()> {
    let ready = |line: &str| line.contains("Server is ready").then_some(());
    process.output().wait_for(ready).await?;
    TcpStream::connect(("127.0.0.1", port)).await.map(drop)
}

pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the tests' own setting, which no code under test reads"
)]
fn program() -> OsString {
    std::env::var_os("NATS_SERVER_BIN").unwrap_or_else(|| "nats-server".into())
}
