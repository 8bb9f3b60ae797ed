//! Which entries wait for which.

use crate::config_file::{self, DialectOptions, Input, parse};
use crate::images::Images;

/// The sources of the images of each stage, and what stands for those that rules choose.
fn stages_of(images: &Images) -> Vec<Vec<String>> {
    let name = |of: &crate::images::EntryTarget<'_>| {
        let image = images.entries.image(*of).unwrap();
        match of.entry.list {
            Some(_) => "list".to_owned(),
            None => format!("{}:{}", image.image, image.tag),
        }
    };
    let stages = images.stages();
    let names = stages.iter().map(|stage| stage.iter().map(name).collect());
    names.collect()
}

/// Entries `SOURCE -> TARGET`, where the source says its tag, or `*` for all tags, or is a namespace.
fn stages(entries: &[&str]) -> Vec<Vec<String>> {
    let items = entries.iter().map(|entry| {
        let (source, target) = entry.split_once(" -> ").unwrap();
        let source = match source.strip_suffix(":*") {
            Some(repository) => format!("'{repository}', tags: all"),
            None => format!("'{source}'"),
        };
        format!("  - {{source: {source}, targets: ['{target}']}}\n")
    });
    let items: String = items.collect();
    let text = format!("cache_registry: 'cache.example'\nimages:\n{items}");
    stages_of(&parse(&text, "c.yaml").unwrap().images)
}

#[test]
fn without_chains_all_entries_are_of_one_stage_in_their_order() {
    let independent = [
        "quay.io/b:1 -> c.example/b",
        "quay.io/a:* -> c.example/a",
        "quay.io/b:2 -> c.example/b",
    ];
    let expected = vec![vec!["quay.io/b:1", "quay.io/a:latest", "quay.io/b:2"]];
    assert_eq!(stages(&independent), expected);
    let none = parse("{cache_registry: 'cache.example', images: []}", "c.yaml").unwrap();
    assert_eq!(
        stages_of(&none.images),
        [Vec::<String>::new()],
        "no entry is a stage too"
    );
}

#[test]
fn an_entry_comes_one_stage_after_the_last_of_those_that_write_what_it_reads() {
    let chain = [
        "c.example/a:1 -> d.example/a",
        "quay.io/a:1 -> b.example/a",
        "b.example/a:1 -> c.example/a",
        "quay.io/z:1 -> d.example/z",
        "d.example/a:1 -> e.example/a",
        "quay.io/a:2 -> d.example/a",
    ];
    assert_eq!(
        stages(&chain),
        [
            vec!["quay.io/a:1", "quay.io/z:1", "quay.io/a:2"],
            vec!["b.example/a:1"],
            vec!["c.example/a:1"],
            vec!["d.example/a:1"],
        ]
    );
}

#[test]
fn of_one_repository_named_tags_are_told_apart_and_what_rules_write_or_a_digest_names_may_be_any() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for (writer, reader, waits) in [
        (
            "quay.io/a:1 -> b.example/a",
            "b.example/a:1 -> c.example/a",
            true,
        ),
        (
            "quay.io/a:1 -> b.example/a",
            "b.example/a:2 -> c.example/a",
            false,
        ),
        (
            "quay.io/a:1 -> b.example/a:2",
            "b.example/a:2 -> c.example/a",
            true,
        ),
        (
            "quay.io/a:1 -> b.example/a",
            "b.example/a:* -> c.example/a",
            true,
        ),
        (
            "quay.io/a:* -> b.example/a",
            "b.example/a:2 -> c.example/a",
            true,
        ),
        (
            "quay.io/a:* -> b.example/a",
            "b.example/a:* -> c.example/a",
            true,
        ),
        (
            "quay.io/a:1 -> b.example/a",
            &format!("b.example/a@{digest} -> c.example/a"),
            true,
        ),
        (
            "quay.io/a:1 -> b.example/a",
            "b.example/a/b:1 -> c.example/a/b",
            false,
        ),
        (
            "quay.io/a:1 -> b.example/a",
            "b.example:5000/a:1 -> c.example/a",
            false,
        ),
    ] {
        let count = 1 + usize::from(waits);
        assert_eq!(stages(&[reader, writer]).len(), count, "{writer}, {reader}");
    }
}

#[test]
fn the_same_repository_in_other_words_is_the_same() {
    for (target, source) in [
        ("docker.io/library/nginx:1", "nginx:1"),
        ("registry-1.docker.io/x/a:1", "index.docker.io/x/a:1"),
        ("Registry.Example/a:1", "registry.example/a:1"),
        ("oci:./cache/a:1", "oci:cache//a:1"),
    ] {
        let (writer, reader) = (
            format!("quay.io/a:1 -> {target}"),
            format!("{source} -> c.example/a"),
        );
        assert_eq!(stages(&[&reader, &writer]).len(), 2, "{target} {source}");
    }
}

