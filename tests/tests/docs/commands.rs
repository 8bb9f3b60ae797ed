//! docs/commands.md and docs/install.md.

use crate::page::Page;
use crate::sandbox::Sandbox;

const PAGE: &str = "docs/commands.md";

#[tokio::test]
async fn what_failed_is_worked_again_and_a_check_says_whether_all_is_up_to_date() {
    let sandbox = Sandbox::start().await;
    sandbox.write_images(&[
        "docker.io/library/nginx:1.27",
        "docker.io/library/alpine:3.21",
    ]);
    let page = Page::open(PAGE);
    let [check] = page.commands("Is all up to date");
    sandbox.ends_with(1, &check).await;
    let [all, failed] = page.commands("Only what failed");
    sandbox.ends_with(1, &all).await;
    sandbox.put("library/alpine", "3.21", "alpine 3.21");
    sandbox.ends_with(4, &check).await;
    let ended = sandbox.ends_with(0, &failed).await;
    assert_eq!(ended.report().results.len(), 1, "{ended:#?}");
    assert!(sandbox.has("library/alpine", "3.21"));
    sandbox.ends_with(0, &check).await;
}

#[tokio::test]
async fn a_process_that_repeats_goes_on_until_sigterm() {
    let sandbox = Sandbox::start().await;
    sandbox.write_images(&["docker.io/library/nginx:1.27"]);
    let [every] = Page::open(PAGE).commands("Again and again");
    let running = sandbox.start_command(&every);
    running.line("run ended").await;
    let ended = running.stop().await;
    assert!(ended.stderr.contains("SIGTERM"), "{ended:#?}");
    assert_eq!(ended.report().head.summary.pulled, 1, "{ended:#?}");
}

#[tokio::test]
async fn images_are_copied_one_by_one() {
    let mut sandbox = Sandbox::start().await;
    sandbox.write_config(
        "registries.yaml",
        "images: []\ncache_registry: unused.example",
    );
    let config = sandbox.program.home().join("registries.yaml");
    let config = config.display().to_string();
    sandbox.program = sandbox.program.env("IMAGE_SYNC_CONFIG", &config);
    let commands: [String; 4] = Page::open(PAGE).commands("`copy`");
    for command in commands {
        sandbox.run_well(&command).await;
    }
    for (repository, tag) in [
        ("library/nginx", "1.27"),
        ("web", "stable"),
        ("pause", "3.9"),
        ("pause", "3.10"),
        ("acme/app", "1.0"),
    ] {
        assert!(sandbox.has(repository, tag), "{repository}:{tag}");
    }
    let layout = sandbox.program.home().join("cache/nginx/index.json");
    assert!(layout.exists());
}

#[tokio::test]
async fn images_are_saved_and_loaded() {
    let mut sandbox = Sandbox::start().await;
    sandbox.write_images(&["docker.io/library/nginx:1.27"]);
    let config = sandbox.program.home().join("config.yaml");
    let config = config.display().to_string();
    sandbox.program = sandbox.program.env("IMAGE_SYNC_CONFIG", &config);
    let [save, load] = Page::open(PAGE).commands("`save` and `load`");
    sandbox.run_well(&save).await;
    let ended = sandbox.ends_with(0, &load).await;
    assert_eq!(ended.report().head.summary.pulled, 1, "{ended:#?}");
    assert!(sandbox.has("library/nginx", "1.27"));
}

#[tokio::test]
async fn the_file_of_another_tool_is_converted() {
    let sandbox = Sandbox::start().await;
    let kyma = "targetRepoPrefix: localhost:5000/mirror/\nimages: [{source: 'alpine:3.20'}]\n";
    sandbox.program.write("external-images.yaml", kyma);
    let [convert] = Page::open(PAGE).commands("`config convert`");
    sandbox.run_well(&convert).await;
    sandbox
        .run_well("image-sync config check -c config.yaml")
        .await;
}

/// Folders of the system are ones of the sandbox.
fn below(folder: &std::path::Path, command: &str) -> String {
    let mut command = command.to_owned();
    for path in ["/etc/", "/usr/share/", "/usr/local/share/"] {
        let there = format!("{}{path}", folder.display());
        command = command.replace(&format!(" {path}"), &format!(" {there}"));
    }
    let (_, file) = command.rsplit_once(' ').unwrap();
    std::fs::create_dir_all(std::path::Path::new(file).parent().unwrap()).unwrap();
    command
}

#[tokio::test]
async fn completions_and_manual_pages_come_to_where_they_are_found() {
    let sandbox = Sandbox::start().await;
    sandbox.stand_in("sudo", r#"exec "$@""#);
    let home = sandbox.program.home();
    let shells: [String; 3] = Page::open(PAGE).commands("`completions`");
    for command in shells {
        sandbox.run_well(&below(home, &command)).await;
    }
    for file in [
        "etc/bash_completion.d/image-sync",
        "usr/local/share/zsh/site-functions/_image-sync",
        "usr/share/fish/vendor_completions.d/image-sync.fish",
    ] {
        assert!(sandbox.read(file).contains("image-sync"), "{file}");
    }
    let [man] = Page::open("docs/install.md").commands("Manual pages and completions");
    sandbox.run_well(&below(home, &man)).await;
    let page = sandbox.read("usr/local/share/man/man1/image-sync-sync.1");
    assert!(page.contains("Check every image"), "{page}");
}
