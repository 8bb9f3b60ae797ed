//! README.md.

use std::fs;
use std::path::{Path, PathBuf};

use image_sync_tests::blocks_of;
use tokio::process::Command;

use crate::page::Page;
use crate::queue::Queue;
use crate::sandbox::{Sandbox, free_port};

const PAGE: &str = "README.md";

/// Passes on what `cargo run` gives the program that it has built.
const CARGO: &str = r#"[ "$1 $2 $3" = "run --release --" ] && shift 3 && exec image-sync "$@""#;
/// Takes files from the release, if it is asked for the right one.
const CURL: &str =
    r#"for url; do case $url in "$RELEASED"/*) cp "files/${url##*/}" . ;; esac; done"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text() -> String {
    fs::read_to_string(root().join(PAGE)).unwrap()
}

/// The config of the page, with the registries of the sandbox.
fn write_config(sandbox: &Sandbox) {
    let blocks = blocks_of(PAGE);
    let config = blocks.iter().find(|it| it.language == "yaml").unwrap();
    sandbox.write_config("config.yaml", &config.text);
}

#[tokio::test]
async fn the_first_command_copies_the_examples_and_then_finds_all_in_place() {
    let sandbox = Sandbox::start().await;
    sandbox.stand_in("cargo", CARGO);
    let [first, second] = Page::open(PAGE).commands("image-sync");
    assert_eq!(
        first,
        "cargo run --release -- sync --config examples/quickstart.yaml"
    );
    assert_eq!(second, "scripts/test");
    let report = sandbox.ends_with(0, &first).await.report();
    assert_eq!(report.head.summary.pulled, report.head.summary.total);
    let report = sandbox.ends_with(0, &first).await.report();
    assert_eq!(
        report.head.summary.already_cached,
        report.head.summary.total
    );
}

#[tokio::test]
async fn the_program_of_a_release_is_installed() {
    let mut sandbox = Sandbox::start().await;
    let files = sandbox.program.home().join("files");
    fs::create_dir(&files).unwrap();
    sandbox.program.write("program", "the released program");
    let packed = Command::new("scripts/release-archive")
        .arg(format!("linux-{}", std::env::consts::ARCH))
        .arg(sandbox.program.home().join("program"))
        .arg(&files)
        .current_dir(root())
        .output()
        .await
        .unwrap();
    assert!(packed.status.success(), "{packed:#?}");
    sandbox.stand_in("curl", CURL);
    sandbox.stand_in("sudo", r#""$1" "$2" installed"#);
    let version = env!("CARGO_PKG_VERSION");
    let released = format!("https://github.com/team/image-sync/releases/download/v{version}");
    sandbox.program = sandbox.program.env("RELEASED", &released);
    let commands: [String; 5] = Page::open(PAGE).commands("Install");
    let script = commands.join("\n").replace(
        "OWNER=... VERSION=...",
        &format!("OWNER=team VERSION={version}"),
    );
    sandbox.run_well(&script).await;
    assert_eq!(sandbox.read("installed"), "the released program");
}

#[tokio::test]
async fn sixty_seconds_are_enough_for_one_image() {
    let sandbox = Sandbox::start().await;
    write_config(&sandbox);
    let [dry, copies, again] = Page::open(PAGE).commands("Sixty seconds");
    sandbox.run_well(&dry).await;
    assert!(!sandbox.has("library/nginx", "1.27"));
    let report = sandbox.ends_with(0, &copies).await.report();
    assert_eq!(report.head.summary.pulled, 1);
    assert!(sandbox.has("library/nginx", "1.27"));
    let report = sandbox.ends_with(0, &again).await.report();
    assert_eq!(report.head.summary.already_cached, 1);
}

/// The commands in the table of tasks.
fn tasks() -> Vec<String> {
    let text = text();
    let (_, section) = text.split_once("## What you want to do\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let code = rows.filter_map(|row| row.split('`').nth(1));
    code.map(str::to_owned).collect()
}

#[tokio::test]
async fn each_task_of_the_table_is_done_by_its_command() {
    let mut sandbox = Sandbox::start().await;
    write_config(&sandbox);
    let config = sandbox.program.home().join("config.yaml");
    let config = config.display().to_string();
    sandbox.program = sandbox.program.env("IMAGE_SYNC_CONFIG", &config);
    let regsync = format!(
        "version: 1\nsync: [{{source: '{}/acme/app:1.0', target: '{}/acme/app:1.0', type: image}}]\n",
        sandbox.source.host(),
        sandbox.target.host()
    );
    sandbox.program.write("regsync.yaml", &regsync);
    sandbox
        .run_well("image-sync sync --report report.json")
        .await;
    let tasks = tasks();
    assert_eq!(tasks.len(), 14, "{tasks:#?}");
    for task in tasks {
        let task = task.replace("8080", &free_port().to_string());
        if ["--every", "--watch"].iter().any(|it| task.contains(it)) {
            let running = sandbox.start_command(&task);
            running.line("run ended").await;
            let ended = running.stop().await;
            assert!(ended.stderr.contains("SIGTERM"), "{task}: {ended:#?}");
        } else {
            sandbox.run_well(&task).await;
        }
    }
}

#[tokio::test]
async fn the_report_says_what_failed() {
    let sandbox = Sandbox::start().await;
    sandbox.write_images(&["docker.io/library/gone:1"]);
    let [sync, query] = Page::open(PAGE).commands("What it says");
    sandbox.ends_with(1, &sync).await;
    let said = sandbox.run_well(&query).await;
    assert!(said.starts_with("docker.io/library/gone:1\t"), "{said}");
}

#[tokio::test]
async fn a_fleet_copies_the_images_of_its_config() {
    let queue = Queue::start::<7>(PAGE, "On many machines").await;
    assert!(queue.sandbox.has("library/nginx", "1.27"));
    queue.stop().await;
}

/// There is no container engine: that each service and overlay runs is held by the suite `deploy`.
#[test]
fn services_and_overlays_that_it_names_are_there() {
    let compose = fs::read_to_string(root().join("compose.yaml")).unwrap();
    let [all, single, kubectl] = Page::open(PAGE).commands("On a schedule");
    assert_eq!(all, "docker compose up");
    let service = single.strip_prefix("docker compose up ").unwrap();
    assert!(compose.contains(&format!("\n  {service}:\n")), "{single}");
    let overlay = kubectl.strip_prefix("kubectl apply -k ").unwrap();
    let overlay = root().join(overlay).join("kustomization.yaml");
    assert!(overlay.exists(), "{kubectl}");
}

/// Whoever follows a link finds what it names.
#[test]
fn files_that_it_links_are_there() {
    let text = text();
    let links = text.split("](").skip(1);
    let links = links.filter_map(|rest| rest.split([')', '#']).next());
    let files: Vec<&str> = links.filter(|link| !link.starts_with("https://")).collect();
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        assert!(root().join(file).exists(), "{file}");
    }
}
