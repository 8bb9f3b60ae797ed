use image_sync_shared::config::{ImageSpec, PasswordSource, RegistrySettings};
use image_sync_shared::run::job::Trust;
use image_sync_shared::secret::Secret;

use super::super::samples::{choices, converted, error, images, warnings, with};
use super::super::translation::own_platform;
use crate::config_file::{DialectOptions, Format};

mod broken;

const DIGEST: &str = "sha256:1111111111111111111111111111111122222222222222222222222222222222";

const REGISTRIES: &str = "\
registry.example.com:
    images:
        hello: []
        cache:
            - \"1.0\"
            - 2.0
            - \"sha256:1111111111111111111111111111111122222222222222222222222222222222\"
    images-by-tag-regex:
        web: ^1\\.13\\.[12]-alpine$
    images-by-semver:
        linux: '>= 3.12.0'
    credentials:
        username: me
        password: hunter2
    tls-verify: true
    cert-dir: /etc/example/certs
quay.io:
    tls-verify: false
    images:
        coreos/store:
            - latest
        fedora/fedora: [latest]
    images-by-tag-regex:
        fedora/fedora-minimal: ^latest$
registry.example.net/team:
    images:
        exporter: []
docker.io:
    images-by-tag-regex:
        'bitnami/db': '^v?\\d+(\\.\\d+){0,2}(-.+)?$|^stable$'
";

fn to(target: &str) -> DialectOptions {
    DialectOptions {
        target: Some(target.to_owned()),
        ..DialectOptions::default()
    }
}

fn all_to(target: &str, scoped: bool) -> DialectOptions {
    DialectOptions {
        scoped,
        all_platforms: true,
        ..to(target)
    }
}

#[test]
fn repositories_go_to_the_target_by_their_last_components() {
    let own = own_platform();
    let parsed = with(REGISTRIES, "c.yaml", &to("mirror.example/repo/")).unwrap();
    assert_eq!(
        parsed.config.cache_registry.to_string(),
        "mirror.example/repo"
    );
    let named = [
        "registry.example.com/cache:1.0 -> mirror.example/repo/cache:1.0",
        "registry.example.com/cache:2.0 -> mirror.example/repo/cache:2.0",
        "quay.io/coreos/store:latest -> mirror.example/repo/store:latest",
        "quay.io/fedora/fedora:latest -> mirror.example/repo/fedora:latest",
    ];
    let mut expected: Vec<String> = named.iter().map(|image| format!("{image} {own}")).collect();
    // Whole, as with one platform alone it would have another digest.
    let pinned =
        format!("registry.example.com/cache:{DIGEST} -> mirror.example/repo/cache@{DIGEST} all");
    expected.insert(2, pinned);
    assert_eq!(images(&parsed), expected);
    let tags = [
        "1",
        "v7.2-debian",
        "latest",
        "3.12.0",
        "3.11.9",
        "1.13.2-alpine",
        "stable",
    ];
    assert_eq!(
        choices(&parsed, &tags),
        [
            format!("registry.example.com/hello -> mirror.example/repo/hello: {}", "1 1.13.2-alpine 3.11.9 3.12.0 latest stable v7.2-debian"),
            "registry.example.com/web -> mirror.example/repo/web: 1.13.2-alpine".to_owned(),
            "registry.example.com/linux -> mirror.example/repo/linux: 3.12.0".to_owned(),
            "quay.io/fedora/fedora-minimal -> mirror.example/repo/fedora-minimal: latest".to_owned(),
            "registry.example.net/team/exporter -> mirror.example/repo/exporter: 1 1.13.2-alpine 3.11.9 3.12.0 latest stable v7.2-debian".to_owned(),
            "docker.io/bitnami/db -> mirror.example/repo/db: 1 1.13.2-alpine 3.11.9 3.12.0 stable v7.2-debian".to_owned(),
        ]
    );
    let platform = format!(
        "c.yaml:1:1: platform: of images for several platforms, that for {own} is copied, as this machine is one: as skopeo sync does without --all; --all-platforms copies all"
    );
    let artifacts = "c.yaml:3:9: registry.example.com.images.hello: tags of signatures, attestations and SBOMs (sha256-...) are not among all tags of a repository, as they are there";
    assert_eq!(warnings(&parsed), [platform, artifacts.to_owned()]);
}

