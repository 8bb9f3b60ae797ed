//! What documents are read as.

use serde::Deserialize;
use serde_yaml_ng::Value;

use super::{Form, Node};

fn parse(text: &str) -> Option<Node> {
    super::parse(text, Form::Either, Some(&|_| None))
        .unwrap()
        .root
}

/// The same as another reader of YAML reads it.
fn is_read_alike(text: &str) {
    let other: Value = serde_yaml_ng::from_str(text).unwrap();
    let node = parse(text).unwrap();
    assert_eq!(Value::deserialize(&node).unwrap(), other, "{text}");
}

#[test]
fn a_document_is_read_as_another_library_reads_it() {
    for text in [
        "a: 1\nb: -1\nc: 1.5\nd: 1.10\ne: '1'\nf: \"1\"\ng: 0x1f\nh: 0o17\ni: 1e3\nj: +1",
        "a: ~\nb: null\nc:\nd: ''\ne: 'null'\nf: Null",
        "a: true\nb: False\nc: yes\nd: 'true'\ne: no\nf: on",
        "[a, [b, c], {d: e, f: [g]}]",
        "- a\n- - b\n  - c\n- d: e\n  f:\n  - g\n",
        "a: &x {b: c}\nd: *x\ne: [*x, *x]",
        "a: |\n  b\n  c\nd: >-\n  e\n  f\n",
        "{\"a\": \"b\\u00e9\\n\", \"c\": [1, 2.5, true, null]}",
        "# c\n---\na: b # c\n...\n",
        "a: b c  d\n  e\nf: infinity\ng: nan\nh: 1_000\ni: 12e03x\nj: .\nk: '-'\nl: 1.2.3",
        "'a b': c\n? d\n: e\n",
    ] {
        is_read_alike(text);
    }
}

#[test]
fn a_text_stays_as_it_is_written() {
    for (text, expected) in [
        ("1.10", "1.10"),
        ("007", "007"),
        ("1e3", "1e3"),
        ("yes", "yes"),
        ("!!str 1.0", "1.0"),
    ] {
        let node = parse(text).unwrap();
        assert_eq!(String::deserialize(&node).unwrap(), expected);
    }
}
