//! A service of a compose file, as far as the files of this repository use the specification. A key that is not known here
//! is an error: what a test does not know of, it does not hold.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Deserialize;
use serde_yaml_ng::Value;

use crate::files::local;

/// What is started for an image that is not image-sync's: its entrypoint, or what does the same here.
const REPLACED: [(&str, &[&str], bool); 2] = [
    ("nats:", &["nats-server"], true),
    (
        "ghcr.io/project-zot/zot:",
        &["docker-registry", "serve", "/etc/cache.yaml"],
        false,
    ),
];

/// A service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    pub(super) image: String,
    #[serde(default)]
    pub(super) command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) depends_on: BTreeMap<String, DependsOn>,
    #[serde(default)]
    pub(super) volumes: Vec<String>,
    #[serde(default)]
    tmpfs: Vec<String>,
    pub(super) healthcheck: Option<Healthcheck>,
    #[serde(default)]
    pub(super) profiles: Vec<String>,
    #[serde(default)]
    pub(super) ports: Vec<String>,
    pub(super) network_mode: Option<String>,
    pub(super) user: String,
    pub(super) read_only: bool,
    pub(super) cap_drop: Vec<String>,
    pub(super) security_opt: Vec<String>,
    pub(super) restart: String,
    pub(super) deploy: Value,
    pub(super) stop_grace_period: Option<String>,
    pub(super) build: Option<Value>,
}

/// What another service has to be.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DependsOn {
    pub(super) condition: Condition,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(super) enum Condition {
    #[serde(rename = "service_started")]
    Started,
    #[serde(rename = "service_healthy")]
    Healthy,
    #[serde(rename = "service_completed_successfully")]
    CompletedSuccessfully,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Healthcheck {
    test: Vec<String>,
    #[serde(rename = "interval")]
    _interval: String,
    #[serde(rename = "timeout")]
    _timeout: String,
    #[serde(rename = "retries")]
    _retries: u32,
    #[serde(rename = "start_period")]
    _start_period: String,
}

/// `SOURCE:TARGET` or `SOURCE:TARGET:ro`.
pub(super) struct Volume {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) read_only: bool,
}

impl Service {
    /// Whether it runs image-sync.
    pub(super) fn is_ours(&self) -> bool {
        self.image == "${IMAGE_SYNC_IMAGE:-image-sync}"
    }

    /// The entrypoint of its image and its command.
    pub(super) fn command(&self, address: Ipv4Addr) -> Vec<String> {
        let replaced = REPLACED
            .iter()
            .find(|(image, ..)| self.image.starts_with(image));
        let (entrypoint, takes_command): (&[&str], _) =
            if let Some((_, entrypoint, takes)) = replaced {
                (entrypoint, *takes)
            } else {
                assert!(self.is_ours(), "nothing stands for {}", self.image);
                (&["image-sync"], true)
            };
        let entrypoint = entrypoint.iter().map(|word| (*word).to_owned());
        let command = self.command.iter().filter(|_| takes_command);
        entrypoint
            .chain(command.map(|word| local(word, address)))
            .collect()
    }

    /// Its environment, where nothing is set in that of who starts it.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        let set =
            |value: &String| match value.strip_prefix("${").and_then(|it| it.strip_suffix('}')) {
                Some(variable) => variable.split_once(":-").unwrap().1.to_owned(),
                None => value.clone(),
            };
        let variables = self.environment.iter();
        variables
            .map(|(name, value)| (name.clone(), set(value)))
            .collect()
    }

    /// The folders in memory, without their options.
    pub(super) fn tmpfs(&self) -> Vec<String> {
        let folder = |mount: &String| mount.split(':').next().unwrap().to_owned();
        self.tmpfs.iter().map(folder).collect()
    }
}

impl Healthcheck {
    pub(super) fn command(&self, address: Ipv4Addr) -> Vec<String> {
        let (kind, command) = self.test.split_first().unwrap();
        assert_eq!(kind, "CMD");
        command.iter().map(|word| local(word, address)).collect()
    }
}

impl Volume {
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = text.split(':');
        let (source, target) = (parts.next().unwrap(), parts.next().unwrap());
        let read_only = parts.next().is_some_and(|mode| mode == "ro");
        Self {
            source: source.to_owned(),
            target: target.to_owned(),
            read_only,
        }
    }
}