#[test]
fn scoped_names_have_hosts_and_paths_and_all_platforms_are_copied_whole() {
    let text = "
docker.io: {images: {busybox: ['1'], a/busybox: ['1']}}
'Registry.example.net:5000/team': {images: {busybox: ['1']}}
";
    let parsed = with(text, "c.yaml", &all_to("m.io/r", true)).unwrap();
    assert_eq!(
        images(&parsed),
        [
            "docker.io/busybox:1 -> m.io/r/docker.io/library/busybox:1 all",
            "docker.io/a/busybox:1 -> m.io/r/docker.io/a/busybox:1 all",
            "Registry.example.net:5000/team/busybox:1 -> m.io/r/registry.example.net/team/busybox:1 all",
        ]
    );
    assert_eq!(warnings(&parsed), [""; 0]);
}

#[test]
fn credentials_certificates_and_tls_are_those_of_the_registry() {
    let parsed = with(REGISTRIES, "c.yaml", &all_to("m.io", false)).unwrap();
    let registries = &parsed.config.registries;
    let expected = RegistrySettings {
        username: Some("me".to_owned()),
        password: Some(PasswordSource::Inline(Secret::new("hunter2"))),
        cert_dir: Some("/etc/example/certs".into()),
        ..RegistrySettings::default()
    };
    assert_eq!(registries["registry.example.com"], expected);
    let unverified = RegistrySettings {
        insecure: true,
        ..RegistrySettings::default()
    };
    assert_eq!(registries["quay.io"], unverified);
    assert_eq!(registries.len(), 2);
}

#[test]
fn a_registry_with_a_path_has_credentials_there_and_tells_its_images_of_tls() {
    let text = "
registry.example.net/team:
  credentials: {username: robot, password: '0123'}
  tls-verify: false
  cert-dir: /etc/certs
  images: {a: ['1']}
registry.example.net:
  images: {b: ['1']}
library:
  credentials: {username: hub, password: x}
  images: {c: ['1']}
";
    let parsed = with(text, "c.yaml", &all_to("m.io", false)).unwrap();
    let registries = &parsed.config.registries;
    let login = &registries["registry.example.net"].paths["team"];
    assert_eq!(login.username.as_deref(), Some("robot"));
    assert!(!registries["registry.example.net"].insecure);
    let hub = &registries["docker.io"].paths["library"];
    assert_eq!(hub.username.as_deref(), Some("hub"));
    let is_unverified = |image: ImageSpec| image.source_trust == Trust::Insecure;
    let unverified: Vec<_> = parsed.images.iter().map(is_unverified).collect();
    assert_eq!(unverified, [true, false, false]);
    assert_eq!(
        warnings(&parsed),
        [
            "c.yaml:5:13: registry.example.net/team.cert-dir is left out: it is the folder of a whole registry, expected below its host alone"
        ]
    );
}

