//! What is wrong is said in one message before anything is contacted: exit code 2.

use std::fs::File;

use crate::support::{Ended, Home, catalog, registry_with};

fn assert_refused(ended: &Ended, reasons: &[&str]) {
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(2), ""),
        "{ended:#?}"
    );
    let errors = ended
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "one message: {ended:#?}");
    for reason in reasons {
        assert!(ended.stderr.contains(reason), "{reason}: {ended:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_arguments_and_what_they_name_are_refused_before_anything_is_contacted() {
    let registry = registry_with(&["app"]).await;
    let home = Home::new();
    home.write("config.yaml", catalog(&registry, &["app"]));
    home.write("file", "");
    for (line, reasons) in [
        ("--concurrency 0", ["'0'", "expected a number, 1 or more"]),
        ("--concurrency x", ["'x'", "expected a number, 1 or more"]),
        ("--only [a", ["[a", "not a pattern"]),
        ("--only ngnix", ["ngnix", "none of the 1 images"]),
        ("--output xml", ["xml", "table"]),
        ("--grace soon", ["--grace", "soon"]),
        (
            "--report no/such/folder/report.json",
            ["no/such/folder/report.json", "make it first"],
        ),
        ("--report .", ["report", "directory"]),
        (
            "--report file/report.json",
            ["file/report.json", "Not a directory"],
        ),
        (
            "--log-level image_sync=loud",
            ["image_sync=loud", "expected error, warn"],
        ),
        (
            "--log-level nonsense",
            ["--log-level 'nonsense'", "expected error, warn"],
        ),
        ("--dryrun", ["--dryrun", "--dry-run"]),
        (
            "config.yaml",
            [
                "unexpected argument 'config.yaml'",
                "tip: a config file is named by an option: --config config.yaml",
            ],
        ),
    ] {
        let ended = home
            .run_beside(&format!("sync --config config.yaml {line}"))
            .await;
        assert_refused(&ended, &reasons);
    }
    for variable in ["IMAGE_SYNC_LOG", "RUST_LOG"] {
        let mut command = home.command("sync --config config.yaml");
        let ended: Ended = command.env(variable, "info,loud").output().unwrap().into();
        let reason = format!("{variable} 'info,loud': \"loud\" is no level");
        assert_refused(&ended, &[&reason, "expected error, warn"]);
    }
    assert_eq!(registry.requests(), [], "nothing was contacted");
    let control = home.run_beside("sync --config config.yaml").await;
    assert_eq!(
        control.code,
        Some(0),
        "the config itself is well: {control:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_the_config_and_the_environment_name_are_read_before_anything_is_contacted() {
    let registry = registry_with(&["app"]).await;
    let home = Home::new();
    let config = catalog(&registry, &["app"]);
    home.write("config.yaml", &config);
    home.write(
        "ca.yaml",
        format!(
            "{config}registries: {{'{}': {{ca_file: no-ca.pem}}}}\n",
            registry.host()
        ),
    );
    let ended = home.run_beside("sync --config ca.yaml").await;
    assert_refused(&ended, &["no-ca.pem"]);
    let check = home.run_beside("config check --config ca.yaml").await;
    assert_refused(&check, &["no-ca.pem"]);

    home.write("docker/config.json", "{");
    for folder in ["no-such-folder", "docker"] {
        let mut command = home.command("sync --config config.yaml");
        command.env("DOCKER_CONFIG", folder);
        let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
        assert_refused(&ended.await.unwrap().into(), &[folder, "DOCKER_CONFIG"]);
    }
    assert_eq!(registry.requests(), [], "nothing was contacted");
}

#[test]
fn bad_configs_are_refused_with_the_place() {
    let home = Home::new();
    home.write("empty.yaml", "");
    home.write("broken.yaml", "cache_registry: a\nimages: [\n");
    home.write(
        "unknown.yaml",
        "cache_registry: localhost:5000\nimages: []\nsettigns: {}\n",
    );
    home.write(
        "zero.yaml",
        "cache_registry: localhost:5000\nimages: []\nsettings:\n  concurrency: 0\n",
    );
    for command in ["sync", "config check"] {
        for (file, reason) in [
            ("missing.yaml", "there is no such file"),
            ("empty.yaml", "the file is empty"),
            ("broken.yaml", "broken.yaml:"),
            ("unknown.yaml", "settings"),
            ("zero.yaml", "concurrency"),
        ] {
            let ended = home.run(&format!("{command} --config {file}"));
            assert_refused(&ended, &[file, reason]);
        }
    }
}

#[test]
fn a_config_from_stdin_is_read_by_each_command_that_takes_one() {
    let home = Home::new();
    home.write("teams.yaml", "images: [{source: oci:images/a, tag: t}]\n");
    let good = "cache_registry: 'oci:${FOLDER}'\ninclude: teams.yaml\n";
    let of_stdin = |line: &str, text: &str| {
        home.write("stdin", text);
        let mut command = home.command(line);
        command.env("FOLDER", "cache");
        command.stdin(File::open(home.path().join("stdin")).unwrap());
        Ended::from(command.output().unwrap())
    };
    let check = of_stdin("config check -c -", good);
    assert_eq!(check.code, Some(0), "{check:#?}");
    let first = "<stdin> is a valid config: 1 image to oci:cache\n";
    assert!(check.stdout.starts_with(first), "{check:#?}");
    for (options, named) in [("--every 1h", "--every: "), ("--watch", "--watch: ")] {
        let again = of_stdin(&format!("sync -c - {options}"), good);
        assert_refused(&again, &[named, "can be read but once"]);
    }
    let sync = of_stdin("sync --config - --dry-run", good);
    assert_eq!(sync.code, Some(1), "the image is not there: {sync:#?}");
    assert_eq!(sync.report().head.summary.total, 1);
    for line in ["config check -c -", "sync -c -", "producer -c -"] {
        let refused = of_stdin(line, &good.replace("FOLDER", "NOT_SET"));
        let told =
            "error: <stdin>:1:17: ${NOT_SET} is not set; ${NOT_SET:-DEFAULT} would give a default
 1 | cache_registry: 'oci:${NOT_SET}'
   |                 ^^^^^^^^^^^^^^^^
";
        assert_refused(&refused, &[told]);
    }
}

#[test]
fn a_config_that_is_nowhere_is_asked_for() {
    let ended = Home::new().run("");
    assert_refused(
        &ended,
        &[
            "/etc/image-sync/config.yaml",
            "--config",
            "IMAGE_SYNC_CONFIG",
        ],
    );
}

#[test]
fn options_of_sync_before_another_command_are_refused() {
    let ended = Home::new().run("--dry-run config check");
    assert_refused(&ended, &["behind the command"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_senders_that_cannot_be_read_are_told_by_a_check_of_the_config() {
    let home = Home::new();
    let config = |file: &str| {
        format!(
            "{{cache_registry: a.test, images: [], webhooks: {{quay: {{secret_file: {file}}}}}}}"
        )
    };
    home.write("secret", "of-sixteen-characters\n");
    home.write("short", "short\n");
    home.write("good.yaml", config("secret"));
    for (file, reason) in [("missing", "missing"), ("short", "16")] {
        home.write("config.yaml", config(file));
        let ended = home.run_beside("config check --config config.yaml").await;
        assert_refused(&ended, &[file, reason]);
        assert!(!ended.stderr.contains("of-sixteen"), "{ended:#?}");
    }
    let control = home.run_beside("config check --config good.yaml").await;
    assert_eq!(control.code, Some(0), "{control:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_no_image_uses_is_a_warning() {
    let registry = registry_with(&["app"]).await;
    let home = Home::new();
    let settings = "registries: {unused.example: {username: u, password: p}}\n";
    home.write(
        "config.yaml",
        settings.to_owned() + &catalog(&registry, &["app"]),
    );
    for command in ["config check", "sync"] {
        let ended = home
            .run_beside(&format!("{command} --config config.yaml"))
            .await;
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        let told = "registries.unused.example: no image of this config is at unused.example";
        assert_eq!(ended.stderr.matches(told).count(), 1, "{ended:#?}");
    }
}
