//! Folders with the certificates for one host each, as Docker and skopeo have them: `certs.d/HOST[:PORT]/`, with
//! authorities in `*.crt`, and client certificates in `NAME.cert` with their keys in `NAME.key`
//! (containers-certs.d(5)).

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use image_sync_shared::image::reference::{DOCKER_HUB, DOCKER_HUB_API};
use image_sync_shared::panics::lock;
use reqwest::Url;

use crate::http::SetupError;

/// Knows which folder there is for a host.
pub(crate) struct HostCertificates {
    /// Where the folders of hosts are, the first one that has one for a host being the only one for it.
    roots: Vec<PathBuf>,
    known: Mutex<HashMap<String, Option<Arc<Path>>>>,
}

/// What is in the folder of a host.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct InFolder {
    /// PEM files with certificates to trust.
    pub(crate) authorities: Vec<PathBuf>,
    /// PEM files with a client certificate and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

impl HostCertificates {
    pub(crate) fn new(roots: Vec<PathBuf>) -> Self {
        Self {
            roots,
            known: Mutex::default(),
        }
    }

    /// The folder for the host and port of `url`, looked for once.
    pub(crate) fn folder(&self, url: &Url) -> Option<Arc<Path>> {
        if self.roots.is_empty() {
            return None;
        }
        let names = names(url);
        let mut known = lock(&self.known);
        let key = names.join(" ");
        let found = known.entry(key).or_insert_with(|| self.look_for(&names));
        found.clone()
    }

    fn look_for(&self, names: &[String]) -> Option<Arc<Path>> {
        let folders = self
            .roots
            .iter()
            .flat_map(|root| names.iter().map(|name| root.join(name)));
        let mut there = folders.filter(|folder| match fs::read_dir(folder) {
            Ok(_) => true,
            Err(error) => {
                if error.kind() == io::ErrorKind::PermissionDenied {
                    tracing::warn!(folder = %folder.display(), "permission to read this folder is denied, so that certificates in it are not used");
                }
                false
            }
        });
        there.next().map(Arc::from)
    }
}

/// Whether there is such a folder, as far as one may know: one that cannot be looked at is an error once it is read.
pub(crate) fn is_there(folder: &Path) -> bool {
    folder.try_exists().unwrap_or(true)
}

/// What is in `folder`. Half of a pair is an error, as with Docker.
pub(crate) fn read(folder: &Path) -> Result<InFolder, SetupError> {
    let refuse =
        |path: &Path, problem: String| SetupError::new(path.display().to_string(), problem);
    let unreadable = |error: io::Error| refuse(folder, format!("cannot be read: {error}"));
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        files.insert(entry.map_err(unreadable)?.path());
    }
    let of_kind = |kind: &str| {
        let kind = kind.to_owned();
        files.iter().filter(move |path| {
            path.extension()
                .is_some_and(|extension| *extension == *kind)
        })
    };
    for (kind, partner) in [("cert", "key"), ("key", "cert")] {
        for path in of_kind(kind) {
            let missing = path.with_extension(partner);
            if !files.contains(&missing) {
                let missing = missing.display();
                let hint = "authorities are in files with names in .crt";
                return Err(refuse(
                    path,
                    format!("expected {missing} beside it; {hint}"),
                ));
            }
        }
    }
    Ok(InFolder {
        authorities: of_kind("crt").cloned().collect(),
        identity: of_kind("cert")
            .next()
            .map(|path| (path.clone(), path.with_extension("key"))),
    })
}

/// The names under which the folder of a host may be.
fn names(url: &Url) -> Vec<String> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let with_port = format!("{host}:{port}");
    if url.port().is_some() {
        return vec![with_port];
    }
    let mut names = vec![host.to_owned(), with_port];
    if host == DOCKER_HUB_API {
        names.push(DOCKER_HUB.to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, file: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn the_first_root_that_has_a_folder_for_the_host_and_port_is_the_only_one() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (root, file) in [
            (&two, "r.example/ca.crt"),
            (&one, "r.example:5000/ca.crt"),
            (&two, "r.example:5000/ca.crt"),
            (&two, "docker.io/ca.crt"),
            (&two, "with-port.example:443/ca.crt"),
            (&two, "[::1]:5000/ca.crt"),
        ] {
            put(root.path(), file);
        }
        let roots = vec![
            one.path().to_owned(),
            "/missing".into(),
            two.path().to_owned(),
        ];
        let certificates = HostCertificates::new(roots);
        let folder = |url: &str| {
            let found = certificates.folder(&url.parse().unwrap());
            found.map(|folder| folder.to_path_buf())
        };
        let two = |name| Some(two.path().join(name));
        assert_eq!(
            folder("https://r.example:5000/v2/"),
            Some(one.path().join("r.example:5000"))
        );
        assert_eq!(folder("https://r.example/v2/"), two("r.example"));
        assert_eq!(
            folder("https://with-port.example"),
            two("with-port.example:443")
        );
        assert_eq!(folder("https://registry-1.docker.io"), two("docker.io"));
        assert_eq!(folder("https://[::1]:5000"), two("[::1]:5000"));
        assert_eq!(folder("https://r.example:5001"), None);
        assert_eq!(folder("https://other.example"), None);
    }

    #[test]
    fn authorities_and_pairs_are_told_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "b.crt",
            "a.crt",
            "client.cert",
            "client.key",
            "README",
            "x.pem",
        ] {
            put(folder.path(), file);
        }
        let path = |name| folder.path().join(name);
        let expected = InFolder {
            authorities: vec![path("a.crt"), path("b.crt")],
            identity: Some((path("client.cert"), path("client.key"))),
        };
        assert_eq!(read(folder.path()).unwrap(), expected);
    }

    #[test]
    fn half_of_a_pair_is_told_with_the_other_half() {
        for (there, missing) in [("client.cert", "client.key"), ("client.key", "client.cert")] {
            let folder = tempfile::tempdir().unwrap();
            put(folder.path(), there);
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(
                error.starts_with(&*folder.path().join(there).to_string_lossy()),
                "{error}"
            );
            assert!(error.contains(missing) && error.contains(".crt"), "{error}");
        }
    }
}
