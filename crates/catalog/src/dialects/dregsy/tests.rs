use image_sync_shared::config::{PasswordSource, RegistrySettings};
use image_sync_shared::secret::Secret;

use super::super::samples::{choices, converted, images, warnings, with};
use super::super::translation::own_platform;
use crate::config_file::{DialectOptions, Parsed};

mod broken;
mod tags;

const DIGEST: &str = "sha256:1111111111111111111111111111111122222222222222222222222222222222";
/// {"username":"me","password":"hunter2"} and a new line.
const AUTH: &str = "eyJ1c2VybmFtZSI6Im1lIiwicGFzc3dvcmQiOiJodW50ZXIyIn0K";

const TASKS: &str = "\
relay: skopeo
watch: true
skopeo:
  binary: skopeo
  certs-dir: /etc/skopeo/certs.d
lister:
  maxItems: 100
  cacheDuration: 2h
tasks:
  - name: plugins
    interval: 21600 # 6 hours
    verbose: true
    source:
      registry: registry.hub.docker.com
      auth: eyJ1c2VybmFtZSI6Im1lIiwicGFzc3dvcmQiOiJodW50ZXIyIn0K
    target:
      registry: registry.example.com:5000
      auth: none
      skip-tls-verify: true
    mappings:
      - from: space/collector
        to: project/space/collector
        tags:
          - 'semver: >=1.0.0 <1.99.0'
          - 'keep: latest 2'
      - from: space/dashboard
        tags:
          - 'regex: 1\\.11\\.(?:[0-9]?[0-9]).*'
      - from: db
        tags: ['7.2', '6.2@sha256:1111111111111111111111111111111122222222222222222222222222222222']
  - name: ecr
    source:
      registry: docker.io
    target:
      registry: 111122223333.dkr.ecr.eu-central-1.amazonaws.com
      auth-refresh: 10h
    mappings:
      # - from: left/out
      - from: regex:team/.*
        to: regex:^team/,mirror/
        tags: ['regex: !.*-dev']
        platform: all
";

fn read(text: &str) -> Parsed {
    with(text, "c.yaml", &DialectOptions::default()).unwrap()
}

/// One task from quay.io to m.io with these mappings.
fn task(mappings: &str) -> String {
    format!(
        "relay: skopeo\ntasks:\n- name: t\n  source: {{registry: quay.io}}\n  target: {{registry: m.io}}\n  mappings: {mappings}\n"
    )
}

/// Where a repository that is found goes to.
fn goes_to(parsed: &Parsed, source: &str) -> Vec<String> {
    let source = source.parse().unwrap();
    let images = parsed.images.may_be_chosen(&source, "v1");
    images.map(|image| image.target_name()).collect()
}

#[test]
fn mappings_of_tasks_go_to_the_targets_of_their_tasks() {
    let own = own_platform();
    let parsed = read(TASKS);
    assert_eq!(
        images(&parsed),
        [
            format!("registry.hub.docker.com/db:7.2 -> registry.example.com:5000/db:7.2 {own}"),
            format!(
                "registry.hub.docker.com/db@{DIGEST} -> registry.example.com:5000/db:6.2 {own}"
            ),
        ]
    );
    let tags = [
        "1.0.0",
        "1.2.0",
        "v1.98.0",
        "1.99.0",
        "1.11.7-dev",
        "1.11.30",
        "latest",
    ];
    assert_eq!(
        choices(&parsed, &tags),
        [
            "registry.hub.docker.com/space/collector -> registry.example.com:5000/project/space/collector: v1.98.0 1.11.30",
            "registry.hub.docker.com/space/dashboard -> registry.example.com:5000/space/dashboard: 1.11.30 1.11.7-dev",
            "docker.io/team/* -> 111122223333.dkr.ecr.eu-central-1.amazonaws.com/mirror/all: 1.0.0 1.11.30 1.2.0 1.99.0 latest v1.98.0",
        ]
    );
    let to = "111122223333.dkr.ecr.eu-central-1.amazonaws.com";
    assert_eq!(
        goes_to(&parsed, "docker.io/team/a"),
        [format!("{to}/mirror/a:v1")]
    );
    assert_eq!(
        goes_to(&parsed, "docker.io/team/a/b"),
        [format!("{to}/mirror/a/b:v1")]
    );
    assert_eq!(goes_to(&parsed, "docker.io/other/a"), [""; 0]);
}

