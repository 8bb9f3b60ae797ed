//! The environment variables that the program knows. They are read here and nowhere else, but for those of OpenTelemetry,
//! which its SDK reads once traces are wanted.

mod syncers;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image_sync_registry::{CredentialEnv, ProxyEnv};
use image_sync_shared::secret::Secret;

use crate::process::exit::Problem;

pub(crate) use syncers::SyncerEnvironment;

/// What the environment says about the NATS server, as the tools of NATS understand it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NatsEnvironment {
    /// `NATS_URL`.
    pub(crate) url: Option<String>,
    /// `NATS_USER`.
    pub(crate) user: Option<String>,
    /// `NATS_PASSWORD`.
    pub(crate) password: Option<Secret>,
    /// `NATS_PASSWORD_FILE`: where it is, if it is not in the environment itself.
    pub(crate) password_file: Option<PathBuf>,
    /// `NATS_TOKEN`.
    pub(crate) token: Option<Secret>,
    /// `NATS_TOKEN_FILE`: where it is, if it is not in the environment itself.
    pub(crate) token_file: Option<PathBuf>,
    /// `NATS_NKEY`: the file with the seed of an nkey.
    pub(crate) nkey: Option<PathBuf>,
    /// `NATS_CREDS`: a credentials file.
    pub(crate) creds: Option<PathBuf>,
    /// `NATS_CA`: the authorities to trust.
    pub(crate) ca: Option<PathBuf>,
    /// `NATS_CERT`: the certificate of this client.
    pub(crate) cert: Option<PathBuf>,
    /// `NATS_KEY`: the key of this certificate.
    pub(crate) key: Option<PathBuf>,
    /// `NATS_INBOX_PREFIX`: where answers are received.
    pub(crate) inbox_prefix: Option<String>,
    /// `IMAGE_SYNC_PREFIX`: the installation at the server.
    pub(crate) prefix: Option<String>,
}

/// A variable that says what is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogVariable {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// What was found in the environment. A variable that is set to nothing counts as not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// `IMAGE_SYNC_CONFIG`: the config file.
    pub(crate) config: Option<PathBuf>,
    /// `IMAGE_SYNC_TARGET`: where images go of a config that does not say it.
    pub(crate) target: Option<String>,
    /// The variables of other tools.
    pub(crate) syncers: SyncerEnvironment,
    /// `IMAGE_SYNC_LOG`, else `RUST_LOG`: what is logged.
    pub(crate) log: Option<LogVariable>,
    /// `NO_COLOR` (no-color.org).
    pub(crate) no_color: bool,
    /// `TERM=dumb`, a terminal that cannot move its cursor, as in an editor; or `CI`, a log that looks like a terminal.
    pub(crate) dumb_terminal: bool,
    /// Whether traces are to be sent: an endpoint is named (`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`), and neither `OTEL_SDK_DISABLED` nor `OTEL_TRACES_EXPORTER` turns them off.
    pub(crate) traces_wanted: bool,
    /// That endpoint, which may have a password.
    pub(crate) traces_endpoint: Option<String>,
    /// `IMAGE_SYNC_ALLOW_TARGET`: where workers write besides the cache, with commas in between.
    pub(crate) allow_target: Option<String>,
    /// `IMAGE_SYNC_ALLOW_FOLDERS`: whether workers take folders from jobs.
    allow_folders: Option<String>,
    /// `IMAGE_SYNC_FACTS_KEY_FILE`: the secret that workers share.
    pub(crate) facts_key_file: Option<PathBuf>,
    /// The NATS server.
    pub(crate) nats: NatsEnvironment,
    /// `IMAGE_SYNC_STATE_DIR`: where facts are kept between runs.
    state_dir: Option<PathBuf>,
    /// `XDG_STATE_HOME` (XDG base directory specification), which has to be absolute.
    xdg_state_home: Option<PathBuf>,
    /// `HOME`.
    home: Option<PathBuf>,
    /// `PATH`, on which credential helpers are.
    path: Option<OsString>,
    /// `DOCKER_CONFIG`: the folder of Docker's `config.json`.
    docker_config: Option<PathBuf>,
    /// `REGISTRY_AUTH_FILE`: podman's `auth.json`.
    registry_auth_file: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, in which podman's `auth.json` usually is, and which has to be absolute.
    xdg_runtime_dir: Option<PathBuf>,
    /// `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, or the same in lower case.
    proxies: ProxyEnv,
}

/// Where Docker and skopeo look for the certificates of hosts, within the home first.
const CERTIFICATE_FOLDERS: [&str; 4] = [
    ".config/containers/certs.d",
    ".config/docker/certs.d",
    "/etc/containers/certs.d",
    "/etc/docker/certs.d",
];

