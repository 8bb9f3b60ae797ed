use super::super::super::samples::{converted, images, warnings};
use super::{chosen, error, read};
use crate::config_file::DialectOptions;

const GENERATED: &str = r#"# made by a program
creds:
- pass: '{{ env "HUB_PASSWORD" }}'
  registry: docker.io
  repoAuth: true
  user: '{{ env "HUB_USERNAME" }}'
- registry: docker.io
  reqConcurrent: 5
defaults:
  userAgent: mirror
sync:
- source: amazon/aws-cli:2.0.52
  target: docker.io/example/mirrored-aws-cli:2.0.52
  type: image
- source: amazon/aws-cli:2.0.52
  target: registry.example.com/example/mirrored-aws-cli:2.0.52
  type: image
- source: docker.io/amazon/aws-cli:2.0.52
  target: stage.example.com/example/mirrored-aws-cli:stable
  type: image
- source: amazon/aws-cli:2.1
  target: stage.example.com/example/mirrored-aws-cli:2.1
  type: image
"#;
const HUB: [(&str, &str); 2] = [("HUB_USERNAME", "me"), ("HUB_PASSWORD", "mySecret")];

#[test]
fn one_image_of_several_steps_goes_to_several_targets_and_no_other_does() {
    let parsed = read(GENERATED, &HUB);
    assert_eq!(
        images(&parsed),
        [
            "amazon/aws-cli:2.0.52 -> docker.io/example/mirrored-aws-cli:2.0.52 all",
            "amazon/aws-cli:2.0.52 -> registry.example.com/example/mirrored-aws-cli:2.0.52 all",
            "amazon/aws-cli:2.0.52 -> stage.example.com/example/mirrored-aws-cli:stable all",
            "amazon/aws-cli:2.1 -> stage.example.com/example/mirrored-aws-cli:2.1 all",
        ]
    );
    assert_eq!(parsed.images.entries(), 2, "one for each image");
    assert_eq!(
        warnings(&parsed),
        [
            "c.yaml:7:3: creds[1].registry: docker.io is in creds[0] too; both count, and where both say something the later one",
            "c.yaml:10:14: defaults.userAgent is left out: requests name this program",
        ]
    );
    let hub = &parsed.config.registries["docker.io"];
    assert_eq!(hub.username.as_deref(), Some("me"));
    assert_eq!(hub.max_connections, Some(5));
}

#[test]
fn a_variable_that_is_not_set_is_an_error_with_its_place() {
    assert_eq!(
        error(GENERATED, &HUB[..1]),
        "c.yaml:3:9: creds[0].pass: the variable HUB_PASSWORD is not set, expected a value"
    );
}

#[test]
fn steps_that_differ_are_never_one_image() {
    let text = "
sync:
- {source: a/b:1, target: x.io/b:1, type: image}
- {source: a/b:1, target: y.io/b:1, type: image, platform: linux/arm64}
- {source: a/b, target: z.io/b, type: repository, tags: {allow: ['1']}}
- {source: a/b, target: v.io/b, type: repository, tags: {deny: ['1']}}
- {source: a/b, target: w.io/b, type: repository, tags: {allow: ['1']}, platforms: [linux/amd64, linux/arm64]}
";
    let parsed = read(text, &[]);
    assert_eq!(parsed.images.entries(), 5);
    assert_eq!(
        images(&parsed),
        ["a/b:1 -> x.io/b:1 all", "a/b:1 -> y.io/b:1 linux/arm64"]
    );
    assert_eq!(
        chosen(&parsed, "a/b", "1 2"),
        [
            "1 -> w.io/b:1 linux/amd64,linux/arm64",
            "1 -> z.io/b:1 all",
            "2 -> v.io/b:2 all",
        ]
    );
}

