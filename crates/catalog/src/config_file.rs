//! Config files: YAML or JSON text to [`Config`].
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
//! defaults: { platform: all }             # for the images of this file
//! include: [teams/*.yaml]                 # more files with images, defaults and include
//! lists: [images.txt]                     # files with one reference a line, or - for the standard input
//! registries:                             # optional, by host; by HOST/PATH for credentials
//!   docker.io:
//!     username: me
//!     password_file: /run/secrets/hub     # or password, or password_env: the name of a variable
//!                                         # or token, token_file or token_env in place of both
//!     mirrors: ["mirror.example:5000"]    # or endpoint: https://mirror.example/path
//!     plain_http: false
//!     insecure: false
//!     ca_file: /etc/ssl/private-ca.pem
//!     cert_dir: /etc/ssl/quay             # a folder with *.crt, and NAME.cert with NAME.key
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
//! - `defaults` has what the images of a file have that say nothing themselves; `include` names more files of images, with
//!   defaults of their own, relative to the file that names them.
//! - `${NAME}` in a value is a variable of the environment. What it stands for is text, whatever it looks like.
//! - YAML anchors and aliases work, and so do merge keys (`<<`). Keys that begin with `x-` are the user's.
//! - An image that is named twice is worked once, with a warning. Two different images for one target are an error.

mod convert;
mod error;
mod excerpt;
mod files;
mod lists;
mod parsing;
mod reading;

#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::Path;

use image_sync_shared::config::Config;

use crate::document::Variables;

pub use crate::dialects::native::{SCHEMA, registry_host};
pub use crate::dialects::{AliyunOptions, DialectOptions, Format};
pub use crate::images::{Images, Sources};
pub use convert::{Converted, convert};
pub use error::ConfigError;

use lists::Lists;
use reading::{Folder, Reading};

/// How the standard input is called where a config is asked for.
pub const STDIN: &str = "-";
/// How it is called in messages.
pub const STDIN_NAME: &str = "<stdin>";

/// A config, its images, and what its author should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The config.
    pub config: Config,
    /// The catalog.
    pub images: Images,
    /// What is accepted, but probably not meant: one sentence each, that begins with the file.
    pub warnings: Vec<String>,
    /// What its author should know of names in the cache, if anything: one sentence, for where images are worked.
    pub naming: Option<String>,
}

/// How a config is read, beside the file itself.
pub struct Input<'a> {
    /// The variables of the environment.
    pub variables: Variables<'a>,
    /// How the file is written, and what a command line says beside it.
    pub dialect: &'a DialectOptions,
    /// What has the list `-` of images; it is read only if there is that list. None for who needs no images.
    pub stdin: Option<&'a mut dyn Read>,
}

/// Reads and parses the file at `path`, and the files that it includes.
pub fn load(path: &Path, input: Input<'_>) -> Result<Parsed, ConfigError> {
    let Input {
        variables,
        dialect,
        stdin,
    } = input;
    let name = path.display().to_string();
    let text = files::read(path);
    let folder = Folder::Of(path.parent().unwrap_or(Path::new("")));
    let lists = stdin.map_or_else(Lists::without_stdin, Lists::of_stdin);
    parse_with(name, text, Reading::new(folder, variables, dialect, lists))
}

/// Reads and parses what stdin has. Files that it includes are relative to the current directory.
pub fn load_stdin(
    stdin: &mut dyn Read,
    dialect: &DialectOptions,
    variables: Variables<'_>,
) -> Result<Parsed, ConfigError> {
    let text = files::read_all(stdin);
    let (folder, lists) = (Folder::Of(Path::new("")), Lists::behind_config());
    let reading = Reading::new(folder, variables, dialect, lists);
    parse_with(STDIN_NAME.to_owned(), text, reading)
}

/// The config in `text` alone: no variable is set, and there are no files to include. `file` names it in errors and
/// warnings.
pub fn parse(text: &str, file: &str) -> Result<Parsed, ConfigError> {
    let text = Ok(text.to_owned());
    let dialect = DialectOptions::default();
    let lists = Lists::without_stdin();
    let reading = Reading::new(Folder::None, &|_| None, &dialect, lists);
    parse_with(file.to_owned(), text, reading)
}

/// The config in `text` alone, written as `dialect` says; no variable is set.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn parse_as(
    text: &str,
    file: &str,
    dialect: &DialectOptions,
) -> Result<Parsed, ConfigError> {
    let lists = Lists::without_stdin();
    let reading = Reading::new(Folder::None, &|_| None, dialect, lists);
    parse_with(file.to_owned(), Ok(text.to_owned()), reading)
}

/// What a text alone is in this program's own form.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn convert_alone(
    text: &str,
    file: &str,
    dialect: &DialectOptions,
) -> Result<Converted, ConfigError> {
    convert::convert_text(file.to_owned(), text.to_owned(), Folder::None, dialect)
}

/// The config where there is none: what holds where a file says nothing. It has no images.
pub fn usual() -> Result<Config, ConfigError> {
    let says_nothing = "{cache_registry: localhost, images: []}";
    parse(says_nothing, "no config").map(|parsed| parsed.config)
}

fn parse_with(
    name: String,
    text: Result<String, String>,
    mut reading: Reading<'_, '_>,
) -> Result<Parsed, ConfigError> {
    reading.read_first(name, text);
    reading.finish()
}
