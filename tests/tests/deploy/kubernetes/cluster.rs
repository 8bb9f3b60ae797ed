//! Pods without a cluster: each container runs as a process with its own command, environment, user and volumes, where
//! secrets and configs are folders, and is asked by its own probes.
//!
//! What is not as in a cluster: a Service's name leads to a loopback address, which also stands in place of the addresses that
//! a pod listens on; sources are where the test says; and the cache is a docker-registry.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use image_sync_tests::containers::{Container, Mount, Network, USER};
use image_sync_tests::{Ended, Running, ask};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::manifests::{Pod, arguments, items, text, variable};
use crate::files::{REGISTRY, local, text_of};

const BINARY: &str = env!("CARGO_BIN_EXE_image-sync-under-test");
const CACHE: &str = "image-cache.image-cache.svc.cluster.local";
/// A namespace with its configs, secrets and volumes, and the pods of it that run.
pub(super) struct Cluster {
    folder: TempDir,
    network: Network,
    _cache: Running,
    pods: Vec<RunningPod>,
}

struct RunningPod {
    place: String,
    running: Running,
}

impl Cluster {
    /// A cluster with a cache, and nothing else.
    pub(super) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let mut network = Network::default();
        let address = network.join(CACHE);
        let config = folder.path().join("registry.yaml");
        fs::write(&config, local(REGISTRY, address)).unwrap();
        let data = folder.path().join("cache");
        fs::create_dir(&data).unwrap();
        let cache = Container {
            command: ["docker-registry", "serve", "/registry.yaml"]
                .map(String::from)
                .into(),
            mounts: vec![
                mount(config, "/registry.yaml", true),
                mount(data, "/cache", false),
            ],
            user: USER,
            ..Container::default()
        };
        Self {
            _cache: cache.start(BINARY),
            folder,
            network,
            pods: Vec::new(),
        }
    }

    /// Gives a ConfigMap or Secret the keys of these files.
    pub(super) fn put(&self, name: &str, files: &[(&str, &str)]) {
        let folder = self.object(name);
        fs::create_dir_all(&folder).unwrap();
        for (key, content) in files {
            fs::write(folder.join(key), content).unwrap();
        }
    }

    /// Gives a Secret the files of a folder, as `kubectl create secret generic --from-file` does.
    pub(super) fn put_folder(&self, name: &str, folder: &std::path::Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            let key = file.file_name().unwrap().to_str().unwrap();
            self.put(name, &[(key, &fs::read_to_string(&file).unwrap())]);
        }
    }

    /// Starts a pod that others know by the name of its Service, and waits until it is ready by its own probes.
    pub(super) async fn start_pod(&mut self, pod: &Pod, service: &str) -> Ipv4Addr {
        let address = self.network.join(service);
        let container = self.container(pod, address);
        let mut running = container.start(BINARY);
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            probed(pod, probe, address, &mut running).await;
        }
        let place = pod.place.clone();
        self.pods.push(RunningPod { place, running });
        address
    }

    /// Runs a pod of a Job to its end.
    pub(super) async fn run_pod(&mut self, pod: &Pod) -> Ended {
        let address = self.network.join("job");
        self.container(pod, address).run(BINARY).await
    }

    /// Runs a command of an operator, from outside, who has these credentials.
    pub(super) async fn operator(&self, line: &str, password: &str) -> Ended {
        let nats = self.network.address("nats");
        let variables = [
            ("NATS_URL", format!("nats://{nats}:4222")),
            ("NATS_PASSWORD", password.to_owned()),
        ];
        let who = "--nats-user operator --nats-inbox-prefix _INBOX_operator";
        let command = format!("image-sync {line} {who}");
        let container = Container {
            command: command.split_whitespace().map(str::to_owned).collect(),
            environment: variables
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            user: USER,
            ..Container::default()
        };
        container.run(BINARY).await
    }

    /// The address of the first pod of a Service.
    pub(super) fn address(&self, name: &str) -> Ipv4Addr {
        self.network.address(name)
    }

    /// Ends all pods as kubelet does, the last one first, and says which of ours did not end with exit code 0.
    pub(super) async fn end(mut self) -> Vec<String> {
        let mut refused = Vec::new();
        while let Some(RunningPod { place, running }) = self.pods.pop() {
            running.signal("TERM").await;
            let ended = running.ended().await;
            if !place.contains("StatefulSet nats") && ended.code != Some(0) {
                refused.push(format!("{place}: {ended:#?}"));
            }
        }
        refused
    }

    /// The folder of a ConfigMap, a Secret or a claim.
    fn object(&self, name: &str) -> PathBuf {
        self.folder.path().join("objects").join(name)
    }

    fn container(&self, pod: &Pod, address: Ipv4Addr) -> Container {
        let containers = pod.containers();
        assert_eq!(containers.len(), 1, "{}", pod.place);
        let container = containers[0];
        let security = &container["securityContext"];
        let hosts = self.written("hosts", &self.network.hosts_file());
        let mut mounts = vec![mount(hosts, "/etc/hosts", true)];
        mounts.extend(self.mounts(pod, container, address));
        // What is mounted in another mount comes after that.
        mounts.sort_by_key(|mount| mount.target.len());
        let user = &pod.spec()["securityContext"]["runAsUser"];
        Container {
            command: command(container, address),
            environment: environment(container),
            mounts,
            tmpfs: Vec::new(),
            read_only: security["readOnlyRootFilesystem"] == true,
            offline: false,
            user: user
                .as_u64()
                .map_or(USER, |user| u32::try_from(user).unwrap()),
        }
    }

    fn mounts(&self, pod: &Pod, container: &Value, address: Ipv4Addr) -> Vec<Mount> {
        let mut mounts = Vec::new();
        for mounted in items(&container["volumeMounts"]) {
            let name = text(mounted, "/name");
            let source = match pod.volume(name) {
                Some(volume) => self.volume(volume, &pod.place, address),
                None => self.claim(name),
            };
            let read_only = mounted["readOnly"] == true;
            mounts.push(mount(source, text(mounted, "/mountPath"), read_only));
        }
        mounts
    }

    /// The folder of a volume, which is empty for a secret that may be missing, and is.
    fn volume(&self, volume: &Value, place: &str, address: Ipv4Addr) -> PathBuf {
        let folder = self.folder.path().join("pods").join(address.to_string());
        let folder = folder.join(text(volume, "/name"));
        if let Some(name) = volume.pointer("/persistentVolumeClaim/claimName") {
            return self.claim(name.as_str().unwrap());
        }
        let sources = match volume.pointer("/projected/sources") {
            Some(sources) => items(sources),
            None => vec![volume],
        };
        fs::create_dir_all(&folder).unwrap();
        for source in sources {
            let names = ["/configMap/name", "/secret/secretName", "/secret/name"];
            let Some(name) = names.iter().find_map(|name| source.pointer(name)) else {
                assert!(!volume["emptyDir"].is_null(), "{place}: {volume}");
                continue;
            };
            let object = self.object(name.as_str().unwrap());
            if !object.exists() {
                assert_eq!(source["secret"]["optional"], true, "{place}: no {name}");
                continue;
            }
            let keys = items(&source["secret"]["items"]);
            for entry in fs::read_dir(object).unwrap() {
                let file = entry.unwrap().path();
                let key = file.file_name().unwrap().to_str().unwrap();
                if keys.is_empty() || keys.iter().any(|item| item["key"] == key) {
                    let content = fs::read_to_string(&file).unwrap();
                    // Sources of the test are at 127.0.0.1, and stay so.
                    let content = content.replace("0.0.0.0", &address.to_string());
                    fs::write(folder.join(key), content).unwrap();
                }
            }
        }
        folder
    }

    /// The folder of a claim, which outlasts its pods.
    fn claim(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join("claims").join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn written(&self, name: &str, content: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, content).unwrap();
        file
    }
}

