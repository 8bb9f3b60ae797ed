//! What every pod has to keep to: the restricted profile of Kubernetes, and what an installation of months needs besides.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::manifests::{Pod, arguments, documents, items, kustomizations, manifests, pods, text};
use crate::files::text_of;

/// What a role takes to end after its grace time: to give jobs back, and to send its last spans.
const LAST_WORDS: Duration = Duration::from_secs(3 + 3);
/// The grace time of roles that have no jobs in hand.
const GRACE: Duration = Duration::from_secs(5);

fn each_container(check: impl Fn(&str, &Value)) {
    for pod in pods() {
        for container in pod.containers() {
            check(
                &format!("{}, container {}", pod.place, container["name"]),
                container,
            );
        }
    }
}

#[test]
fn every_pod_keeps_to_the_restricted_profile() {
    for pod in pods() {
        let context = &pod.spec()["securityContext"];
        assert_eq!(context["runAsNonRoot"], true, "{}", pod.place);
        assert_eq!(context["runAsUser"], 65532, "{}", pod.place);
        assert_eq!(context["runAsGroup"], 65532, "{}", pod.place);
        assert_eq!(
            context["seccompProfile"]["type"], "RuntimeDefault",
            "{}",
            pod.place
        );
    }
    each_container(|place, container| {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false, "{place}");
        assert_eq!(context["readOnlyRootFilesystem"], true, "{place}");
        assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{place}");
        for weaker in [
            "privileged",
            "runAsUser",
            "runAsNonRoot",
            "seccompProfile",
            "procMount",
        ] {
            assert!(context[weaker].is_null(), "{place}: {weaker} is set again");
        }
    });
}

#[test]
fn the_namespace_refuses_what_is_not_restricted() {
    let all = manifests();
    let namespaces: Vec<_> = all
        .iter()
        .filter(|manifest| manifest.kind() == "Namespace")
        .collect();
    assert_eq!(namespaces.len(), 1);
    let labels = &namespaces[0].object["metadata"]["labels"];
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
}

#[test]
fn no_pod_reaches_into_its_node_or_asks_kubernetes() {
    for pod in pods() {
        let spec = pod.spec();
        assert_eq!(spec["automountServiceAccountToken"], false, "{}", pod.place);
        assert_eq!(
            spec["enableServiceLinks"], false,
            "{}: services would become variables",
            pod.place
        );
        for shared in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(spec[shared].is_null(), "{}: {shared}", pod.place);
        }
        for volume in items(&spec["volumes"]) {
            let kinds: BTreeSet<&str> = volume
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            let known = [
                "name",
                "configMap",
                "secret",
                "emptyDir",
                "persistentVolumeClaim",
                "projected",
            ];
            let others: Vec<_> = kinds.difference(&BTreeSet::from(known)).copied().collect();
            assert!(others.is_empty(), "{}: a volume is {others:?}", pod.place);
        }
    }
    for manifest in manifests() {
        if manifest.kind() == "ServiceAccount" {
            assert_eq!(
                manifest.object["automountServiceAccountToken"],
                false,
                "{}",
                manifest.place()
            );
        }
        let gives_rights = ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"];
        assert!(
            !gives_rights.contains(&manifest.kind()),
            "{}",
            manifest.place()
        );
    }
}

/// The limit of CPU is left out on purpose: who is throttled in the middle of a transfer runs into time-outs.
#[test]
fn every_container_has_requests_and_a_limit_of_memory() {
    each_container(|place, container| {
        let resources = &container["resources"];
        for pointer in ["/requests/cpu", "/requests/memory", "/limits/memory"] {
            assert!(
                resources.pointer(pointer).is_some(),
                "{place}: no {pointer}"
            );
        }
    });
    for pod in pods() {
        for volume in items(&pod.spec()["volumes"]) {
            let folder = &volume["emptyDir"];
            assert!(
                folder.is_null() || folder["sizeLimit"].is_string(),
                "{}: {volume} may fill the node",
                pod.place
            );
        }
    }
}

#[test]
fn containers_that_go_on_are_probed() {
    for pod in pods().iter().filter(|pod| pod.goes_on) {
        for container in pod.containers() {
            let paths = |probe: &str| text(container, &format!("/{probe}/httpGet/path")).to_owned();
            let probes = ["startupProbe", "livenessProbe", "readinessProbe"].map(paths);
            if container["image"] == "image-sync" {
                assert_eq!(probes, ["/livez", "/livez", "/readyz"], "{}", pod.place);
            }
        }
    }
}