impl Environment {
    /// Reads the environment of this process.
    pub(crate) fn of_process() -> Self {
        Self::from_variables(variable)
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        // An empty variable is as good as none: so say no-color.org and OpenTelemetry's specification.
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let path = |name| set(name).map(PathBuf::from);
        let text = |name| set(name).map(|value| value.to_string_lossy().into_owned());
        let either = |upper, lower| text(upper).or_else(|| text(lower));
        // A web server hands a header of its client over as HTTP_PROXY (RFC 3875, section 4.1.18).
        let http = match set("REQUEST_METHOD") {
            Some(_) => text("http_proxy"),
            None => either("HTTP_PROXY", "http_proxy"),
        };
        Self {
            config: path("IMAGE_SYNC_CONFIG"),
            target: text("IMAGE_SYNC_TARGET"),
            syncers: SyncerEnvironment::of(text),
            log: ["IMAGE_SYNC_LOG", "RUST_LOG"].into_iter().find_map(|name| {
                let value = text(name)?;
                Some(LogVariable { name, value })
            }),
            no_color: set("NO_COLOR").is_some(),
            dumb_terminal: set("TERM").is_some_and(|term| term == "dumb")
                || set("CI").is_some_and(|value| value != "false"),
            traces_wanted: traces_wanted(set),
            traces_endpoint: TRACES_ENDPOINTS.into_iter().find_map(text),
            allow_target: text("IMAGE_SYNC_ALLOW_TARGET"),
            allow_folders: text("IMAGE_SYNC_ALLOW_FOLDERS"),
            facts_key_file: path("IMAGE_SYNC_FACTS_KEY_FILE"),
            nats: NatsEnvironment {
                url: text("NATS_URL"),
                user: text("NATS_USER"),
                password: text("NATS_PASSWORD").map(Secret::new),
                password_file: path("NATS_PASSWORD_FILE"),
                token: text("NATS_TOKEN").map(Secret::new),
                token_file: path("NATS_TOKEN_FILE"),
                nkey: path("NATS_NKEY"),
                creds: path("NATS_CREDS"),
                ca: path("NATS_CA"),
                cert: path("NATS_CERT"),
                key: path("NATS_KEY"),
                inbox_prefix: text("NATS_INBOX_PREFIX"),
                prefix: text("IMAGE_SYNC_PREFIX"),
            },
            state_dir: path("IMAGE_SYNC_STATE_DIR"),
            // Of the variables of the XDG base directory specification relative paths are to be ignored.
            xdg_state_home: path("XDG_STATE_HOME").filter(|path| path.is_absolute()),
            home: path("HOME"),
            path: set("PATH"),
            docker_config: path("DOCKER_CONFIG"),
            registry_auth_file: path("REGISTRY_AUTH_FILE"),
            xdg_runtime_dir: path("XDG_RUNTIME_DIR").filter(|path| path.is_absolute()),
            proxies: ProxyEnv {
                http: http.map(Secret::new),
                https: either("HTTPS_PROXY", "https_proxy").map(Secret::new),
                all: either("ALL_PROXY", "all_proxy").map(Secret::new),
                no_proxy: either("NO_PROXY", "no_proxy"),
            },
        }
    }

    /// Whether workers take folders from jobs.
    pub(crate) fn allow_folders(&self) -> Result<bool, Problem> {
        match self.allow_folders.as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => Err(Problem::usage(format!(
                "IMAGE_SYNC_ALLOW_FOLDERS: found {other:?}, expected true or false"
            ))),
        }
    }

    /// What it says about proxies.
    pub(crate) fn proxies(&self) -> ProxyEnv {
        self.proxies.clone()
    }

    /// The folders that may have one with certificates for a host.
    pub(crate) fn certificate_folders(&self) -> Vec<PathBuf> {
        let home = self.home.as_deref();
        let within = CERTIFICATE_FOLDERS
            .iter()
            .map(Path::new)
            .filter_map(|folder| {
                if folder.is_absolute() {
                    Some(folder.to_owned())
                } else {
                    home.map(|home| home.join(folder))
                }
            });
        within.collect()
    }

    /// The folder for facts that are kept between runs, unless the command line names one. None without a home.
    pub(crate) fn state_dir(&self) -> Option<PathBuf> {
        let state_home = || {
            let of_home = self.home.as_ref().map(|home| home.join(".local/state"));
            self.xdg_state_home.clone().or(of_home)
        };
        self.state_dir
            .clone()
            .or_else(|| Some(state_home()?.join("image-sync")))
    }

    /// What credentials take from the environment.
    pub(crate) fn credentials(&self) -> CredentialEnv {
        CredentialEnv {
            docker_config: self.docker_config.clone(),
            home: self.home.clone(),
            xdg_runtime_dir: self.xdg_runtime_dir.clone(),
            registry_auth_file: self.registry_auth_file.clone(),
            path: self.path.clone(),
            variable: Some(Arc::new(variable_as_text)),
        }
    }
}

