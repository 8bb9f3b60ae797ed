//! Lists of images in files of their own.

use std::fs;

use image_sync_shared::config::ImageSpec;

use super::folder;
use crate::config_file::tests::{load, load_stdin, load_with_list};
use crate::config_file::{ConfigError, Parsed, parse};
use crate::identity::config_hash;
use crate::selection::{Listed, choose, choose_listed};

/// A config with these lists, a target beside its cache, and `more`.
fn config(lists: &str, more: &str) -> String {
    format!("cache_registry: a.io\ntargets: {{b: {{registry: b.io}}}}\nlists: [{lists}]\n{more}")
}

fn load_with(config: &str, lists: &[(&str, &str)]) -> Result<Parsed, ConfigError> {
    let folder = folder(lists);
    fs::write(folder.path().join("c.yaml"), config).unwrap();
    load(&folder.path().join("c.yaml"), &|_| None)
}

fn target(image: &ImageSpec) -> String {
    image.target_name()
}

/// What is wrong, or what is warned of, without the folder's name.
fn bare(text: &str) -> String {
    let words = text.split(' ').map(
        |word| match word.rfind("/l.txt").or(word.rfind("/c.yaml")) {
            Some(at) => &word[at + 1..],
            None => word,
        },
    );
    words.collect::<Vec<_>>().join(" ")
}

