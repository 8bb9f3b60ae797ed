//! What the services of compose.yaml may do, and where they can be reached.

use std::collections::BTreeSet;

use super::project::Project;
use super::service::Volume;
use crate::files::{repository, text_of};

fn services() -> Project {
    Project::read(&[])
}

#[test]
fn no_service_is_root_or_can_become_it_or_can_write_its_root_file_system() {
    for (name, service) in services().services() {
        assert_eq!(service.user, "65532:65532", "{name}");
        assert!(service.read_only, "{name}");
        assert_eq!(service.cap_drop, ["ALL"], "{name}");
        assert_eq!(service.security_opt, ["no-new-privileges:true"], "{name}");
    }
}

#[test]
fn every_service_has_limits_and_no_image_is_whatever_is_the_latest() {
    for (name, service) in services().services() {
        for limit in ["cpus", "memory", "pids"] {
            let found = &service.deploy["resources"]["limits"][limit];
            assert!(!found.is_null(), "{name}: {limit}");
        }
        if service.is_ours() {
            let build = service.build.as_ref().unwrap();
            assert!(repository(build["dockerfile"].as_str().unwrap()).exists());
        } else {
            let (_, tag) = service.image.rsplit_once(':').unwrap();
            assert!(tag.contains('.'), "{name}: {tag}");
        }
    }
}

#[test]
fn what_lasts_is_started_again_and_what_serves_is_asked_how_it_is() {
    for (name, service) in services().services() {
        let ends = ["credentials", "provision", "operator"].contains(&name.as_str());
        assert_eq!(service.restart == "unless-stopped", !ends, "{name}");
        let serves = service.command.iter().any(|word| word == "--listen");
        assert_eq!(
            service.is_ours() && service.healthcheck.is_some(),
            serves,
            "{name}"
        );
    }
}

#[test]
fn ports_are_published_on_loopback_alone_and_once() {
    let mut published = BTreeSet::new();
    for (name, service) in services().services() {
        for port in &service.ports {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
            let (host, _) = port.rsplit_once(':').unwrap();
            assert!(published.insert(host.to_owned()), "{name}: {port}");
        }
    }
    assert!(published.contains("127.0.0.1:5000"));
}

#[test]
fn a_worker_has_longer_than_its_grace_before_it_is_killed() {
    let project = services();
    let worker = &project.services()["worker"];
    let grace = worker.command.iter().position(|word| word == "--grace");
    let grace = &worker.command[grace.unwrap() + 1];
    let stop = worker.stop_grace_period.as_deref().unwrap();
    let seconds = |text: &str| text.strip_suffix('s').unwrap().parse::<u32>().unwrap();
    assert!(seconds(stop) > seconds(grace), "{stop} and {grace}");
}

/// The volumes of a user come from the folders of the image.
#[test]
fn volumes_are_mounted_first_where_the_image_has_a_folder_of_its_user() {
    let dockerfile = text_of("deploy/Dockerfile");
    let project = services();
    let mut first = BTreeSet::new();
    for volume in &project.services()["credentials"].volumes {
        let Volume { source, target, .. } = Volume::parse(volume);
        let folder = target.strip_prefix("/volumes/").unwrap();
        let list = dockerfile
            .lines()
            .find(|line| line.contains("for volume in"));
        assert!(list.unwrap().contains(&format!(" {folder}")), "{folder}");
        first.insert(source);
    }
    for (name, service) in project.services() {
        let volumes = service.volumes.iter().map(|it| Volume::parse(it));
        for volume in volumes.filter(|volume| !volume.source.starts_with("./")) {
            let is_state = volume.target == "/var/lib/image-sync" && service.is_ours();
            assert!(
                first.contains(&volume.source) || is_state,
                "{name}: {}",
                volume.source
            );
        }
    }
}

/// A role's password is no other role's to read.
#[test]
fn each_role_sees_its_own_credentials_and_no_others() {
    for (name, service) in services().services() {
        if name == "credentials" {
            continue;
        }
        let volumes = service.volumes.iter().map(|it| Volume::parse(it));
        for volume in volumes {
            if let Some(role) = volume.source.strip_prefix("credentials-") {
                let is_its_own = role == name || (role, name.as_str()) == ("webhook", "single");
                assert!(is_its_own && volume.read_only, "{name}: {role}");
            }
        }
    }
}
