//! Credential helpers (docker/docker-credential-helpers): programs that keep passwords.

use std::env::split_paths;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use image_sync_shared::failure::FailureClass;
use image_sync_shared::secret::Secret;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Identity;
use super::auth_file::HelperCall;
use crate::http::RequestError;

/// The user name that marks a secret as an identity token.
const IDENTITY_TOKEN_USER: &str = "<token>";
/// The longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 1024 * 1024;

/// How helpers are run.
pub(super) struct Helpers {
    /// Where they are looked for; none for the PATH of this process.
    pub(super) path: Option<OsString>,
    /// How long one may take.
    pub(super) timeout: Duration,
}

/// What one has said and how it ended.
struct Output {
    status: ExitStatus,
    stdout: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: Secret,
}

impl Helpers {
    /// What the helper has, or none if it has nothing for that server. It is killed when it takes too long.
    pub(super) async fn ask(&self, call: &HelperCall) -> Result<Option<Identity>, RequestError> {
        let program = format!("docker-credential-{}", call.helper);
        let local = |error: io::Error| {
            let answer = format!("the credential helper {program} cannot be run: {error}");
            RequestError::new(FailureClass::Local, answer)
        };
        let mut command = Command::new(self.find(&program).map_err(local)?);
        command
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What it prints there may hold the secret, and nobody reads it.
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        let child = command.spawn().map_err(local)?;
        let output = timeout(self.timeout, converse(child, &call.server))
            .await
            .map_err(|_elapsed| {
                let limit = self.timeout.as_secs_f32();
                let answer = format!("the credential helper {program} took longer than {limit} s");
                RequestError::new(FailureClass::Timeout, answer)
            })?
            .map_err(local)?;
        read(&program, &call.server, &output)
    }

    /// Where on the PATH a program is. An entry of it that is relative would be another place for each current directory.
    fn find(&self, program: &str) -> io::Result<PathBuf> {
        let Some(path) = &self.path else {
            return Ok(program.into());
        };
        split_paths(path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(program))
            .find(|file| is_executable(file))
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::NotFound,
                    "it is not on the PATH; install it, or take it out of the file that names it",
                )
            })
    }
}

/// Whether anyone may run a file, as who looks for a program asks before taking it.
fn is_executable(file: &Path) -> bool {
    let metadata = file.metadata();
    metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

async fn converse(mut child: Child, server: &str) -> io::Result<Output> {
    // Written before anything is read: the name of a server fits into any pipe.
    if let Some(mut stdin) = child.stdin.take() {
        // One that answers without having read the question is judged by its answer.
        match stdin.write_all(server.as_bytes()).await {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            _ => drop(stdin),
        }
    }
    let mut stdout = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        pipe.take(MAX_ANSWER + 1).read_to_end(&mut stdout).await?;
    }
    if stdout.len() as u64 > MAX_ANSWER {
        return Err(io::Error::other("it answers with more than 1 MiB"));
    }
    let status = child.wait().await?;
    Ok(Output { status, stdout })
}

fn read(program: &str, server: &str, output: &Output) -> Result<Option<Identity>, RequestError> {
    if output.status.success() {
        // The parser's own words could quote the secret.
        let answer: Answer = serde_json::from_slice(&output.stdout).map_err(|_hidden| {
            let answer =
                format!("the credential helper {program} gave no JSON with Username and Secret");
            RequestError::new(FailureClass::Local, answer)
        })?;
        return Ok(Some(if answer.username == IDENTITY_TOKEN_USER {
            Identity::Token(answer.secret)
        } else {
            Identity::Password {
                username: answer.username,
                password: answer.secret,
            }
        }));
    }
    // The protocol's own word for "none". Other errors are there as well, and so may be secrets: none of it is shown.
    let said = String::from_utf8_lossy(&output.stdout);
    if said.contains("credentials not found") {
        return Ok(None);
    }
    let answer = format!(
        "the credential helper {program} failed for {server} ({}); what it says is not shown, as it may hold secrets: \
         ask it by hand with: echo {server} | {program} get",
        output.status,
    );
    Err(RequestError::new(FailureClass::Unavailable, answer))
}
