//! What a shell offers for the next word, once the script for it was read.

use std::process::Command;

use crate::support::Home;

/// Reads the script named by the first argument, and prints what the function that it sets offers for the last of the others,
/// which are the words that bash takes a line for.
const OFFER: &str = r#"
source "$1"; shift
registered=$(complete -p image-sync)
[[ $registered =~ -F\ ([^ ]+) ]]
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
previous=${COMP_WORDS[COMP_CWORD - 1]}
if [[ ${COMP_WORDS[COMP_CWORD]} == "=" ]]; then
    "${BASH_REMATCH[1]}" "$1" "" "$previous"
else
    "${BASH_REMATCH[1]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "$previous"
fi
printf '%s\n' "${COMPREPLY[@]}"
"#;

struct Bash(Home);

impl Bash {
    fn new() -> Self {
        let home = Home::new();
        let script = home.run("completions bash");
        assert_eq!(script.code, Some(0), "{script:?}");
        home.write("image-sync.bash", script.stdout);
        Self(home)
    }

    /// What it offers for the last of these words.
    fn offers(&self, words: &[&str]) -> Vec<String> {
        let output = Command::new("bash")
            .args(["--norc", "-c", OFFER, "bash", "image-sync.bash"])
            .args(words)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        // What is for interactive shells alone is told there.
        let troubles = stderr.lines().filter(|line| !line.contains("compopt"));
        assert_eq!(troubles.collect::<Vec<_>>(), [""; 0], "{words:?}");
        let offered = String::from_utf8(output.stdout).unwrap();
        offered.lines().map(str::to_owned).collect()
    }
}

#[test]
fn bash_offers_commands_and_their_commands() {
    let bash = Bash::new();
    for (words, expected) in [
        (&["image-sync", "prod"][..], &["producer"][..]),
        (&["image-sync", "dead-letters", "re"], &["replay"]),
        (&["image-sync", "-c", "x.yaml", "config", "ch"], &["check"]),
        (&["/usr/bin/image-sync", "runs", "ca"], &["cancel"]),
        (&["image-sync", "help", "nats"], &["nats-credentials"]),
    ] {
        assert_eq!(bash.offers(words), expected, "{words:?}");
    }
    let of_runs = bash.offers(&["image-sync", "runs", ""]);
    for command in ["list", "show", "watch", "cancel"] {
        assert!(of_runs.iter().any(|it| it == command), "{of_runs:?}");
    }
}

#[test]
fn bash_offers_the_options_of_the_command_that_stands_there() {
    let bash = Bash::new();
    for (words, expected) in [
        (&["image-sync", "sync", "--dr"][..], &["--dry-run"][..]),
        (&["image-sync", "--dr"], &["--dry-run"]),
        (&["image-sync", "sync", "-c", "x", "--wa"], &["--watch"]),
        (&["image-sync", "worker", "--sl"], &["--slots"]),
        (
            &["image-sync", "dead-letters", "list", "--nats-u"],
            &["--nats-user"],
        ),
        (&["image-sync", "worker", "--dry"], &[""]),
    ] {
        assert_eq!(bash.offers(words), expected, "{words:?}");
    }
}

#[test]
fn bash_offers_the_values_of_options() {
    let bash = Bash::new();
    for (words, expected) in [
        (
            &["image-sync", "sync", "--output", ""][..],
            &["auto", "json", "ndjson", "table"][..],
        ),
        (
            &["image-sync", "--output", "="],
            &["auto", "json", "ndjson", "table"],
        ),
        (&["image-sync", "sync", "--output", "=", "j"], &["json"]),
        (&["image-sync", "producer", "--overlap", "q"], &["queue"]),
        (&["image-sync", "sync", "--format", "k"], &["kyma"]),
        (
            &["image-sync", "config", "convert", "--from", "fl"],
            &["flux-mirror"],
        ),
        (
            &["image-sync", "copy", "--overwrite", ""],
            &["always", "never", "error"],
        ),
        (
            &["image-sync", "copy", "--platform-missing", "s"],
            &["skip"],
        ),
        (
            &["image-sync", "config", "tags", "--sort", "n"],
            &["numerical"],
        ),
        (&["image-sync", "worker", "--log-level", "d"], &["debug"]),
        (&["image-sync", "completions", "z"], &["zsh"]),
    ] {
        assert_eq!(bash.offers(words), expected, "{words:?}");
    }
    let after_flag = bash.offers(&["image-sync", "sync", "--dry-run", ""]);
    assert!(!after_flag.contains(&"true".to_owned()), "{after_flag:?}");
    bash.0.write("my config.yaml", "");
    for option in ["-c", "--config"] {
        let offered = bash.offers(&["image-sync", "sync", option, "my"]);
        assert_eq!(offered, ["my config.yaml"], "{option}");
    }
}

#[test]
fn each_shell_has_its_script() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Home::new().run(&format!("completions {shell}"));
        assert_eq!(script.code, Some(0), "{shell}");
        assert!(
            script.stdout.contains("dry-run"),
            "{shell}: {}",
            script.stdout
        );
    }
    let unknown = Home::new().run("completions csh");
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(2), ""));
}

#[test]
fn fish_is_told_the_shells() {
    let script = Home::new().run("completions fish").stdout;
    let told = "-a \"bash elvish fish powershell zsh\"";
    assert!(script.contains(told), "{script}");
}
