//! Machines that lack what others have.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{Ended, Home};

/// A user who is nobody in particular, as containers without root have.
const NOBODY: u32 = 65_534;
const ROOT: u32 = 0;

#[test]
fn a_run_without_a_folder_for_temporary_files_has_its_report() {
    const IMAGES: usize = 3_000;
    let home = Home::new();
    let images: Vec<String> = (0..IMAGES)
        .map(|n| format!("  - {{source: 'oci:./missing/app-{n}', tag: '1'}}\n"))
        .collect();
    let config = format!("cache_registry: oci:./cache\nimages:\n{}", images.concat());
    home.write("config.yaml", config);
    let mut command = home.command("sync -c config.yaml");
    command.env("TMPDIR", home.path().join("no-such-folder"));
    let ended: Ended = command.output().unwrap().into();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert_eq!(ended.report().results.len(), IMAGES);
    let warnings = ended.stderr.matches("256 MiB stay in memory instead");
    assert_eq!(warnings.count(), 1, "{ended:#?}");
}

/// By another process: what this one has open for writing, a child that another test starts meanwhile has too, and then it
/// is busy (ETXTBSY).
fn copy_program(to: &Path) {
    let mut copy = Command::new("cp");
    let copied = copy.arg(env!("CARGO_BIN_EXE_image-sync")).arg(to).status();
    assert!(copied.unwrap().success());
}

#[test]
fn the_home_of_another_user_is_left_out_with_a_warning() {
    let home = Home::new();
    home.write("config.yaml", "cache_registry: oci:./cache\nimages: []\n");
    home.write("theirs/.docker/config.json", "{}");
    let theirs = home.path().join("theirs");
    fs::set_permissions(&theirs, Permissions::from_mode(0o000)).unwrap();
    // The folder of the build may be one that nobody else can enter.
    let program = home.path().join("image-sync");
    copy_program(&program);
    let mut command = home.command_of(&program, "sync -c config.yaml");
    command.env("HOME", &theirs);
    // Nothing is forbidden to root.
    if fs::metadata(home.path()).unwrap().uid() == ROOT {
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
        command.uid(NOBODY);
    }
    let ended: Ended = command.output().unwrap().into();
    fs::set_permissions(&theirs, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let warnings = ended.stderr.matches("credentials in them are not used");
    assert_eq!(warnings.count(), 1, "{ended:#?}");
    for file in [".docker/config.json", ".config/containers/auth.json"] {
        assert!(ended.stderr.contains(file), "{ended:#?}");
    }
}