#[test]
fn what_a_run_does_otherwise_is_told_with_its_place() {
    let own = own_platform();
    assert_eq!(
        warnings(&read(TASKS)),
        [
            "c.yaml:4:11: skopeo.binary is left out: image-sync copies by itself, without another tool".to_owned(),
            "c.yaml:2:8: watch is left out: image-sync producer --every reads its config anew before each run".to_owned(),
            "c.yaml:7:13: lister.maxItems is left out: all repositories of a registry's catalog are listed, 100,000 at most".to_owned(),
            "c.yaml:8:18: lister.cacheDuration is left out: each run lists the repositories of a registry once".to_owned(),
            format!("c.yaml:1:1: platform: where a mapping names none, of images for several platforms that for {own} is copied, as this machine is one: as dregsy does"),
            "c.yaml:11:15: tasks[0].interval is left out: all tasks are worked in each run; how often there is one is said by cron or image-sync producer --every 21600s".to_owned(),
            "c.yaml:12:14: tasks[0].verbose is left out: --log-level says how much is logged".to_owned(),
            "c.yaml:24:13: tasks[0].mappings[0].tags semver: pre-releases are in the range that they lie in, as dregsy has it; without >=0.0.0-0 they would be left out".to_owned(),
            "c.yaml:36:21: tasks[1].target.auth-refresh is left out: Docker's config has the helper that gets credentials of ECR and renews them: {\"credHelpers\": {\"111122223333.dkr.ecr.eu-central-1.amazonaws.com\": \"ecr-login\"}}".to_owned(),
            "c.yaml:39:15: tasks[1].mappings[0].from: Docker Hub has no catalog of repositories, so that this fails once images are copied; name each repository in a mapping of its own".to_owned(),
            "c.yaml:40:13: tasks[1].mappings[0].to: the name is rewritten from its beginning; dregsy itself has a / there, and rewrites nothing".to_owned(),
            "c.yaml:39:15: tasks[1].mappings[0].tags: tags of signatures, attestations and SBOMs (sha256-...) are not among all tags of a repository, as they are there".to_owned(),
        ]
    );
}

#[test]
fn credentials_certificates_and_tls_are_those_of_the_registries() {
    let parsed = read(TASKS);
    let registries = &parsed.config.registries;
    let source = RegistrySettings {
        username: Some("me".to_owned()),
        password: Some(PasswordSource::Inline(Secret::new("hunter2"))),
        cert_dir: Some("/etc/skopeo/certs.d/registry.hub.docker.com".into()),
        ..RegistrySettings::default()
    };
    assert_eq!(registries["docker.io"], source);
    let target = RegistrySettings {
        insecure: true,
        cert_dir: Some("/etc/skopeo/certs.d/registry.example.com".into()),
        ..RegistrySettings::default()
    };
    assert_eq!(registries["registry.example.com:5000"], target);
}

#[test]
fn several_logins_for_one_registry_are_those_of_repositories() {
    let text = format!(
        "relay: docker
tasks:
- {{name: a, source: {{registry: quay.io, auth: {AUTH}}}, target: {{registry: m.io}}, mappings: [{{from: /x/y/}}]}}
- {{name: b, source: {{registry: quay.io, auth: eyJ1c2VybmFtZSI6ImIiLCJwYXNzd29yZCI6ImIifQ==, skip-tls-verify: true}}, target: {{registry: m.io}}, mappings: [{{from: z}}]}}
"
    )
    .replace("/x/y/", "/x/y");
    let parsed = read(&text);
    let quay = &parsed.config.registries["quay.io"];
    assert_eq!(quay.username, None);
    assert_eq!(quay.paths["x/y"].username.as_deref(), Some("me"));
    assert_eq!(quay.paths["z"].username.as_deref(), Some("b"));
    assert!(quay.insecure);
    let told = warnings(&parsed);
    let expected = "c.yaml:4:21: tasks[1].source.skip-tls-verify: another source or target says otherwise of quay.io, whose certificate is verified for none of them then";
    assert!(told.iter().any(|line| line == expected), "{told:#?}");
}