fn error(config: &str, lists: &[(&str, &str)]) -> String {
    let error = load_with(config, lists).unwrap_err().to_string();
    let messages = error.lines().filter(|line| !line.starts_with(' '));
    messages.map(bare).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_line_is_an_image_for_each_target_of_its_list() {
    let config = config(
        "{file: l.txt, targets: [cache, b], platform: all, overwrite: never}",
        "images: [{source: first, tag: t}]",
    );
    let lines = "nginx\n# no image\n\n--platform=linux/arm64 quay.io/x/y:1\n";
    let parsed = load_with(&config, &[("l.txt", lines)]).unwrap();
    assert_eq!(parsed.warnings, [""; 0]);
    let images = parsed
        .images
        .iter()
        .map(|image| format!("{} {}", image.target_name(), image.platforms));
    let images: Vec<String> = images.collect();
    assert_eq!(
        images,
        [
            "a.io/first:t linux/amd64",
            "a.io/nginx:latest all",
            "a.io/quay.io/x/y:1 linux/arm64",
            "b.io/nginx:latest all",
            "b.io/quay.io/x/y:1 linux/arm64",
        ]
    );
    assert_eq!((parsed.images.len(), parsed.images.entries()), (5, 2));
    assert!(!parsed.images.has_rules());
    let samples: Vec<String> = parsed
        .images
        .samples()
        .map(|image| target(&image))
        .collect();
    assert_eq!(
        samples,
        images
            .iter()
            .map(|image| image.split(' ').next().unwrap())
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_list_is_relative_to_the_file_that_names_it_and_has_the_defaults_of_that() {
    let first = "{cache_registry: a.io, include: [teams/web.yaml]}";
    let included = "{lists: [images.txt], defaults: {platform: linux/s390x}}";
    let parsed = load_with(
        first,
        &[("teams/web.yaml", included), ("teams/images.txt", "x:1")],
    );
    let image = parsed.unwrap().images.iter().next().unwrap();
    assert_eq!(image.platforms.to_string(), "linux/s390x");
}

#[test]
fn the_standard_input_is_a_list_once_and_only_where_it_is_not_the_config() {
    let folder = folder(&[("c.yaml", &config("'-'", ""))]);
    let path = folder.path().join("c.yaml");
    let parsed = load_with_list(&path, &mut &b"x:1\ny:2\n"[..], &|_| None).unwrap();
    for _ in 0..2 {
        assert_eq!(
            parsed.images.iter().count(),
            2,
            "as often as it is asked for"
        );
    }
    assert!(parsed.images.are_of_stdin());
    let unasked = load(&path, &|_| None).unwrap();
    assert_eq!(unasked.images.len(), 0, "nor is it waited for");
    fs::write(&path, config("'-', {file: '-'}", "")).unwrap();
    let twice = load_with_list(&path, &mut &b"x:1"[..], &|_| None).unwrap_err();
    let twice = twice.to_string();
    assert!(
        twice.contains("lists[1].file: found -, but the standard input has another list already"),
        "{twice}"
    );
    let of_config = load_stdin(&mut config("'-'", "").as_bytes(), &|_| None).unwrap_err();
    assert!(
        of_config.to_string().contains("has the config already"),
        "{of_config}"
    );
}

#[test]
fn what_is_wrong_with_lists_is_told_with_their_lines_beside_all_else() {
    let wrong = "a b\nfine:1\nx/UPPER:1\nuser:pw@host/x\n";
    let told = error(
        &config("l.txt", "images: [{source: x}]"),
        &[("l.txt", wrong)],
    );
    let expected = r#"c.yaml:4:10: images[0]: the tag is missing, expected tag: TAG, or source: REPOSITORY:TAG
l.txt:1:1: found "b" behind a, expected one reference as in quay.io/prometheus/prometheus:v3.0.1, or # and a comment
l.txt:3:1: "x/UPPER:1" is not a valid repository: "UPPER" has uppercase letters, and names are lowercase; expected HOST/NAME as in docker.io/library/nginx, or oci:FOLDER
l.txt:4:1: found an '@' or '?' where none belongs, expected user names and passwords under registries or in Docker's config"#;
    assert_eq!(told, expected);
    let no_file = error(&config("{file: l.txt}", ""), &[]);
    assert_eq!(
        no_file,
        "c.yaml:3:9: lists[0].file: l.txt: there is no such file"
    );
    let nameless = error(&config("{targets: b}, ''", ""), &[]);
    let expected = "missing, expected the name of a file, or - for the standard input";
    assert_eq!(
        nameless,
        format!("c.yaml:3:9: lists[0].file: {expected}\nc.yaml:3:23: lists[1].file: {expected}")
    );
    let one_repository = error(
        &config("{file: l.txt, targets: [b.io/x]}", ""),
        &[("l.txt", "x:1\ny:1\n")],
    );
    assert!(
        one_repository.contains("found the repository \"b.io/x\" for all"),
        "{one_repository}"
    );
    let no_file_at_all = parse(&config("l.txt", ""), "c.yaml")
        .unwrap_err()
        .to_string();
    assert!(
        no_file_at_all.contains("found a config that is no file"),
        "{no_file_at_all}"
    );
}

#[test]
fn a_digest_in_the_tags_of_a_list_is_said_by_each_line() {
    let config = config("{file: l.txt, tag_as: 'by-{digest8}'}", "");
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let pinned = format!("a/b@{digest}\n");
    let images = load_with(&config, &[("l.txt", &pinned)]).unwrap().images;
    assert!(!images.has_rules());
    let targets: Vec<String> = images.iter().map(|image| target(&image)).collect();
    assert_eq!(targets, ["a.io/a/b:by-e3b0c442"]);
    let unknown = format!("{pinned}a/c:1\n");
    let told = error(&config, &[("l.txt", &unknown)]);
    let expected = "l.txt:2:1: found \"a/c:1\" without a digest for the {digest8} in tag_as";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn a_line_that_another_one_or_an_image_is_again_is_worked_once_and_told() {
    let lines = "x:1\ny:1\nx:1\ndocker.io/x:1\nz:1\n";
    let more = "images: [{source: z, tag: '1'}]";
    let parsed = load_with(&config("l.txt", more), &[("l.txt", lines)]).unwrap();
    let images: Vec<String> = parsed.images.iter().map(|image| target(&image)).collect();
    assert_eq!(images, ["a.io/z:1", "a.io/x:1", "a.io/y:1"]);
    assert_eq!(parsed.images.len(), 3);
    let warnings: Vec<String> = parsed.warnings.iter().map(|text| bare(text)).collect();
    assert_eq!(
        warnings,
        ["l.txt:3:1: x:1 is l.txt:1 again, as 2 more lines are others, each is worked once"]
    );
}

#[test]
fn two_images_for_one_target_are_refused_with_both_places() {
    let lines = "docker.io/a/x:1\nquay.io/a/y:1\nghcr.io/a/x:1\n";
    let more = "images: [{source: quay.io/b/z, tag: '1', cache_as: quay.io/a/y}]";
    let told = error(&config("l.txt", more), &[("l.txt", lines)]);
    let told = told.replace(" of ", " of \n");
    let lines: Vec<&str> = told.lines().collect();
    assert!(
        lines[0].starts_with(
            "l.txt:2:1: found quay.io/a/y:1 for a.io/quay.io/a/y:1, for which images[0] of"
        ),
        "{told}"
    );
    assert!(
        lines.iter().any(|line| line.starts_with(
            "l.txt:3:1: found ghcr.io/a/x:1 for a.io/a/x:1, for which l.txt:1 has another image"
        )),
        "{told}"
    );
}

#[test]
fn a_choice_is_made_among_lines_too() {
    let parsed = load_with(
        &config("l.txt", ""),
        &[("l.txt", "x:1\ny:1\nquay.io/x/z:2\n")],
    )
    .unwrap();
    let chosen = choose(parsed.images.clone(), Some("*x*")).unwrap();
    let targets: Vec<String> = chosen.iter().map(|image| target(&image)).collect();
    assert_eq!(targets, ["a.io/x:1", "a.io/quay.io/x/z:2"]);
    assert_eq!(chosen.len(), 2);
    let none = choose(parsed.images.clone(), Some("*nothing*"))
        .unwrap_err()
        .to_string();
    assert!(none.contains("matches none of the 3 images"), "{none}");
    let name = |image: &str, target: &str| image_sync_shared::run::ImageName {
        image: image.to_owned(),
        tag: "1".to_owned(),
        target: target.to_owned(),
    };
    let failed = [name("y", "a.io/y:1"), name("gone", "a.io/gone:1")];
    let listed = Listed::new("r.json".to_owned(), failed).into();
    let (chosen, missing) = choose_listed(parsed.images, None, &listed).unwrap();
    let targets: Vec<String> = chosen.iter().map(|image| target(&image)).collect();
    assert_eq!(targets, ["a.io/y:1"]);
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(missing[0].starts_with("gone:1 "), "{missing:?}");
}

#[test]
fn lists_of_other_images_are_other_catalogs() {
    let hash = |lines: &str, list: &str| {
        let parsed = load_with(&config(list, ""), &[("l.txt", lines), ("other.txt", lines)]);
        config_hash(&parsed.unwrap().images)
    };
    let sample = hash("x:1\ny:1\n", "l.txt");
    assert_eq!(hash("# comment\ny:1\n\nx:1\n", "l.txt"), sample);
    assert_eq!(
        hash("x:1\ny:1\n", "other.txt"),
        sample,
        "whatever it is called"
    );
    assert_ne!(hash("x:1\ny:2\n", "l.txt"), sample);
    assert_ne!(hash("x:1\ny:1\n", "{file: l.txt, platform: all}"), sample);
    assert_ne!(hash("x:1\ny:1\n", "{file: l.txt, targets: b}"), sample);
}