/// The image's entrypoint, and its arguments, else those of the image.
fn command(container: &Value, address: Ipv4Addr) -> Vec<String> {
    let image = text(container, "/image");
    let entrypoint = if image.starts_with("nats:") {
        "nats-server"
    } else {
        "image-sync"
    };
    let mut words = vec![entrypoint];
    let arguments = arguments(container);
    if arguments.is_empty() {
        let dockerfile = text_of("deploy/Dockerfile");
        assert!(dockerfile.contains("\nCMD [\"sync\"]\n"));
        words.push("sync");
    }
    words.extend(arguments);
    words.iter().map(|word| local(word, address)).collect()
}

fn environment(container: &Value) -> BTreeMap<String, String> {
    let variables = items(&container["env"]).into_iter().map(|entry| {
        let name = text(entry, "/name");
        let value = variable(container, name).unwrap_or("pod-0");
        (name.to_owned(), value.to_owned())
    });
    variables.collect()
}

/// Asks a pod as its probe does, until it answers 200.
async fn probed(pod: &Pod, probe: &str, address: Ipv4Addr, running: &mut Running) {
    let (container, place) = (pod.containers()[0], &pod.place);
    let Some(get) = container.pointer(&format!("/{probe}/httpGet")) else {
        return;
    };
    let mut ports = items(&container["ports"]).into_iter();
    let port = ports.find(|port| port["name"] == get["port"]).unwrap();
    let place_asked = format!("{address}:{}", port["containerPort"]);
    let path = text(get, "/path");
    let ask_it = async || {
        let connected = TcpStream::connect(&place_asked).await;
        connected.map_err(|error| error.to_string())?;
        match ask(&place_asked, "GET", path, "", "").await {
            (200, _) => Ok(()),
            (status, why) => Err(format!("{probe}: {status}: {why}")),
        }
    };
    running.is_healthy(place, ask_it).await;
}

fn mount(source: PathBuf, target: &str, read_only: bool) -> Mount {
    Mount {
        source,
        target: target.to_owned(),
        read_only,
    }
}
