//! A child process whose output is kept.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::sync::lock::locked;

/// A running child. It is killed when it is dropped.
pub(super) struct Process {
    child: Child,
    output: Output,
}

/// The lines that a child wrote, to either stream, as they came.
#[derive(Clone)]
pub(super) struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
}

impl Process {
    /// Starts a program; Debian's `package` has it.
    pub(super) fn start<A: AsRef<OsStr>>(
        program: &OsStr,
        package: &str,
        arguments: &[A],
    ) -> io::Result<Self> {
        let mut child =
            spawn(program, arguments).map_err(|error| missing(program, package, &error))?;
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (counter, count) = watch::channel(0);
        let counter = Arc::new(counter);
        for stream in streams(&mut child) {
            let (lines, counter) = (lines.clone(), counter.clone());
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    locked(&lines).push(line);
                    counter.send_modify(|count| *count += 1);
                }
            });
        }
        Ok(Self {
            child,
            output: Output { lines, count },
        })
    }

    pub(super) fn output(&self) -> &Output {
        &self.output
    }

    /// The id of the process, as for signals.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it (SIGKILL) and waits for its end.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only where the process has ended already.
        self.kill().unwrap_or_default();
    }
}

impl Output {
    /// All lines so far.
    pub(super) fn lines(&self) -> Vec<String> {
        locked(&self.lines).clone()
    }

    /// What `find` makes of the first line that it takes; an error if the output ends without one.
    pub(super) async fn wait_for<T>(&self, find: impl Fn(&str) -> Option<T>) -> io::Result<T> {
        let mut count = self.count.clone();
        loop {
            count.borrow_and_update();
            if let Some(found) = locked(&self.lines).iter().find_map(|line| find(line)) {
                return Ok(found);
            }
            if count.changed().await.is_err() {
                let log = self.lines().join("\n");
                return Err(io::Error::other(format!("the server has ended:\n{log}")));
            }
        }
    }
}

fn streams(child: &mut Child) -> impl Iterator<Item = Box<dyn Read + Send>> + use<> {
    let stdout = child
        .stdout
        .take()
        .map(|s| Box::new(s) as Box<dyn Read + Send>);
    let stderr = child
        .stderr
        .take()
        .map(|s| Box::new(s) as Box<dyn Read + Send>);
    stdout.into_iter().chain(stderr)
}

/// Debian has servers in /usr/sbin, which is not on every user's PATH.
fn spawn<A: AsRef<OsStr>>(program: &OsStr, arguments: &[A]) -> io::Result<Child> {
    let start = |program: &OsStr| {
        Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    };
    match start(program) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            start(Path::new("/usr/sbin").join(program).as_os_str())
        }
        started => started,
    }
}

pub(super) fn missing(program: &OsStr, package: &str, error: &io::Error) -> io::Error {
    let program = program.display();
    let text = if error.kind() == io::ErrorKind::NotFound {
        format!("{program} is not installed: apt-get install {package}")
    } else {
        format!("{program} cannot be started: {error}")
    };
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_says_how_to_get_it() {
        let started = Process::start::<&str>(OsStr::new("no-such-program"), "the-package", &[]);
        let error = started.err().unwrap().to_string();
        assert_eq!(
            error,
            "no-such-program is not installed: apt-get install the-package"
        );
    }

    #[tokio::test]
    async fn the_end_of_a_program_ends_the_wait() {
        let process = Process::start(OsStr::new("echo"), "coreutils", &["hello"]).unwrap();
        let line = process
            .output()
            .wait_for(|line| line.strip_prefix("he").map(str::to_owned));
        assert_eq!(line.await.unwrap(), "llo");
        let error = process.output().wait_for(|_| None::<()>).await.unwrap_err();
        assert_eq!(error.to_string(), "the server has ended:\nhello");
    }
}
