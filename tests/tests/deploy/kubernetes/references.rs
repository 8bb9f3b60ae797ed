//! What manifests name of each other: no schema knows whether it is there.

use std::collections::BTreeSet;

use serde_json::Value;

use super::manifests::{Manifest, Pod, items, kustomizations, manifests, pods, text};

fn names_of(kind: &str, manifests: &[Manifest]) -> BTreeSet<String> {
    let of_kind = manifests.iter().filter(|manifest| manifest.kind() == kind);
    of_kind.map(|manifest| manifest.name().to_owned()).collect()
}

/// Whether `matchLabels` and `matchExpressions` (`In` alone) choose who has `labels`.
fn chooses(selector: &Value, labels: &Value) -> bool {
    let has = |(key, value): (&String, &Value)| labels[key] == *value;
    let exactly = selector["matchLabels"]
        .as_object()
        .is_none_or(|wanted| wanted.iter().all(has));
    let one_of = |expression: &&Value| {
        assert_eq!(expression["operator"], "In");
        items(&expression["values"]).contains(&&labels[text(expression, "/key")])
    };
    exactly && items(&selector["matchExpressions"]).iter().all(one_of)
}

#[test]
fn what_is_mounted_is_there() {
    let all = manifests();
    let generated: BTreeSet<String> = kustomizations()
        .iter()
        .flat_map(|found| {
            items(&found.object["configMapGenerator"])
                .into_iter()
                .map(|map| text(map, "/name").to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    for pod in pods() {
        let config_maps = |source: &Value| {
            let name = source["configMap"]["name"].as_str();
            assert!(
                name.is_none_or(|name| generated.contains(name)),
                "{}: no {name:?}",
                pod.place
            );
        };
        for volume in items(&pod.spec()["volumes"]) {
            config_maps(volume);
            items(&volume["projected"]["sources"])
                .into_iter()
                .for_each(config_maps);
            let claim = volume["persistentVolumeClaim"]["claimName"].as_str();
            assert!(
                claim.is_none_or(|name| names_of("PersistentVolumeClaim", &all).contains(name)),
                "{}",
                pod.place
            );
        }
        let account = text(pod.spec(), "/serviceAccountName");
        assert!(
            names_of("ServiceAccount", &all).contains(account),
            "{}",
            pod.place
        );
    }
}

#[test]
fn every_mount_has_its_volume_and_every_volume_its_mount() {
    for manifest in manifests() {
        let Some(pod) = super::manifests::pods_of(std::slice::from_ref(&manifest)).pop() else {
            continue;
        };
        let claims = items(&manifest.object["spec"]["volumeClaimTemplates"]);
        let claims = claims
            .into_iter()
            .map(|claim| text(claim, "/metadata/name"));
        let volumes = items(&pod.spec()["volumes"])
            .into_iter()
            .map(|volume| text(volume, "/name"));
        let volumes: BTreeSet<&str> = volumes.chain(claims).collect();
        let mounts = pod
            .containers()
            .into_iter()
            .flat_map(|container| items(&container["volumeMounts"]));
        let mounts: BTreeSet<&str> = mounts.map(|mount| text(mount, "/name")).collect();
        assert_eq!(volumes, mounts, "{}", pod.place);
    }
}

/// What cannot be written must not look as if it could.
#[test]
fn secrets_and_configs_are_mounted_read_only() {
    for pod in pods() {
        for container in pod.containers() {
            for mount in items(&container["volumeMounts"]) {
                let Some(volume) = pod.volume(text(mount, "/name")) else {
                    continue;
                };
                let is_read_only = ["secret", "configMap", "projected"]
                    .iter()
                    .any(|kind| !volume[kind].is_null());
                assert_eq!(
                    mount["readOnly"] == true,
                    is_read_only,
                    "{}: {mount}",
                    pod.place
                );
            }
        }
    }
}

#[test]
fn probes_ask_ports_that_are_named() {
    for pod in pods() {
        for container in pod.containers() {
            let ports: Vec<&str> = items(&container["ports"])
                .into_iter()
                .map(|port| text(port, "/name"))
                .collect();
            for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                let port = container[probe]["httpGet"]["port"].as_str();
                assert!(
                    port.is_none_or(|port| ports.contains(&port)),
                    "{}: {probe}",
                    pod.place
                );
            }
        }
    }
}

#[test]
fn selectors_choose_pods() {
    let pods = pods();
    for manifest in manifests() {
        let spec = &manifest.object["spec"];
        let selector = match manifest.kind() {
            "Deployment" | "StatefulSet" | "PodDisruptionBudget" | "PodMonitor" => {
                spec["selector"].clone()
            }
            "Service" => serde_json::json!({"matchLabels": spec["selector"]}),
            "NetworkPolicy" => spec["podSelector"].clone(),
            _ => continue,
        };
        let chosen = pods
            .iter()
            .filter(|pod| chooses(&selector, &pod.template["metadata"]["labels"]));
        let chosen: Vec<&str> = chosen.map(Pod::component).collect();
        assert!(!chosen.is_empty(), "{} chooses nothing", manifest.place());
        if [
            "Deployment",
            "StatefulSet",
            "PodDisruptionBudget",
            "Service",
        ]
        .contains(&manifest.kind())
        {
            let own = text(
                &manifest.object,
                "/metadata/labels/app.kubernetes.io~1component",
            );
            assert_eq!(chosen, [own], "{}", manifest.place());
        }
    }
}

#[test]
fn services_and_the_ingress_lead_to_ports_that_are_there() {
    let all = manifests();
    for manifest in all.iter().filter(|manifest| manifest.kind() == "Service") {
        let selector = serde_json::json!({"matchLabels": manifest.object["spec"]["selector"]});
        let pods = pods();
        let pod = pods
            .iter()
            .find(|pod| chooses(&selector, &pod.template["metadata"]["labels"]))
            .unwrap();
        let ports = pod
            .containers()
            .into_iter()
            .flat_map(|container| items(&container["ports"]));
        let ports: Vec<&str> = ports.map(|port| text(port, "/name")).collect();
        for port in items(&manifest.object["spec"]["ports"]) {
            assert!(
                ports.contains(&text(port, "/targetPort")),
                "{}: {port}",
                manifest.place()
            );
        }
    }
    let ingress = all
        .iter()
        .find(|manifest| manifest.kind() == "Ingress")
        .unwrap();
    let mut paths = Vec::new();
    for path in items(&ingress.object["spec"]["rules"][0]["http"]["paths"]) {
        paths.push(text(path, "/path"));
        let service = text(path, "/backend/service/name");
        assert!(names_of("Service", &all).contains(service), "{service}");
    }
    // Neither metrics nor probes are for everybody.
    assert_eq!(paths, ["/v1/hooks", "/v1/enqueue"]);
}

#[test]
fn roles_that_have_several_pods_are_spread_and_kept_while_nodes_are_drained() {
    let budgets = names_of("PodDisruptionBudget", &manifests());
    for manifest in manifests()
        .iter()
        .filter(|manifest| manifest.kind() == "Deployment")
    {
        assert!(budgets.contains(manifest.name()), "{}", manifest.place());
        let spread = &manifest.object["spec"]["template"]["spec"]["topologySpreadConstraints"][0];
        let labels = &manifest.object["spec"]["template"]["metadata"]["labels"];
        assert_eq!(
            spread["topologyKey"],
            "kubernetes.io/hostname",
            "{}",
            manifest.place()
        );
        assert!(
            chooses(&spread["labelSelector"], labels),
            "{}",
            manifest.place()
        );
    }
}

/// Every pod is denied all traffic, and gets back what its role needs and no more.
#[test]
fn the_network_is_closed_but_for_what_each_role_needs() {
    let all = manifests();
    let policies: Vec<_> = all
        .iter()
        .filter(|manifest| manifest.kind() == "NetworkPolicy")
        .collect();
    for pod in pods() {
        let of_pod = policies.iter().filter(|policy| {
            chooses(
                &policy.object["spec"]["podSelector"],
                &pod.template["metadata"]["labels"],
            )
        });
        let names: BTreeSet<&str> = of_pod.map(|policy| policy.name()).collect();
        let needs: &[&str] = match pod.component() {
            "sync" => &["image-sync-registries"],
            "provision" => &["image-sync-to-nats"],
            "producer" => &["image-sync-registries", "image-sync-to-nats"],
            "worker" => &[
                "image-sync-registries",
                "image-sync-to-nats",
                "image-sync-metrics",
            ],
            "aggregator" => &["image-sync-to-nats", "image-sync-metrics"],
            "webhook" => &["image-sync-to-nats", "image-sync-webhook"],
            "nats" => &["image-sync-nats"],
            other => panic!("{}: {other}", pod.place),
        };
        let all_have = ["image-sync-default-deny", "image-sync-dns"];
        let wanted: BTreeSet<&str> = needs.iter().copied().chain(all_have).collect();
        assert_eq!(names, wanted, "{}", pod.place);
    }
    let deny = policies
        .iter()
        .find(|policy| policy.name() == "image-sync-default-deny")
        .unwrap();
    let spec = &deny.object["spec"];
    assert_eq!(
        spec["policyTypes"],
        serde_json::json!(["Ingress", "Egress"])
    );
    assert!(spec["ingress"].is_null() && spec["egress"].is_null());
}
