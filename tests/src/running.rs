//! The program while it runs: its log can be waited for, and it can be signalled.

use std::fmt;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::Ended;

/// Longer than anything that a test waits for, on a machine under load: what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(240);

/// How long it may take until it is well.
const HEALTHY_WITHIN: Duration = Duration::from_secs(120);
const BETWEEN_CHECKS: Duration = Duration::from_millis(100);

/// A running program. It is killed when it is dropped, and shows its log if its test fails.
pub struct Running {
    child: Child,
    /// Whether it is a child of what was started, as in a sandbox.
    is_inside: bool,
    log: watch::Receiver<Vec<String>>,
    stdout: Arc<Mutex<Vec<u8>>>,
    readers: JoinSet<()>,
}

impl Running {
    pub(crate) fn new(child: Child) -> Self {
        Self::watch(child, false)
    }

    /// What `sandbox` has started.
    pub(crate) fn inside(sandbox: Child) -> Self {
        Self::watch(sandbox, true)
    }

    /// A program in a terminal, which hands on what is written there.
    pub(crate) fn in_terminal(mut terminal: Child) -> Self {
        let written = terminal.stdout.take();
        let mut running = Self::watch(terminal, true);
        let (lines, log) = watch::channel(Vec::new());
        if let Some(written) = written {
            running.readers.spawn(read_frames(written, lines));
        }
        running.log = log;
        running
    }

    fn watch(mut child: Child, is_inside: bool) -> Self {
        let mut readers = JoinSet::new();
        let (lines, log) = watch::channel(Vec::new());
        let stdout = Arc::<Mutex<Vec<u8>>>::default();
        if let Some(stderr) = child.stderr.take() {
            readers.spawn(read_lines(stderr, lines));
        }
        if let Some(pipe) = child.stdout.take() {
            readers.spawn(read_all(pipe, Arc::clone(&stdout)));
        }
        Self {
            child,
            is_inside,
            log,
            stdout,
            readers,
        }
    }

    /// The first line of its log that has this text, when it is there.
    pub async fn line(&self, text: &str) -> String {
        self.lines(text, 1).await.remove(0)
    }

    /// The lines of its log that have this text, when there are `count` of them or more.
    ///
    /// # Panics
    /// If the program ends without them, or takes too long.
    #[expect(clippy::panic, reason = "a test fails by panicking")]
    pub async fn lines(&self, text: &str, count: usize) -> Vec<String> {
        let mut log = self.log.clone();
        let enough = log.wait_for(|lines| having(lines, text).len() >= count);
        let Ok(found) = timeout(PATIENCE, enough).await else {
            panic!("waited in vain for {count} lines with {text:?}");
        };
        let Ok(lines) = found else {
            panic!("it ended without {count} lines with {text:?}");
        };
        having(&lines, text)
    }

    /// How many lines of its log so far have this text.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        having(&self.log.borrow(), text).len()
    }

    /// Sends it a signal, as in `STOP`.
    ///
    /// # Panics
    /// If it is no more, or cannot be signalled.
    #[expect(clippy::expect_used, reason = "without the signal there is no test")]
    pub async fn signal(&self, name: &str) {
        let id = self.process_id();
        let sent = Command::new("kill")
            .args(["-s", name, &id])
            .stderr(Stdio::inherit())
            .status()
            .await
            .expect("the program kill");
        assert!(sent.success(), "{name} could not be sent");
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks how it is, as a supervisor does, until it is well: `ask` says else why it is not.
    ///
    /// # Panics
    /// If it ends before, or takes too long.
    pub async fn is_healthy(&mut self, name: &str, ask: impl AsyncFn() -> Result<(), String>) {
        let mut last = String::new();
        let asked = async {
            let mut ticks = interval(BETWEEN_CHECKS);
            loop {
                ticks.tick().await;
                assert!(self.is_running(), "{name} ended");
                match ask().await {
                    Ok(()) => return,
                    Err(why) => last = why,
                }
            }
        };
        let is_well = timeout(HEALTHY_WITHIN, asked).await.is_ok();
        assert!(is_well, "{name} was never healthy: {last}");
    }

    /// The id of its process.
    ///
    /// # Panics
    /// If it is no more.
    #[must_use]
    #[expect(clippy::expect_used, reason = "without the process there is no test")]
    pub fn process_id(&self) -> String {
        let id = self.child.id().expect("a running process").to_string();
        if !self.is_inside {
            return id;
        }
        let children = format!("/proc/{id}/task/{id}/children");
        let children = std::fs::read_to_string(children).expect("its children");
        children.trim().to_owned()
    }

    /// Kills it (SIGKILL) and waits for its end.
    ///
    /// # Panics
    /// If it cannot be killed.
    #[expect(clippy::expect_used, reason = "without the kill there is no test")]
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a process that was killed");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub async fn ended(mut self) -> Ended {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status
            .expect("a program that ends")
            .expect("a status of the program");
        while self.readers.join_next().await.is_some() {}
        let stdout = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        Ended {
            code: status.code(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: self.log.borrow().join("\n"),
        }
    }

    /// Ends it as its supervisor would, and expects that it ends in order.
    ///
    /// # Panics
    /// If it does not.
    pub async fn stop(self) -> Ended {
        self.signal("TERM").await;
        let ended = self.ended().await;
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        ended
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.log.borrow().iter()).finish()
    }
}

impl Drop for Running {
    #[expect(
        clippy::print_stderr,
        reason = "what a role of a failed test logged is half of the diagnosis"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of process {:?}: {self:#?}", self.child.id());
        }
    }
}

fn having(lines: &[String], text: &str) -> Vec<String> {
    let having = lines.iter().filter(|line| line.contains(text));
    having.cloned().collect()
}

async fn read_lines(stderr: impl AsyncRead + Unpin, log: watch::Sender<Vec<String>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.send_modify(|log| log.push(line));
    }
}

/// What is drawn again begins with a carriage return, and need not end with a line feed.
async fn read_frames(mut written: impl AsyncRead + Unpin, log: watch::Sender<Vec<String>>) {
    let mut rest = Vec::new();
    while written.read_buf(&mut rest).await.is_ok_and(|read| read > 0) {
        while let Some(end) = rest.iter().position(|byte| b"\r\n".contains(byte)) {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]).into_owned();
            log.send_modify(|log| log.push(line));
        }
    }
}

async fn read_all(mut pipe: impl AsyncRead + Unpin, text: Arc<Mutex<Vec<u8>>>) {
    let mut read = Vec::new();
    // What came before a failure is shown all the same.
    drop(pipe.read_to_end(&mut read).await);
    *text.lock().unwrap_or_else(PoisonError::into_inner) = read;
}
