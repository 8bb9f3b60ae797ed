//! What a config means.

use std::time::Duration;

use image_sync_shared::config::{Config, ImageSpec, Settings};
use image_sync_shared::image::platform::Platforms;
use image_sync_shared::retry::RetryPolicy;
use image_sync_shared::run::job::{ImagePolicy, Trust};

use crate::config_file::{Parsed, parse};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn parsed(text: &str) -> Parsed {
    let parsed = parse(text, "c.yaml").unwrap();
    assert_eq!(parsed.warnings, Vec::<String>::new());
    parsed
}

/// A config that need not have images.
pub(super) fn config(text: &str) -> Config {
    let Parsed {
        config, warnings, ..
    } = parse(text, "c.yaml").unwrap();
    let expected = ["c.yaml: there are no images, so that nothing is copied"];
    assert!(warnings.is_empty() || warnings == expected, "{warnings:?}");
    config
}

pub(super) fn images_of(text: &str) -> Vec<ImageSpec> {
    parsed(text).images.iter().collect()
}

fn images(text: &str) -> Vec<ImageSpec> {
    images_of(&format!("cache_registry: localhost:5000\nimages:\n{text}"))
}

fn spec(image: &str, tag: &str, source: &str, target: &str) -> ImageSpec {
    ImageSpec {
        image: image.to_owned(),
        tag: tag.to_owned(),
        source: source.parse().unwrap(),
        reference: tag.parse().unwrap(),
        target: target.parse().unwrap(),
        target_reference: tag.parse().unwrap(),
        platforms: "linux/amd64".parse().unwrap(),
        source_trust: Trust::Verified,
        target_trust: Trust::InsecureByDefault,
        policy: ImagePolicy::default(),
    }
}

/// The example of the first release's documentation, with each of its keys.
const FIRST_RELEASE: &str = r#"
cache_registry: "image-cache.image-cache.svc.cluster.local:5000"

images:
  - source: "docker.io/akeyless/k8s-secrets-sidecar"
    tag: "0.35.1"
  - source: "docker.io/library/nginx"
    tag: "1.27-alpine"
  - source: "ghcr.io/project-zot/zot-linux-amd64"
    tag: "v2.1.2"
    cache_as: "zot/zot-linux-amd64"  # optional path override
    platform: "linux/arm64"
    source_tls_verify: false
    cache_insecure: false
  - source: quay.io/prometheus/prometheus
    tag: 3.10

settings:
  concurrency: 2
  pull_timeout_secs: 120
  skip_on_error: true
  default_platform: "linux/s390x"
  cache_insecure: true
  source_tls_verify: true
  preferred_tool: "skopeo"
"#;

#[test]
fn a_config_of_the_first_release_means_the_same() {
    let Parsed {
        config,
        images,
        warnings,
        ..
    } = parse(FIRST_RELEASE, "c.yaml").unwrap();
    assert_eq!(
        warnings,
        ["c.yaml: settings.preferred_tool: this has no effect, as no tool is run; remove it"]
    );
    let cache = "image-cache.image-cache.svc.cluster.local:5000";
    let spec = |image: &str, tag: &str, name: &str| ImageSpec {
        platforms: "linux/s390x".parse().unwrap(),
        target_trust: Trust::Insecure,
        ..spec(image, tag, image, &format!("{cache}/{name}"))
    };
    assert_eq!(config.cache_registry.to_string(), cache);
    assert_eq!(
        images.iter().collect::<Vec<_>>(),
        [
            spec(
                "docker.io/akeyless/k8s-secrets-sidecar",
                "0.35.1",
                "akeyless/k8s-secrets-sidecar"
            ),
            spec("docker.io/library/nginx", "1.27-alpine", "library/nginx"),
            ImageSpec {
                platforms: "linux/arm64".parse().unwrap(),
                source_trust: Trust::Insecure,
                target_trust: Trust::Verified,
                ..spec(
                    "ghcr.io/project-zot/zot-linux-amd64",
                    "v2.1.2",
                    "zot/zot-linux-amd64"
                )
            },
            spec(
                "quay.io/prometheus/prometheus",
                "3.10",
                "quay.io/prometheus/prometheus"
            ),
        ]
    );
    assert_eq!(
        config.settings,
        Settings {
            concurrency: 2,
            pull_timeout: Duration::from_secs(120),
            skip_on_error: true,
            ..defaults()
        }
    );
    assert!(config.registries.is_empty());
}

