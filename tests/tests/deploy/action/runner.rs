//! Runs the steps of action.yml as a runner of GitHub does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_yaml_ng::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::files::{root, text_of};

/// A machine on which the action runs.
pub(super) struct Runner {
    folder: TempDir,
    inputs: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
}

/// What the action did.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The exit code of the step that failed, else 0.
    pub(super) code: i32,
    /// What the log shows: without the commands that mask values, and with these values masked.
    pub(super) log: String,
    /// The values that were masked.
    pub(super) masked: Vec<String>,
    /// The summary of the job.
    pub(super) summary: String,
    /// The outputs of the action.
    pub(super) outputs: BTreeMap<String, String>,
}

impl Runner {
    /// A machine with the built program on its PATH. What starts on it is written down, with arguments and environment.
    pub(super) fn new() -> Self {
        let runner = Self::without_program();
        runner.recorded("image-sync", env!("CARGO_BIN_EXE_image-sync-under-test"));
        runner.recorded("jq", "/usr/bin/jq");
        runner.input("version", "path")
    }

    /// A machine without the program.
    pub(super) fn without_program() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["bin", "home", "temp", "workspace"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self {
            folder,
            inputs: BTreeMap::new(),
            environment: BTreeMap::new(),
        }
    }

    /// What the workflow says below `with`.
    pub(super) fn input(mut self, name: &str, value: &str) -> Self {
        let inputs = &action()["inputs"];
        assert!(inputs.get(name).is_some(), "action.yml has no input {name}");
        self.inputs.insert(name.to_owned(), value.to_owned());
        self
    }

    /// What the workflow says below `env`.
    pub(super) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Writes a file below the folders `bin`, `home`, `temp` and `workspace`.
    pub(super) fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Puts a program on the PATH.
    pub(super) fn program(&self, name: &str, script: &str) {
        let path = self.write(&format!("bin/{name}"), script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn recorded(&self, name: &str, program: &str) {
        let record = self.path("record");
        let record = record.display();
        self.program(
            name,
            &format!(
                "#!/bin/sh\n\
                 printf '%s\\n' {name} \"$@\" >>{record}\n\
                 [ {name} = jq ] || env >>{record}\n\
                 find {} -path '*/secrets/*' -type f -exec stat -c '%a' {{}} + >>{record}-modes\n\
                 exec {program} \"$@\"\n",
                self.path("temp").display(),
            ),
        );
    }

    /// The arguments of all programs that were started, and the environment of image-sync.
    pub(super) fn record(&self) -> String {
        fs::read_to_string(self.path("record")).unwrap()
    }

    /// The modes of the files of the action while a program ran.
    pub(super) fn modes(&self) -> Vec<String> {
        let modes = fs::read_to_string(self.path("record-modes")).unwrap();
        modes.lines().map(str::to_owned).collect()
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// All that stands in files below `temp`.
    pub(super) fn left_behind(&self) -> String {
        text_below(&self.path("temp"))
    }

    /// Runs the action.
    pub(super) async fn run(&self) -> Outcome {
        let action = action();
        let mut machine = Machine::new(self);
        let mut code = 0;
        for step in action["runs"]["steps"].as_sequence().unwrap() {
            code = machine.run(step).await;
            if code != 0 {
                break;
            }
        }
        let outputs = action["outputs"].as_mapping().unwrap();
        let outputs = outputs.iter().filter_map(|(name, output)| {
            let value = machine.filled_in(output["value"].as_str().unwrap());
            Some((name.as_str()?.to_owned(), value))
        });
        Outcome {
            code,
            outputs: outputs.collect(),
            summary: fs::read_to_string(self.path("summary")).unwrap_or_default(),
            log: machine.log,
            masked: machine.masked,
        }
    }
}

pub(super) fn action() -> Value {
    serde_yaml_ng::from_str(&text_of("action.yml")).unwrap()
}

fn text_below(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &text_below(&path);
        } else {
            text += &String::from_utf8_lossy(&fs::read(&path).unwrap());
        }
    }
    text
}

/// What one step leaves for those that follow.
struct Machine<'a> {
    runner: &'a Runner,
    path: String,
    outputs: BTreeMap<String, String>,
    log: String,
    masked: Vec<String>,
}

impl<'a> Machine<'a> {
    fn new(runner: &'a Runner) -> Self {
        Self {
            runner,
            path: format!("{}:/usr/bin:/bin", runner.path("bin").display()),
            outputs: BTreeMap::new(),
            log: String::new(),
            masked: Vec::new(),
        }
    }

    async fn run(&mut self, step: &Value) -> i32 {
        assert_eq!(step["shell"], "bash");
        let script = step["run"].as_str().unwrap();
        assert!(!script.contains("${{"), "a value becomes code: {script}");
        let script = self.runner.write("script", script);
        let written = self.runner.write("output", "");
        let added = self.runner.write("path", "");
        let mut command = Command::new("bash");
        command
            .args(["--noprofile", "--norc", "-eo", "pipefail"])
            .arg(&script)
            .env_clear()
            .envs(&self.runner.environment)
            .env("PATH", &self.path)
            .env("HOME", self.runner.path("home"))
            .env("RUNNER_TEMP", self.runner.path("temp"))
            .env("GITHUB_ACTION_PATH", root())
            .env("GITHUB_OUTPUT", &written)
            .env("GITHUB_PATH", &added)
            .env("GITHUB_STEP_SUMMARY", self.runner.path("summary"))
            .current_dir(self.runner.path("workspace"));
        for (name, value) in step["env"].as_mapping().unwrap() {
            let value = self.filled_in(value.as_str().unwrap());
            command.env(name.as_str().unwrap(), value);
        }
        let ended = command.output().await.unwrap();
        self.read_log(&ended.stdout);
        self.read_log(&ended.stderr);
        for line in fs::read_to_string(added).unwrap().lines() {
            self.path = format!("{line}:{}", self.path);
        }
        let id = step["id"].as_str().unwrap_or_default();
        for line in fs::read_to_string(written).unwrap().lines() {
            let (name, value) = line.split_once('=').unwrap();
            let name = format!("steps.{id}.outputs.{name}");
            self.outputs.insert(name, value.to_owned());
        }
        ended.status.code().unwrap()
    }

    /// A value with its only expression, if it has one.
    fn filled_in(&self, value: &str) -> String {
        let expression = value
            .strip_prefix("${{ ")
            .and_then(|v| v.strip_suffix(" }}"));
        let Some(expression) = expression else {
            return value.to_owned();
        };
        let known = match expression.split_once('.') {
            Some(("inputs", name)) => self.runner.inputs.get(name),
            Some(("steps", _)) => self.outputs.get(expression),
            Some(("github", "action_repository")) => {
                return "team/image-sync".to_owned();
            }
            _ => panic!("a runner does not know {expression}"),
        };
        known.cloned().unwrap_or_default()
    }

    fn read_log(&mut self, bytes: &[u8]) {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        for line in text.lines() {
            if let Some(value) = line.strip_prefix("::add-mask::") {
                let value = value.replace("%0A", "\n").replace("%0D", "\r");
                self.masked.push(value.replace("%25", "%"));
                continue;
            }
            let shown = self.masked.iter().fold(line.to_owned(), |line, masked| {
                line.replace(masked.as_str(), "***")
            });
            writeln!(self.log, "{shown}").unwrap();
        }
    }
}
