//! The files of the repository, and what is changed in them where there are no containers.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// A docker-registry that stands for the cache: at the same port, with its images in `/cache`.
pub(crate) const REGISTRY: &str = "version: 0.1
storage: {filesystem: {rootdirectory: /cache}, delete: {enabled: true}}
http: {addr: '0.0.0.0:5000'}
";

/// The folder of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A file or folder of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    root().join(path)
}

/// The text of a file of the repository.
pub(crate) fn text_of(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Without a network of its own, a container listens on its address alone, and is asked there.
pub(crate) fn local(text: &str, address: Ipv4Addr) -> String {
    let address = address.to_string();
    text.replace("0.0.0.0", &address)
        .replace("127.0.0.1", &address)
}
