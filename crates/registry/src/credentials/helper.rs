//! Credential helpers (docker/docker-credential-helpers): programs that keep passwords.

use std::ffi::OsString;
use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use image_sync_shared::failure::FailureClass;
use image_sync_shared::secret::Secret;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Identity;
use super::auth_file::HelperCall;
use crate::client::answer::presentable;
use crate::client::trouble::Trouble;

/// The user name that marks a secret as an identity token.
const IDENTITY_TOKEN_USER: &str = "<token>";

/// How helpers are run.
pub(super) struct Helpers {
    /// Where they are looked for; none for the PATH of this process.
    pub(super) path: Option<OsString>,
    /// How long one may take.
    pub(super) timeout: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: Secret,
}

impl Helpers {
    /// What the helper has, or none if it has nothing for that server. It is killed when it takes too long.
    pub(super) async fn ask(&self, call: &HelperCall) -> Result<Option<Identity>, Trouble> {
        let program = format!("docker-credential-{}", call.helper);
        let local = |error: io::Error| {
            let answer = format!("the credential helper {program} cannot be run: {error}");
            Trouble::new(FailureClass::Local, answer)
        };
        let mut command = Command::new(&program);
        command
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
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
                Trouble::new(FailureClass::Timeout, answer)
            })?
            .map_err(local)?;
        read(&program, &call.server, &output)
    }
}

async fn converse(mut child: Child, server: &str) -> io::Result<Output> {
    if let Some(mut stdin) = child.stdin.take() {
        // One that answers without having read the question is judged by its answer.
        match stdin.write_all(server.as_bytes()).await {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            _ => drop(stdin),
        }
    }
    child.wait_with_output().await
}

fn read(program: &str, server: &str, output: &Output) -> Result<Option<Identity>, Trouble> {
    if output.status.success() {
        // The parser's own words could quote the secret.
        let answer: Answer = serde_json::from_slice(&output.stdout).map_err(|_hidden| {
            let answer =
                format!("the credential helper {program} gave no JSON with Username and Secret");
            Trouble::new(FailureClass::Local, answer)
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
    // Helpers report errors on their standard output; this one is the protocol's own word for "none".
    let said = String::from_utf8_lossy(&output.stdout);
    if said.contains("credentials not found") {
        return Ok(None);
    }
    let said = if said.trim_start().starts_with('{') {
        ""
    } else {
        said.trim()
    };
    let answer = format!(
        "the credential helper {program} failed for {server} ({}): {}",
        output.status,
        presentable(said)
    );
    Err(Trouble::new(FailureClass::Unavailable, answer))
}
