//! Files that include others.

use std::path::Path;

use super::folder;
use crate::config_file::tests::{load, load_stdin};
use crate::config_file::{ConfigError, Parsed, parse};
use crate::identity::config_hash;

const FIRST: &str = "cache_registry: a.io\n";

fn load_from(folder: &Path) -> Result<Parsed, ConfigError> {
    load(&folder.join("c.yaml"), &|_| None)
}

/// The images of the first file, and the warnings.
fn read(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let folder = folder(files);
    let parsed = load_from(folder.path()).unwrap();
    let images = parsed.images.iter();
    let images = images.map(|image| format!("{} {}", image.target_name(), image.platforms));
    let own = format!("{}/", folder.path().display());
    let warnings = parsed
        .warnings
        .iter()
        .map(|warning| warning.replace(&own, ""));
    (images.collect(), warnings.collect())
}

/// What is wrong, without the lines of the files.
fn error(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let told = load_from(folder.path()).unwrap_err().to_string();
    let told = told.replace(&format!("{}/", folder.path().display()), "");
    let messages = told.lines().filter(|line| !line.starts_with(' '));
    messages.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_images_of_included_files_follow_in_the_order_of_names_with_defaults_of_their_own() {
    let (images, warnings) = read(&[
        (
            "c.yaml",
            "cache_registry: a.io
settings: {default_platform: linux/s390x}
defaults: {platform: all}
include: [teams/*.yaml, more/one.json]
images: [{source: first, tag: t}]",
        ),
        ("teams/b.yaml", "images: [{source: b, tag: t}]"),
        (
            "teams/a.yaml",
            "defaults: {platform: linux/arm64}\nimages: [{source: a, tag: t}]\ninclude: sub/*",
        ),
        ("teams/sub/x", "images: [{source: x, tag: t}]"),
        ("teams/.hidden.yaml", "nonsense"),
        ("teams/..data/b.yaml", "nonsense"),
        ("teams/a.txt", "nonsense"),
        ("teams/folder.yaml/a.txt", "nonsense"),
        (
            "more/one.json",
            "{\"images\": [{\"source\": \"j\", \"tag\": \"t\"}]}",
        ),
    ]);
    assert_eq!(
        images,
        [
            "a.io/first:t all",
            "a.io/a:t linux/arm64",
            "a.io/x:t linux/s390x",
            "a.io/b:t linux/s390x",
            "a.io/j:t linux/s390x",
        ]
    );
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn where_images_are_said_does_not_change_what_the_catalog_is_known_by() {
    let spread = folder(&[
        (
            "c.yaml",
            "cache_registry: a.io\ninclude: b.yaml\nimages: [{source: a, tag: t}]",
        ),
        ("b.yaml", "images: [{source: b, tag: t}]"),
    ]);
    let whole = parse(
        "{cache_registry: a.io, images: [{source: b, tag: t}, {source: a, tag: t}]}",
        "any",
    );
    let spread = load_from(spread.path()).unwrap();
    assert_eq!(
        config_hash(&spread.images),
        config_hash(&whole.unwrap().images)
    );
}

#[test]
fn a_pattern_that_matches_nothing_is_a_warning_and_a_file_that_is_not_there_an_error() {
    let (images, warnings) = read(&[(
        "c.yaml",
        "cache_registry: a.io\nimages: []\ninclude: [none/*.yaml, '*.yaml']",
    )]);
    assert_eq!(images, Vec::<String>::new());
    assert_eq!(
        warnings,
        [
            "c.yaml:3:11: include[0]: \"none/*.yaml\" matches no file",
            "c.yaml:3:24: include[1]: \"*.yaml\" matches no file",
            "c.yaml: there are no images, so that nothing is copied",
        ]
    );
    let first = format!("{FIRST}include:\n  - no.yaml\n  - '[a'\n  - ''\n  - [b]\n  - sub");
    assert_eq!(
        error(&[("c.yaml", &first), ("sub/a.yaml", "")]),
        "c.yaml:5:5: include[2]: found an empty text, expected a list of files as in teams/*.yaml\n\
         c.yaml:6:5: include[3]: found a list, expected a list of files as in teams/*.yaml"
    );
    let first = format!("{FIRST}include:\n  - no.yaml\n  - '[a'\n  - sub");
    assert_eq!(
        error(&[("c.yaml", &first), ("sub/a.yaml", "")]),
        "c.yaml:3:5: include[0]: no.yaml: there is no such file\n\
         c.yaml:4:5: include[1]: this is no pattern: invalid range pattern\n\
         c.yaml:5:5: include[2]: sub: this is a directory"
    );
}

#[test]
fn each_problem_names_its_own_file_and_all_are_told() {
    assert_eq!(
        error(&[
            (
                "c.yaml",
                "cache_registry: a.io\nsettings: 5\ninclude: '*/*.yaml'"
            ),
            ("a/a.yaml", "images: [{source: A, tag: t}]"),
            (
                "a/b.yaml",
                "registries: {}\nimages:\n  - {source: b, tag: t}\ncache_registry: b.io"
            ),
            ("b/c.yaml", "images: [{source: c, tag: t]"),
            ("b/d.yaml", "include: []"),
            ("b/e.yaml", "images: [{source: '${UNSET}', tag: t}]"),
            ("b/f.yaml", "- a"),
        ]),
        "c.yaml:2:11: settings: found a number, expected a mapping of settings\n\
         a/a.yaml:1:19: images[0].source: \"A\" is not a valid repository: \"A\" has uppercase letters, and names are lowercase; expected HOST/NAME as in docker.io/library/nginx, or oci:FOLDER\n\
         a/b.yaml:1:13: registries: found in a file that another one includes, expected it in the first file alone; this one may have images, repositories, lists, defaults, include\n\
         a/b.yaml:4:17: cache_registry: found in a file that another one includes, expected it in the first file alone; this one may have images, repositories, lists, defaults, include\n\
         b/c.yaml:1:28: this is not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'\n\
         b/e.yaml:1:19: ${UNSET} is not set; ${UNSET:-DEFAULT} would give a default\n\
         b/f.yaml:1:1: found a list, expected a mapping with images"
    );
}

#[test]
fn two_images_of_different_files_for_one_target() {
    let first =
        format!("{FIRST}images:\n  - {{source: a/x, tag: t}}\ninclude: ['b.yaml', 'c?.yaml']");
    assert_eq!(
        error(&[
            ("c.yaml", &first),
            (
                "b.yaml",
                "images:\n  - {source: y, tags: [a, b]}\n  - {source: b/x, tag: t, cache_as: a/x}"
            ),
            ("c1.yaml", "images:\n  - {source: z, tag: b, cache_as: y}"),
        ]),
        "b.yaml:3:5: images[1]: found docker.io/b/x:t (linux/amd64) for a.io/a/x:t, but images[0] of c.yaml has docker.io/a/x:t (linux/amd64) for it, expected one image per target, so set cache_as (the other one is in c.yaml:3:5)\n\
         c1.yaml:2:5: images[0]: found docker.io/library/z:b (linux/amd64) for a.io/y:b, but images[0] of b.yaml has docker.io/library/y:b (linux/amd64) for it, expected one image per target, so set cache_as (the other one is in b.yaml:2:5)"
    );
    let (images, warnings) = read(&[
        (
            "c.yaml",
            &format!("{FIRST}images: [{{source: a, tag: t}}]\ninclude: b.yaml"),
        ),
        (
            "b.yaml",
            "images:\n  - {source: b, tags: [t, u]}\n  - {source: a, tag: t}",
        ),
    ]);
    assert_eq!(images.len(), 3);
    let again = "b.yaml: images[1]: a:t is images[0] of c.yaml again, it is worked once";
    assert_eq!(warnings, [again]);
}

#[test]
fn files_that_include_each_other_are_refused() {
    let circle = error(&[
        ("c.yaml", "cache_registry: a.io\ninclude: d/a.yaml"),
        ("d/a.yaml", "include: b.yaml"),
        ("d/b.yaml", "include: [../c.yaml, 'a.y*']"),
    ]);
    assert_eq!(
        circle,
        "d/b.yaml:1:11: include[0]: found files that include each other: c.yaml -> d/a.yaml -> d/b.yaml -> d/../c.yaml\n\
         d/b.yaml:1:22: include[1]: found files that include each other: d/a.yaml -> d/b.yaml -> d/a.yaml"
    );
    let names: Vec<String> = (1..12).map(|number| format!("{number}.yaml")).collect();
    let texts: Vec<String> = (2..13)
        .map(|number| format!("include: {number}.yaml"))
        .collect();
    let mut files = vec![("c.yaml", "cache_registry: a.io\ninclude: 1.yaml")];
    files.extend(
        names
            .iter()
            .map(String::as_str)
            .zip(texts.iter().map(String::as_str)),
    );
    assert_eq!(
        error(&files),
        "8.yaml:1:10: include: 9.yaml: found files that include each other more than 8 deep, expected less"
    );
}

#[test]
fn a_file_that_several_include_is_read_once() {
    let (images, warnings) = read(&[
        (
            "c.yaml",
            "cache_registry: a.io\ninclude: ['[ab].yaml', a.yaml, sub/../a.yaml]",
        ),
        ("a.yaml", "images: [{source: a, tag: t}]"),
        ("b.yaml", "include: a.yaml\nimages: [{source: b, tag: t}]"),
        ("sub/x", ""),
    ]);
    assert_eq!(images, ["a.io/a:t linux/amd64", "a.io/b:t linux/amd64"]);
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn an_included_file_without_images_is_a_warning() {
    let (_, warnings) = read(&[
        (
            "c.yaml",
            "cache_registry: a.io\nimages: []\ninclude: a.yaml",
        ),
        ("a.yaml", "# nothing yet\n"),
    ]);
    let none = "c.yaml: there are no images, so that nothing is copied";
    assert_eq!(warnings, ["a.yaml: the file is empty", none]);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_included() {
    let told = error(&[("c.yaml", "cache_registry: a.io\ninclude: /dev/zero")]);
    assert_eq!(
        told,
        "c.yaml:2:10: include: /dev/zero: this is no regular file"
    );
}

#[test]
fn the_standard_input_is_a_config_whose_files_are_relative_to_the_current_folder() {
    let text = "cache_registry: ${CACHE}\nimages: [{source: a, tag: t}]";
    let variable = |name: &str| (name == "CACHE").then(|| "a.io".to_owned());
    let parsed = load_stdin(&mut text.as_bytes(), &variable).unwrap();
    let targets: Vec<String> = parsed
        .images
        .iter()
        .map(|image| image.target_name())
        .collect();
    assert_eq!(targets, ["a.io/a:t"]);
    let other = folder(&[("b.yaml", "images: [{source: b, tag: t}]")]);
    let text = format!(
        "cache_registry: a.io\ninclude: ['src/no-such-folder/*', '{}/*.yaml']",
        other.path().display()
    );
    let parsed = load_stdin(&mut text.as_bytes(), &variable).unwrap();
    assert_eq!(parsed.images.len(), 1);
    assert_eq!(
        parsed.warnings,
        ["<stdin>:2:11: include[0]: \"src/no-such-folder/*\" matches no file"]
    );
    let error = load_stdin(&mut "".as_bytes(), &variable)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("<stdin>: the file is empty"), "{error}");
}
