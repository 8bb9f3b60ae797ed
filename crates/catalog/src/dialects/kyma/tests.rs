use super::super::samples::{converted, error, images, warnings, with};
use image_sync_shared::config::{Login, PasswordSource};
use image_sync_shared::run::job::Trust;
use image_sync_shared::secret::Secret;

use crate::config_file::{DialectOptions, Format};

const DIGEST: &str = "sha256:31a54a0cf86d7354788a8265f60ae6acb4b348a67efbcf7c1007dd3cf7af05ab";

fn prefix(prefix: &str) -> DialectOptions {
    DialectOptions {
        target_repo_prefix: Some(prefix.to_owned()),
        ..DialectOptions::default()
    }
}

#[test]
fn images_go_behind_the_prefix_of_the_file_whole_and_are_never_overwritten() {
    let text = format!(
        "targetRepoPrefix: eu.gcr.io/example/external/
images:
  - source: bitnami/keycloak-gatekeeper:9.0.3
  - source: busybox@{DIGEST}
    tag: 1.32.0-v1
    amd64Only: true
  - source: quay.io/a/b
"
    );
    let parsed = with(&text, "c.yaml", &DialectOptions::default()).unwrap();
    assert_eq!(
        images(&parsed),
        [
            "bitnami/keycloak-gatekeeper:9.0.3 -> eu.gcr.io/example/external/bitnami/keycloak-gatekeeper:9.0.3 all error".to_owned(),
            format!("busybox@{DIGEST} -> eu.gcr.io/example/external/busybox:1.32.0-v1 all error"),
            "quay.io/a/b:latest -> eu.gcr.io/example/external/quay.io/a/b:latest all error".to_owned(),
        ]
    );
    assert_eq!(warnings(&parsed), [""; 0]);
    let target_trusts = parsed.images.iter().map(|image| image.target_trust);
    assert!(target_trusts.eq([Trust::Verified; 3]), "as the tool does");
}

#[test]
fn signatures_of_images_come_along_and_none_are_required() {
    let text = "targetRepoPrefix: a.io/x/\nimages: [{source: 'busybox:1.36'}]";
    let parsed = with(text, "c.yaml", &DialectOptions::default()).unwrap();
    let image = parsed.images.iter().next().unwrap();
    assert_eq!(image.policy.referrers, Some(Box::default()));
    let (native, _) = converted(text, "c.yaml", &DialectOptions::default(), &[]);
    assert!(native.contains("  referrers: true\n"), "{native}");
}

#[test]
fn a_prefix_of_the_command_line_makes_names_of_docker_hub_whole() {
    let text = "images:\n  - source: busybox\n  - source: istio/pilot:1.2\n";
    let parsed = with(text, "c.yaml", &prefix("pkg.dev/p/external/")).unwrap();
    assert_eq!(
        images(&parsed),
        [
            "busybox:latest -> pkg.dev/p/external/library/busybox:latest all error",
            "istio/pilot:1.2 -> pkg.dev/p/external/istio/pilot:1.2 all error",
        ]
    );
}

#[test]
fn a_file_without_a_prefix_may_be_read_in_two_ways_and_the_error_names_both() {
    let text = "images:\n  - source: busybox\n";
    let told = error(text, "c.yaml", &DialectOptions::default());
    assert!(
        told.contains("a native config or a list of Kyma's image-syncer"),
        "{told}"
    );
    let options = DialectOptions {
        format: Some(Format::Kyma),
        ..DialectOptions::default()
    };
    let told = error(text, "c.yaml", &options);
    assert!(
        told.contains("expected --target-repo-prefix HOST/PREFIX"),
        "{told}"
    );
    let native = DialectOptions {
        format: Some(Format::Native),
        ..DialectOptions::default()
    };
    let told = error(text, "c.yaml", &native);
    assert!(told.contains("cache_registry: missing"), "{told}");
}

