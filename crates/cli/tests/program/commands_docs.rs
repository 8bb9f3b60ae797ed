//! The examples in docs/commands.md print what they say.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::Home;

#[test]
fn each_console_example_in_the_docs_prints_what_stands_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = fs::read_to_string(root.join("docs/commands.md")).unwrap();
    let examples: Vec<&str> = docs
        .split("\n```console\n$ image-sync ")
        .skip(1)
        .map(|block| block.split("\n```").next().unwrap())
        .collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let home = Home::new();
        let folder = root.join("examples").canonicalize().unwrap();
        symlink(folder, home.path().join("examples")).unwrap();
        let (line, expected) = example.split_once('\n').unwrap();
        let ended = home.run(&line.replace('\'', ""));
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert_eq!(ended.stdout.trim_end(), expected, "{line}");
    }
}

#[test]
fn each_option_of_the_shell_examples_in_the_docs_is_known() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = fs::read_to_string(root.join("docs/commands.md")).unwrap();
    let home = Home::new();
    let blocks = docs.split("\n```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split("\n```").next().unwrap());
    let lines: Vec<&str> = blocks.flat_map(str::lines).collect();
    assert_eq!(lines.len(), 14);
    for line in lines {
        let command = line
            .split(" #")
            .next()
            .unwrap()
            .strip_prefix("image-sync ")
            .unwrap();
        for word in command
            .split_whitespace()
            .filter(|word| word.starts_with("--"))
        {
            let help = home.run(&format!("{} --help", command.split(' ').next().unwrap()));
            let mut known = help
                .stdout
                .split(|end: char| end != '-' && !end.is_alphanumeric());
            assert!(known.any(|option| option == word), "{word} in {line}");
        }
    }
}

/// The text of all source files below `folder`.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_built = path.file_name().is_some_and(|name| name == "target");
        if path.is_dir() && !is_built {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn each_test_that_the_tables_for_switching_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = fs::read_to_string(root.join("docs/switching.md")).unwrap();
    let mut text = String::new();
    for folder in ["crates", "tests"] {
        sources(&root.join(folder), &mut text);
    }
    let rows = docs.lines().filter(|line| line.starts_with("| ")).skip(1);
    let cells = rows.filter_map(|row| row.trim_end_matches(" |").rsplit("| ").next());
    let quoted = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let is_a_name = |name: &&str| {
        name.matches('_').count() > 2
            && name
                .bytes()
                .all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
    };
    let tests: Vec<&str> = quoted.filter(is_a_name).collect();
    assert!(tests.len() > 10, "{tests:?}");
    for name in tests {
        assert!(text.contains(&format!("fn {name}()")), "{name} is no test");
    }
}
