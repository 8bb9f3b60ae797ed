//! The manifests of the program that this one replaces, put together from what its README says of them: with another image they
//! run this program, and what they rely on is in the overlay `single` too.

use std::collections::BTreeSet;

use image_sync_tests::Program;
use serde_json::Value;

use super::manifests::{Manifest, Pod, arguments, items, manifests_below, pods_of, text, variable};

fn seeds() -> Vec<Manifest> {
    manifests_below("tests/tests/deploy/kubernetes/seed")
}

/// The pod of the one object of a kind.
fn pod(manifests: &[Manifest], kind: &str) -> Pod {
    let of_kind: Vec<Manifest> = manifests
        .iter()
        .filter(|manifest| manifest.kind() == kind)
        .cloned()
        .collect();
    assert_eq!(of_kind.len(), 1, "{kind}");
    pods_of(&of_kind).remove(0)
}

/// Where a pod sees which of the objects that are mounted.
fn mounts(pod: &Pod) -> BTreeSet<(String, String)> {
    let mounts = items(&pod.containers()[0]["volumeMounts"]);
    let seen = mounts.into_iter().filter_map(|mount| {
        let volume = pod.volume(text(mount, "/name"))?;
        let names = [
            &volume["configMap"]["name"],
            &volume["secret"]["secretName"],
        ];
        let name = names.into_iter().find_map(Value::as_str)?;
        Some((text(mount, "/mountPath").to_owned(), name.to_owned()))
    });
    seen.collect()
}

#[test]
fn the_overlay_has_the_seeds_names_paths_and_schedule() {
    let (seeds, ours) = (
        seeds(),
        manifests_below("deploy/kubernetes/overlays/single"),
    );
    for kind in ["CronJob", "Job"] {
        let (seed, our) = (pod(&seeds, kind), pod(&ours, kind));
        assert_eq!(mounts(&our), mounts(&seed), "{kind}");
        let docker_config =
            |pod: &Pod| variable(pod.containers()[0], "DOCKER_CONFIG").map(ToOwned::to_owned);
        assert_eq!(docker_config(&our), docker_config(&seed), "{kind}");
        let find = |manifests: &[Manifest]| {
            manifests
                .iter()
                .find(|manifest| manifest.kind() == kind)
                .unwrap()
                .clone()
        };
        for key in ["schedule", "concurrencyPolicy"] {
            assert_eq!(
                find(&ours).object["spec"][key],
                find(&seeds).object["spec"][key],
                "{kind}: {key}"
            );
        }
    }
}

#[tokio::test]
async fn the_seeds_config_and_arguments_mean_here_what_they_meant_there() {
    let seeds = seeds();
    let config = seeds
        .iter()
        .find(|manifest| manifest.kind() == "ConfigMap")
        .unwrap();
    let program = Program::new(env!("CARGO_BIN_EXE_image-sync-under-test"));
    program.write("config.yaml", text(&config.object, "/data/config.yaml"));
    let told = program
        .run(&["config", "check", "--config", "config.yaml"])
        .await;
    assert_eq!(told.code, Some(0), "{told:#?}");
    assert!(
        told.stdout.contains("project-zot/zot-linux-amd64:v2.1.2"),
        "{told:#?}"
    );
    // No command and no arguments: what the image of the seed was started with.
    assert!(arguments(pod(&seeds, "CronJob").containers()[0]).is_empty());
    let initial = pod(&seeds, "Job");
    let mut arguments = arguments(initial.containers()[0]);
    assert_eq!(arguments, ["--config", "/etc/image-sync/config.yaml"]);
    arguments[1] = "away.yaml";
    let ended = program.run(&arguments).await;
    assert_eq!(
        ended.code,
        Some(2),
        "sync was meant, with that config: {ended:#?}"
    );
    assert!(ended.stderr.contains("away.yaml"), "{ended:#?}");
}