#[test]
fn entries_that_lead_back_to_what_they_read_are_of_one_stage_and_others_before_and_behind_them() {
    let circle = [
        "e.example/a:9 -> f.example/a",
        "b.example/a:* -> c.example/a",
        "c.example/a:* -> b.example/a",
        "quay.io/a:1 -> b.example/a",
        "c.example/a:3 -> e.example/a:9",
        "g.example/a:* -> g.example/a",
    ];
    assert_eq!(
        stages(&circle),
        [
            vec!["quay.io/a:1", "g.example/a:latest"],
            vec!["b.example/a:latest", "c.example/a:latest"],
            vec!["c.example/a:3"],
            vec!["e.example/a:9"],
        ]
    );
    let in_one_repository = [
        "b.example/a:stable -> c.example/a",
        "b.example/a:1 -> b.example/a:stable",
        "quay.io/a:1 -> b.example/a",
    ];
    assert_eq!(stages(&in_one_repository).len(), 3);
}

#[test]
fn a_chain_of_thousands_is_followed_without_recursion() {
    let link = |n: usize| format!("r.example/a{n}:1 -> r.example/a{}", n + 1);
    let links: Vec<String> = (0..20_000).rev().map(link).collect();
    let links: Vec<&str> = links.iter().map(String::as_str).collect();
    let stages = stages(&links);
    assert_eq!(stages.len(), links.len());
    assert_eq!(stages.first().unwrap(), &["r.example/a0:1"]);
    assert_eq!(stages.last().unwrap(), &["r.example/a19999:1"]);
}

#[test]
fn namespaces_read_and_write_whatever_is_below_their_paths() {
    let one = |repositories: &str, images: &str| {
        let text = format!(
            "{{cache_registry: 'cache.example/mirror', repositories: [{repositories}], images: [{images}]}}"
        );
        stages_of(&parse(&text, "c.yaml").unwrap().images).len()
    };
    let reads = "{source: b.example/team, tags: all}";
    let to = |target: &str| format!("{{source: 'quay.io/a:1', targets: ['{target}']}}");
    assert_eq!(one(reads, &to("b.example/team/a")), 2);
    assert_eq!(one(reads, &to("b.example/team/deep/a")), 2);
    assert_eq!(one(reads, &to("b.example/team")), 1);
    assert_eq!(one(reads, &to("b.example/teams/a")), 1);
    assert_eq!(
        one("{source: b.example, tags: all}", &to("b.example/teams/a")),
        2
    );
    // What is written: cache.example/mirror/quay.io/team/...
    let writes = "{source: quay.io/team, tags: all}";
    let from = |source: &str| format!("{{source: '{source}', targets: [c.example/x]}}");
    assert_eq!(
        one(writes, &from("cache.example/mirror/quay.io/team/a:1")),
        2
    );
    assert_eq!(
        one(writes, &from("cache.example/mirror/quay.io/other/a:1")),
        1
    );
    assert_eq!(one(writes, &from("cache.example/a:1")), 1);
    let called = "{source: quay.io/team, cache_as: 'x/{name}-y', tags: all}";
    assert_eq!(one(called, &from("cache.example/mirror/x/a-y:1")), 2);
    assert_eq!(
        one(called, &from("cache.example/mirror/quay.io/team/a:1")),
        1
    );
    for (written_and_read, stages) in [
        (
            "{source: cache.example/mirror, cache_as: 'again/{below}', tags: all, targets: [other]}",
            2,
        ),
        (
            "{source: cache.example/mirror/quay.io/team/part, tags: all, targets: [other]}",
            2,
        ),
        (
            "{source: cache.example/mirror/quay.io/others, tags: all, targets: [other]}",
            1,
        ),
    ] {
        let text = format!(
            "{{cache_registry: 'cache.example/mirror', targets: {{other: {{registry: other.example}}}}, repositories: [{written_and_read}, {writes}]}}"
        );
        let images = parse(&text, "c.yaml").unwrap().images;
        assert_eq!(stages_of(&images).len(), stages, "{written_and_read}");
    }
}

#[test]
fn artifacts_of_another_repository_are_read_too() {
    let text = "{cache_registry: 'cache.example', images: [
        {source: 'quay.io/a:1', referrers: {from: b.example/artifacts}},
        {source: 'quay.io/b:1', targets: [b.example/artifacts]}]}";
    let images = parse(text, "c.yaml").unwrap().images;
    assert_eq!(stages_of(&images), [["quay.io/b:1"], ["quay.io/a:1"]]);
}

#[test]
fn a_list_reads_the_registries_of_its_lines_and_writes_below_its_target() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("list.txt"), "quay.io/a:1\nquay.io/b:2\n").unwrap();
    let with = |image: &str| {
        let text =
            format!("{{cache_registry: 'b.example/mirror', lists: [list.txt], images: [{image}]}}");
        std::fs::write(folder.path().join("c.yaml"), text).unwrap();
        let path = folder.path().join("c.yaml");
        let input = Input {
            dialect: &DialectOptions::default(),
            stdin: Some(&mut std::io::empty()),
            variables: &|_| None,
        };
        stages_of(&config_file::load(&path, input).unwrap().images)
    };
    let behind = with("{source: 'b.example/mirror/quay.io/a:1', targets: [c.example/a]}");
    assert_eq!(behind, [["list"], ["b.example/mirror/quay.io/a:1"]]);
    let before = with("{source: 'x.example/a:1', targets: [quay.io/a]}");
    assert_eq!(before, [["x.example/a:1"], ["list"]]);
    let beside = with("{source: 'b.example/own/a:1', targets: [c.example/a]}");
    assert_eq!(beside.len(), 1);
}
