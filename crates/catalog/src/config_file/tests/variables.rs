//! Variables of the environment in values.

use std::fs;

use crate::config_file::Parsed;
use crate::config_file::tests::load;

/// A config with these variables set.
fn read(text: &str, variables: &[(&str, &str)]) -> Result<Parsed, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yaml");
    fs::write(&file, text).unwrap();
    let look_up = |name: &str| {
        let mut found = variables.iter().filter(|(known, _)| *known == name);
        found.next().map(|(_, value)| (*value).to_owned())
    };
    let own = format!("{}/", folder.path().display());
    load(&file, &look_up).map_err(|error| error.to_string().replace(&own, ""))
}

#[test]
fn a_variable_may_stand_in_every_value_and_in_no_key() {
    let text = "
cache_registry: ${CACHE}/${ROOM:-infra}
images:
  - {source: \"${HUB}/a\", tag: \"${TAG}\", platform: \"${ALL}\", source_tls_verify: \"${NO}\"}
  - source: b
    x-${A}: 1
    tags: [\"${TAG}\", $$, $]
settings:
  concurrency: ${N}
  run_timeout: \"${N}m\"
  skip_on_error: ${YES}
registries:
  b.io: {username: 'robot$me', password: 'a$$b${TAG}', max_connections: \"${N}\"}
"
    .replace(", $$, $", "");
    let variables = [
        ("CACHE", "a.io:5000"),
        ("HUB", "quay.io/x"),
        ("TAG", "1.10"),
        ("ALL", "all"),
        ("NO", "false"),
        ("YES", "true"),
        ("N", "7"),
    ];
    let parsed = read(&text, &variables).unwrap();
    let images: Vec<_> = parsed.images.iter().collect();
    assert_eq!(images[0].target_name(), "a.io:5000/infra/quay.io/x/a:1.10");
    assert_eq!(images[0].platforms.to_string(), "all");
    assert_eq!(
        images[0].source_trust,
        image_sync_shared::run::job::Trust::Insecure
    );
    assert_eq!(images[1].target_name(), "a.io:5000/infra/b:1.10");
    let settings = parsed.config.settings;
    assert_eq!((settings.concurrency, settings.skip_on_error), (7, true));
    assert_eq!(settings.run_timeout.as_secs(), 7 * 60);
    let registry = &parsed.config.registries["b.io"];
    assert_eq!(registry.username.as_deref(), Some("robot$me"));
    let password = image_sync_shared::config::PasswordSource::Inline(
        image_sync_shared::secret::Secret::new("a$b1.10"),
    );
    assert_eq!(registry.password, Some(password));
    assert_eq!(registry.max_connections, Some(7));
}

#[test]
fn what_comes_in_is_text_and_no_yaml() {
    let text = "cache_registry: a.io\nimages: ${LIST}";
    let error = read(text, &[("LIST", "[{source: a, tag: t}]")]).unwrap_err();
    assert!(
        error.contains("images: found a text, expected a list"),
        "{error}"
    );
    let text = "cache_registry: a.io\nimages: [{source: a, tag: \"${TAG}\"}]";
    let error = read(text, &[("TAG", "")]).unwrap_err();
    assert!(
        error.contains("images[0].tag: \"\" is not a valid tag"),
        "{error}"
    );
    let parsed = read(text, &[("TAG", "null")]).unwrap();
    assert_eq!(parsed.images.iter().next().unwrap().tag, "null");
}

#[test]
fn regular_expressions_may_end_in_a_dollar_sign() {
    let text = "cache_registry: a.io\nimages: [{source: a, tags: {include: 'v1.*$', exclude: ['(a|b)$|c$']}}]";
    assert!(read(text, &[]).unwrap().images.has_rules());
}

#[test]
fn all_that_is_not_set_is_told_with_its_place_and_nothing_that_follows_of_it() {
    let text = "
cache_registry: ${CACHE}
images:
  - {source: \"${HUB:?the registry}/a\", tag: x}
  - {source: b, tag: \"${TAG\"}
  - {source: c, tag: x, platform: linux/amd46}
settings:
  concurrency: ${N}
";
    assert_eq!(
        read(text, &[]).unwrap_err(),
        "c.yaml:2:17: ${CACHE} is not set; ${CACHE:-DEFAULT} would give a default
 2 | cache_registry: ${CACHE}
   |                 ^^^^^^^^
c.yaml:4:14: ${HUB} is not set: the registry
 4 |   - {source: \"${HUB:?the registry}/a\", tag: x}
   |              ^^^^^^^^^^^^^^^^^^^^^^^^
c.yaml:5:22: found ${ that begins no variable, expected ${NAME}, ${NAME:-DEFAULT} or ${NAME:?MESSAGE}; a $ that stands for itself is written $$
 5 |   - {source: b, tag: \"${TAG\"}
   |                      ^^^^^^^
c.yaml:6:35: images[2].platform: platform \"linux/amd46\": unknown architecture \"amd46\", did you mean amd64?
 6 |   - {source: c, tag: x, platform: linux/amd46}
   |                                   ^^^^^^^^^^^
c.yaml:8:16: ${N} is not set; ${N:-DEFAULT} would give a default
 8 |   concurrency: ${N}
   |                ^^^^"
    );
}

#[test]
fn what_looks_like_a_variable_and_is_none_is_a_warning() {
    let text = "
cache_registry: a.io
images: [{source: b, tag: t}]
x-note: $NOTE
registries:
  a.io: {username: 'robot$ME', password: $HUB_PASSWORD}
  b.io: {username: $$ME, password: $me}
";
    let warnings = read(text, &[]).unwrap().warnings;
    let told: Vec<&str> = warnings
        .iter()
        .map(|warning| warning.split_once("c.yaml:").unwrap().1)
        .collect();
    assert_eq!(
        told,
        [
            "6:42: found a $ and a name, which is taken as it is; ${NAME} would be a variable, and $$NAME says that none is meant"
        ]
    );
}
