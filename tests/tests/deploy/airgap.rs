//! docs/airgap.md, word for word: what it says is done in two folders that only the archive passes between.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Output;

use image_sync_testkit::FakeRegistry;
use image_sync_testkit::Image;
use image_sync_testkit::images::{artifact, cosign_signature, image, index};
use image_sync_tests::{Block, blocks_of};
use tempfile::TempDir;
use tokio::process::Command;

/// What is carried from one side to the other.
const CARRIED: [&str; 2] = ["carry.tar", "carry.tar.sha256"];

struct AirGap {
    folder: TempDir,
    hub: FakeRegistry,
    own: FakeRegistry,
    inside: FakeRegistry,
}

impl AirGap {
    async fn start() -> Self {
        let with_referrers = FakeRegistry::builder().behaviour(|it| it.referrers = true);
        let gap = Self {
            folder: tempfile::tempdir().unwrap(),
            hub: with_referrers.clone().start().await.unwrap(),
            own: FakeRegistry::start().await.unwrap(),
            inside: with_referrers.start().await.unwrap(),
        };
        for name in ["bin", "home", "Outside", "Inside"] {
            fs::create_dir(gap.folder.path().join(name)).unwrap();
        }
        let program = env!("CARGO_BIN_EXE_image-sync-under-test");
        symlink(program, gap.folder.path().join("bin/image-sync")).unwrap();
        gap
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The text with hosts that there are.
    fn with_hosts(&self, text: &str) -> String {
        text.replace("docker.io/", &format!("{}/", self.hub.host()))
            .replace("registry.example.com", self.own.host())
            .replace("registry.inside.example:5000", self.inside.host())
    }

    /// Does all that the document says, from its top to its end. Returns what the commands printed.
    async fn pass(&self) -> String {
        let mut printed = String::new();
        for block in blocks_of("docs/airgap.md") {
            if block.section == "Inside" {
                for name in CARRIED {
                    fs::copy(
                        self.path("Outside").join(name),
                        self.path("Inside").join(name),
                    )
                    .unwrap();
                }
            }
            match block.language.as_str() {
                "yaml" => self.write(&block),
                "sh" => printed += &self.run(&block).await,
                other => panic!("nothing is known of {other}"),
            }
        }
        printed
    }

    /// Writes the file that the first line of a block names.
    fn write(&self, block: &Block) {
        let name = block
            .text
            .lines()
            .next()
            .unwrap()
            .strip_prefix("# ")
            .unwrap();
        let path = self.path(&block.section).join(name);
        fs::write(path, self.with_hosts(&block.text)).unwrap();
    }

    async fn run(&self, block: &Block) -> String {
        let ended = self.shell(&block.section, &block.text).await;
        let printed = format!(
            "{}{}",
            String::from_utf8_lossy(&ended.stdout),
            String::from_utf8_lossy(&ended.stderr)
        );
        assert!(ended.status.success(), "{block:#?}\n{printed}");
        printed
    }

    async fn shell(&self, folder: &str, script: &str) -> Output {
        Command::new("sh")
            .args(["-e", "-c", &self.with_hosts(script)])
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("bin").display()),
            )
            .env("HOME", self.path("home"))
            .current_dir(self.path(folder))
            .output()
            .await
            .unwrap()
    }

    /// The files of the last archive.
    async fn archived(&self) -> Vec<String> {
        let listed = self.shell("Inside", "tar --list --file=carry.tar").await;
        let listed = String::from_utf8(listed.stdout).unwrap();
        let files = listed.lines().filter(|name| !name.ends_with('/'));
        files.map(str::to_owned).collect()
    }

    fn assert_inside(&self, repository: &str, tag: &str, expected: &Image) {
        let repository = format!("127.0.0.1/{repository}");
        let digest = self.inside.digest(&repository, tag);
        assert_eq!(
            digest.as_ref(),
            Some(expected.digest()),
            "{repository}:{tag}"
        );
        self.inside.assert_every_tag_is_complete();
    }
}

fn blobs(files: &[String]) -> usize {
    files.iter().filter(|name| name.contains("/blobs/")).count()
}

#[tokio::test]
async fn images_with_signatures_and_sboms_pass_the_gap_and_only_what_changed_passes_again() {
    let gap = AirGap::start().await;
    let alpine = index("alpine", &["linux/amd64", "linux/arm64"]);
    let sbom = artifact("application/spdx+json", b"bill of materials", Some(&alpine));
    gap.hub.put_image("library/alpine", "3.20", &alpine);
    gap.hub.put_untagged("library/alpine", &sbom);
    gap.hub.put_image("library/alpine", "3.21", &image("3.21"));
    let app = image("app 1.1");
    let (signature_tag, signature) = cosign_signature(&app);
    for (tag, image) in [
        ("0.9.0", &image("0.9")),
        ("1.0.0", &image("1.0")),
        ("1.1.0", &app),
    ] {
        gap.own.put_image("team/app", tag, image);
    }
    gap.own.put_image("team/app", &signature_tag, &signature);

    let printed = gap.pass().await;
    assert!(printed.contains("carry.tar: OK"), "{printed}");
    gap.assert_inside("library/alpine", "3.20", &alpine);
    gap.assert_inside("library/alpine", "3.21", &image("3.21"));
    gap.assert_inside("team/app", "1.0.0", &image("1.0"));
    gap.assert_inside("team/app", "1.1.0", &app);
    gap.assert_inside("team/app", &signature_tag, &signature);
    assert_eq!(gap.inside.digest("127.0.0.1/team/app", "0.9.0"), None);
    let of_sbom = sbom.digest().to_string();
    assert!(
        gap.inside
            .manifest("127.0.0.1/library/alpine", &of_sbom)
            .is_some()
    );
    assert!(blobs(&gap.archived().await) > 10);

    gap.inside.reset();
    gap.pass().await;
    assert_eq!(blobs(&gap.archived().await), 0, "nothing changed");
    let written = |request: &image_sync_testkit::fake_registry::Request| {
        !["GET", "HEAD"].contains(&request.method.as_str())
    };
    assert_eq!(gap.inside.count_where(written), 0);

    let newer = image("app 1.2");
    gap.own.put_image("team/app", "1.2.0", &newer);
    gap.inside.reset();
    gap.pass().await;
    gap.assert_inside("team/app", "1.2.0", &newer);
    let archived = gap.archived().await;
    assert!(
        archived
            .iter()
            .all(|name| !name.contains("library/alpine/blobs")),
        "{archived:#?}"
    );
    assert_eq!(
        gap.inside
            .count_where(|it| it.is("PUT", "/v2/*/manifests/*")),
        1
    );
}

#[tokio::test]
async fn an_archive_that_was_changed_on_its_way_is_told() {
    let gap = AirGap::start().await;
    fs::write(gap.path("Inside/carry.tar"), "another").unwrap();
    let sum = format!("{}  carry.tar\n", "0".repeat(64));
    fs::write(gap.path("Inside/carry.tar.sha256"), sum).unwrap();
    let blocks = blocks_of("docs/airgap.md");
    let commands = blocks
        .iter()
        .find(|it| it.section == "Inside" && it.language == "sh");
    let ended = gap.shell("Inside", &commands.unwrap().text).await;
    let printed = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(
        !ended.status.success() && printed.contains("carry.tar: FAILED"),
        "{printed}"
    );
    assert_eq!(gap.inside.requests().len(), 0);
}
