//! Config files: YAML text to [`Config`].
//!
//! ```yaml
//! cache_registry: localhost:5000          # or harbor.example/mirror, or oci:FOLDER
//! images:
//!   - source: docker.io/library/nginx     # or nginx, or oci:FOLDER
//!     tag: 1.27-alpine                    # may stand in source instead: nginx:1.27-alpine
//!     cache_as: web/nginx
//!     platform: linux/amd64               # or all, or "linux/amd64,linux/arm64", or a list
//!     source_tls_verify: true
//!     cache_insecure: true
//! settings:                               # all optional, here with their defaults
//!   concurrency: 16
//!   pull_timeout_secs: 300
//!   skip_on_error: false
//!   default_platform: linux/amd64
//!   cache_insecure: true
//!   source_tls_verify: true
//!   stall_timeout: 60s                    # a duration as in 90s or 1h 30m, or a number of seconds
//!   run_timeout: 6h
//!   max_pause: 15m
//!   retry: { attempts: 4, initial_delay: 2s, max_delay: 60s }
//! registries:                             # optional, by host
//!   docker.io:
//!     username: me
//!     password_file: /run/secrets/hub     # or password, or password_env: the name of a variable
//!     mirrors: ["mirror.example:5000"]    # or endpoint: https://mirror.example/path
//!     plain_http: false
//!     insecure: false
//!     ca_file: /etc/ssl/private-ca.pem
//!     cert_file: /etc/ssl/client.pem      # only with key_file
//!     key_file: /etc/ssl/client.key
//!     token_realm: https://auth.example/token # a token server in another domain that gets the password
//!     allow_private: false                # whether it may lead to private and loopback addresses
//!     max_connections: 16
//!     chunk_size: 50MiB                   # or a number of bytes
//!     proxy: http://proxy.example:3128    # or none
//! ```
//!
//! - Folders and files in a config are relative to the current directory, not to the config.
//! - The name of an image in the cache is `cache_as`. Without it, it is the source as written, without `docker.io/`,
//!   `ghcr.io/`, `registry-1.docker.io/` or `registry.hub.docker.com/` before it; any other host stays (`quay.io/a/b`), in
//!   lower case and without its port, as neither can be part of a name (`localhost:5000/a` becomes `localhost/a`). For a
//!   folder it is the folder's last component. An IPv6 host cannot become a name: such a source needs `cache_as`.
//! - A source with a digest (`busybox@sha256:...`, or `tag: sha256:...`) is copied as that digest. The tag beside the
//!   digest (`busybox:1.36@sha256:...`, or `tag`) then names it in the cache; without one it has no tag there.
//! - `source_tls_verify: false` and `cache_insecure: true` leave TLS unverified, and allow plain HTTP where the host
//!   speaks no TLS.
//! - `preferred_tool` is accepted for the sake of older files and does nothing but a warning.
//! - YAML anchors and aliases work, and so do merge keys (`<<`) in an image and in a registry.
//! - An image that is named twice is worked once, with a warning. Two different images for one target are an error.

mod error;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

use image_sync_shared::config::Config;

use crate::dialects::native;
use crate::document;

pub use crate::dialects::native::registry_host;
pub use crate::images::Images;
pub use error::ConfigError;

const BYTE_ORDER_MARK: char = '\u{feff}';
const EXPECTED: &str = "expected a YAML config with cache_registry and images";

/// A config, its images, and what its author should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The config.
    pub config: Config,
    /// The catalog.
    pub images: Images,
    /// What is accepted, but probably not meant: one sentence each, that begins with the file.
    pub warnings: Vec<String>,
}

/// Reads and parses the file at `path`.
pub fn load(path: &Path) -> Result<Parsed, ConfigError> {
    parse(&read(path)?, &path.display().to_string())
}

/// Reads the file at `path`, which has to be UTF-8 text.
pub fn read(path: &Path) -> Result<String, ConfigError> {
    let file = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid]
            .split(|byte| *byte == b'\n')
            .count();
        ConfigError::whole(&file, format!("line {line} is not UTF-8 text, {EXPECTED}"))
    })
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    let found = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "this is a directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission to read this file is denied".to_owned(),
        _ => format!("this file cannot be read ({error})"),
    };
    ConfigError::whole(&path.display().to_string(), format!("{found}, {EXPECTED}"))
}

/// The config in `text`; `file` names it in errors and warnings.
pub fn parse(text: &str, file: &str) -> Result<Parsed, ConfigError> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let document = document::parse(text);
    let document = document.map_err(|problem| ConfigError::new(file, problem.into()))?;
    let Some(document) = document.filter(|document| !document.is_null()) else {
        let text = format!("the file is empty, {EXPECTED}");
        return Err(ConfigError::whole(file, text));
    };
    let native = native::read(&document).map_err(|problems| ConfigError::new(file, problems))?;
    let images = Images::settled(native.entries);
    let (images, of_images) = images.map_err(|problem| ConfigError::new(file, problem.into()))?;
    let warnings = native.warnings.iter().chain(&of_images);
    Ok(Parsed {
        config: native.config,
        images,
        warnings: warnings
            .map(|warning| format!("{file}: {warning}"))
            .collect(),
    })
}
