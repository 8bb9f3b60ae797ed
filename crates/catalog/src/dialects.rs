//! What config files can be written in. A dialect turns the document of another tool into one of this program's own, value by value
//! and each with its place; nothing behind it knows which one it was.

mod aliyun;
mod dregsy;
mod flux_mirror;
mod kyma;
mod list;
pub(crate) mod native;
mod ocync;
mod recognise;
mod regsync;
#[cfg(test)]
mod samples;
mod skopeo;
mod translation;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use image_sync_shared::config::Login;

use crate::document::{Node, Variables};
use crate::problem::Problem;

pub(crate) use list::is_list;
pub(crate) use recognise::recognised;
pub(crate) use translation::{Kind, Note, Translation};
use translation::{Translator, patterns};

/// How a config file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// As this program has it.
    Native,
    /// The image list of Kyma's image-syncer.
    Kyma,
    /// The config of regsync.
    Regsync,
    /// What `skopeo sync --src yaml` reads.
    Skopeo,
    /// The rules of Aliyun's image-syncer.
    Aliyun,
    /// The config of dregsy.
    Dregsy,
    /// One image a line.
    List,
    /// The config of ocync.
    Ocync,
    /// The config of flux-mirror.
    FluxMirror,
}

/// All formats by their names.
const FORMATS: [(&str, Format); 9] = [
    ("native", Format::Native),
    ("kyma", Format::Kyma),
    ("regsync", Format::Regsync),
    ("skopeo", Format::Skopeo),
    ("aliyun", Format::Aliyun),
    ("dregsy", Format::Dregsy),
    ("list", Format::List),
    ("ocync", Format::Ocync),
    ("flux-mirror", Format::FluxMirror),
];

/// What a command line says beside a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialectOptions {
    /// How the file is written; none for what it looks like.
    pub format: Option<Format>,
    /// Where images go, for files that do not say it: `HOST` or `HOST/PREFIX`.
    pub target: Option<String>,
    /// The folder that takes the place of all targets, if one does: what an image is called there stays.
    pub folder: Option<PathBuf>,
    /// What stands before the names of images at the target (Kyma).
    pub target_repo_prefix: Option<String>,
    /// Whether the names of images keep their hosts and paths there (skopeo).
    pub scoped: bool,
    /// Whether images are copied for all their platforms, where a file does not say which (skopeo).
    pub all_platforms: bool,
    /// Who we are at the target.
    pub target_login: Option<Login>,
    /// What is said of rules of Aliyun's tool.
    pub aliyun: AliyunOptions,
}

/// What a command line says beside the rules of Aliyun's image-syncer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AliyunOptions {
    /// The file with the credentials, if that is another one: how messages call it, and its text.
    pub auth: Option<(String, String)>,
    /// The registry of rules that name no target.
    pub registry: Option<String>,
    /// The namespace of rules that name no target.
    pub namespace: Option<String>,
    /// Which operating systems, as in `linux` or `windows:10.0.17763`; none for all.
    pub os: Vec<String>,
    /// Which architectures, as in `amd64` or `arm:v7`; none for all.
    pub arch: Vec<String>,
    /// Whether manifests are to be written that are there already.
    pub force: bool,
}

impl Format {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        FORMATS.iter().map(|(_, format)| *format)
    }

    /// Its name on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        let named = FORMATS.iter().find(|(_, format)| *format == self);
        named.map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = FORMATS.iter().find(|(name, _)| *name == text);
        named.map(|(_, format)| *format).ok_or_else(|| {
            let all = FORMATS.map(|(name, _)| name).join(", ");
            format!("expected one of {all}")
        })
    }
}

/// A problem of a text that cannot be parsed, as it is told to those who wrote it for this tool.
pub(crate) fn unparsed(format: Option<Format>, text: &str, problem: Problem) -> Problem {
    let last = problem.place().map_or(u32::MAX, |place| place.line);
    let missing_colon = match format {
        Some(Format::Aliyun) => aliyun::missing_colon(text, last),
        _ => None,
    };
    missing_colon.unwrap_or(problem)
}

/// The document in this program's own form. With the credentials that are in a file of their own, and its number.
pub(crate) fn translate(
    format: Format,
    document: &Node,
    auth: Option<(u16, &Node)>,
    options: &DialectOptions,
    variables: Variables<'_>,
) -> Translation {
    let translator = Translator::new(options, variables);
    match format {
        Format::Native => Translation::of(document.clone()),
        Format::Kyma => kyma::translate(document, translator),
        Format::Regsync => regsync::translate(document, translator),
        Format::Skopeo => skopeo::translate(document, translator),
        Format::Aliyun => aliyun::translate(document, auth, translator),
        Format::Dregsy => dregsy::translate(document, translator),
        Format::Ocync => ocync::translate(document, translator),
        Format::FluxMirror => flux_mirror::translate(document, translator),
        // Its document is the name of the list.
        Format::List => list::translate(document.text().unwrap_or_default(), translator),
    }
}
