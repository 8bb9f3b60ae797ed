//! docs/install.md: the commands fetch, verify and unpack what a release has.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use image_sync_tests::blocks_of;
use tokio::process::Command;

use crate::files::root;

/// Stand-ins for the programs that reach the network or other folders. `curl` takes files from the release, if it is asked
/// for the right one.
const PROGRAMS: [(&str, &str); 3] = [
    (
        "curl",
        "for url; do case $url in \"$RELEASED\"/*) cp \"$FILES/${url##*/}\" . ;; esac; done",
    ),
    ("cosign", "printf '%s\\n' \"$*\" >cosign-was-asked"),
    ("sudo", "\"$1\" \"$2\" installed"),
];

/// Packs a program as the release does, with its sums.
async fn release_in(folder: &Path) {
    let program = folder.join("program");
    fs::write(&program, "the released program").unwrap();
    let target = format!("linux-{}", std::env::consts::ARCH);
    let script = "scripts/release-archive \"$1\" \"$2\" \"$3\" && cd \"$3\" && sha256sum *.tar.gz >SHA256SUMS";
    let packed = Command::new("bash")
        .args(["-ec", script, "bash", &target])
        .arg(&program)
        .arg(folder)
        .current_dir(root())
        .output()
        .await
        .unwrap();
    assert!(packed.status.success(), "{packed:#?}");
    fs::write(folder.join("SHA256SUMS.sigstore.json"), "{}").unwrap();
}

#[tokio::test]
async fn a_binary_is_fetched_verified_and_installed_as_the_page_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["bin", "files", "here"] {
        fs::create_dir(path(name)).unwrap();
    }
    for (name, script) in PROGRAMS {
        let program = path("bin").join(name);
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    release_in(&path("files")).await;
    let blocks = blocks_of("docs/install.md");
    let block = blocks.iter().find(|it| it.section == "Binaries").unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let run = || {
        let mut command = Command::new("sh");
        command
            .args(["-ec", &block.text])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", path("bin").display()))
            .env("FILES", path("files"))
            .env(
                "RELEASED",
                format!("https://github.com/team/image-sync/releases/download/v{version}"),
            )
            .env("OWNER", "team")
            .env("VERSION", version)
            .current_dir(path("here"));
        command
    };
    let ended = run().output().await.unwrap();
    assert!(ended.status.success(), "{ended:#?}");
    let installed = fs::read_to_string(path("here/installed")).unwrap();
    assert_eq!(installed, "the released program");
    let asked = fs::read_to_string(path("here/cosign-was-asked")).unwrap();
    let workflow = format!("release.yml@refs/tags/v{version} ");
    assert!(asked.contains(&workflow), "{asked}");

    fs::remove_file(path("here/installed")).unwrap();
    let sums = fs::read_to_string(path("files/SHA256SUMS")).unwrap();
    let (_, name) = sums.split_once("  ").unwrap();
    fs::write(
        path("files/SHA256SUMS"),
        format!("{}  {name}", "0".repeat(64)),
    )
    .unwrap();
    let ended = run().output().await.unwrap();
    assert!(
        !ended.status.success() && !path("here/installed").exists(),
        "{ended:#?}"
    );
}