#[test]
fn one_repository_gets_the_name_that_to_says() {
    let own = own_platform();
    let parsed = read(&task(&format!(
        "[{{from: /a/b, tags: ['1', ':2', '{DIGEST}'], platform: all}}, {{from: a/c, to: /x/y/, tags: ['1']}}, {{from: my/app, to: 'regex:my(.*)/,our$1/', tags: ['1'], platform: linux/arm64/v8}}, {{from: t/app, to: 'regex:^t/,u/', tags: ['1']}}]"
    )));
    assert_eq!(
        images(&parsed),
        [
            "quay.io/a/b:1 -> m.io/a/b:1 all".to_owned(),
            "quay.io/a/b:2 -> m.io/a/b:2 all".to_owned(),
            format!("quay.io/a/b:{DIGEST} -> m.io/a/b@{DIGEST} all"),
            format!("quay.io/a/c:1 -> m.io/x/y:1 {own}"),
            "quay.io/my/app:1 -> m.io/our/app:1 linux/arm64".to_owned(),
            format!("quay.io/t/app:1 -> m.io/u/app:1 {own}"),
        ]
    );
}

#[test]
fn repositories_that_are_found_get_the_names_that_to_says() {
    for (mapping, repository, expected) in [
        ("from: 'regex:a/b-.*'", "a/b-c", Some("a/b-c")),
        ("from: 'regex:a/b-.*'", "a/c", None),
        ("from: 'regex:.*'", "a", Some("a")),
        ("from: 'regex:a/.*', to: /dh", "a/b", Some("dh/a/b")),
        (
            "from: 'regex:a/b.*', to: 'regex:a/,x/y/'",
            "a/b/c",
            Some("x/y/b/c"),
        ),
        (
            "from: 'regex:a/b/.*', to: 'regex:a/b/,'",
            "a/b/c",
            Some("c"),
        ),
        (
            "from: 'regex:(a|b)/.*', to: 'regex:^/(.*)$,/m/$1'",
            "b/c",
            Some("m/b/c"),
        ),
        (
            "from: 'regex:a/.*', to: 'regex:/a/(.+),/m/${1}-x'",
            "a/c/d",
            Some("m/c/d-x"),
        ),
        (
            "from: 'regex:a/.*', to: 'regex:.*/(.*),m/$1'",
            "a/c/d",
            Some("m/d"),
        ),
    ] {
        let parsed = read(&task(&format!("[{{{mapping}}}]")));
        let source = format!("quay.io/{repository}");
        let expected = expected.map(|name| format!("m.io/{name}:v1"));
        assert_eq!(
            goes_to(&parsed, &source),
            Vec::from_iter(expected),
            "{mapping}"
        );
    }
}

