use super::super::super::samples::{images, warnings};
use super::*;
use image_sync_shared::config::ImageSpec;
use image_sync_shared::run::job::{PlatformMissing, Trust};

#[test]
fn a_way_of_naming_that_all_targets_follow_is_one_target() {
    let text = "\
gcr.io/kn/knative.dev/cmd/in_memory: hub.example/mirror/gcr.io/kn/knative.dev/cmd/in_memory
docker.io/bitnami/kubectl: hub.example/mirror/docker.io/bitnami/kubectl
redis:7: hub.example/mirror/docker.io/library/redis
";
    assert_eq!(
        converted(text, &usual()),
        "# c.yaml in the form of image-sync, from that of aliyun
targets:
  mirror:
    registry: hub.example/mirror
    naming: host_path
defaults:
  platform: all
settings:
  cache_insecure: false
images:
  # gcr.io/kn/knative.dev/cmd/in_memory (line 1): tags of signatures, attestations and SBOMs (sha256-...) are not among all tags of a repository, as they are there
  - source: gcr.io/kn/knative.dev/cmd/in_memory
    tags: all
  - source: docker.io/bitnami/kubectl
    tags: all
  - source: redis
    tag: '7'
"
        .replace("defaults:\n  platform: all\n", "")
        .replace("targets:\n  mirror", "defaults:\n  platform: all\ntargets:\n  mirror")
    );
    let short = "gcr.io/a/one:1: r.example/all/one\nredis:7: r.example/all/redis\n";
    let told = converted(short, &usual());
    assert!(
        told.contains("registry: r.example/all\n    naming: name\n"),
        "{told}"
    );
    let one_more = format!("{text}redis:8: hub.example/other/redis\n");
    let samples = with(&one_more, &usual()).images.samples().count();
    assert_eq!(samples, 4);
    let told = converted(&one_more, &usual());
    assert!(told.contains("cache_registry: hub.example\n"), "{told}");
}

#[test]
fn a_chain_is_told_and_a_rule_that_leads_back_to_itself_is_an_error() {
    let chain = "ubuntu:21.10: r.example/base/ubuntu:21.10\nr.example/base/ubuntu:21.10: o.example:5000/base/ubuntu\n";
    let parsed = with(chain, &usual());
    assert_eq!(images(&parsed).len(), 2);
    assert_eq!(
        warnings(&parsed),
        [
            "c.yaml:2:1: r.example/base/ubuntu:21.10: it reads what line 1 writes, and is worked after that"
        ]
    );
    for text in [
        "r.example/a:1: r.example/a:2\n",
        "r.example/a:1: r.example/a:2\nr.example/a:2: r.example/a:3\n",
        "r.example/a:1: s.example/a\ns.example/a:2: r.example/a\n",
        "r.example/a:/^v/: s.example/a\ns.example/a:w: r.example/a\n",
        "r.example/a:/^v/: s.example/a\ns.example/a:/^w/: r.example/a\n",
    ] {
        with(text, &usual());
    }
    for (text, expected) in [
        (
            "r.example/a:1: r.example/a\n",
            "c.yaml:1:1: r.example/a:1: found r.example/a as its own target, expected another one",
        ),
        (
            "docker.io/x/a: registry.hub.docker.com/x/a\n",
            "c.yaml:1:1: docker.io/x/a: found docker.io/x/a as its own target, expected another one",
        ),
        (
            "r.example/a:1: s.example/a\ns.example/a:1: t.example/a:2\nt.example/a:2: r.example/a:1\n",
            "c.yaml:1:1: r.example/a:1: found rules that lead back to what they read: lines 1 -> 2 -> 3 -> 1, expected an end",
        ),
        (
            "r.example/a: s.example/a\ns.example/a:v1: r.example/a\n",
            "c.yaml:1:1: r.example/a: found rules that lead back to what they read: lines 1 -> 2 -> 1, expected an end",
        ),
        (
            "r.example/a:/^v/: s.example/a\ns.example/a:v1: r.example/a\n",
            "c.yaml:1:1: r.example/a:/^v/: found rules that lead back to what they read: lines 1 -> 2 -> 1, expected an end",
        ),
        (
            "r.example/a: s.example/a\ns.example/a: r.example/a\n",
            "c.yaml:1:1: r.example/a: found rules that lead back to what they read: lines 1 -> 2 -> 1, expected an end",
        ),
    ] {
        assert_eq!(told(text, &usual()), [expected]);
    }
}

#[test]
fn systems_and_architectures_are_patterns_whose_absence_is_skipped() {
    let asked = options(AliyunOptions {
        os: vec!["linux".to_owned()],
        arch: vec!["arm64".to_owned(), "amd64".to_owned()],
        force: true,
        ..AliyunOptions::default()
    });
    let text = format!("ubuntu:1: a.io/ubuntu\nubuntu@{DIGEST}: a.io/ubuntu\n");
    let parsed = with(&text, &asked);
    assert_eq!(
        images(&parsed),
        [
            "ubuntu:1 -> a.io/ubuntu:1 linux/amd64/*,linux/arm64/*".to_owned(),
            format!("ubuntu:{DIGEST} -> a.io/ubuntu@{DIGEST} all"),
        ]
    );
    let missing = parsed.images.iter().next().unwrap().policy.platform_missing;
    assert_eq!(missing, PlatformMissing::Skip);
    assert_eq!(
        warnings(&parsed),
        [
            "c.yaml:1:1: --os and --arch: what is no index is copied whatever its platform is, as is what is named by its digest at the target",
            "c.yaml:1:1: --force is left out: what is equal at its target is not written again, as nothing would change",
        ]
    );
    let wrong = options(AliyunOptions {
        arch: vec!["amd64,arm64".to_owned()],
        ..AliyunOptions::default()
    });
    assert_eq!(
        told("a:1: b.io/a", &wrong),
        [
            "c.yaml: --arch: found \"amd64,arm64\", expected amd64 or arm:v7, and --arch once for each"
        ]
    );
}

#[test]
fn nothing_is_verified_less_than_there() {
    let parsed = with("a:1: b.io/a", &usual());
    let image = parsed.images.iter().next().unwrap();
    let verified = Trust::Verified;
    assert_eq!(
        (image.source_trust, image.target_trust),
        (verified, verified)
    );
}

#[test]
fn a_key_of_hundreds_of_tags_is_read_and_cut_in_messages() {
    let tags: Vec<String> = (0..384).map(|n| format!("8.{n}.0-anolis-GA")).collect();
    let key = format!("r.example/dragonwell:{}", tags.join(","));
    let json = format!("{{\"{key}\": \"registry.hub.docker.com/example/dragonwell\"}}");
    let parsed = with(&json, &usual());
    assert_eq!(parsed.images.len(), 384);
    let all_to_hub = |image: ImageSpec| image.target.to_string() == "docker.io/example/dragonwell";
    assert!(parsed.images.iter().all(all_to_hub));
    let twice = format!("{{\"{key}\": \"a.io/x\", \"{key}\": \"registry.example.com\"}}");
    let told = told(&twice, &usual());
    assert!(
        told[0].contains("without a repository, expected HOST/NAME"),
        "{told:?}"
    );
    assert!(told.iter().all(|line| line.len() < 400), "{told:?}");
}
