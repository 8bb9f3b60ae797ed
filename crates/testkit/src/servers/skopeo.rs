//! skopeo, the independent reader and writer of images.

use std::ffi::OsStr;
use std::io;

use tokio::process::Command;

use super::process::missing;

/// Runs skopeo, whose policy accepts every image; its standard output, or an error with its standard error.
pub async fn skopeo<A: AsRef<OsStr>>(arguments: &[A]) -> io::Result<String> {
    let program = OsStr::new("skopeo");
    let output = Command::new(program)
        .arg("--insecure-policy")
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| missing(program, "skopeo", &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("skopeo: {}", error.trim())))
}

/// Copies an image with all its platforms, digests unchanged. Places are of skopeo's form: `docker://127.0.0.1:5000/app:1`,
/// `oci:folder:1`.
pub async fn skopeo_copy(source: &str, target: &str) -> io::Result<()> {
    let verify = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    let copy = ["copy", "--all", "--preserve-digests"];
    let arguments: Vec<&str> = copy
        .into_iter()
        .chain(verify)
        .chain([source, target])
        .collect();
    skopeo(&arguments).await.map(drop)
}

/// What skopeo tells of an image of this platform's kind, as JSON.
pub async fn skopeo_inspect(place: &str) -> io::Result<String> {
    skopeo(&["inspect", "--tls-verify=false", place]).await
}
