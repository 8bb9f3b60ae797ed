//! Which images of the config a run is about.

mod failed_images;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use image_sync_catalog::config_file::{Images, STDIN, STDIN_NAME};
use image_sync_catalog::selection;
use tracing::{info, warn};

use crate::process::exit::Problem;

/// Options of commands that start a run of the config.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChoiceArgs {
    /// Only images whose `source:tag` matches, as in '*nginx*'
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Option<String>,
    /// Only images that failed in this report of a run, or have no result there; - for stdin
    #[arg(long, value_name = "REPORT")]
    pub(crate) only_failed: Option<PathBuf>,
}

impl ChoiceArgs {
    /// Those of the config in `file` that are asked for.
    pub(crate) fn choose(&self, file: &Path, images: Images) -> Result<Images, Problem> {
        let only = self.only.as_deref();
        let Some(report) = self.only_failed.as_deref() else {
            return selection::choose(images, only).map_err(Problem::usage);
        };
        if report == Path::new(STDIN) && file == Path::new(STDIN_NAME) {
            return Err(Problem::usage(
                "--only-failed -: the config is read from stdin already, expected a file for one of them",
            ));
        }
        let failed = failed_images::read(report).map_err(Problem::usage)?;
        let failed = Arc::new(failed);
        let chosen = selection::choose_listed(images, only, &failed);
        let (images, missing) = chosen.map_err(Problem::usage)?;
        if failed.is_empty() {
            info!(report = %report.display(), "nothing to do: no image failed in this report");
        }
        for sentence in missing {
            warn!("{sentence}");
        }
        Ok(images)
    }
}
