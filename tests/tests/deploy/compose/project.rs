//! A compose file, brought up without an engine: its services are started in the order of `depends_on`, each with its own
//! command, environment, volumes and user, and waited for by their health checks.
//!
//! What is not as with an engine: programs that cannot be had here are replaced by [`REPLACED`], a service's name leads to
//! a loopback address, which also stands in place of the addresses that it listens on, and sources are where the test says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use image_sync_tests::containers::{Container, Mount, Network, USER};
use image_sync_tests::{Ended, Running};
use serde_yaml_ng::Value;
use tempfile::TempDir;

use super::service::{Condition, Service, Volume};
use crate::files::{REGISTRY, local, text_of};

const BINARY: &str = env!("CARGO_BIN_EXE_image-sync-under-test");
/// The services of a file, and those of them that run.
pub(super) struct Project {
    services: BTreeMap<String, Service>,
    network: Network,
    folder: TempDir,
    /// What stands in place of what in files that services see.
    replaced: Vec<(String, String)>,
    running: BTreeMap<String, Vec<(Ipv4Addr, Running)>>,
    completed: BTreeSet<String>,
}

impl Project {
    /// Reads the file; sources in the files that it mounts are replaced by these.
    pub(super) fn read(sources: &[(&str, &str)]) -> Self {
        let text = text_of("compose.yaml");
        let mut file: Value = serde_yaml_ng::from_str(&text).unwrap();
        // A merged mapping may merge another one.
        while format!("{file:?}").contains("\"<<\"") {
            file.apply_merge().unwrap();
        }
        let services = serde_yaml_ng::from_value(file["services"].clone()).unwrap();
        Self {
            services,
            network: Network::default(),
            folder: TempDir::new().unwrap(),
            replaced: sources
                .iter()
                .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
                .collect(),
            running: BTreeMap::new(),
            completed: BTreeSet::new(),
        }
    }

    /// All services.
    pub(super) fn services(&self) -> &BTreeMap<String, Service> {
        &self.services
    }

    /// The services that start where no profile is named.
    pub(super) fn usual(&self) -> Vec<String> {
        let usual = self
            .services
            .iter()
            .filter(|(_, it)| it.profiles.is_empty());
        usual.map(|(name, _)| name.clone()).collect()
    }

    /// Starts these services and what they depend on, unless they were started.
    pub(super) async fn up(&mut self, names: &[impl AsRef<str>]) {
        let names: Vec<_> = names.iter().map(|name| name.as_ref().to_owned()).collect();
        for name in self.in_order(&names) {
            if self.running.contains_key(&name) || self.completed.contains(&name) {
                continue;
            }
            let service = self.services[&name].clone();
            for (needed, condition) in &service.depends_on {
                self.wait_for(needed, condition.condition).await;
            }
            self.start(&name).await;
        }
    }

    /// Starts one more container of a service, and waits until it is healthy if it can tell.
    pub(super) async fn start(&mut self, name: &str) -> Ipv4Addr {
        let address = self.network.join(name);
        let container = self.container(name, address);
        let running = container.start(BINARY);
        let containers = self.running.entry(name.to_owned()).or_default();
        containers.push((address, running));
        if self.services[name].healthcheck.is_some() {
            self.healthy(name, address).await;
        }
        address
    }

    /// Whether a service was started.
    pub(super) fn is_running(&self, name: &str) -> bool {
        self.running.contains_key(name)
    }

    /// The containers of a service that were started.
    pub(super) fn running(&mut self, name: &str) -> &mut Vec<(Ipv4Addr, Running)> {
        self.running.get_mut(name).unwrap()
    }

    /// Runs a command in a new container of a service, as `docker compose run --rm` does.
    pub(super) async fn run(&mut self, name: &str, line: &str) -> Ended {
        let address = self.network.join(name);
        let mut container = self.container(name, address);
        container.command.truncate(1);
        container
            .command
            .extend(line.split_whitespace().map(str::to_owned));
        container.run(BINARY).await
    }

    /// The first address of a service.
    pub(super) fn address(&self, name: &str) -> Ipv4Addr {
        self.network.address(name)
    }

    /// A file that a service sees, as it is on this machine.
    pub(super) fn file_of(&self, name: &str, path: &str) -> PathBuf {
        let container = self.container(name, Ipv4Addr::LOCALHOST);
        let mut mounts = container.mounts.iter();
        mounts
            .find_map(|mount| {
                let rest = Path::new(path).strip_prefix(&mount.target).ok()?;
                Some(mount.source.join(rest))
            })
            .unwrap()
    }

