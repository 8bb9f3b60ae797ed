//! The environment variables of the tools whose place this program takes.

use std::path::PathBuf;

use image_sync_shared::secret::Secret;

use crate::process::exit::Problem;

/// What they say. A variable that is set to nothing counts as not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SyncerEnvironment {
    /// `SYNCER_IMAGES_FILE` (Kyma).
    pub(crate) images_file: Option<PathBuf>,
    /// `SYNCER_TARGET_REPO_AUTH_KEY` (Kyma).
    pub(crate) target_repo_auth_key: Option<PathBuf>,
    /// `SYNCER_TARGET_REPO_PREFIX` (Kyma).
    pub(crate) target_repo_prefix: Option<String>,
    /// `SYNCER_ACCESS_TOKEN` (Kyma).
    pub(crate) access_token: Option<Secret>,
    /// `SYNCER_DRY_RUN` (Kyma).
    pub(crate) dry_run: Option<String>,
    /// `SYNCER_DEBUG` (Kyma).
    pub(crate) debug: Option<String>,
    /// `DEFAULT_REGISTRY` (Aliyun).
    pub(crate) default_registry: Option<String>,
    /// `DEFAULT_NAMESPACE` (Aliyun).
    pub(crate) default_namespace: Option<String>,
}

impl SyncerEnvironment {
    /// What `text` knows of them.
    pub(super) fn of(text: impl Fn(&'static str) -> Option<String>) -> Self {
        Self {
            images_file: text("SYNCER_IMAGES_FILE").map(PathBuf::from),
            target_repo_auth_key: text("SYNCER_TARGET_REPO_AUTH_KEY").map(PathBuf::from),
            target_repo_prefix: text("SYNCER_TARGET_REPO_PREFIX"),
            access_token: text("SYNCER_ACCESS_TOKEN").map(Secret::new),
            dry_run: text("SYNCER_DRY_RUN"),
            debug: text("SYNCER_DEBUG"),
            default_registry: text("DEFAULT_REGISTRY"),
            default_namespace: text("DEFAULT_NAMESPACE"),
        }
    }

    /// Whether `SYNCER_DRY_RUN` asks for a dry run.
    pub(crate) fn dry_run(&self) -> Result<bool, Problem> {
        truth("SYNCER_DRY_RUN", self.dry_run.as_deref())
    }

    /// Whether `SYNCER_DEBUG` asks for more of the log.
    pub(crate) fn debug(&self) -> Result<bool, Problem> {
        truth("SYNCER_DEBUG", self.debug.as_deref())
    }
}

/// Words for truth values as Go's tools take them.
fn truth(name: &str, value: Option<&str>) -> Result<bool, Problem> {
    match value {
        None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some(other) => Err(Problem::usage(format!(
            "{name}: found {other:?}, expected true or false"
        ))),
    }
}
