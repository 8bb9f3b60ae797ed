//! The README's first command.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use image_sync_shared::run::outcome::Action;
use image_sync_testkit::images::incomplete_layout_tags;

use crate::support::Home;

fn home_with_examples() -> Home {
    let home = Home::new();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    symlink(
        examples.canonicalize().unwrap(),
        home.path().join("examples"),
    )
    .unwrap();
    home
}

fn files(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

#[test]
fn the_quickstart_copies_everything_and_then_finds_all_in_place() {
    let home = home_with_examples();
    let first = home.run("sync --config examples/quickstart.yaml");
    assert_eq!(first.code, Some(0), "{first:#?}");
    let report = first.report();
    assert_eq!(report.head.summary.pulled, 6, "{first:#?}");
    assert_eq!(report.head.summary.total, 6);
    let cache = home.path().join("cache");
    for repository in ["hello", "hello-arm64", "tool", "signed"] {
        let incomplete = incomplete_layout_tags(&cache.join(repository)).unwrap();
        assert_eq!(incomplete, Vec::<String>::new(), "{repository}");
    }

    let before = files(&cache);
    let second = home.run("sync --config examples/quickstart.yaml --output table");
    assert_eq!(second.code, Some(0), "{second:#?}");
    assert!(
        second.stdout.starts_with("6 images: all in place; "),
        "{second:#?}"
    );
    assert_eq!(files(&cache), before, "nothing was written");
}

#[test]
fn an_index_keeps_its_digest_and_one_platform_has_that_of_its_child() {
    let home = home_with_examples();
    let report = home.run("sync --config examples/quickstart.yaml").report();
    let of = |target: &str| {
        let found = report.results.iter().find(|result| result.target == target);
        found.unwrap_or_else(|| panic!("no {target} in {report:#?}"))
    };
    let whole = of("oci:./cache/hello:1.0");
    assert_eq!(whole.expected_digest, whole.remote_digest);
    let one = of("oci:./cache/hello-arm64:1.0");
    assert_eq!(one.remote_digest, whole.remote_digest);
    assert_ne!(one.expected_digest, one.remote_digest);
}

#[test]
fn the_log_has_a_line_per_image_and_one_for_the_run() {
    let home = home_with_examples();
    for (word, option) in [
        ("would be copied", "--dry-run"),
        ("copied", ""),
        ("in place", ""),
    ] {
        let log = home
            .run(&format!("sync --config examples/quickstart.yaml {option}"))
            .stderr;
        let of_images = log
            .lines()
            .filter(|line| line.contains(&format!(": {word} ")));
        assert_eq!(of_images.count(), 6, "{word}: {log}");
        assert_eq!(log.matches("run ended").count(), 1, "{log}");
        assert!(!log.contains('\u{1b}'), "no terminal, no colours: {log}");
    }
}

#[test]
fn json_log_lines_are_objects() {
    let home = home_with_examples();
    let ended = home.run("sync --config examples/quickstart.yaml --log-format json");
    assert!(ended.stderr.lines().count() > 6, "{ended:#?}");
    for line in ended.stderr.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(object["message"].is_string(), "{line}");
    }
}

#[test]
fn a_dry_run_writes_nothing_and_says_what_it_would_copy() {
    let home = home_with_examples();
    let ended = home.run("sync --config examples/quickstart.yaml --dry-run");
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let report = ended.report();
    assert_eq!(report.head.summary.skipped, 6);
    for result in &report.results {
        assert_eq!(result.action, Action::Skipped);
        let would_copy = result.would_copy.unwrap();
        assert!(would_copy.blobs > 0 && would_copy.bytes > 0, "{result:?}");
    }
    assert!(!home.path().join("cache").exists());
}

#[test]
fn the_call_of_the_first_release_still_works() {
    let home = home_with_examples();
    let dry = home.run("--config examples/quickstart.yaml --dry-run");
    assert_eq!((dry.code, dry.report().head.summary.skipped), (Some(0), 6));
    let named_by_variable = home
        .command("")
        .env("IMAGE_SYNC_CONFIG", "examples/quickstart.yaml")
        .output()
        .unwrap();
    let ended = crate::support::Ended::from(named_by_variable);
    assert_eq!(
        (ended.code, ended.report().head.summary.pulled),
        (Some(0), 6)
    );
}

#[test]
fn config_check_says_what_the_config_means_and_touches_nothing() {
    let home = home_with_examples();
    let checked = home.run("config check --config examples/quickstart.yaml");
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
    for part in [
        "valid config: 6 images to oci:./cache",
        "oci:examples/images/tool:1.0 -> oci:./cache/tool:1.0, linux/amd64",
    ] {
        assert!(checked.stdout.contains(part), "{part}: {}", checked.stdout);
    }
    assert!(!home.path().join("cache").exists());
}

#[test]
fn what_was_learned_is_kept_where_it_is_asked_to_be() {
    let home = home_with_examples();
    home.run("sync --config examples/quickstart.yaml --state-dir facts");
    assert!(home.read("facts/memo.tsv").contains("linux/arm64"));
    assert!(!home.path().join(".local").exists());
    fs::remove_dir_all(home.path().join("cache")).unwrap();
    home.run("sync --config examples/quickstart.yaml");
    assert!(
        home.read(".local/state/image-sync/memo.tsv")
            .contains("linux/arm64")
    );
}

#[test]
fn a_state_folder_that_cannot_be_used_costs_nothing_but_a_warning() {
    let home = home_with_examples();
    home.write("file", "");
    let ended = home.run("sync --config examples/quickstart.yaml --state-dir file/facts");
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let homeless = home
        .command("sync --config examples/quickstart.yaml")
        .env_remove("HOME")
        .output()
        .unwrap();
    assert_eq!(homeless.status.code(), Some(0), "{homeless:#?}");
}
