//! Which of Docker's and podman's files there are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::CredentialEnv;
use super::auth_file::AuthFile;
use crate::client::SetupError;

/// A file that may hold credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    /// The variable that names it; where there is none it need not exist.
    named_by: Option<&'static str>,
}

/// A file that does.
pub(super) struct Loaded {
    pub(super) path: PathBuf,
    pub(super) content: AuthFile,
}

/// The files to look in, in this order: Docker's, then podman's.
pub(super) fn candidates(env: &CredentialEnv) -> Vec<Candidate> {
    let named = |path: PathBuf, variable| Candidate {
        path,
        named_by: Some(variable),
    };
    let usual = |folder: &Option<PathBuf>, file: &str| {
        let path = folder.as_ref()?.join(file);
        Some(Candidate {
            path,
            named_by: None,
        })
    };
    let docker = match &env.docker_config {
        Some(folder) => Some(named(folder.join("config.json"), "DOCKER_CONFIG")),
        None => usual(&env.home, ".docker/config.json"),
    };
    let podman = match &env.registry_auth_file {
        Some(file) => vec![named(file.clone(), "REGISTRY_AUTH_FILE")],
        None => [
            usual(&env.xdg_runtime_dir, "containers/auth.json"),
            usual(&env.home, ".config/containers/auth.json"),
        ]
        .into_iter()
        .flatten()
        .collect(),
    };
    docker.into_iter().chain(podman).collect()
}

/// Reads them. A file that a variable names must be there; any file that is there must be readable.
pub(super) fn load(candidates: &[Candidate]) -> Result<Vec<Loaded>, SetupError> {
    let loaded = candidates
        .iter()
        .map(|candidate| load_one(candidate).transpose());
    loaded.flatten().collect()
}

fn load_one(candidate: &Candidate) -> Result<Option<Loaded>, SetupError> {
    let refuse = |problem: String| SetupError::new(place(candidate), problem);
    let text = match fs::read_to_string(&candidate.path) {
        Ok(text) => text,
        Err(error) if is_missing(&error) && candidate.named_by.is_none() => return Ok(None),
        Err(error) => return Err(refuse(format!("cannot be read: {error}"))),
    };
    let content = AuthFile::parse(&text).map_err(refuse)?;
    Ok(Some(Loaded {
        path: candidate.path.clone(),
        content,
    }))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn place(candidate: &Candidate) -> String {
    let path: &Path = &candidate.path;
    match candidate.named_by {
        Some(variable) => format!("{} (from {variable})", path.display()),
        None => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(env: &CredentialEnv) -> Vec<String> {
        let candidates = candidates(env);
        candidates.iter().map(place).collect()
    }

    #[test]
    fn dockers_file_comes_before_podmans() {
        let mut env = CredentialEnv {
            home: Some("/home/u".into()),
            ..CredentialEnv::default()
        };
        assert_eq!(
            paths(&env),
            [
                "/home/u/.docker/config.json",
                "/home/u/.config/containers/auth.json"
            ]
        );
        env.xdg_runtime_dir = Some("/run/user/1".into());
        assert_eq!(paths(&env)[1], "/run/user/1/containers/auth.json");
        env.docker_config = Some("/docker".into());
        env.registry_auth_file = Some("/auth.json".into());
        assert_eq!(
            paths(&env),
            [
                "/docker/config.json (from DOCKER_CONFIG)",
                "/auth.json (from REGISTRY_AUTH_FILE)"
            ]
        );
        assert!(paths(&CredentialEnv::default()).is_empty());
    }

    #[test]
    fn a_file_may_be_missing_unless_a_variable_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut env = CredentialEnv {
            home: Some(folder.path().to_owned()),
            ..CredentialEnv::default()
        };
        assert!(load(&candidates(&env)).unwrap().is_empty());
        env.docker_config = Some(folder.path().to_owned());
        let error = load(&candidates(&env)).err().unwrap().to_string();
        assert!(
            error.contains("config.json (from DOCKER_CONFIG): cannot be read"),
            "{error}"
        );
        fs::write(folder.path().join("config.json"), "{").unwrap();
        let error = load(&candidates(&env)).err().unwrap().to_string();
        assert!(error.contains("line 1 column 1: not valid JSON"), "{error}");
        fs::create_dir_all(folder.path().join(".docker/config.json")).unwrap();
        env.docker_config = None;
        let error = load(&candidates(&env)).err().unwrap().to_string();
        assert!(
            error.contains(".docker/config.json: cannot be read"),
            "{error}"
        );
    }
}
