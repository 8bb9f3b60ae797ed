//! Manual pages: one for each command, with what its help has.

use std::fs;

use crate::support::Home;

/// The first words of the lines of `help` below this heading.
fn first_words(help: &str, heading: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != heading).skip(1);
    let lines = lines.take_while(|line| line.starts_with(' '));
    // What a description goes on with stands further in.
    let entries = lines.filter(|line| !line.starts_with("     "));
    entries
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// The long options of a command, which begin the lines of its help, behind a short one or in place of it.
fn options(help: &str) -> Vec<String> {
    let before_examples = help.split("\nExample").next().unwrap();
    let lines = before_examples.lines().filter_map(|line| {
        let entry = line.trim_start();
        let is_one = line.len() - entry.len() <= 6;
        let long = entry.strip_prefix("--").map(|_| entry);
        long.or_else(|| entry.split_once(", ").map(|(_, long)| long))
            .filter(|_| is_one && entry.starts_with('-'))
    });
    let names = lines.filter_map(|line| line.split([' ', '[']).next());
    names.map(str::to_owned).collect()
}

/// All commands below this one, each as it is typed.
fn commands(home: &Home, above: &str) -> Vec<String> {
    let help = home.run(&format!("{above} --help")).stdout;
    let below = first_words(&help, "Commands:");
    let below = below.iter().filter(|name| *name != "help");
    below
        .map(|name| format!("{above} {name}").trim().to_owned())
        .flat_map(|command| {
            let below = commands(home, &command);
            [vec![command], below].concat()
        })
        .collect()
}

#[test]
fn each_command_has_a_page_with_its_options() {
    let home = Home::new();
    let written = home.run("man share/man1");
    assert_eq!((written.code, written.stdout.as_str()), (Some(0), ""));
    let all = commands(&home, "");
    for known in ["sync", "man", "dead-letters replay", "config tags"] {
        assert!(all.contains(&known.to_owned()), "{known}: {all:?}");
    }
    for command in [vec![String::new()], all.clone()].concat() {
        let name = format!("image-sync {command}").trim().replace(' ', "-");
        let page = home.read(&format!("share/man1/{name}.1"));
        let page = page.replace("\\-", "-");
        let source = concat!("\"image-sync ", env!("CARGO_PKG_VERSION"), "\"");
        assert!(page.contains(source), "{name}: {page}");
        let options = options(&home.run(&format!("{command} --help")).stdout);
        assert!(options.contains(&"--config".to_owned()), "{options:?}");
        for option in options {
            let entry = format!("{option}\\fR");
            assert!(page.contains(&entry), "{name} lacks {option}: {page}");
        }
    }
    let pages = fs::read_dir(home.path().join("share/man1")).unwrap();
    assert_eq!(pages.count(), all.len() + 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let home = Home::new();
    home.write("file", "");
    let ended = home.run("man file/man1");
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.starts_with("error: file/man1: "), "{ended:?}");
}
