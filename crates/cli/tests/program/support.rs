//! Runs the program in a folder of its own, with nothing of this machine's environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use image_sync_shared::run::report::Report;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::images::ImageBuilder;
use tempfile::TempDir;
use tokio::time::timeout;

/// A program that does not end is a failed test, not one that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A folder that is the program's home, its working directory, and the place of its state.
pub(crate) struct Home(TempDir);

/// A run of the program that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// The program, not started yet. Its arguments have no spaces.
    pub(crate) fn command(&self, line: &str) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_image-sync")), line)
    }

    /// The same with another copy of the program.
    pub(crate) fn command_of(&self, program: &Path, line: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(line.split_whitespace())
            .env_clear()
            .env("HOME", self.path())
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self, line: &str) -> Child {
        self.command(line).spawn().unwrap()
    }

    pub(crate) fn run(&self, line: &str) -> Ended {
        self.command(line).output().unwrap().into()
    }

    /// Runs the program while this test's fake registries answer.
    pub(crate) async fn run_beside(&self, line: &str) -> Ended {
        let mut command = tokio::process::Command::from(self.command(line));
        let output = command.kill_on_drop(true).output();
        let ended = timeout(PATIENCE, output).await.expect("the program ends");
        ended.unwrap().into()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    pub(crate) fn report(&self) -> Report {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// A registry with an image of two small layers in each of `repositories`, under the tag `1`.
pub(crate) async fn registry_with(repositories: &[&str]) -> FakeRegistry {
    let registry = FakeRegistry::start().await.unwrap();
    for repository in repositories {
        let image = ImageBuilder::new(*repository).layers(2, 1000).build();
        registry.put_image(repository, "1", &image);
    }
    registry
}

/// A config that copies `repositories` of `registry` into `cache/` beside them.
pub(crate) fn catalog(registry: &FakeRegistry, repositories: &[&str]) -> String {
    let host = registry.host();
    let images: Vec<String> = repositories
        .iter()
        .map(|repository| {
            format!("  - {{source: {host}/{repository}, tag: '1', cache_as: cache/{repository}}}\n")
        })
        .collect();
    format!("cache_registry: {host}\nimages:\n{}", images.concat())
}
