//! The tools, each with the config and the command that it gets for the same catalog.

mod crane;
pub(crate) mod image_sync;
mod image_syncer;
mod ocync;
mod regsync;
mod skopeo;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use image_sync_shared::image::digest::Digest;

use super::floor;
use super::options::Options;
use super::results::ToolUsed;

/// A catalog to be brought to a target: `images/0:1`, `images/1:1`, ..., under the same names there, all platforms.
pub(crate) struct Task {
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) images: usize,
    /// The authority of both, where they speak TLS; where they speak plain HTTP, none.
    pub(crate) authority: Option<PathBuf>,
}

/// A command in a folder with these files.
pub(crate) struct Invocation {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) environment: BTreeMap<&'static str, OsString>,
    pub(crate) path: OsString,
}

/// A tool that is there.
pub(crate) struct Found {
    pub(crate) name: &'static str,
    version: String,
    digest: String,
    program: PathBuf,
    path: OsString,
    describe: fn(&Task) -> Described,
}

/// What a tool makes of a task: its arguments and its files.
pub(crate) struct Described {
    arguments: Vec<String>,
    files: BTreeMap<String, String>,
}

struct Tool {
    name: &'static str,
    /// What is looked for on PATH.
    program: &'static str,
    version: &'static str,
    describe: fn(&Task) -> Described,
}

const PEERS: [Tool; 5] = [
    Tool {
        name: "regsync",
        program: "regsync",
        version: "version",
        describe: regsync::describe,
    },
    Tool {
        name: "ocync",
        program: "ocync",
        version: "--version",
        describe: ocync::describe,
    },
    Tool {
        name: "crane",
        program: "crane",
        version: "version",
        describe: crane::describe,
    },
    Tool {
        name: "image-syncer",
        program: "image-syncer",
        version: "--version",
        describe: image_syncer::describe,
    },
    Tool {
        name: "skopeo",
        program: "skopeo",
        version: "--version",
        describe: skopeo::describe,
    },
];

pub(crate) const OURS: &str = "image-sync";
pub(crate) const FLOOR: &str = "floor";

/// Those that are there and wanted: image-sync first, then the floor, then its peers.
pub(crate) fn found(options: &Options) -> io::Result<Vec<Found>> {
    let path = search_path();
    let program = std::path::absolute(&options.image_sync)?;
    if !program.is_file() {
        let shown = program.display();
        return Err(io::Error::other(format!("there is no program {shown}")));
    }
    let floor = env::current_exe()?;
    let mut found = vec![
        Found {
            name: OURS,
            version: version(&program, "--version"),
            digest: digest(&program)?,
            program,
            path: path.clone(),
            describe: image_sync::describe,
        },
        Found {
            name: FLOOR,
            version: "a loop of scripts/bench itself".to_owned(),
            digest: digest(&floor)?,
            program: floor,
            path: path.clone(),
            describe: floor::describe,
        },
    ];
    for tool in &PEERS {
        if let Some(program) = program_on(&path, tool.program) {
            found.push(Found {
                name: tool.name,
                version: version(&program, tool.version),
                digest: digest(&program)?,
                program: shell_for(tool.name).unwrap_or(program),
                path: path.clone(),
                describe: tool.describe,
            });
        }
    }
    let is_missing = |name: &&String| found.iter().all(|tool| tool.name != **name);
    if let Some(missing) = options.tools.iter().flatten().find(is_missing) {
        let problem = format!("there is no tool {missing:?} on PATH");
        return Err(io::Error::other(problem));
    }
    found.retain(|tool| tool.name == OURS || options.wants(tool.name));
    Ok(found)
}

/// image-sync, of the tools.
pub(crate) fn ours<'a>(tools: &[&'a Found]) -> io::Result<&'a Found> {
    let ours = tools.iter().find(|tool| tool.name == OURS).copied();
    ours.ok_or_else(|| io::Error::other("image-sync is not among the tools"))
}

/// What has no command for a catalog is called by a loop.
fn shell_for(tool: &str) -> Option<PathBuf> {
    (tool == "crane").then(|| PathBuf::from("/bin/sh"))
}

impl Found {
    pub(crate) fn invocation(&self, task: &Task) -> Invocation {
        let described = (self.describe)(task);
        let mut environment = BTreeMap::new();
        if let Some(authority) = &task.authority {
            environment.insert("SSL_CERT_FILE", authority.clone().into_os_string());
        }
        Invocation {
            program: self.program.clone(),
            arguments: described.arguments,
            files: described.files,
            environment,
            path: self.path.clone(),
        }
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn as_used(&self) -> ToolUsed {
        let task = Task {
            source: "SOURCE".to_owned(),
            target: "TARGET".to_owned(),
            images: 1,
            authority: Some("CA.pem".into()),
        };
        let described = (self.describe)(&task);
        let program = self.program.file_name().unwrap_or_default();
        let command: Vec<String> = std::iter::once(program.to_string_lossy().into_owned())
            .chain(described.arguments.into_iter().map(quoted))
            .collect();
        ToolUsed {
            name: self.name,
            version: self.version.clone(),
            digest: self.digest.clone(),
            command: command.join(" "),
            files: described.files,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "where peers are found is the caller's, and no code under test reads it"
)]
fn search_path() -> OsString {
    env::var_os("PATH").unwrap_or_default()
}

fn program_on(path: &OsString, name: &str) -> Option<PathBuf> {
    env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// As it is typed.
fn quoted(argument: String) -> String {
    if argument.contains(' ') {
        format!("'{argument}'")
    } else {
        argument
    }
}

/// What tells builds apart that say the same version, or none.
fn digest(program: &Path) -> io::Result<String> {
    Ok(Digest::of(&fs::read(program)?).to_string())
}

/// What a program says its version is, in one line.
fn version(program: &Path, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let said = output.map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let words: Vec<&str> = said.split_whitespace().collect();
    words.join(" ")
}

impl Described {
    pub(crate) fn new(arguments: &[&str], files: &[(&str, String)]) -> Self {
        let files = files.iter();
        Self {
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            files: files
                .map(|(name, content)| ((*name).to_owned(), content.clone()))
                .collect(),
        }
    }
}

impl Task {
    /// A text for each image, by its number.
    fn each(&self, text: impl Fn(usize) -> String) -> String {
        (0..self.images).map(text).collect()
    }
}
