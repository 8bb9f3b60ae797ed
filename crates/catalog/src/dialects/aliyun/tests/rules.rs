use super::super::super::samples::{images, warnings, with_variables};
use super::*;

const EXAMPLES: &str = "\
quay.example/team/proxy: quay.example/copy/proxy
quay.example/team/proxy:v1.0: quay.example/copy/proxy
quay.example/team/proxy:v1.0,v2.0: quay.example/copy/proxy
quay.example/team/proxy@DIGEST: quay.example/copy/proxy
quay.example/team/proxy:v1.1:
  - quay.example/copy/proxy1
  - quay.example/copy/proxy2
quay.example/team/proxy:/a+/: quay.example/copy/proxy
";

fn examples() -> String {
    EXAMPLES.replace("DIGEST", DIGEST)
}

#[test]
fn each_form_of_a_rule_is_an_image_of_a_native_config() {
    let expected = [
        "{source: quay.example/team/proxy, tags: all, targets: quay.example/copy/proxy}".to_owned(),
        "{source: quay.example/team/proxy, tag: v1.0, targets: quay.example/copy/proxy}".to_owned(),
        "{source: quay.example/team/proxy, tags: [v1.0, v2.0], targets: quay.example/copy/proxy}".to_owned(),
        format!("{{source: quay.example/team/proxy@{DIGEST}, targets: quay.example/copy/proxy}}"),
        "{source: quay.example/team/proxy, tag: v1.1, targets: [quay.example/copy/proxy1, quay.example/copy/proxy2]}".to_owned(),
        "{source: quay.example/team/proxy, tags: {include: .*a+.*}, targets: quay.example/copy/proxy}".to_owned(),
    ];
    assert_eq!(converted_images(&examples(), &usual()), expected);
    let parsed = with(&examples(), &usual());
    assert_eq!(
        images(&parsed),
        [
            "quay.example/team/proxy:v1.0 -> quay.example/copy/proxy:v1.0 all".to_owned(),
            "quay.example/team/proxy:v2.0 -> quay.example/copy/proxy:v2.0 all".to_owned(),
            format!("quay.example/team/proxy:{DIGEST} -> quay.example/copy/proxy@{DIGEST} all"),
            "quay.example/team/proxy:v1.1 -> quay.example/copy/proxy1:v1.1 all".to_owned(),
            "quay.example/team/proxy:v1.1 -> quay.example/copy/proxy2:v1.1 all".to_owned(),
        ]
    );
    assert_eq!(
        warnings(&parsed),
        [
            "c.yaml:1:1: quay.example/team/proxy: tags of signatures, attestations and SBOMs (sha256-...) are not among all tags of a repository, as they are there",
            "c.yaml:3:1: quay.example/team/proxy:v1.0 is the entry in line 2 again, it is worked once",
        ]
    );
}

#[test]
fn what_rules_choose_is_all_tags_or_those_with_a_match_anywhere() {
    let parsed = with(&examples(), &usual());
    let repository = "quay.example/team/proxy".parse().unwrap();
    let rules: Vec<_> = parsed.images.rules_for(&repository).collect();
    assert_eq!(rules.len(), 2);
    let tags = ["v1.0", "v1.1", "v2.0", "aa", "b", "latest"];
    let chosen = |nth: usize| {
        let chosen = tags.iter().filter(|tag| {
            let source = &parsed
                .images
                .may_be_chosen(&repository, tag)
                .collect::<Vec<_>>();
            source.len() > nth
        });
        chosen.copied().collect::<Vec<_>>()
    };
    assert_eq!(chosen(0), tags, "the rule for all tags");
    assert_eq!(chosen(1), ["aa", "latest"], "the regular expression too");
}

#[test]
fn rules_with_credentials_are_recognised_and_rules_alone_are_asked_for() {
    let joint = format!(
        "auth: {{}}\nimages:\n  {}",
        examples().replace('\n', "\n  ")
    );
    let usual_images = images(&with(&examples(), &usual()));
    let recognised = with(&joint, &DialectOptions::default());
    assert_eq!(images(&recognised), usual_images);
    let json = "{\"images\": {\"nginx:1\": [\"a.io/nginx\", \"b.io/nginx:2\"]}}";
    assert_eq!(
        images(&with(json, &DialectOptions::default())),
        ["nginx:1 -> a.io/nginx:1 all", "nginx:1 -> b.io/nginx:2 all"]
    );
    assert_eq!(
        told(&examples(), &DialectOptions::default()),
        [
            "c.yaml: found nothing but images and where they go, as rules of Aliyun's image-syncer are: expected --format aliyun for these, cache_registry and images for a native config"
        ]
    );
    let native = "cache_registry: a.io\nimages: {nginx: b}";
    let told = told(native, &DialectOptions::default());
    assert!(
        told[0].contains("images: found a mapping, expected a list"),
        "{told:?}"
    );
}

