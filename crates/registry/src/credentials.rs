//! Who we are to a registry: the config's own user names and passwords, then Docker's and podman's.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// What credentials take from the environment. The CLI reads it; nothing here does.
#[derive(Clone, Default)]
pub struct CredentialEnv {
    /// DOCKER_CONFIG: the folder of Docker's `config.json`.
    pub docker_config: Option<PathBuf>,
    /// HOME.
    pub home: Option<PathBuf>,
    /// XDG_RUNTIME_DIR.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// REGISTRY_AUTH_FILE: podman's `auth.json`.
    pub registry_auth_file: Option<PathBuf>,
    /// PATH, in which credential helpers are looked for; none for that of this process.
    pub path: Option<OsString>,
    /// Looks up the variables that `password_env` names.
    pub variable: Option<Arc<dyn Fn(&str) -> Option<String> + Send + Sync>>,
}
