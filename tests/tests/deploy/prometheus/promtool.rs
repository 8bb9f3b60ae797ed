//! promtool, of Debian's package `prometheus`.

use std::io::ErrorKind;
use std::process::Stdio;

use tokio::process::Command;

use super::files::FOLDER;
use crate::files::repository;

/// Runs promtool in deploy/prometheus. It must find nothing wrong.
pub(super) async fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(repository(FOLDER))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let missing = "promtool is not installed: apt-get install prometheus";
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => missing.to_owned(),
        _ => error.to_string(),
    });
    let output = output.unwrap();
    let said = |stream: &[u8]| String::from_utf8_lossy(stream).into_owned();
    let (stdout, stderr) = (said(&output.stdout), said(&output.stderr));
    assert!(
        output.status.success(),
        "promtool {arguments:?}\n{stdout}{stderr}"
    );
}