#[test]
fn what_has_no_images_or_is_not_known_is_told_and_the_rest_is_read() {
    let text = "
quay.io:
  images: {a/b: ['1']}
  image-by-tag-regex: {a/c: x}
ghcr.io:
gcr.io: {credentials: {username: me, identitytoken: secret}}
";
    let parsed = with(text, "c.yaml", &all_to("m.io", false)).unwrap();
    assert_eq!(images(&parsed), ["quay.io/a/b:1 -> m.io/b:1 all"]);
    let lines: Vec<String> = warnings(&parsed);
    let expected = [
        "c.yaml:4:3: quay.io.image-by-tag-regex is left out: ",
        "c.yaml:5:1: ghcr.io is left out: it has no images",
        "c.yaml:6:1: gcr.io is left out: it has no images",
        "c.yaml:6:53: gcr.io.credentials.identitytoken is left out: identity tokens belong into Docker's config",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn two_rules_for_one_name_may_clash_and_that_is_told_with_both_lines() {
    let text = "
quay.io: {images-by-tag-regex: {a/app: ^1}}
ghcr.io: {images-by-tag-regex: {b/app: ^2, a/other: ^1}, images: {b/app: ['3', '1.0']}}
";
    let parsed = with(text, "c.yaml", &all_to("m.io", false)).unwrap();
    assert_eq!(
        images(&parsed),
        [
            "ghcr.io/b/app:3 -> m.io/app:3 all",
            "ghcr.io/b/app:1.0 -> m.io/app:1.0 all"
        ]
    );
    let why = "ghcr.io/b/app becomes \"app\" at the target, as quay.io/a/app in line 2 does; a tag that both have fails; --scoped keeps hosts and paths";
    assert_eq!(
        warnings(&parsed),
        [
            format!("c.yaml:3:67: ghcr.io.images.b/app: {why}"),
            format!("c.yaml:3:33: ghcr.io.images-by-tag-regex.b/app: {why}"),
        ]
    );
}

#[test]
fn anchors_merge_keys_and_json_are_read() {
    let text = "
quay.io: &usual {tls-verify: false, images: &images {a: ['1'], b: ['1']}}
ghcr.io: {<<: *usual, images: {<<: *images, b: ['2'], c: ['1'], a: ['3']}}
";
    let parsed = with(text, "c.yaml", &all_to("m.io", false)).unwrap();
    assert_eq!(images(&parsed).len(), 5);
    assert!(parsed.config.registries["ghcr.io"].insecure);
    let json = r#"{"quay.io": {"images": {"a": ["1"]}}}"#;
    let parsed = with(json, "c.json", &all_to("m.io", false)).unwrap();
    assert_eq!(images(&parsed), ["quay.io/a:1 -> m.io/a:1 all"]);
}

#[test]
fn what_it_is_converted_to_yields_the_same_images() {
    let (native, is_complete) = converted(
        REGISTRIES,
        "c.yaml",
        &to("mirror.example/repo"),
        &[("REGISTRY_EXAMPLE_COM_PASSWORD", "hunter2")],
    );
    assert!(is_complete, "{native}");
    let own = own_platform();
    for line in [
        "naming: name".to_owned(),
        format!("platform: {own}"),
        "cert_dir: /etc/example/certs".to_owned(),
        "tags: all".to_owned(),
    ] {
        assert!(native.contains(&line), "{line} in\n{native}");
    }
    assert!(!native.contains("hunter2"), "{native}");
    converted(
        REGISTRIES,
        "c.yaml",
        &all_to("m.io", true),
        &[("REGISTRY_EXAMPLE_COM_PASSWORD", "hunter2")],
    );
}

#[test]
fn a_format_that_is_named_holds_whatever_the_file_looks_like() {
    let options = DialectOptions {
        format: Some(Format::Skopeo),
        ..all_to("m.io", false)
    };
    let parsed = with("quay.io: {}\n", "c.yaml", &options).unwrap();
    assert_eq!(
        warnings(&parsed)[0],
        "c.yaml:1:1: quay.io is left out: it has no images, so that nothing is copied from it"
    );
}

#[test]
fn several_expressions_or_ranges_are_any_of_them() {
    let text = "
quay.io:
  images-by-tag-regex: {a: ['^1\\.', 'x|y$']}
  images-by-semver: {b: ['1.2 - 1.3', '>= 3']}
";
    let parsed = with(text, "c.yaml", &all_to("m.io/r", false)).unwrap();
    let tags = [
        "1.0",
        "1.3.9",
        "1.4",
        "2.1",
        "3.1",
        "2x2",
        "y1",
        "2y",
        "3.0.0-rc1",
    ];
    assert_eq!(
        choices(&parsed, &tags),
        [
            "quay.io/a -> m.io/r/a: 1.0 1.3.9 1.4 2x2 2y",
            "quay.io/b -> m.io/r/b: 3.1 1.3.9",
        ]
    );
    let told = "one of these has to hold; skopeo sync itself takes one text and no list";
    assert_eq!(
        warnings(&parsed),
        [
            format!("c.yaml:3:28: quay.io.images-by-tag-regex.a: {told}"),
            format!("c.yaml:4:25: quay.io.images-by-semver.b: {told}"),
        ]
    );
    let text = "quay.io: {images-by-tag-regex: {a: ['^1', '(']}, images-by-semver: {b: []}}";
    let told = error(text, "c.yaml", &all_to("m.io/r", false));
    assert!(told.contains("\"(\" cannot be used"), "{told}");
    assert!(
        told.contains("quay.io.images-by-semver.b: found a list"),
        "{told}"
    );
}
