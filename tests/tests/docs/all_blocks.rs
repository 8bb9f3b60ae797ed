//! No command stands in the documents that nobody has tried: each block is carried out by a test, or there is a reason why
//! it cannot be, and then the program takes at least its own commands.

use std::fs;
use std::path::Path;

use image_sync_tests::{Block, blocks_of};

use crate::sandbox::Sandbox;
use crate::table::{BLOCKS, Tried};

/// The documents that are for users.
fn documents() -> Vec<String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let files = fs::read_dir(docs).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let pages = names.filter(|name| Path::new(name).extension().is_some_and(|it| it == "md"));
    let mut pages: Vec<String> = pages.map(|name| format!("docs/{name}")).collect();
    pages.push("README.md".to_owned());
    pages.sort();
    pages
}

/// The blocks of `sh` of all documents, each with its document.
fn blocks() -> Vec<(String, Block)> {
    let pages = documents().into_iter();
    let blocks = pages.flat_map(|page| {
        let blocks = blocks_of(&page).into_iter();
        blocks.map(move |block| (page.clone(), block))
    });
    blocks.filter(|(_, it)| it.language == "sh").collect()
}

/// The text of the sources below a folder.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else {
            *text += &fs::read_to_string(&path).unwrap();
        }
    }
}

#[test]
fn each_block_of_the_documents_is_in_the_table_and_each_test_of_the_table_is_there() {
    let blocks = blocks();
    let found: Vec<(&str, &str)> = blocks
        .iter()
        .map(|(page, block)| (page.as_str(), block.section.as_str()))
        .collect();
    let known: Vec<(&str, &str)> = BLOCKS
        .iter()
        .map(|(page, section, _)| (*page, *section))
        .collect();
    assert_eq!(
        found, known,
        "try what is new, and name its test in the table"
    );

    let mut tests = String::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"),
        &mut tests,
    );
    for (page, section, tried) in &BLOCKS {
        match tried {
            Tried::By(test) => assert!(
                tests.contains(&format!("fn {test}()")),
                "{page}, {section}: {test} is no test"
            ),
            Tried::Not(reason) => assert!(!reason.is_empty()),
        }
    }
}

/// How the documents call the program, in a checkout and as an image too.
const CALLS: [&str; 4] = [
    "cargo run --release -- ",
    "nix run \"github:$OWNER/image-sync\" -- ",
    "\"ghcr.io/$OWNER/image-sync:$VERSION\" ",
    "image-sync ",
];
/// Commands of others that name it.
const OTHERS: [&str; 7] = [
    "aws ",
    "az ",
    "cosign ",
    "docker buildx ",
    "gcloud ",
    "sudo install ",
    "tar ",
];

/// What a command gives the program, from its first argument on, without what the shell does with its output.
fn own(command: &str) -> Option<&str> {
    if OTHERS.iter().any(|other| command.starts_with(other)) {
        return None;
    }
    let (_, arguments) = CALLS.iter().find_map(|call| command.split_once(call))?;
    let ends = [" > ", " | ", " &"].map(|end| arguments.find(end).unwrap_or(arguments.len()));
    Some(&arguments[..*ends.iter().min()?])
}

/// The commands that stand in the prose of a document.
fn in_prose(page: &str) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let text = fs::read_to_string(file).unwrap();
    let prose = text.split("```").step_by(2);
    let code = prose.flat_map(|prose| prose.split('`').skip(1).step_by(2));
    let commands =
        code.filter(|code| code.starts_with("image-sync ") && !code.contains(" COMMAND "));
    let commands = commands.map(|command| command.replace("SIZE", "1GiB"));
    commands.collect()
}

/// With `--help` behind them, arguments are read and nothing is done.
#[tokio::test]
async fn the_program_takes_each_of_its_command_lines() {
    let sandbox = Sandbox::start().await;
    let blocks = blocks().into_iter();
    let lines = blocks.flat_map(|(page, block)| {
        let commands = block.commands().into_iter();
        commands.map(move |command| (page.clone(), command))
    });
    let prose = documents().into_iter().flat_map(|page| {
        let commands = in_prose(&page).into_iter();
        commands.map(move |command| (page.clone(), command))
    });
    let mut taken = 0;
    for (page, command) in lines.chain(prose) {
        let Some(arguments) = own(&command) else {
            continue;
        };
        let ended = sandbox.run(&format!("image-sync {arguments} --help")).await;
        assert_eq!(ended.code, Some(0), "{page}: {command}\n{ended:#?}");
        taken += 1;
    }
    assert!(taken > 100, "{taken}");
}
