//! The manifests, and the pods that they lead to.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::Value;

use crate::files::repository;

/// An object as a file has it.
#[derive(Clone, Debug)]
pub(super) struct Manifest {
    /// The file, below the folder that was asked for.
    pub(super) file: String,
    /// What it says.
    pub(super) object: Value,
}

impl Manifest {
    pub(super) fn kind(&self) -> &str {
        text(&self.object, "/kind")
    }

    pub(super) fn name(&self) -> &str {
        text(&self.object, "/metadata/name")
    }

    /// What an assertion calls it.
    pub(super) fn place(&self) -> String {
        format!("{}: {} {}", self.file, self.kind(), self.name())
    }
}

/// Every pod that a manifest leads to.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    /// What an assertion calls it.
    pub(super) place: String,
    /// Whether it goes on until somebody ends it.
    pub(super) goes_on: bool,
    /// The template: its metadata and its spec.
    pub(super) template: Value,
    /// The spec of the Job that it belongs to, if it does.
    pub(super) job: Option<Value>,
}

impl Pod {
    /// Its spec.
    pub(super) fn spec(&self) -> &Value {
        &self.template["spec"]
    }

    /// Its containers, those of the start included.
    pub(super) fn containers(&self) -> Vec<&Value> {
        let of = |key: &str| items(&self.spec()[key]);
        [of("initContainers"), of("containers")].concat()
    }

    /// Its role.
    pub(super) fn component(&self) -> &str {
        let labels = &self.template["metadata"]["labels"];
        labels["app.kubernetes.io/component"].as_str().unwrap()
    }

    /// The volume of a name.
    pub(super) fn volume(&self, name: &str) -> Option<&Value> {
        let mut volumes = items(&self.spec()["volumes"]).into_iter();
        volumes.find(|volume| volume["name"] == name)
    }
}

/// All objects under deploy/kubernetes.
pub(super) fn manifests() -> Vec<Manifest> {
    let all = manifests_below("deploy/kubernetes");
    assert!(all.len() > 20, "only {} objects were found", all.len());
    all
}

/// All objects below a folder of the repository, without what is for kustomize.
pub(super) fn manifests_below(folder: &str) -> Vec<Manifest> {
    let documents = documents_below(&repository(folder));
    let objects = documents.into_iter().filter(|Manifest { object, .. }| {
        object["kind"].is_string()
            && object["apiVersion"] != KUSTOMIZATION
            && object["apiVersion"] != COMPONENT
    });
    objects.collect()
}

const KUSTOMIZATION: &str = "kustomize.config.k8s.io/v1beta1";
const COMPONENT: &str = "kustomize.config.k8s.io/v1alpha1";

/// What is for kustomize.
pub(super) fn kustomizations() -> Vec<Manifest> {
    let documents = documents_below(&repository("deploy/kubernetes"));
    let of_kustomize = documents
        .into_iter()
        .filter(|Manifest { file, .. }| file.ends_with("kustomization.yaml"));
    of_kustomize.collect()
}

/// The pods of all manifests.
pub(super) fn pods() -> Vec<Pod> {
    pods_of(&manifests())
}

/// The pods of these manifests.
pub(super) fn pods_of(manifests: &[Manifest]) -> Vec<Pod> {
    manifests.iter().filter_map(pod_of).collect()
}

fn pod_of(manifest: &Manifest) -> Option<Pod> {
    let spec = &manifest.object["spec"];
    let (goes_on, job) = match manifest.kind() {
        "CronJob" => (false, Some(spec["jobTemplate"]["spec"].clone())),
        "Job" => (false, Some(spec.clone())),
        "Deployment" | "StatefulSet" => (true, None),
        "DaemonSet" | "ReplicaSet" | "Pod" => panic!("{}: not looked into here", manifest.place()),
        _ => return None,
    };
    let owner = job.as_ref().unwrap_or(spec);
    Some(Pod {
        place: manifest.place(),
        goes_on,
        template: owner["template"].clone(),
        job,
    })
}

/// The documents of all YAML files below a folder, sorted by their paths.
fn documents_below(folder: &Path) -> Vec<Manifest> {
    let mut files = files_below(folder);
    files.sort();
    let read = |path: PathBuf| {
        let file = path.strip_prefix(folder).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        let objects = documents(&text, &file);
        objects.into_iter().map(move |object| Manifest {
            file: file.clone(),
            object,
        })
    };
    files.into_iter().flat_map(read).collect()
}

/// The documents of a YAML text.
pub(super) fn documents(text: &str, file: &str) -> Vec<Value> {
    let documents = serde_yaml_ng::Deserializer::from_str(text);
    let parse =
        |document| Value::deserialize(document).unwrap_or_else(|error| panic!("{file}: {error}"));
    documents.map(parse).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            files.push(path);
        }
    }
    files
}

/// The items of a list, none if there is no list.
pub(super) fn items(value: &Value) -> Vec<&Value> {
    value
        .as_array()
        .map(|list| list.iter().collect())
        .unwrap_or_default()
}

/// A text that has to be there.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no text at {pointer} of {value}"))
}

/// The value of a variable of a container.
pub(super) fn variable<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    let mut variables = items(&container["env"]).into_iter();
    let found = variables.find(|variable| variable["name"] == name)?;
    found["value"].as_str()
}

/// The arguments of a container.
pub(super) fn arguments(container: &Value) -> Vec<&str> {
    items(&container["args"])
        .into_iter()
        .filter_map(Value::as_str)
        .collect()
}