#[test]
fn passwords_of_ecr_and_of_a_path_are_told_and_all_times_are_one() {
    let text = r#"version: 1
creds:
  - registry: 111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn
    user: AWS
    pass: "{{env \"ECR_PASSWORD\"}}"
  - registry: 444455556666.dkr.ecr.cn-north-1.amazonaws.com.cn/cloak
    user: "me"
    pass: "{{env \"OTHER_PASSWORD\"}}"
defaults:
  parallel: 8
  interval: 24h
  ratelimit:
    min: 10
    retry: 5m
sync:
  - source: public.ecr.aws/docker/library/nginx:1.26
    target: 111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/hub/library/nginx:1.26
    type: image
  # 没有标签
  - source: example/cloak
    target: 444455556666.dkr.ecr.cn-north-1.amazonaws.com.cn/cloak
    type: repository
    interval: 60m
    tags:
      allow:
      - "2.7.0"
"#;
    let variables = [("ECR_PASSWORD", "first1"), ("OTHER_PASSWORD", "second2")];
    let parsed = read(text, &variables);
    assert_eq!(
        images(&parsed),
        [
            "public.ecr.aws/docker/library/nginx:1.26 -> 111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/hub/library/nginx:1.26 all"
        ]
    );
    assert_eq!(
        chosen(&parsed, "example/cloak", "2.7.0 2.7.1 latest"),
        ["2.7.0 -> 444455556666.dkr.ecr.cn-north-1.amazonaws.com.cn/cloak:2.7.0 all"]
    );
    assert_eq!(parsed.config.settings.concurrency, 8);
    let of_path = &parsed.config.registries["444455556666.dkr.ecr.cn-north-1.amazonaws.com.cn"];
    assert_eq!(of_path.username, None);
    assert_eq!(of_path.paths["cloak"].username.as_deref(), Some("me"));
    assert_eq!(
        warnings(&parsed),
        [
            "c.yaml:5:11: creds[0].pass: a password of ECR ends after 12 hours; the credential helper ecr-login in Docker's config gets new ones",
            "c.yaml:6:5: creds[1].registry: the tool that it is written for never finds a registry with a path; here it holds for the repositories below it",
            "c.yaml:11:13: defaults.interval is left out: entries have times of their own here (24h, 60m), and are all looked at together: image-sync producer --every, or a timer, says when",
            "c.yaml:13:5: defaults.ratelimit is left out: what a registry has left is not watched; one that answers 429 is left alone for as long as it says",
        ]
    );
}

#[test]
fn values_with_templates_in_their_midst_need_no_quotes_and_referrers_may_be_elsewhere() {
    let text = r#"version: 1
defaults:
  interval: 6h
  digestTags: true
  referrers: true
sync:
  - source: docker.io/{{ env "ORG" }}/hardened-node
    target: registry.example.com/{{ env "PROJECT" }}/hardened-node
    type: repository
    referrerSource: scout.example.com/{{ env "ORG" }}/hardened-node
    tags:
      allow:
        - "26-debian13"
        - "24-alpine"
      deny:
        - ".*-dev$"
"#;
    let variables = [("ORG", "acme"), ("PROJECT", "prod")];
    let parsed = read(text, &variables);
    assert_eq!(
        chosen(
            &parsed,
            "acme/hardened-node",
            "26-debian13 24-alpine 24-alpine-dev 25"
        ),
        [
            "26-debian13 -> registry.example.com/prod/hardened-node:26-debian13 all",
            "24-alpine -> registry.example.com/prod/hardened-node:24-alpine all",
        ]
    );
    assert_eq!(
        warnings(&parsed),
        [
            "c.yaml:3:13: defaults.interval is left out: image-sync producer --every 6h, or a timer, says when images are looked at".to_owned(),
            "c.yaml:4:15: defaults.digestTags: tags of signatures, attestations and SBOMs are looked for in the repository of referrerSource, and not beside the image".to_owned(),
            "c.yaml:10:21: sync[0].referrerSource: an image whose artifacts cannot be had from there has failed, and so has one without any (required: true)".to_owned(),
        ]
    );
}

