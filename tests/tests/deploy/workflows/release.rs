//! The release, executed with the programs of a build machine played by scripts: what it tags, signs and publishes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_yaml_ng::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::{RELEASE, jobs, steps};
use crate::files::{repository, text_of};

/// Notes its arguments, and does what the workflow reads of it afterwards.
const PROGRAM: &str = r#"#!/bin/bash
printf '%s %s\n' "$(basename "$0")" "$*" >>"$RECORD"
while [[ $# -gt 0 ]]; do
  case $1 in
    --target) target=$2 ;;
    --metadata-file) echo "{\"containerimage.digest\": \"sha256:$target\"}" >"$2" ;;
    --bundle) echo signed >"$2" ;;
  esac
  shift
done
"#;

/// Where jobs run, each in a folder of its own, and where artifacts are kept between them.
struct Forge {
    folder: TempDir,
    tag: &'static str,
}

impl Forge {
    fn new(tag: &'static str) -> Self {
        let forge = Self {
            folder: tempfile::tempdir().unwrap(),
            tag,
        };
        for program in ["docker", "cosign", "gh"] {
            let path = forge.path("bin").join(program);
            fs::create_dir_all(forge.path("bin")).unwrap();
            fs::write(&path, PROGRAM).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        forge
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn put_artifact(&self, artifact: &str, file: &str, text: &str) {
        let path = self.path("artifacts").join(artifact);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join(file), text).unwrap();
    }

    /// Runs the scripts of a job, and moves its artifacts.
    async fn run(&self, name: &str) {
        let folder = self.path(name);
        fs::create_dir(&folder).unwrap();
        let (_, job) = jobs(RELEASE)
            .into_iter()
            .find(|(it, _)| it == name)
            .unwrap();
        for step in steps(&job) {
            let used = step["uses"].as_str().unwrap_or_default();
            if used.starts_with("actions/upload-artifact@") {
                let artifact = step["with"]["name"].as_str().unwrap();
                let path = folder.join(step["with"]["path"].as_str().unwrap());
                copy_files(&path, &self.path("artifacts").join(artifact));
            } else if used.starts_with("actions/download-artifact@") {
                self.download(&step["with"], &folder);
            } else if let Some(script) = step["run"].as_str() {
                let inner = step["working-directory"].as_str().unwrap_or_default();
                self.script(script, &folder.join(inner)).await;
            }
        }
    }

    fn download(&self, with: &Value, folder: &Path) {
        let to = folder.join(with["path"].as_str().unwrap_or_default());
        let wanted = with["name"].as_str().or(with["pattern"].as_str()).unwrap();
        let wanted = wanted.trim_end_matches('*');
        for entry in fs::read_dir(self.path("artifacts")).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().starts_with(wanted) {
                copy_files(&entry.path(), &to);
            }
        }
    }

    async fn script(&self, script: &str, folder: &Path) {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let ended = Command::new("bash")
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
            .env_clear()
            .env("PATH", path)
            .env("RECORD", self.path("record"))
            .env("TOKEN", "the-token")
            .env("GITHUB_ACTOR", "somebody")
            .env("GITHUB_REF_NAME", self.tag)
            .env("GITHUB_REPOSITORY", "Team/image-sync")
            .env("GITHUB_SERVER_URL", "https://github.com")
            .env("GITHUB_SHA", "0123")
            .current_dir(folder)
            .output()
            .await
            .unwrap();
        assert!(ended.status.success(), "{script}\n{ended:#?}");
    }