#[test]
fn a_digest_without_a_tag_and_a_port_in_a_name_are_refused_with_their_places() {
    let text = format!(
        "targetRepoPrefix: registry.example.com/ext
images:
  - source: \"busybox@{DIGEST}\"
  - source: registry.example.net:5000/team/app:1.0
    tag: \"2.0\"
  - tag: x
"
    );
    let told = error(&text, "c.yaml", &DialectOptions::default());
    let lines: Vec<&str> = told.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(
        lines[0].starts_with(
            "c.yaml:3:5: images[0].source: found a digest without tag, expected tag: TAG"
        ),
        "{told}"
    );
    assert!(
        lines[1].starts_with(
            "c.yaml:4:5: images[1].source: found \"registry.example.net:5000/team/app\", whose port"
        ),
        "{told}"
    );
    assert!(lines[1].contains("expected cache_as: NAME"), "{told}");
    assert!(
        lines[2].starts_with("c.yaml:6:5: images[2].source: missing"),
        "{told}"
    );
}

#[test]
fn a_tag_beside_a_tag_is_the_name_at_the_target() {
    let text = "targetRepoPrefix: a.io/x/\nimages: [{source: 'busybox:1.36', tag: stable}, {source: 'b:1', tag: '1'}]";
    let parsed = with(text, "c.yaml", &DialectOptions::default()).unwrap();
    assert_eq!(
        images(&parsed),
        [
            "busybox:1.36 -> a.io/x/busybox:stable all error",
            "b:1 -> a.io/x/b:1 all error"
        ]
    );
}

#[test]
fn what_the_tool_never_did_is_told_and_a_prefix_is_glued_as_it_is() {
    let text = "targetRepoPrefix: a.io/ext
sign: true
images:
  - source: cypress/included:9.5.0
    target: external/prod/cypress/included:latest
";
    let parsed = with(text, "c.yaml", &DialectOptions::default()).unwrap();
    assert_eq!(
        images(&parsed),
        ["cypress/included:9.5.0 -> a.io/extcypress/included:9.5.0 all error"]
    );
    let warnings = warnings(&parsed);
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(
        warnings
            .iter()
            .any(|warning| warning.starts_with("c.yaml:5:5: images[0].target is left out")),
        "{warnings:?}"
    );
    assert!(
        warnings
            .iter()
            .any(|warning| warning.starts_with("c.yaml:2:7: sign is left out")),
        "{warnings:?}"
    );
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("busybox becomes extbusybox")),
        "{warnings:?}"
    );
}

#[test]
fn what_it_is_converted_to_yields_the_same_images() {
    let text = format!(
        "# not kept
targetRepoPrefix: a.io/x/
sign: true
images:
  - source: busybox:1.36
    tag: stable
  - source: cypress/included:9.5.0
    target: other
  - source: golang@{DIGEST}
    tag: 1.23.1
"
    );
    let (native, is_complete) = converted(&text, "c.yaml", &DialectOptions::default(), &[]);
    let expected = format!(
        "# c.yaml in the form of image-sync, from that of kyma
# not mapped: sign (line 3): image-sync signs nothing; sign what is at the target with cosign
cache_registry: a.io/x
defaults:
  platform: all
  overwrite: error
  referrers: true
settings:
  cache_insecure: false
images:
  - source: busybox:1.36
    tag_as: stable
    cache_as: busybox
  # not mapped: images[1].target (line 8): the tool that it is written for does not know it either
  - source: cypress/included:9.5.0
    cache_as: cypress/included
  - source: golang@{DIGEST}
    tag: 1.23.1
    cache_as: golang
"
    );
    assert_eq!(native, expected);
    assert!(is_complete);
}

#[test]
fn who_we_are_at_the_target_is_not_repeated_by_a_conversion() {
    let options = DialectOptions {
        target_login: Some(Login {
            username: Some("_json_key".to_owned()),
            password: Some(PasswordSource::Inline(Secret::new("hunter2"))),
            token: None,
        }),
        ..prefix("pkg.dev/p/x/")
    };
    let text = "images: [{source: busybox}]";
    let parsed = with(text, "c.yaml", &options).unwrap();
    let login = &parsed.config.registries["pkg.dev"];
    assert_eq!(login.username.as_deref(), Some("_json_key"));
    assert_eq!(
        login.password,
        options.target_login.as_ref().unwrap().password
    );
    let (native, _) = converted(text, "c.yaml", &options, &[]);
    assert!(!native.contains("hunter2"), "{native}");
    assert!(
        native.contains("password_env: PKG_DEV_PASSWORD"),
        "{native}"
    );
    assert!(
        native.contains("# $PKG_DEV_PASSWORD: put there the secret of pkg.dev"),
        "{native}"
    );
}
