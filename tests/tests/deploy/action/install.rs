//! Where the program comes from.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;

use super::runner::{Outcome, Runner};
use crate::files::{repository, root};

/// A host of releases, with one of the program's own version.
struct Releases {
    folder: Arc<TempDir>,
    url: String,
    archive: String,
    _server: JoinSet<()>,
}

impl Releases {
    async fn start() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let archive = archive_in(&folder).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        let files = Arc::clone(&folder);
        server.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answer(stream, &files).await;
            }
        });
        Self {
            folder,
            url,
            archive,
            _server: server,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A runner without the program, whose only config has no images.
    fn runner(&self) -> Runner {
        Runner::without_program()
            .input("config", "cache_registry: oci:./cache\nimages: []\n")
            .env("GITHUB_SERVER_URL", &self.url)
    }
}

/// Packs a program that says who it is, and the sum of the archive.
async fn archive_in(folder: &TempDir) -> String {
    let program = folder.path().join("program");
    let says = "#!/bin/sh\necho this is the released program\n[ \"$1\" = --version ]\n";
    fs::write(&program, says).unwrap();
    let target = format!("linux-{}", std::env::consts::ARCH);
    let mut packing = Command::new(repository("scripts/release-archive"));
    packing.arg(target).arg(&program).arg(folder.path());
    let packed = packing.stderr(Stdio::inherit()).output().await.unwrap();
    assert!(packed.status.success());
    let archive = String::from_utf8(packed.stdout).unwrap().trim().to_owned();
    let sums = Command::new("sha256sum")
        .arg(&archive)
        .current_dir(folder.path())
        .output()
        .await
        .unwrap();
    fs::write(folder.path().join("SHA256SUMS"), sums.stdout).unwrap();
    archive
}

/// The file of the release that is asked for, 404, or 503 for a host in trouble.
async fn answer(stream: TcpStream, folder: &TempDir) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    let mut header = String::new();
    while header != "\r\n" {
        header.clear();
        stream.read_line(&mut header).await.unwrap();
    }
    let release = format!(
        "GET /team/image-sync/releases/download/v{}/",
        env!("CARGO_PKG_VERSION")
    );
    let name = line
        .strip_prefix(&release)
        .and_then(|rest| rest.split(' ').next());
    let body = name.and_then(|name| fs::read(folder.path().join(name)).ok());
    let status = match body {
        _ if folder.path().join("trouble").exists() => 403,
        Some(_) => 200,
        None => 404,
    };
    let body = body.unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
}

fn with_cargo(runner: Runner) -> Runner {
    runner.program(
        "cargo",
        "#!/bin/sh\n\
         echo \"cargo in $PWD: $*\"\n\
         for folder; do :; done\n\
         mkdir -p \"$folder/release\"\n\
         printf '#!/bin/sh\\necho this is the built program\\n' >\"$folder/release/image-sync\"\n\
         chmod +x \"$folder/release/image-sync\"\n",
    );
    runner
}

fn assert_error(outcome: &Outcome, message: &str) {
    assert_eq!(outcome.code, 2, "{outcome:#?}");
    let told = outcome
        .log
        .lines()
        .any(|line| line.starts_with("::error title=image-sync::") && line.contains(message));
    assert!(told, "{message:?} is not in {outcome:#?}");
    assert!(!outcome.log.contains("this is the"), "{outcome:#?}");
}

#[tokio::test]
async fn the_release_of_the_actions_own_version_is_installed() {
    let releases = Releases::start().await;
    let outcome = releases.runner().run().await;
    assert!(
        outcome.log.contains("this is the released program"),
        "{outcome:#?}"
    );
}

#[tokio::test]
async fn an_archive_that_is_not_what_the_release_says_is_refused() {
    let releases = Releases::start().await;
    let archive = releases.file(&releases.archive);
    let mut bytes = fs::read(&archive).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&archive, bytes).unwrap();
    let outcome = with_cargo(releases.runner()).run().await;
    assert_error(&outcome, "does not have the checksum that it should have");
}

#[tokio::test]
async fn an_archive_that_the_release_does_not_name_is_refused() {
    let releases = Releases::start().await;
    fs::write(releases.file("SHA256SUMS"), "").unwrap();
    let outcome = with_cargo(releases.runner()).run().await;
    assert_error(&outcome, "does not have the checksum that it should have");
}

#[tokio::test]
async fn a_checksum_of_the_workflow_holds_beside_that_of_the_release() {
    let releases = Releases::start().await;
    let sums = fs::read_to_string(releases.file("SHA256SUMS")).unwrap();
    let right = sums.split(' ').next().unwrap().to_uppercase();
    let outcome = releases.runner().input("checksum", &right).run().await;
    assert!(
        outcome.log.contains("this is the released program"),
        "{outcome:#?}"
    );

    let other = releases.runner().input("checksum", &"0".repeat(64));
    assert_error(
        &other.run().await,
        "does not have the checksum that it should have",
    );
}

#[tokio::test]
async fn without_a_release_the_actions_own_checkout_is_built() {
    let releases = Releases::start().await;
    fs::remove_file(releases.file(&releases.archive)).unwrap();
    let outcome = with_cargo(releases.runner()).run().await;
    let cargo = format!(
        "cargo in {}: build --release --locked --bin image-sync",
        root().display()
    );
    assert!(
        outcome
            .log
            .contains("::notice title=image-sync::There is no release v"),
        "{outcome:#?}"
    );
    assert!(outcome.log.contains(&cargo), "{outcome:#?}");
    assert!(
        outcome.log.contains("this is the built program"),
        "{outcome:#?}"
    );
}

#[tokio::test]
async fn a_release_that_is_named_and_not_there_is_an_error() {
    let releases = Releases::start().await;
    let outcome = with_cargo(releases.runner().input("version", "v9.9.9"))
        .run()
        .await;
    assert_error(&outcome, "there is no release v9.9.9 for this machine");
}

#[tokio::test]
async fn a_host_that_refuses_is_no_host_without_a_release() {
    let releases = Releases::start().await;
    fs::write(releases.file("trouble"), "").unwrap();
    let outcome = with_cargo(releases.runner()).run().await;
    assert_error(&outcome, "answered 403");
}

#[tokio::test]
async fn without_release_and_cargo_the_error_says_what_to_do() {
    let releases = Releases::start().await;
    let outcome = releases.runner().input("version", "source").run().await;
    assert_error(&outcome, "there is no cargo here to build image-sync with");
}

#[tokio::test]
async fn a_machine_without_linux_is_told_so() {
    let releases = Releases::start().await;
    let runner = with_cargo(releases.runner());
    runner.program("uname", "#!/bin/sh\necho Darwin\n");
    assert_error(&runner.run().await, "the action runs on Linux");
}
