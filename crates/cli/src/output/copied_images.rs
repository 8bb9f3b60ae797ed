//! A file with the images that a run copied: each source with its targets.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;
use image_sync_shared::run::outcome::{Action, ImageResult};

use super::report_file::ReportFile;
use crate::process::exit::Problem;

/// How the file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImagesForm {
    #[default]
    Yaml,
    Json,
}

/// The file.
pub(crate) struct CopiedImages {
    file: ReportFile,
    form: ImagesForm,
}

impl CopiedImages {
    /// Sees to it that the file can be written, so that a run is not started in vain.
    pub(crate) fn prepare(path: &Path, form: ImagesForm) -> Result<Self, Problem> {
        let file = ReportFile::prepare(path).map_err(Problem::usage)?;
        Ok(Self { file, form })
    }

    /// Writes what these results say was copied.
    pub(super) fn write(
        &self,
        results: impl Iterator<Item = io::Result<ImageResult>>,
    ) -> Result<(), Problem> {
        let mut copied: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for result in results {
            let result = result.map_err(Problem::not_carried_out)?;
            if result.action == Action::Pulled {
                let before = if result.tag.contains(':') { '@' } else { ':' };
                let source = format!("{}{before}{}", result.image, result.tag);
                copied.entry(source).or_default().push(result.target);
            }
        }
        let written = self.file.write(|out| match self.form {
            ImagesForm::Json => {
                serde_json::to_writer_pretty(&mut *out, &copied)?;
                writeln!(out)
            }
            ImagesForm::Yaml => serde_yaml_ng::to_writer(out, &copied).map_err(io::Error::other),
        });
        written.map_err(Problem::not_carried_out)
    }
}