fn defaults() -> Settings {
    Settings {
        concurrency: 16,
        pull_timeout: Duration::from_secs(300),
        connect_timeout: Duration::from_secs(10),
        response_timeout: Duration::from_secs(30),
        helper_timeout: Duration::from_secs(30),
        stall_timeout: Duration::from_secs(60),
        run_timeout: Duration::from_secs(6 * 3600),
        max_pause: Duration::from_secs(15 * 60),
        skip_on_error: false,
        retry: RetryPolicy {
            attempts: 4,
            initial: Duration::from_secs(2),
            max: Duration::from_secs(60),
        },
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let text =
        "cache_registry: localhost:5000\nimages: [{source: nginx, tag: latest}]\nsettings:\n";
    assert_eq!(config(text).settings, defaults());
    let target = "localhost:5000/nginx";
    assert_eq!(images_of(text), [spec("nginx", "latest", "nginx", target)]);
}

#[test]
fn an_insecure_cache_is_another_thing_by_default_than_where_it_is_written() {
    let trust = |image: &str, settings: &str| {
        let text = format!(
            "{{cache_registry: a.io, images: [{{source: nginx, tag: a{image}}}], settings: {{{settings}}}}}"
        );
        images_of(&text)[0].target_trust
    };
    assert_eq!(trust("", ""), Trust::InsecureByDefault);
    assert_eq!(trust("", "cache_insecure: true"), Trust::Insecure);
    assert_eq!(trust("", "cache_insecure: false"), Trust::Verified);
    assert_eq!(trust(", cache_insecure: true", ""), Trust::Insecure);
    assert_eq!(
        trust(", cache_insecure: false", "cache_insecure: true"),
        Trust::Verified
    );
}

#[test]
fn a_catalog_may_be_empty_which_is_a_warning() {
    let text = "cache_registry: oci:./cache\nimages: []";
    let parsed = parse(text, "c.yaml").unwrap();
    assert_eq!(parsed.images.iter().collect::<Vec<_>>(), []);
    let expected = ["c.yaml: there are no images, so that nothing is copied"];
    assert_eq!(parsed.warnings, expected);
}

#[test]
fn durations_are_texts_or_seconds() {
    let settings = config(
        "cache_registry: a.example
images: []
settings:
  stall_timeout: 90
  run_timeout: 1h 30m
  max_pause: 1d
  retry: {attempts: 7, initial_delay: 0.5, max_delay: 2min}
",
    )
    .settings;
    assert_eq!(settings.stall_timeout, Duration::from_secs(90));
    assert_eq!(settings.run_timeout, Duration::from_secs(5400));
    assert_eq!(settings.max_pause, Duration::from_secs(24 * 3600));
    assert_eq!(
        settings.retry,
        RetryPolicy {
            attempts: 7,
            initial: Duration::from_millis(500),
            max: Duration::from_secs(120),
        }
    );
}

#[test]
fn platforms_are_all_one_or_several() {
    let text = "
  - {source: a/a, tag: t, platform: all}
  - {source: a/b, tag: t, platform: linux/arm64}
  - {source: a/c, tag: t, platform: 'linux/arm64,linux/amd64'}
  - {source: a/d, tag: t, platform: [linux/amd64, linux/arm64]}
";
    let platforms: Vec<Platforms> = images(text)
        .into_iter()
        .map(|image| image.platforms)
        .collect();
    let parsed = [
        "all",
        "linux/arm64",
        "linux/amd64,linux/arm64",
        "linux/amd64,linux/arm64",
    ];
    assert_eq!(platforms, parsed.map(|text| text.parse().unwrap()));
}

#[test]
fn a_digest_is_a_source_and_a_tag_names_its_copy() {
    let text = format!(
        "  - {{source: 'busybox@{DIGEST}', tag: '1.36'}}\n  - {{source: busybox, tag: '{DIGEST}'}}\n"
    );
    let images = images(&text);
    let pinned = ImageSpec {
        image: format!("busybox@{DIGEST}"),
        reference: DIGEST.parse().unwrap(),
        ..spec("", "1.36", "busybox", "localhost:5000/busybox")
    };
    let nameless = ImageSpec {
        platforms: Platforms::All,
        ..spec("busybox", DIGEST, "busybox", "localhost:5000/busybox")
    };
    assert_eq!(images, [pinned, nameless]);
}

#[test]
fn folders_stand_where_registries_stand() {
    let text = "cache_registry: oci:./cache
images:
  - source: oci:examples/images/hello
    tag: v1
  - source: docker.io/library/nginx:1.27
";
    assert_eq!(
        images_of(text),
        [
            spec(
                "oci:examples/images/hello",
                "v1",
                "oci:examples/images/hello",
                "oci:./cache/hello"
            ),
            spec(
                "docker.io/library/nginx",
                "1.27",
                "docker.io/library/nginx",
                "oci:./cache/library/nginx"
            ),
        ]
    );
}

#[test]
fn anchors_and_merge_keys_work() {
    let images = images(
        "
  - &base {source: ghcr.io/a/b, tag: 1.10, platform: all}
  - {<<: *base, tag: 1.20}
  - <<: [{tag: first, cache_as: x/y}, *base]
    platform: linux/amd64
",
    );
    let platforms = |text: &str| text.parse::<Platforms>().unwrap();
    let base = ImageSpec {
        platforms: platforms("all"),
        ..spec("ghcr.io/a/b", "1.10", "ghcr.io/a/b", "localhost:5000/a/b")
    };
    let other = ImageSpec {
        platforms: platforms("all"),
        ..spec("ghcr.io/a/b", "1.20", "ghcr.io/a/b", "localhost:5000/a/b")
    };
    let third = spec("ghcr.io/a/b", "first", "ghcr.io/a/b", "localhost:5000/x/y");
    assert_eq!(images, [base, other, third]);
}

#[test]
fn an_image_that_is_named_twice_is_worked_once() {
    let text = "cache_registry: localhost:5000
images:
  - {source: nginx, tag: 1.27}
  - {source: busybox, tag: latest}
  - {source: 'nginx:1.27'}
  - {source: docker.io/library/nginx, tag: 1.27, cache_as: nginx}
";
    let Parsed {
        images, warnings, ..
    } = parse(text, "c.yaml").unwrap();
    let kept: Vec<String> = images.iter().map(|image| image.image).collect();
    assert_eq!(kept, ["nginx", "busybox"]);
    assert_eq!(
        warnings,
        [
            "c.yaml: images[2]: nginx:1.27 is images[0] again, it is worked once",
            "c.yaml: images[3]: docker.io/library/nginx:1.27 is images[0] again, it is worked once",
        ]
    );
}
