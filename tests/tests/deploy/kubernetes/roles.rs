//! What each role is given: its command, its user at NATS, its secrets.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::manifests::{Pod, arguments, documents, items, manifests, pods, text, variable};
use crate::files::text_of;

fn pods_of_image_sync() -> Vec<Pod> {
    let mut pods = pods();
    pods.retain(|pod| pod.component() != "nats");
    pods
}

/// The folder where a container sees a secret.
fn mount_of_secret<'a>(pod: &'a Pod, container: &'a Value, secret: &str) -> Vec<&'a str> {
    let mounts = items(&container["volumeMounts"]).into_iter();
    let of_secret = mounts.filter(|mount| {
        let volume = pod.volume(text(mount, "/name"));
        volume.is_some_and(|volume| volume["secret"]["secretName"] == secret)
    });
    of_secret.map(|mount| text(mount, "/mountPath")).collect()
}

#[test]
fn each_pod_runs_the_command_of_its_role() {
    for pod in pods_of_image_sync() {
        for container in pod.containers() {
            assert_eq!(container["image"], "image-sync", "{}", pod.place);
            assert!(
                container["command"].is_null(),
                "{}: the image has an entrypoint",
                pod.place
            );
            assert_eq!(arguments(container)[0], pod.component(), "{}", pod.place);
        }
    }
}

#[test]
fn each_role_is_its_own_user_at_nats_and_has_no_other_password() {
    let users = text_of("deploy/nats-roles.conf");
    for pod in pods_of_image_sync() {
        let role = pod.component();
        let container = pod.containers()[0];
        if role == "sync" {
            assert_eq!(variable(container, "NATS_URL"), None, "{}", pod.place);
            continue;
        }
        assert!(users.contains(&format!("user: {role},")), "{}", pod.place);
        assert_eq!(
            variable(container, "NATS_URL"),
            Some("nats://nats:4222"),
            "{}",
            pod.place
        );
        assert_eq!(
            variable(container, "NATS_USER"),
            Some(role),
            "{}",
            pod.place
        );
        let inbox = format!("_INBOX_{role}");
        assert!(users.contains(&format!("{inbox}.>")), "{}", pod.place);
        assert_eq!(
            variable(container, "NATS_INBOX_PREFIX"),
            Some(&*inbox),
            "{}",
            pod.place
        );
        let own = format!("image-sync-nats-{role}");
        let secrets = items(&pod.spec()["volumes"])
            .into_iter()
            .filter_map(|volume| volume["secret"]["secretName"].as_str());
        let of_nats: BTreeSet<&str> = secrets
            .filter(|name| name.starts_with("image-sync-nats-"))
            .collect();
        assert_eq!(of_nats, BTreeSet::from([&*own]), "{}", pod.place);
        assert!(
            mount_of_secret(&pod, container, &own).contains(&"/run/secrets/nats"),
            "{}",
            pod.place
        );
        assert_eq!(
            variable(container, "NATS_PASSWORD_FILE"),
            Some("/run/secrets/nats/password"),
            "{}",
            pod.place
        );
    }
}

#[test]
fn secrets_of_roles_are_where_flags_and_config_look_for_them() {
    for pod in pods_of_image_sync() {
        let container = pod.containers()[0];
        if pod.component() == "worker" {
            let facts = variable(container, "IMAGE_SYNC_FACTS_KEY_FILE");
            assert_eq!(facts, Some("/run/secrets/nats/facts.key"));
        }
        if let Some(folder) = variable(container, "DOCKER_CONFIG") {
            assert_eq!(
                mount_of_secret(&pod, container, "dockerhub-auth"),
                [folder],
                "{}",
                pod.place
            );
        }
    }
    let config = text_of("deploy/kubernetes/base/config.yaml");
    let config = &documents(&config, "config.yaml")[0];
    let senders = config["webhooks"].as_object().unwrap();
    assert!(
        senders
            .values()
            .all(|sender| sender["secret_file"] == "/run/secrets/webhook/secret"),
        "{senders:?}"
    );
    let all = pods();
    let webhook = all.iter().find(|pod| pod.component() == "webhook").unwrap();
    let mounts = mount_of_secret(webhook, webhook.containers()[0], "image-sync-nats-webhook");
    assert_eq!(mounts, ["/run/secrets/nats", "/run/secrets/webhook"]);
    let keys = ["nats", "webhook"]
        .map(|volume| webhook.volume(volume).unwrap()["secret"]["items"][0]["key"].clone());
    assert_eq!(keys, ["password", "secret"]);
}

#[test]
fn the_server_finds_the_users_beside_its_config() {
    let pods = pods();
    let nats = pods.iter().find(|pod| pod.component() == "nats").unwrap();
    let sources = &nats.volume("config").unwrap()["projected"]["sources"];
    let expected = json!([
        {"configMap": {"name": "image-sync-nats-config"}},
        {"secret": {"name": "image-sync-nats-server"}},
    ]);
    assert_eq!(*sources, expected);
    let config = text_of("deploy/kubernetes/components/nats/nats.conf");
    assert!(config.contains(r#"include "nats-roles.conf""#));
    let template = text_of("deploy/helm/image-sync/files/nats.conf");
    let values = text_of("deploy/helm/image-sync/values.yaml");
    let values = &documents(&values, "values.yaml")[0];
    let size = text(values, "/nats/server/maxFileStore");
    assert!(
        config.contains(&format!("max_file_store: {size}\n"))
            && template.contains("max_file_store: {{")
    );
}

#[test]
fn workers_are_scaled_by_what_waits_in_each_lane() {
    let all = manifests();
    let find = |kind: &str| {
        all.iter()
            .find(|manifest| manifest.kind() == kind && manifest.name() == "image-sync-worker")
            .unwrap()
    };
    let deployment = find("Deployment");
    assert!(
        deployment.object["spec"]["replicas"].is_null(),
        "an apply would undo what the scaler did"
    );
    let scaler = &find("ScaledObject").object["spec"];
    assert_eq!(scaler["scaleTargetRef"], json!({"name": deployment.name()}));
    let mut lanes = Vec::new();
    for trigger in items(&scaler["triggers"]) {
        assert_eq!(trigger["type"], "nats-jetstream");
        let metadata = trigger["metadata"].as_object().unwrap();
        // KEDA's schema takes any key here.
        let keys: BTreeSet<&str> = metadata.keys().map(String::as_str).collect();
        let known = [
            "account",
            "consumer",
            "lagThreshold",
            "natsServerMonitoringEndpoint",
            "stream",
        ];
        assert_eq!(keys, BTreeSet::from(known));
        assert!(metadata.values().all(Value::is_string), "{metadata:?}");
        assert_eq!(metadata["stream"], "IMGSYNC_JOBS");
        assert_eq!(
            metadata["account"], "$G",
            "the users of nats-roles.conf are of no other account"
        );
        assert_eq!(
            metadata["natsServerMonitoringEndpoint"],
            "nats.image-cache.svc.cluster.local:8222"
        );
        lanes.push(text(trigger, "/metadata/consumer").to_owned());
    }
    assert_eq!(lanes, ["now", "retry", "bulk", "held"]);
}
