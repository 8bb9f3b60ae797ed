//! What the program says about itself.

use crate::support::Home;

#[test]
fn help_names_commands_options_variables_and_examples() {
    let help = Home::new().run("--help");
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for part in [
        "sync ",
        "config ",
        "completions ",
        "--config <FILE>",
        "IMAGE_SYNC_CONFIG",
        "IMAGE_SYNC_LOG",
        "IMAGE_SYNC_STATE_DIR",
        "--dry-run",
        "Examples:",
    ] {
        assert!(help.stdout.contains(part), "{part}: {}", help.stdout);
    }
}

#[test]
fn help_of_sync_names_the_exit_codes() {
    let help = Home::new().run("sync --help").stdout;
    for part in ["Exit codes:", "75 ", "130 ", "--grace <DURATION>"] {
        assert!(help.contains(part), "{part}: {help}");
    }
}

#[test]
fn version_is_that_of_the_package() {
    let version = Home::new().run("--version");
    let expected = concat!("image-sync ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((version.code, version.stdout.as_str()), (Some(0), expected));
}

#[test]
fn config_schema_is_the_file_that_editors_and_programs_find() {
    for (asked, file) in [
        ("config schema", "config.schema.json"),
        ("config schema config", "config.schema.json"),
        ("config schema report", "report.schema.json"),
    ] {
        let schema = Home::new().run(asked);
        let file = format!("{}/../../deploy/{file}", env!("CARGO_MANIFEST_DIR"));
        let expected = std::fs::read_to_string(file).unwrap();
        assert_eq!((schema.code, schema.stdout), (Some(0), expected), "{asked}");
    }
}