/// Where traces go, the more special variable first.
const TRACES_ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// OpenTelemetry's environment variable specification; unlike there, no endpoint means no traces.
fn traces_wanted(set: impl Fn(&'static str) -> Option<OsString>) -> bool {
    let is = |name, value: &str| set(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
    let named = TRACES_ENDPOINTS.into_iter().any(|name| set(name).is_some());
    named && !is("OTEL_SDK_DISABLED", "true") && !is("OTEL_TRACES_EXPORTER", "none")
}

/// A variable that a config names, unless it is no Unicode text.
pub(crate) fn variable_as_text(name: &str) -> Option<String> {
    variable(name)?.into_string().ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the edge that reads the environment"
)]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::from_variables(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let found = environment(&[("IMAGE_SYNC_CONFIG", ""), ("NO_COLOR", ""), ("HOME", "")]);
        assert_eq!(found, Environment::default());
    }

    #[test]
    fn the_state_folder_is_the_most_explicit_one() {
        let mut variables = vec![("HOME", "/home/u")];
        let state_dir = |variables: &[(&str, &str)]| environment(variables).state_dir();
        assert_eq!(state_dir(&[]), None);
        assert_eq!(
            state_dir(&variables),
            Some("/home/u/.local/state/image-sync".into())
        );
        variables.push(("XDG_STATE_HOME", "/var/state"));
        assert_eq!(state_dir(&variables), Some("/var/state/image-sync".into()));
        variables.push(("IMAGE_SYNC_STATE_DIR", "/srv/facts"));
        assert_eq!(state_dir(&variables), Some("/srv/facts".into()));
    }

    #[test]
    fn a_relative_state_home_is_ignored_as_the_xdg_specification_demands() {
        let found = environment(&[("XDG_STATE_HOME", "state"), ("HOME", "/home/u")]);
        assert_eq!(
            found.state_dir(),
            Some("/home/u/.local/state/image-sync".into())
        );
    }

    #[test]
    fn a_relative_runtime_dir_is_ignored_as_the_xdg_specification_demands() {
        let found = |dir| environment(&[("XDG_RUNTIME_DIR", dir)]).xdg_runtime_dir;
        assert_eq!(found("run/user/1000"), None);
        assert_eq!(found("/run/user/1000"), Some("/run/user/1000".into()));
    }

    #[test]
    fn a_terminal_is_dumb_when_it_says_so() {
        assert!(environment(&[("TERM", "dumb")]).dumb_terminal);
        assert!(!environment(&[("TERM", "xterm")]).dumb_terminal);
        assert!(environment(&[("TERM", "xterm"), ("CI", "true")]).dumb_terminal);
        assert!(!environment(&[("CI", "false")]).dumb_terminal);
        assert!(!environment(&[]).dumb_terminal);
    }

    #[test]
    fn traces_are_wanted_where_an_endpoint_is_named_and_nothing_turns_them_off() {
        let wanted = |variables: &[(&str, &str)]| environment(variables).traces_wanted;
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        assert!(!wanted(&[("OTEL_SERVICE_NAME", "mirror")]));
        assert!(wanted(&[endpoint]));
        assert!(wanted(&[(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://a/b"
        )]));
        assert!(wanted(&[endpoint, ("OTEL_SDK_DISABLED", "false")]));
        assert!(!wanted(&[endpoint, ("OTEL_SDK_DISABLED", "True")]));
        assert!(!wanted(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]));
    }

    #[test]
    fn proxies_may_be_named_in_either_case_and_the_upper_one_counts() {
        let proxies = |variables: &[(&str, &str)]| environment(variables).proxies();
        let lower = [
            ("http_proxy", "http://a:1"),
            ("https_proxy", "http://b:2"),
            ("all_proxy", "http://c:3"),
            ("no_proxy", "d"),
        ];
        let found = proxies(&lower);
        assert_eq!(found.http, Some(Secret::new("http://a:1")));
        assert_eq!(found.https, Some(Secret::new("http://b:2")));
        assert_eq!(found.all, Some(Secret::new("http://c:3")));
        assert_eq!(found.no_proxy.as_deref(), Some("d"));
        let upper = [
            ("HTTP_PROXY", "http://e:4"),
            ("HTTPS_PROXY", ""),
            ("NO_PROXY", "f"),
        ];
        let found = proxies(&[&lower[..], &upper[..]].concat());
        assert_eq!(found.http, Some(Secret::new("http://e:4")));
        assert_eq!(found.https, Some(Secret::new("http://b:2")));
        assert_eq!(found.no_proxy.as_deref(), Some("f"));
        let of_a_client = proxies(&[("HTTP_PROXY", "http://e:4"), ("REQUEST_METHOD", "GET")]);
        assert_eq!(of_a_client.http, None);
    }

    #[test]
    fn certificates_of_hosts_are_looked_for_in_the_home_first() {
        let folders = environment(&[("HOME", "/home/u")]).certificate_folders();
        let first = Path::new("/home/u/.config/containers/certs.d");
        assert_eq!((folders.len(), folders[0].as_path()), (4, first));
        let without_home = environment(&[]).certificate_folders();
        assert_eq!(
            without_home,
            ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from)
        );
    }

    #[test]
    fn the_own_log_variable_goes_before_the_common_one() {
        let log = |variables: &[(&str, &str)]| {
            let found = environment(variables).log.unwrap();
            (found.name, found.value)
        };
        assert_eq!(
            log(&[("RUST_LOG", "debug"), ("IMAGE_SYNC_LOG", "warn")]),
            ("IMAGE_SYNC_LOG", "warn".to_owned())
        );
        assert_eq!(
            log(&[("RUST_LOG", "debug")]),
            ("RUST_LOG", "debug".to_owned())
        );
    }
}
