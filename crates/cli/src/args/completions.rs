//! Completion scripts for shells, made from the command line as it is understood.

use clap::builder::PossibleValuesParser;
use clap::{Command, CommandFactory as _, ValueEnum as _, ValueHint};
use clap_complete::Shell;

use super::Cli;

const PROGRAM: &str = "image-sync";

/// The words that `--log-level` may have; directives, which it may have too, are not to be guessed.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// The script for this shell.
pub(crate) fn script(shell: Shell) -> String {
    // Without truth values, which would be offered as the next word behind `--dry-run`.
    let command = Cli::command().mut_arg("log_level", |level| {
        level.value_parser(PossibleValuesParser::new(LEVELS))
    });
    let mut command = with_files(command);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, PROGRAM, &mut script);
    let script = String::from_utf8_lossy(&script);
    match shell {
        Shell::Bash => for_bash(&script),
        Shell::Fish => format!("{script}{}", positional_for_fish()),
        _ => script.into_owned(),
    }
}

/// Says of each path that it is one of a file, as bash then takes spaces for parts of it, and goes on behind a folder.
fn with_files(command: Command) -> Command {
    let command = command.mut_args(|option| match option.get_value_hint() {
        ValueHint::AnyPath => option.value_hint(ValueHint::FilePath),
        _ => option,
    });
    command.mut_subcommands(with_files)
}

/// What the generator's script for bash has to have besides.
fn for_bash(script: &str) -> String {
    // Of a program whose name has a hyphen it calls each subcommand by one name where it is recognized, and by another
    // one where its words are: clap-rs/clap#6421.
    let script = script.replace("image__sync__subcmd__", "image__subcmd__sync__subcmd__");
    // Bash takes `--output=j` for three words, so that the one before `j` is no option.
    let previous = "    prev=\"$3\"\n";
    let option = "    if [[ \"${prev}\" == \"=\" ]]; then\n        prev=\"${COMP_WORDS[COMP_CWORD-2]}\"\n    fi\n";
    script.replace(previous, &format!("{previous}{option}"))
}

/// The generator's script for fish knows the values of options only.
fn positional_for_fish() -> String {
    let shells: Vec<String> = Shell::value_variants()
        .iter()
        .map(ToString::to_string)
        .collect();
    format!(
        "complete -c {PROGRAM} -n \"__fish_seen_subcommand_from completions\" -f -a \"{}\"\n",
        shells.join(" ")
    )
}
