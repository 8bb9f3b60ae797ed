//! How many images are looked at for an event, however many there are.

use std::fmt::Write as _;

use super::*;
use crate::config_file::{DialectOptions, Input};

/// So many entries: of one repository with as many tags, of as many repositories, or lines of a list.
const MANY: usize = 5_000;

fn looked_at(index: &HintIndex, hint: &Hint) -> (usize, usize) {
    let (concerned, looked_at) = index.look_up(hint, &[]);
    (
        concerned.at_source.len() + concerned.at_target.len(),
        looked_at,
    )
}

fn many(line: impl Fn(usize) -> String) -> String {
    (0..MANY).map(line).collect()
}

#[test]
fn as_many_images_are_looked_at_as_are_found() {
    let items = many(|n| {
        format!(
            "{{source: 'quay.io/one:{n}'}}, {{source: 'quay.io/a{n}', tags: {{semver: 1.x}}}}, {{source: 'ghcr.io/a{n}:1', cache_as: 'gh{n}'}},"
        )
    });
    let index = index(&format!("images: [{items}]"));
    for (hint, found) in [
        (pushed("quay.io", "one:17"), 1),
        (pushed("quay.io", "a17:1.2"), 1),
        (deleted("cache.example:5000", "quay.io/one:17"), 1),
        (deleted("cache.example:5000", "quay.io/a17:1.2"), 1),
        (hint(None, "a17:1", HintAction::Pushed), 2),
        (pushed("quay.io", "one:none"), 0),
        (pushed("quay.io", "none:17"), 0),
        (pushed("docker.io", "one:17"), 0),
        (pushed("quay.io", &format!("one@{DIGEST}")), 0),
        (deleted("cache.example:5000", "quay.io/one:none"), 0),
    ] {
        assert_eq!(looked_at(&index, &hint), (found, found), "{hint:?}");
    }
}

#[test]
fn a_line_of_a_list_is_read_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let mut list = String::from("\u{feff}# lines\n\n");
    for n in 0..MANY {
        writeln!(list, "quay.io/a{n}:1{}", ["", "  # why", "\r"][n % 3]).unwrap();
    }
    writeln!(list, "# {}\nquay.io/last@{DIGEST}", "x".repeat(1_500)).unwrap();
    std::fs::write(folder.path().join("list.txt"), list).unwrap();
    let path = folder.path().join("c.yaml");
    let text = "{cache_registry: 'cache.example:5000', targets: {other: {registry: other.example}}, lists: [{file: list.txt, targets: [cache, other]}]}";
    std::fs::write(&path, text).unwrap();
    let input = Input {
        dialect: &DialectOptions::default(),
        stdin: None,
        variables: &|_| None,
    };
    let parsed = config_file::load(&path, input).unwrap();
    let index = HintIndex::new(parsed.images, &parsed.config);
    for n in [0, 1, 2, 17, MANY - 1] {
        let hint = pushed("quay.io", &format!("a{n}:1"));
        let expected =
            ["cache.example:5000", "other.example"].map(|host| format!("{host}/quay.io/a{n}:1"));
        assert_eq!(at_source(&index, &hint, &[]), expected);
        assert_eq!(looked_at(&index, &hint), (2, 2));
        let hint = deleted("other.example", &format!("quay.io/a{n}:1"));
        assert_eq!(at_target(&index, &hint, &[]), expected[1..]);
        assert_eq!(looked_at(&index, &hint), (1, 1));
    }
    assert_eq!(
        at_source(&index, &pushed("quay.io", &format!("last@{DIGEST}")), &[]).len(),
        2
    );
    assert_eq!(looked_at(&index, &pushed("quay.io", "a17:2")), (0, 0));
}