#[test]
fn rules_of_an_anchor_are_those_of_one_image_with_two_targets() {
    let text = r#"---
x-tags: &tags
  allow:
    - latest
    - "v\\d+\\.\\d+\\.\\d+"
  deny:
    - "v0.*"
    - "v1\\.[0-6]\\.\\d+" # nothing before v1.7.0
    - ".*-rc"
version: 1
sync:
  - source: ghcr.io/example/agent
    target: a.example/agent
    type: repository
    tags: *tags
  - source: ghcr.io/example/agent
    target: docker.io/example/agent
    type: repository
    tags: *tags
"#;
    let parsed = read(text, &[]);
    assert_eq!(parsed.images.entries(), 1);
    let tags = "latest v0.9.1 v1.6.2 v1.7.0 v1.12.0 v1.7.0-rc edge";
    assert_eq!(
        chosen(&parsed, "ghcr.io/example/agent", tags),
        [
            "latest -> a.example/agent:latest all",
            "latest -> docker.io/example/agent:latest all",
            "v1.7.0 -> a.example/agent:v1.7.0 all",
            "v1.7.0 -> docker.io/example/agent:v1.7.0 all",
            "v1.12.0 -> a.example/agent:v1.12.0 all",
            "v1.12.0 -> docker.io/example/agent:v1.12.0 all",
        ]
    );
    assert_eq!(warnings(&parsed), [""; 0]);
}

const SETS: &str = r#"version: 1
defaults:
  backup: 'bkup-{{ .Ref.Tag }}'
  schedule: "0 4 * * *"
  fastCheck: true
sync:
  - source: gcr.io/distroless/static
    target: 'registry.example.com/gcr/{{ index (split .Sync.Source "gcr.io/") 1 }}'
    type: repository
    platforms: ["linux/amd64", "linux/arm64"]
    tagSets:
      - semverRange: [">=1.0.0"]
      - allow: ["latest", "nonroot"]
  - source: registry.internal.example.com
    target: registry.example.com/internal
    type: registry
    repos:
      allow: ["team-a/.*"]
      deny: [".*/scratch"]
"#;

#[test]
fn sets_of_tags_are_united_and_a_whole_registry_keeps_its_names() {
    let parsed = read(SETS, &[]);
    let tags = "latest nonroot debug 0.9 1.0.0 2.1-rc1 v3";
    let target = "registry.example.com/gcr/distroless/static";
    let of = |tag: &str| format!("{tag} -> {target}:{tag} linux/amd64,linux/arm64");
    assert_eq!(
        chosen(&parsed, "gcr.io/distroless/static", tags),
        ["latest", "nonroot", "1.0.0", "2.1-rc1", "v3"].map(of)
    );
    for (name, expected) in [
        (
            "team-a/app",
            &["7 -> registry.example.com/internal/team-a/app:7 all"][..],
        ),
        (
            "team-a/x/y",
            &["7 -> registry.example.com/internal/team-a/x/y:7 all"],
        ),
        ("team-a/scratch", &[]),
        ("team-b/app", &[]),
    ] {
        let source = format!("registry.internal.example.com/{name}");
        assert_eq!(chosen(&parsed, &source, "7"), expected, "{name}");
    }
    let warnings = warnings(&parsed);
    let expected = [
        "c.yaml:4:13: defaults.schedule is left out: a timer, as cron, starts image-sync sync at these times",
        "c.yaml:3:11: defaults.backup is left out: a tag that is overwritten is kept under no other name",
        "c.yaml:5:14: defaults.fastCheck is left out: an image in place costs one HEAD",
        "c.yaml:10:16: sync[0].platforms: an index of these platforms is made",
        "c.yaml:12:23: sync[0].tagSets[0].semverRange[0]: pre-releases in the range count",
        "c.yaml:14:5: sync[1].type: signatures, attestations and SBOMs are tags",
    ];
    assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
    for (warning, begin) in warnings.iter().zip(expected) {
        assert!(warning.starts_with(begin), "{warning}");
    }
}

#[test]
fn what_it_is_converted_to_yields_the_same_images() {
    let (text, is_complete) = converted(GENERATED, "c.yaml", &DialectOptions::default(), &HUB);
    assert!(is_complete, "{text}");
    assert!(text.contains("username: ${HUB_USERNAME}"), "{text}");
    assert!(text.contains("password_env: HUB_PASSWORD"), "{text}");
    let (text, is_complete) = converted(SETS, "c.yaml", &DialectOptions::default(), &[]);
    assert!(!is_complete, "{text}");
    assert!(
        text.contains("# not mapped: defaults.backup (line 3): "),
        "{text}"
    );
}
