//! Names in the cache that may not be those that are meant.

use super::super::parse;

fn told(text: &str) -> Option<String> {
    parse(text, "c.yaml").unwrap().naming
}

fn of(images: &str) -> Option<String> {
    told(&format!("{{cache_registry: a, images: [{images}]}}"))
}

#[test]
fn a_name_that_a_mirror_of_docker_hub_is_not_asked_for_is_told_once() {
    let one = of("{source: nginx, tag: '1'}");
    let expected = "c.yaml:1:30: images[0].source: \"nginx\" is called nginx in the cache, where a mirror of Docker Hub is asked for library/nginx; naming: path, or host_path, beside cache_registry settles all names, and cache_as beside source that of one image";
    assert_eq!(one.as_deref(), Some(expected));
    let many = of(
        "{source: nginx, tag: '1'}, {source: 'redis:7'}, {source: quay.io/a/b, tag: '1'}, {source: postgres, tag: '1'}",
    );
    let many = many.unwrap();
    assert!(
        many.contains("library/nginx (2 more are alike); naming"),
        "{many}"
    );
}

#[test]
fn one_image_of_two_spellings_is_told_with_both() {
    for (second, name) in [
        ("docker.io/library/nginx", "library/nginx"),
        (
            "index.docker.io/library/nginx",
            "index.docker.io/library/nginx",
        ),
    ] {
        let told = of(&format!(
            "{{source: redis, tag: '7'}}, {{source: nginx, tag: '1'}}, {{source: {second}, tag: '2'}}"
        ));
        let told = told.unwrap();
        let expected = format!(
            "images[2].source: {second:?} and \"nginx\" are one image and have two names in the cache, {name} and nginx; naming"
        );
        assert!(told.contains(&expected), "{told}");
    }
}

#[test]
fn names_that_are_settled_are_not_told() {
    for text in [
        "{cache_registry: a, images: [{source: docker.io/library/nginx, tag: '1'}, {source: ghcr.io/a/b, tag: '1'}]}",
        "{cache_registry: a, images: [{source: nginx, tag: '1', cache_as: nginx}, {source: docker.io/library/nginx, tag: '2'}]}",
        "{cache_registry: a, naming: path, images: [{source: nginx, tag: '1'}, {source: docker.io/library/nginx, tag: '2'}]}",
        "{cache_registry: a, images: [{source: nginx, tag: '1', targets: [b.io/web]}]}",
        "{targets: {b: {registry: b.io, naming: name}}, images: [{source: nginx, tag: '1'}]}",
    ] {
        assert_eq!(told(text), None, "{text}");
    }
}

#[test]
fn naming_holds_for_the_cache_and_for_targets_that_say_nothing() {
    let names = |naming: &str| -> Vec<String> {
        let text = format!(
            "{{cache_registry: a, naming: {naming}, targets: {{b: {{registry: b.io}}, c: {{registry: c.io, naming: name}}}}, \
             defaults: {{targets: [cache, b, c]}}, images: [{{source: nginx, tag: '1'}}]}}"
        );
        let images = parse(&text, "c.yaml").unwrap().images;
        images.iter().map(|image| image.target_name()).collect()
    };
    let of_path = ["a/library/nginx:1", "b.io/library/nginx:1", "c.io/nginx:1"];
    assert_eq!(names("path"), of_path);
    assert_eq!(names("host_path")[0], "a/docker.io/library/nginx:1");
    assert_eq!(names("name")[1], "b.io/nginx:1");
    assert_eq!(names("'m/{name}'")[0], "a/m/nginx:1");
    let error = parse("{cache_registry: a, naming: full, images: []}", "c.yaml");
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("naming: found \"full\", expected path"),
        "{error}"
    );
}

#[test]
fn two_spellings_that_naming_makes_one_are_worked_once() {
    let text = "{cache_registry: a, naming: path, images: [{source: nginx, tag: '1'}, {source: docker.io/library/nginx, tag: '1'}]}";
    let parsed = parse(text, "c.yaml").unwrap();
    assert_eq!(parsed.images.len(), 1);
    assert!(
        parsed.warnings[0].contains("it is worked once"),
        "{:?}",
        parsed.warnings
    );
}