#[test]
fn jobs_end_and_are_cleaned_up() {
    for pod in pods() {
        let Some(job) = &pod.job else { continue };
        assert_eq!(pod.spec()["restartPolicy"], "Never", "{}", pod.place);
        assert!(
            job["activeDeadlineSeconds"].is_u64(),
            "{}: it may hang for ever",
            pod.place
        );
        assert!(job["backoffLimit"].is_u64(), "{}", pod.place);
    }
    for manifest in manifests() {
        let spec = &manifest.object["spec"];
        match manifest.kind() {
            "Job" => assert!(
                spec["ttlSecondsAfterFinished"].is_u64(),
                "{}: it cannot be applied again",
                manifest.place()
            ),
            "CronJob" => {
                assert_eq!(spec["concurrencyPolicy"], "Forbid", "{}", manifest.place());
                for key in [
                    "startingDeadlineSeconds",
                    "successfulJobsHistoryLimit",
                    "failedJobsHistoryLimit",
                ] {
                    assert!(spec[key].is_u64(), "{}: no {key}", manifest.place());
                }
            }
            _ => {}
        }
    }
}

/// What a container may take to end of itself after its SIGTERM, and before that in its preStop hook.
fn time_to_end(container: &Value) -> Duration {
    let arguments = arguments(container);
    let grace = arguments.iter().position(|argument| *argument == "--grace");
    let grace = grace.map_or(GRACE, |at| duration(arguments[at + 1]));
    let pause = container
        .pointer("/lifecycle/preStop/sleep/seconds")
        .and_then(Value::as_u64);
    grace + LAST_WORDS + Duration::from_secs(pause.unwrap_or(0))
}

fn duration(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.len() - 1);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => panic!("{text} is no duration"),
    };
    Duration::from_secs(number.parse::<u64>().unwrap() * seconds)
}

fn grace_period(pod: &Pod) -> Duration {
    let seconds = pod.spec()["terminationGracePeriodSeconds"].as_u64();
    Duration::from_secs(seconds.unwrap_or_else(|| panic!("{}: no grace period", pod.place)))
}

#[test]
fn grace_periods_are_longer_than_the_drain() {
    for pod in pods() {
        for container in pod.containers() {
            let (has, needs) = (grace_period(&pod), time_to_end(container));
            assert!(has > needs, "{}: {has:?} for {needs:?}", pod.place);
        }
        if ["worker", "sync"].contains(&pod.component()) {
            let says_it = arguments(pod.containers()[0]).contains(&"--grace");
            assert!(says_it, "{}: its grace time is not to be seen", pod.place);
        }
    }
}

#[test]
fn jobs_have_more_time_than_a_run() {
    let config = text_of("deploy/kubernetes/base/config.yaml");
    let config = &documents(&config, "config.yaml")[0];
    let run = duration(text(config, "/settings/run_timeout"));
    // A producer gives up a minute and a half after the deadline of its run.
    let needed = run + Duration::from_secs(90);
    for pod in pods() {
        let Some(job) = pod.job.as_ref().filter(|_| pod.component() != "provision") else {
            continue;
        };
        let deadline = Duration::from_secs(job["activeDeadlineSeconds"].as_u64().unwrap());
        assert!(
            deadline > needed,
            "{}: {deadline:?} for {needed:?}",
            pod.place
        );
    }
}

#[test]
fn no_secret_has_its_content_here() {
    for manifest in manifests() {
        assert_ne!(manifest.kind(), "Secret", "{}", manifest.place());
    }
    for kustomization in kustomizations() {
        assert!(
            kustomization.object["secretGenerator"].is_null(),
            "{}",
            kustomization.file
        );
    }
    each_container(|place, container| {
        for variable in items(&container["env"]) {
            let name = text(variable, "/name");
            let is_secret = ["PASSWORD", "TOKEN", "SECRET", "KEY"]
                .iter()
                .any(|word| name.ends_with(word));
            assert!(
                !is_secret || variable["value"].is_null(),
                "{place}: {name} has its value here"
            );
        }
    });
}

#[test]
fn every_image_has_a_version() {
    each_container(|place, container| {
        let image = text(container, "/image");
        match image.split_once(':') {
            Some((_, tag)) => assert_ne!(tag, "latest", "{place}"),
            // Kustomize puts the tag behind it.
            None => assert_eq!(image, "image-sync", "{place}: no tag"),
        }
        assert!(container["imagePullPolicy"].is_null(), "{place}");
    });
    let all = kustomizations();
    let overlays: Vec<_> = all
        .iter()
        .filter(|found| found.file.starts_with("overlays/"))
        .collect();
    assert_eq!(overlays.len(), 2);
    for overlay in overlays {
        let images = json!([{"name": "image-sync", "newTag": env!("CARGO_PKG_VERSION")}]);
        assert_eq!(overlay.object["images"], images, "{}", overlay.file);
    }
    let chart = text_of("deploy/helm/image-sync/Chart.yaml");
    let chart = &documents(&chart, "Chart.yaml")[0];
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}