    /// What was called, and with what.
    fn calls(&self, program: &str) -> Vec<String> {
        let record = fs::read_to_string(self.path("record")).unwrap();
        assert!(!record.contains("the-token"), "{record}");
        let calls = record.lines().filter_map(|line| line.strip_prefix(program));
        calls.map(|call| call.trim_start().to_owned()).collect()
    }
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

async fn images(tag: &'static str) -> Forge {
    let forge = Forge::new(tag);
    forge.run("images").await;
    forge.run("sign").await;
    forge
}

#[tokio::test]
async fn images_of_both_architectures_are_signed_by_digest_before_they_are_tagged() {
    let forge = images("v1.2.3").await;
    let image = "ghcr.io/team/image-sync";
    let docker = forge.calls("docker");
    for (target, suffix) in [("image-sync", ""), ("with-helpers", "-with-helpers")] {
        let command = format!(
            "buildx build --file deploy/Dockerfile --target {target} --platform linux/amd64,linux/arm64 \
             --build-arg VERSION=1.2.3 --build-arg REVISION=0123 \
             --build-arg SOURCE=https://github.com/Team/image-sync --sbom=true --provenance=mode=max "
        );
        let found = docker.iter().filter(|call| call.starts_with(&command));
        assert_eq!(found.count(), 1, "{command} is not in {docker:#?}");
        let sign = format!("cosign sign --yes --recursive {image}@sha256:{target}\n");
        let tag = format!(
            "docker buildx imagetools create --tag {image}:1.2.3{suffix} --tag {image}:latest{suffix} \
             {image}@sha256:{target}\n"
        );
        let record = fs::read_to_string(forge.path("record")).unwrap();
        let signed_then_tagged = format!("{sign}{tag}");
        assert!(
            record.contains(&signed_then_tagged),
            "{signed_then_tagged} is not in {record}"
        );
    }
}

#[tokio::test]
async fn an_image_of_a_pre_release_is_not_the_latest() {
    let forge = images("v1.2.3-rc.1").await;
    let docker = forge.calls("docker").join("\n");
    assert!(docker.contains(":1.2.3-rc.1 "), "{docker}");
    assert!(!docker.contains(":latest"), "{docker}");
}

#[tokio::test]
async fn a_pre_release_is_published_as_one() {
    let forge = Forge::new("v1.2.3-rc.1");
    forge.put_artifact("release-notes", "release-notes.md", "notes");
    forge.put_artifact("archive-a", "image-sync.tar.gz", "archive");
    forge.run("release").await;
    let published = forge.calls("gh");
    assert!(published[0].contains(" --prerelease "), "{published:#?}");
}

#[tokio::test]
async fn archives_are_published_with_their_sums_and_a_signature_of_these() {
    let forge = Forge::new("v1.2.3");
    forge.put_artifact("release-notes", "release-notes.md", "notes");
    forge.put_artifact("archive-x86_64", "image-sync-v1.2.3-x86_64.tar.gz", "one");
    forge.put_artifact("archive-aarch64", "image-sync-v1.2.3-aarch64.tar.gz", "two");
    forge.run("release").await;
    let sums = fs::read_to_string(forge.path("release/release/SHA256SUMS")).unwrap();
    let named: Vec<&str> = sums
        .lines()
        .filter_map(|line| Some(line.split_once("  ")?.1))
        .collect();
    let archives = [
        "image-sync-v1.2.3-aarch64.tar.gz",
        "image-sync-v1.2.3-x86_64.tar.gz",
    ];
    assert_eq!(named, archives);
    let published = "release create v1.2.3 --verify-tag --title v1.2.3 --notes-file release-notes.md \
                     release/SHA256SUMS release/SHA256SUMS.sigstore.json \
                     release/image-sync-v1.2.3-aarch64.tar.gz release/image-sync-v1.2.3-x86_64.tar.gz";
    assert_eq!(forge.calls("gh"), [published]);
}

/// Runs scripts/release-notes in a repository of this version, and returns what it printed, or what it complained of.
async fn notes(version: &str, asked: &str, changelog: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("scripts")).unwrap();
    let script = folder.path().join("scripts/release-notes");
    fs::copy(repository("scripts/release-notes"), &script).unwrap();
    let manifest = text_of("Cargo.toml");
    let own = format!("version = {:?}", env!("CARGO_PKG_VERSION"));
    let manifest = manifest.replacen(&own, &format!("version = {version:?}"), 1);
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.path().join("CHANGELOG.md"), changelog).unwrap();
    let ended = Command::new("bash")
        .arg(script)
        .arg(asked)
        .output()
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if ended.status.success() {
        Ok(text(ended.stdout))
    } else {
        Err(text(ended.stderr))
    }
}

#[tokio::test]
async fn the_notes_are_those_of_the_version_and_of_no_other() {
    let changelog = "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [1.2.3] - 2026-11-28\n\n### Added\n\n- this\n\n\
                     ## [1.2.30]\n\n- another\n\n[1.2.3]: https://example.com\n";
    let found = notes("1.2.3", "1.2.3", changelog).await.unwrap();
    assert_eq!(found.trim(), "### Added\n\n- this");
    let absent = notes("1.2.4", "1.2.4", changelog).await.unwrap_err();
    assert!(
        absent.contains("CHANGELOG.md has no section [1.2.4]"),
        "{absent}"
    );
    let other = notes("1.2.3", "1.2.4", changelog).await.unwrap_err();
    assert!(
        other.contains("Cargo.toml has version 1.2.3, not 1.2.4"),
        "{other}"
    );
}
