//! A config of another tool in this program's own form, for a person to read and keep.

mod markers;
mod yaml;

use std::path::Path;

use super::error::{ConfigError, Source};
use super::files;
use super::lists::Lists;
use super::reading::{Folder, Reading};
use crate::dialects::{DialectOptions, Format, Kind, Note};
use crate::document::Node;
use crate::problem::Problem;

/// A config in this program's own form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The config, with what is to be known of it in comments.
    pub text: String,
    /// Whether nothing was left out that changes what is copied.
    pub is_complete: bool,
}

/// Converts the file at `path`. What stands for variables of the environment stays so, and passwords become variables: none is
/// repeated.
pub fn convert(path: &Path, dialect: &DialectOptions) -> Result<Converted, ConfigError> {
    let name = path.display().to_string();
    let folder = Folder::Of(path.parent().unwrap_or(Path::new("")));
    match files::read(path) {
        Ok(text) => convert_text(name, text, folder, dialect),
        Err(found) => Err(refused(name, &found)),
    }
}

/// The same of a text that `name` names.
pub(super) fn convert_text(
    name: String,
    text: String,
    folder: Folder<'_>,
    dialect: &DialectOptions,
) -> Result<Converted, ConfigError> {
    let lists = Lists::without_stdin();
    let mut reading = Reading::new(folder, &markers::of_variable, dialect, lists);
    match reading.parse_first(&name, text) {
        Ok(Some(parsed)) => {
            if reading.format == Format::Native {
                return Err(refused(
                    name,
                    "found a native config, expected one of another tool; --format says how it is written",
                ));
            }
            let document = parsed.root.clone();
            let (format, notes) = (reading.format, reading.notes.clone());
            reading.read_parsed(parsed);
            reading.finish()?;
            let path = Path::new(&name);
            let file = path.file_name().unwrap_or(path.as_os_str());
            let title = format!(
                "# {} in the form of image-sync, from that of {format}",
                file.to_string_lossy()
            );
            Ok(written(&title, &document, &notes))
        }
        Ok(None) => Err(refused(name, "the file is empty, expected a config")),
        Err(problem) => {
            reading.problems.push(problem);
            match reading.finish() {
                Err(error) => Err(error),
                Ok(_) => Err(refused(name, "this cannot be converted")),
            }
        }
    }
}

fn refused(name: String, found: &str) -> ConfigError {
    let sources = [Source::without_text(name)];
    ConfigError::new(Problem::new(found).into(), &sources)
}

fn written(title: &str, document: &Node, notes: &[Note]) -> Converted {
    Converted {
        text: markers::as_variables(&yaml::written(title, document, notes)),
        is_complete: notes.iter().all(|note| note.kind != Kind::Missing),
    }
}