#[test]
fn tags_at_the_target_are_those_of_the_source_from_left_to_right() {
    let text = format!(
        "a.io/x:1,2: [b.io/x, 'b.io/y:one,two']
a.io/x@{DIGEST}: ['b.io/d:v1', 'b.io/e@{DIGEST}']
a.io/z:tag@{DIGEST}: b.io/z
a.io/r:/^v/: b.io/r:only
"
    );
    assert_eq!(
        converted_images(&text, &usual()),
        [
            "{source: a.io/x, tags: [1, 2], targets: b.io/x}".to_owned(),
            "{source: a.io/x, tag: 1, targets: b.io/y:one}".to_owned(),
            "{source: a.io/x, tag: 2, targets: b.io/y:two}".to_owned(),
            format!("{{source: a.io/x@{DIGEST}, targets: [b.io/d:v1, b.io/e]}}"),
            format!("{{source: a.io/z@{DIGEST}, targets: b.io/z}}"),
            "{source: a.io/r, tags: {include: v.*, require: 1}, tag_as: only, targets: b.io/r}"
                .to_owned(),
        ]
    );
    assert_eq!(
        images(&with(&text, &usual())),
        [
            "a.io/x:1 -> b.io/x:1 all".to_owned(),
            "a.io/x:2 -> b.io/x:2 all".to_owned(),
            "a.io/x:1 -> b.io/y:one all".to_owned(),
            "a.io/x:2 -> b.io/y:two all".to_owned(),
            format!("a.io/x@{DIGEST} -> b.io/d:v1 all")
                .replace(&format!("x@{DIGEST}"), &format!("x:{DIGEST}")),
            format!("a.io/x:{DIGEST} -> b.io/e@{DIGEST} all"),
            format!("a.io/z:{DIGEST} -> b.io/z@{DIGEST} all"),
        ]
    );
}

#[test]
fn targets_without_a_registry_are_those_of_docker_hub() {
    let text = "redis:7.2: example/redis\nvgpu: registry.hub.docker.com/example/vgpu\na/b:1: localhost/b\n";
    assert_eq!(
        converted_images(text, &usual()),
        [
            "{source: redis, tag: 7.2, targets: docker.io/example/redis}",
            "{source: vgpu, tags: all, targets: registry.hub.docker.com/example/vgpu}",
            "{source: a/b, tag: 1, targets: localhost/b}",
        ]
    );
    let parsed = with(text, &usual());
    assert_eq!(
        images(&parsed)[0],
        "redis:7.2 -> docker.io/example/redis:7.2 all"
    );
    let samples: Vec<_> = parsed.images.samples().collect();
    assert_eq!(samples[1].source.to_string(), "docker.io/library/vgpu");
    assert_eq!(samples[1].target.to_string(), "docker.io/example/vgpu");
}

#[test]
fn an_empty_target_is_the_default_registry_with_the_whole_path_or_the_last_name() {
    let text = "{\"h.example:32080/library/nginx:1\": \"\", \"h.example:32080/a/b/redis:7\": [], \"c/d:1\": null}";
    for (options, expected) in [
        (
            with_default("r.example", None),
            [
                "r.example/library/nginx:1",
                "r.example/a/b/redis:7",
                "r.example/c/d:1",
            ],
        ),
        (
            with_default("r.example/", Some("ns")),
            [
                "r.example/ns/nginx:1",
                "r.example/ns/redis:7",
                "r.example/ns/d:1",
            ],
        ),
    ] {
        let parsed = with(text, &options);
        let targets = parsed.images.iter().map(|image| image.target_name());
        assert_eq!(targets.collect::<Vec<_>>(), expected);
    }
    let told = told(text, &usual());
    assert_eq!(
        told[0],
        "c.yaml:1:37: h.example:32080/library/nginx:1: found no target, expected HOST/NAME, or --registry HOST or DEFAULT_REGISTRY=HOST"
    );
    assert_eq!(told.len(), 3);
}

#[test]
fn of_a_key_that_is_given_twice_the_last_one_holds_and_both_lines_are_told() {
    let text = "images:\n  a.io/x:1: b.io/x\n  a.io/y:1: b.io/y\n  a.io/x:1: c.io/x\n";
    let parsed = with(text, &usual());
    assert_eq!(
        images(&parsed),
        ["a.io/x:1 -> c.io/x:1 all", "a.io/y:1 -> b.io/y:1 all"]
    );
    assert_eq!(
        warnings(&parsed),
        [
            "c.yaml:4:3: a.io/x:1: given in line 2 and in line 4, the last one holds, as in the tool that it is written for"
        ]
    );
    let parsed = with(
        &text.replace(
            "\n  a",
            "\n  <<: {a.io/z:1: b.io/z, a.io/x:1: no.io/x}\n  a",
        ),
        &usual(),
    );
    assert_eq!(images(&parsed)[2], "a.io/z:1 -> b.io/z:1 all");
    assert_eq!(images(&parsed).len(), 3);
}

#[test]
fn variables_are_filled_in_in_targets_alone() {
    let text = "a.io/x:1: $REG/${NS}/x:${TAG}-1\na.io/y:1: ['${REG}/y', 'b.io/y$']\n"
        .replace(", 'b.io/y$'", "");
    let set = [("REG", "r.example:5000"), ("NS", "team"), ("TAG", "v")];
    let parsed = with_variables(&text, "c.yaml", &usual(), &set).unwrap();
    assert_eq!(
        images(&parsed),
        [
            "a.io/x:1 -> r.example:5000/team/x:v-1 all",
            "a.io/y:1 -> r.example:5000/y:1 all"
        ]
    );
    assert_eq!(
        told(&text, &usual()),
        [
            "c.yaml:1:11: a.io/x:1: the variable REG is not set, expected a value",
            "c.yaml:2:12: a.io/y:1: the variable REG is not set, expected a value",
        ]
    );
    assert_eq!(
        converted_images_with(&text, &usual(), &set),
        [
            "{source: a.io/x, tag: 1, targets: ${REG}/${NS}/x:${TAG}-1}",
            "{source: a.io/y, tag: 1, targets: ${REG}/y}"
        ]
    );
}
