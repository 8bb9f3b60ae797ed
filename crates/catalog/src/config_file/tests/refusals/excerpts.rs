//! The lines of a file below the messages about them.

use crate::config_file::parse;

fn error(text: &str) -> String {
    parse(text, "c.yaml").unwrap_err().to_string()
}

#[test]
fn the_line_is_shown_with_a_mark_under_the_place() {
    assert_eq!(
        error("cache_registry: a.io\nimages:\n  - source: nginx\n    tags:\n      semver: \">=1.29, <2x\" # all\n"),
        "c.yaml:5:15: images[0].tags.semver: \">=1.29, <2x\" cannot be used: \"2x\" is no version, expected one as in 1.29 or v1.29.3
 5 |       semver: \">=1.29, <2x\" # all
   |               ^^^^^^^^^^^^^"
    );
    assert_eq!(
        error("cache_registry: a.io\nimages:\n  - {source: nginx, tagg: x, platform: linux/amd46}"),
        "c.yaml:3:21: images[0]: unknown key \"tagg\" (did you mean tag?), expected one of source, tag, tags, cache_as, tag_as, targets, platform, source_tls_verify, cache_insecure, overwrite, platform_missing, referrers
 3 |   - {source: nginx, tagg: x, platform: linux/amd46}
   |                     ^^^^
c.yaml:3:40: images[0].platform: platform \"linux/amd46\": unknown architecture \"amd46\", did you mean amd64?
 3 |   - {source: nginx, tagg: x, platform: linux/amd46}
   |                                        ^^^^^^^^^^^"
    );
}

#[test]
fn what_is_no_yaml_is_shown_too() {
    assert_eq!(
        error("cache_registry: a.io\nimages:\n\t- source: nginx"),
        "c.yaml:3:1: this is not valid YAML: found a tab in an indentation, expected spaces
 3 |  - source: nginx
   | ^^^^^^^^^"
    );
}

#[test]
fn of_a_long_line_the_place_is_shown() {
    let before = "a".repeat(300);
    let after = "c".repeat(300);
    let told = error(&format!(
        "{{cache_registry: a.io, x-a: {before}, images: [{{source: nginx, tag: 'b b'}}], x-c: {after}}}"
    ));
    let lines: Vec<&str> = told.lines().collect();
    let [_, line, mark] = lines[..] else {
        panic!("{told}")
    };
    assert!(line.starts_with(" 1 | ...aaa"), "{line}");
    assert!(line.ends_with("ccc..."), "{line}");
    let at = mark.find('^').unwrap();
    assert_eq!(&mark[at..], "^^^^^");
    assert_eq!(&line[at..at + 5], "'b b'");
}

#[test]
fn a_problem_of_the_whole_file_shows_no_line() {
    assert_eq!(error("").lines().count(), 1);
    let crlf = error("cache_registry: a.io\r\nimages:\r\n- {source: B, tag: t}\r\n");
    assert!(
        crlf.ends_with("\n 3 | - {source: B, tag: t}\n   |            ^"),
        "{crlf:?}"
    );
}
