//! One process, from its start to its end: time, CPU and memory.
//!
//! A small process of its own starts the tool: what the kernel counts for a process's ended children is that tool's alone
//! then, and its peak of memory does not begin with that of a large parent.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, killpg};
use nix::sys::time::TimeVal;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::tools::Invocation;

pub(crate) const COMMAND: &str = "measure";

/// What a process took.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Taken {
    pub(crate) wall_secs: f64,
    pub(crate) cpu_secs: f64,
    pub(crate) peak_bytes: u64,
}

/// How a run ended.
pub(crate) enum Ended {
    Done(Taken),
    /// It was stopped at the limit.
    OutOfTime,
    /// It failed; the end of what it said.
    Failed(String),
}

const RESULT: &str = ".measured.json";
const STDOUT: &str = ".stdout";
const STDERR: &str = ".stderr";

/// Runs a tool in a folder, which is its home too.
pub(crate) async fn run(
    invocation: &Invocation,
    folder: &Path,
    limit: Duration,
) -> io::Result<Ended> {
    for (name, content) in &invocation.files {
        fs::write(folder.join(name), content)?;
    }
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command
        .arg(COMMAND)
        .arg(&invocation.program)
        .args(&invocation.arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("PATH", &invocation.path)
        .envs(&invocation.environment)
        .stdin(Stdio::null())
        .process_group(0);
    let mut child = command.spawn()?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()));
    let Ok(status) = tokio::time::timeout(limit, child.wait()).await else {
        drop(group);
        child.wait().await?;
        return Ok(Ended::OutOfTime);
    };
    group.0 = None;
    ended(status?, folder)
}

/// The small process and the tool. They are killed when this is dropped.
struct Group(Option<i32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            // Fails only where they have ended already.
            killpg(Pid::from_raw(id), Signal::SIGKILL).unwrap_or_default();
        }
    }
}

fn ended(status: ExitStatus, folder: &Path) -> io::Result<Ended> {
    if !status.success() {
        return Ok(Ended::Failed("it could not be started".to_owned()));
    }
    let (succeeded, taken): (bool, Taken) =
        serde_json::from_slice(&fs::read(folder.join(RESULT))?)?;
    if succeeded {
        return Ok(Ended::Done(taken));
    }
    let said = [STDERR, STDOUT].map(|name| fs::read(folder.join(name)).unwrap_or_default());
    let said = String::from_utf8_lossy(&said.concat()).into_owned();
    let start = said.len().saturating_sub(300);
    let start = (start..said.len()).find(|at| said.is_char_boundary(*at));
    Ok(Ended::Failed(said[start.unwrap_or(0)..].trim().to_owned()))
}

/// The small process: starts the tool, waits for its end and writes what it took.
pub(crate) fn child(arguments: &[String]) -> io::Result<()> {
    let (program, arguments) = arguments
        .split_first()
        .ok_or_else(|| io::Error::other("measure: no program"))?;
    let mut command = std::process::Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(File::create(STDOUT)?)
        .stderr(File::create(STDERR)?);
    let started = Instant::now();
    let status = command.status()?;
    let wall_secs = started.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let taken = Taken {
        wall_secs,
        cpu_secs: seconds(usage.user_time()) + seconds(usage.system_time()),
        // Linux counts it in KiB.
        peak_bytes: u64::try_from(usage.max_rss()).unwrap_or_default() * 1024,
    };
    fs::write(RESULT, serde_json::to_vec(&(status.success(), taken))?)
}

fn seconds(time: TimeVal) -> f64 {
    let micros = i32::try_from(time.tv_usec()).unwrap_or_default();
    let whole = u32::try_from(time.tv_sec()).unwrap_or_default();
    f64::from(whole) + f64::from(micros) / 1e6
}
