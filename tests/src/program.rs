//! The program as a child process.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::LazyLock;

use image_sync_shared::run::outcome::ImageResult;
use image_sync_shared::run::report::Report;
use image_sync_shared::run::report::schema::SCHEMA;
use jsonschema::Validator;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{Catalog, OtherClock, Running};

/// A place to run the program in: a folder of its own is its home, its state and its working directory, and nothing of
/// the machine's environment reaches it.
pub struct Program {
    binary: PathBuf,
    home: TempDir,
    environment: Vec<(String, String)>,
    largest_file: Option<u64>,
}

/// A run of the program that is over.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Program {
    /// Prepares a folder for `binary`: the test says `env!("CARGO_BIN_EXE_image-sync-under-test")`.
    ///
    /// # Panics
    /// If there can be no temporary folder.
    #[must_use]
    #[expect(clippy::expect_used, reason = "without a folder there is no test")]
    pub fn new(binary: &str) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        Self {
            binary: PathBuf::from(binary),
            home,
            environment: Vec::new(),
            largest_file: None,
        }
    }

    /// It cannot write files larger than this, in bytes, and is told so by its system as of a disk that is full
    /// (`RLIMIT_FSIZE`); none for any size.
    pub fn limit_files(&mut self, bytes: Option<u64>) {
        self.largest_file = bytes;
    }

    /// What starts it, without arguments and environment.
    fn unstarted(&self) -> Command {
        let Some(bytes) = self.largest_file else {
            return Command::new(&self.binary);
        };
        let mut limited = Command::new("prlimit");
        // Else the signal that comes with the error ends it.
        let exec = r#"trap '' XFSZ; exec "$0" "$@""#;
        limited.args([&format!("--fsize={bytes}"), "sh", "-c", exec]);
        limited.arg(&self.binary);
        limited
    }

    /// Sets an environment variable for all runs to come.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Its folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file into its folder.
    ///
    /// # Panics
    /// If it cannot be written.
    #[expect(clippy::expect_used, reason = "without the file there is no test")]
    pub fn write(&self, name: &str, text: &str) {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(&path, text).expect("a written file");
    }

    /// Starts the program.
    ///
    /// # Panics
    /// If it does not start.
    #[expect(clippy::expect_used, reason = "without the program there is no test")]
    #[must_use = "a program that is dropped is killed"]
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().expect("the program starts")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.unstarted();
        command.args(arguments);
        self.placed(command)
    }

    /// With its folder, its environment and pipes.
    fn placed(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.home.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Starts the program, to be watched while it runs.
    #[must_use = "a program that is dropped is killed"]
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::new(self.spawn(arguments))
    }

    /// Starts a line of a shell, which ends at the first command that fails.
    ///
    /// # Panics
    /// If there is no shell.
    #[expect(clippy::expect_used, reason = "without a shell there is no test")]
    #[must_use = "a shell that is dropped is killed"]
    pub fn start_shell(&self, line: &str) -> Running {
        let mut shell = Command::new("sh");
        shell.args(["-ec", line]);
        Running::new(self.placed(shell).spawn().expect("a shell"))
    }

    /// Starts the program on a machine with another clock.
    ///
    /// # Panics
    /// If it does not start.
    #[expect(clippy::expect_used, reason = "without the program there is no test")]
    #[must_use = "a program that is dropped is killed"]
    pub fn start_at(&self, clock: &OtherClock, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        Running::new(clock.set(&mut command).spawn().expect("the program starts"))
    }

    /// Starts the program in a terminal of so many columns. All that it writes there is its log: a line for each that is drawn.
    ///
    /// # Panics
    /// If it does not start.
    #[expect(clippy::expect_used, reason = "without the program there is no test")]
    #[must_use = "a program that is dropped is killed"]
    pub fn start_in_terminal(&self, columns: u16, arguments: &[&str]) -> Running {
        let inside = format!(
            "stty cols {columns} rows 24; exec {} {}",
            self.binary.display(),
            arguments.join(" ")
        );
        let command = self.command(&[]);
        let mut terminal = Command::new("script");
        terminal.args(["-qefc", &inside, "/dev/null"]).env_clear();
        for (name, value) in command.as_std().get_envs() {
            terminal.env(name, value.unwrap_or_default());
        }
        terminal
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        Running::in_terminal(terminal.spawn().expect("the program starts"))
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    /// If its output cannot be read.
    #[expect(clippy::expect_used, reason = "without its output there is no test")]
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        self.spawn(arguments)
            .wait_with_output()
            .await
            .expect("the program's output")
            .into()
    }

    /// Starts `sync` with this catalog.
    #[must_use = "a program that is dropped is killed"]
    pub fn spawn_sync(&self, catalog: &Catalog, arguments: &[&str]) -> Child {
        self.write("config.yaml", &catalog.yaml());
        let mut all = vec!["sync", "--config", "config.yaml"];
        all.extend(arguments);
        self.spawn(&all)
    }

    /// Starts `sync` with this catalog, to be watched while it runs.
    #[must_use = "a program that is dropped is killed"]
    pub fn start_sync(&self, catalog: &Catalog, arguments: &[&str]) -> Running {
        Running::new(self.spawn_sync(catalog, arguments))
    }

    /// Runs `sync` with this catalog.
    ///
    /// # Panics
    /// If its output cannot be read.
    #[expect(clippy::expect_used, reason = "without its output there is no test")]
    pub async fn sync(&self, catalog: &Catalog, arguments: &[&str]) -> Ended {
        self.spawn_sync(catalog, arguments)
            .wait_with_output()
            .await
            .expect("the program's output")
            .into()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

#[expect(clippy::expect_used, reason = "a test fails by panicking")]
static SCHEMA_OF_REPORTS: LazyLock<Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    jsonschema::validator_for(&schema).expect("the schema is one")
});

impl Ended {
    /// The report on its stdout, which keeps to the schema of reports.
    ///
    /// # Panics
    /// If there is none, or it does not: the test then shows what there is.
    #[must_use]
    #[expect(clippy::panic, reason = "a test fails by panicking")]
    pub fn report(&self) -> Report {
        let report: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON on stdout: {error}\n{self:#?}"));
        if let Err(error) = SCHEMA_OF_REPORTS.validate(&report) {
            panic!("{error} at {}\n{self:#?}", error.instance_path());
        }
        serde_json::from_value(report)
            .unwrap_or_else(|error| panic!("no report on stdout: {error}\n{self:#?}"))
    }

    /// The only result of its report.
    ///
    /// # Panics
    /// If there is none, or more than one.
    #[must_use]
    #[expect(clippy::panic, reason = "a test fails by panicking")]
    pub fn only_result(&self) -> ImageResult {
        match <[ImageResult; 1]>::try_from(self.report().results) {
            Ok([result]) => result,
            Err(results) => panic!("one result expected, not {}: {self:#?}", results.len()),
        }
    }

    /// The only error of its report.
    ///
    /// # Panics
    /// If there is no failed result.
    #[must_use]
    #[expect(clippy::panic, reason = "a test fails by panicking")]
    pub fn only_error(&self) -> String {
        self.only_result()
            .error
            .unwrap_or_else(|| panic!("a failure expected: {self:#?}"))
    }
}
