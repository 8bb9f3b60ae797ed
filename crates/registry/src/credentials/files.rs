//! Which of Docker's and podman's files there are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::CredentialEnv;
use super::auth_file::AuthFile;
use crate::http::SetupError;

/// What Docker calls the file in its folder, and what Kubernetes calls it in a secret that is mounted as one.
const IN_DOCKER_CONFIG: [&str; 2] = ["config.json", ".dockerconfigjson"];

/// A file that may hold credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Where it may be: the first one that is there.
    paths: Vec<PathBuf>,
    named_by: NamedBy,
}

/// Who says where a file is, and so whether it has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NamedBy {
    /// It is looked for in a usual place.
    Nobody,
    /// `DOCKER_CONFIG`, which names its folder. The folder may lack it.
    DockerConfig,
    /// `REGISTRY_AUTH_FILE`.
    RegistryAuthFile,
}

/// A file that does.
pub(super) struct Loaded {
    pub(super) path: PathBuf,
    pub(super) content: AuthFile,
}

/// The files to look in, in this order: Docker's, then podman's.
pub(super) fn candidates(env: &CredentialEnv) -> Vec<Candidate> {
    let usual = |folder: &Option<PathBuf>, file: &str| {
        let path = folder.as_ref()?.join(file);
        Some(Candidate {
            paths: vec![path],
            named_by: NamedBy::Nobody,
        })
    };
    let docker = match &env.docker_config {
        Some(folder) => Some(Candidate {
            paths: IN_DOCKER_CONFIG.map(|file| folder.join(file)).into(),
            named_by: NamedBy::DockerConfig,
        }),
        None => usual(&env.home, ".docker/config.json"),
    };
    let podman = match &env.registry_auth_file {
        Some(file) => vec![Candidate {
            paths: vec![file.clone()],
            named_by: NamedBy::RegistryAuthFile,
        }],
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

/// Leaves out, with a warning, what this user may not read in the usual places: it is another user's.
pub(super) fn permitted(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let (denied, permitted): (Vec<_>, Vec<_>) = candidates.into_iter().partition(is_denied);
    if !denied.is_empty() {
        let files: Vec<_> = denied
            .iter()
            .flat_map(|candidate| &candidate.paths)
            .map(|path| path.display().to_string())
            .collect();
        tracing::warn!(
            files = %files.join(", "),
            "permission to read these files is denied, so that credentials in them are not used"
        );
    }
    permitted
}

fn is_denied(candidate: &Candidate) -> bool {
    let denied = |path| {
        let opened = fs::File::open(path);
        opened.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    candidate.named_by == NamedBy::Nobody && candidate.paths.iter().any(denied)
}

/// Reads them. What a variable names must be there; any file that is there must be readable.
pub(super) fn load(candidates: &[Candidate]) -> Result<Vec<Loaded>, SetupError> {
    let loaded = candidates
        .iter()
        .map(|candidate| load_one(candidate).transpose());
    loaded.flatten().collect()
}

fn load_one(candidate: &Candidate) -> Result<Option<Loaded>, SetupError> {
    for path in &candidate.paths {
        let refuse = |problem| SetupError::new(place(path, candidate.named_by), problem);
        match fs::read_to_string(path) {
            Ok(text) => {
                let content = AuthFile::parse(&text).map_err(refuse)?;
                let path = path.clone();
                return Ok(Some(Loaded { path, content }));
            }
            Err(error) if is_missing(&error) && may_be_missing(path, candidate.named_by) => {}
            Err(error) => return Err(refuse(format!("cannot be read: {error}"))),
        }
    }
    Ok(None)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn may_be_missing(path: &Path, named_by: NamedBy) -> bool {
    match named_by {
        NamedBy::Nobody => true,
        NamedBy::DockerConfig => path.parent().is_some_and(Path::is_dir),
        NamedBy::RegistryAuthFile => false,
    }
}

fn place(path: &Path, named_by: NamedBy) -> String {
    let path = path.display();
    match named_by {
        NamedBy::Nobody => path.to_string(),
        NamedBy::DockerConfig => format!("{path} (from DOCKER_CONFIG)"),
        NamedBy::RegistryAuthFile => format!("{path} (from REGISTRY_AUTH_FILE)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(env: &CredentialEnv) -> Vec<String> {
        let candidates = candidates(env);
        let places = candidates.iter().flat_map(|candidate| {
            let named_by = candidate.named_by;
            candidate
                .paths
                .iter()
                .map(move |path| place(path, named_by))
        });
        places.collect()
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
                "/docker/.dockerconfigjson (from DOCKER_CONFIG)",
                "/auth.json (from REGISTRY_AUTH_FILE)"
            ]
        );
        assert!(paths(&CredentialEnv::default()).is_empty());
    }

    fn refused(env: &CredentialEnv) -> String {
        load(&candidates(env)).err().unwrap().to_string()
    }

    fn loaded(env: &CredentialEnv) -> Vec<PathBuf> {
        let loaded = load(&candidates(env)).unwrap();
        loaded.into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn a_file_in_a_usual_place_may_be_missing_but_not_broken() {
        let folder = tempfile::tempdir().unwrap();
        let env = CredentialEnv {
            home: Some(folder.path().to_owned()),
            ..CredentialEnv::default()
        };
        assert!(loaded(&env).is_empty());
        let file = folder.path().join(".docker/config.json");
        fs::create_dir_all(&file).unwrap();
        let error = refused(&env);
        assert!(
            error.contains(".docker/config.json: cannot be read"),
            "{error}"
        );
        fs::remove_dir(&file).unwrap();
        fs::write(&file, "{").unwrap();
        let error = refused(&env);
        assert!(error.contains("line 1 column 1: not valid JSON"), "{error}");
    }

    #[test]
    fn a_file_that_a_variable_names_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let env = CredentialEnv {
            registry_auth_file: Some(folder.path().join("auth.json")),
            ..CredentialEnv::default()
        };
        let error = refused(&env);
        assert!(
            error.contains("auth.json (from REGISTRY_AUTH_FILE): cannot be read"),
            "{error}"
        );
    }

    #[test]
    fn docker_config_names_a_folder_that_must_be_there_but_may_lack_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let mut env = CredentialEnv {
            docker_config: Some(folder.path().to_owned()),
            ..CredentialEnv::default()
        };
        assert!(loaded(&env).is_empty());
        put(".dockerconfigjson", "{}");
        assert_eq!(loaded(&env), [folder.path().join(".dockerconfigjson")]);
        put("config.json", "{}");
        assert_eq!(loaded(&env), [folder.path().join("config.json")]);
        put("config.json", "{");
        let error = refused(&env);
        assert!(error.contains("line 1 column 1: not valid JSON"), "{error}");
        for no_folder in ["no-such-folder", "config.json"] {
            env.docker_config = Some(folder.path().join(no_folder));
            let error = refused(&env);
            assert!(
                error.contains("config.json (from DOCKER_CONFIG): cannot be read"),
                "{error}"
            );
        }
    }
}