    /// Ends all services, the last ones first, as `docker compose down` does, and says which did not end by themselves with
    /// exit code 0 although SIGTERM asks them to.
    pub(super) async fn down(mut self) -> Vec<String> {
        let names: Vec<_> = self.services.keys().cloned().collect();
        let mut order = self.in_order(&names);
        order.reverse();
        let mut refused = Vec::new();
        for name in order {
            for (_, running) in self.running.remove(&name).unwrap_or_default() {
                let is_ours = self.services[&name].is_ours();
                running.signal("TERM").await;
                let ended = running.ended().await;
                if is_ours && ended.code != Some(0) {
                    refused.push(format!("{name}: {ended:#?}"));
                }
            }
        }
        refused
    }

    /// Services and what they depend on, each one after what it depends on.
    fn in_order(&self, names: &[String]) -> Vec<String> {
        let mut order: Vec<String> = Vec::new();
        let mut open: Vec<String> = names.iter().rev().cloned().collect();
        while let Some(name) = open.last().cloned() {
            let mut needed = self.services[&name].depends_on.keys();
            if let Some(needed) = needed.find(|needed| !order.contains(needed)) {
                open.push(needed.clone());
                continue;
            }
            open.pop();
            if !order.contains(&name) {
                order.push(name);
            }
        }
        order
    }

    async fn wait_for(&mut self, name: &str, condition: Condition) {
        match condition {
            // What can tell whether it is healthy was waited for when it was started.
            Condition::Started | Condition::Healthy => {
                assert!(self.running.contains_key(name), "{name} was not started");
            }
            Condition::CompletedSuccessfully => self.completed(name).await,
        }
    }

    /// Waits until a service has done what it does once.
    pub(super) async fn completed(&mut self, name: &str) {
        for (_, running) in self.running.remove(name).unwrap_or_default() {
            let ended = running.ended().await;
            assert_eq!(ended.code, Some(0), "{name}: {ended:#?}");
        }
        self.completed.insert(name.to_owned());
    }

    /// Asks a container how it is, as an engine does, until it is well.
    async fn healthy(&mut self, name: &str, address: Ipv4Addr) {
        let check = self.services[name].healthcheck.as_ref().unwrap();
        let mut container = self.container(name, address);
        container.command = check.command(address);
        let mut containers = self.running.get_mut(name).unwrap().iter_mut();
        let (_, running) = containers.find(|(at, _)| *at == address).unwrap();
        let ask = async || {
            let ended = container.run(BINARY).await;
            let is_well = ended.code == Some(0);
            is_well.then_some(()).ok_or_else(|| format!("{ended:#?}"))
        };
        running.is_healthy(name, ask).await;
    }

    fn container(&self, name: &str, address: Ipv4Addr) -> Container {
        let service = &self.services[name];
        let mut mounts = vec![self.written("hosts", &self.network.hosts_file(), "/etc/hosts")];
        let volumes = service.volumes.iter().map(|it| Volume::parse(it));
        mounts.extend(volumes.map(|volume| self.mount(volume, name, address)));
        if name == "cache" {
            let config = local(REGISTRY, address);
            mounts.push(self.written("cache.yaml", &config, "/etc/cache.yaml"));
        }
        Container {
            command: service.command(address),
            environment: service.environment(),
            mounts,
            tmpfs: service.tmpfs(),
            read_only: service.read_only,
            offline: service.network_mode.as_deref() == Some("none"),
            user: USER,
        }
    }

    fn mount(&self, volume: Volume, name: &str, address: Ipv4Addr) -> Mount {
        let Volume {
            source,
            target,
            read_only,
        } = volume;
        if let Some(file) = source.strip_prefix("./") {
            let text = text_of(file);
            let text = self
                .replaced
                .iter()
                .fold(local(&text, address), |text, (from, to)| {
                    text.replace(from, to)
                });
            assert!(read_only, "{file} can be written by {name}");
            return self.written(&format!("{name}-{address}{target}"), &text, &target);
        }
        let folder = self.folder.path().join("volumes").join(source);
        fs::create_dir_all(&folder).unwrap();
        Mount {
            source: folder,
            target,
            read_only,
        }
    }

    /// A file of the test's own that is seen at `target`.
    fn written(&self, name: &str, text: &str, target: &str) -> Mount {
        let source = self.folder.path().join("files").join(name);
        fs::create_dir_all(source.parent().unwrap()).unwrap();
        fs::write(&source, text).unwrap();
        Mount {
            source,
            target: target.to_owned(),
            read_only: true,
        }
    }
}