#[test]
fn credentials_of_clouds_are_those_of_helpers() {
    let text = "
relay: skopeo
tasks:
- name: a
  source: {registry: eu.gcr.io}
  target: {registry: '12:us-east-1@public.ecr.aws'}
  mappings: [{from: p/a, tags: ['1']}]
- name: b
  source: {registry: gcr.io, auth: none, lister: {type: index, search: x}}
  target: {registry: 1.dkr.ecr.us-east-1.amazonaws.com}
  mappings: []
- name: c
  interval: 0
  source: {registry: x.io, unknown: 1}
  target: {registry: y.io}
";
    let parsed = read(text);
    let own = own_platform();
    assert_eq!(
        images(&parsed),
        [format!("eu.gcr.io/p/a:1 -> public.ecr.aws/p/a:1 {own}")]
    );
    assert_eq!(
        warnings(&parsed)[1..],
        [
            "c.yaml:5:22: tasks[0].source.registry: credentials of the cloud are those of a helper in Docker's config: {\"credHelpers\": {\"eu.gcr.io\": \"gcr\"}}",
            "c.yaml:6:22: tasks[0].target.registry is left out: account and region are not needed, as repositories are not made: they have to be there",
            "c.yaml:6:22: tasks[0].target.registry: credentials of the cloud are those of a helper in Docker's config: {\"credHelpers\": {\"public.ecr.aws\": \"ecr-login\"}}",
            "c.yaml:9:50: tasks[1].source.lister is left out: repositories are found by the catalog of a registry alone, not by the lister index; name each repository in from",
            "c.yaml:10:22: tasks[1].target.registry: credentials of the cloud are those of a helper in Docker's config: {\"credHelpers\": {\"1.dkr.ecr.us-east-1.amazonaws.com\": \"ecr-login\"}}",
            "c.yaml:14:28: tasks[2].source.unknown is left out: the tool that it is written for does not know it either",
            "c.yaml:12:3: tasks[2].mappings is left out: it has no mappings, so that nothing is copied",
        ]
    );
}

#[test]
fn anchors_are_read_and_each_task_goes_to_its_own_target() {
    let text = "
tasks:
- name: one
  source: &source {registry: quay.io}
  target: {registry: a.io}
  mappings: &mappings [{from: a/b, tags: ['1']}]
- name: two
  source: *source
  target: {registry: b.io/x}
  mappings: *mappings
";
    let own = own_platform();
    assert_eq!(
        images(&read(text)),
        [
            format!("quay.io/a/b:1 -> a.io/a/b:1 {own}"),
            format!("quay.io/a/b:1 -> b.io/x/a/b:1 {own}"),
        ]
    );
}

#[test]
fn what_it_is_converted_to_yields_the_same_images() {
    let variables = [
        ("REGISTRY_HUB_DOCKER_COM_PASSWORD", "hunter2"),
        ("DOCKER_IO_PASSWORD", "hunter2"),
    ];
    let (native, is_complete) = converted(TASKS, "c.yaml", &DialectOptions::default(), &variables);
    assert!(!is_complete, "there are intervals");
    for line in [
        "# not mapped: tasks[0].interval (line 11): ",
        "cache_as: mirror/{below}",
        "latest: 2",
        "cert_dir: /etc/skopeo/certs.d/registry.example.com",
        "insecure: true",
    ] {
        assert!(native.contains(line), "{line} in\n{native}");
    }
    assert!(
        !native.contains("hunter2") && !native.contains(AUTH),
        "{native}"
    );
    let plain = task("[{from: a, tags: ['1']}, {from: 'regex:b/.*', to: c}]");
    let (native, is_complete) = converted(&plain, "c.yaml", &DialectOptions::default(), &[]);
    assert!(is_complete, "{native}");
}

#[test]
fn listers_that_are_no_catalog_are_told() {
    for (lister, expected) in [
        ("catalog", None),
        ("dockerhub, search: team", Some("dockerhub")),
        ("index, search: x", Some("index")),
    ] {
        let text = format!(
            "tasks:\n- name: t\n  source: {{registry: r.io, lister: {{type: {lister}}}}}\n  target: {{registry: m.io}}\n  mappings: [{{from: a, tags: [v1]}}]\n"
        );
        let told = warnings(&read(&text)).into_iter();
        let told: Vec<String> = told.filter(|line| line.contains("lister")).collect();
        let expected = expected.map(|kind| {
            format!(
                "c.yaml:3:36: tasks[0].source.lister is left out: repositories are found by the catalog of a registry alone, not by the lister {kind}; name each repository in from"
            )
        });
        assert_eq!(told, Vec::from_iter(expected));
    }
}
