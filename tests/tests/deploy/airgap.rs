//! docs/airgap.md, word for word: what it says is done in two folders that only archives pass between.

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

/// The sections of the page that say what to do, in their order. What stands before a comma is the side.
const SECTIONS: [&str; 9] = [
    "Outside",
    "Inside",
    "Outside, the next time",
    "Inside, the next time",
    "Inside, with other tools",
    "Outside, with a disk",
    "Inside, with a disk",
    "Outside, with `sync`",
    "Inside, with `sync`",
];

struct AirGap {
    folder: TempDir,
    hub: FakeRegistry,
    own: FakeRegistry,
    inside: FakeRegistry,
}

impl AirGap {
    async fn start() -> Self {
        // A builder that is cloned makes registries with the same content.
        let with_referrers = || FakeRegistry::builder().behaviour(|it| it.referrers = true);
        let gap = Self {
            folder: tempfile::tempdir().unwrap(),
            hub: with_referrers().start().await.unwrap(),
            own: FakeRegistry::start().await.unwrap(),
            inside: with_referrers().start().await.unwrap(),
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

    /// The text with hosts that there are, which speak no TLS.
    fn with_hosts(&self, text: &str) -> String {
        text.replace("docker.io/", &format!("{}/", self.hub.host()))
            .replace("registry.example.com", self.own.host())
            .replace("registry.inside.example:5000", self.inside.host())
            .replace("skopeo copy", "skopeo copy --dest-tls-verify=false")
    }

    /// Does what a section of the document says. Returns what the commands printed.
    async fn follow(&self, section: &str) -> String {
        let side = section.split(',').next().unwrap();
        if side == "Inside" {
            self.carry().await;
        }
        let mut printed = String::new();
        for block in blocks_of("docs/airgap.md") {
            if block.section != section {
                continue;
            }
            match block.language.as_str() {
                "yaml" => self.write(side, &block),
                "sh" => printed += &self.run(side, &block).await,
                other => panic!("nothing is known of {other}"),
            }
        }
        printed
    }

    /// Carries archives and the disk over.
    async fn carry(&self) {
        let script =
            "for it in *.tar disk; do if test -e \"$it\"; then cp -r \"$it\" ../Inside/; fi; done";
        let carried = self.shell("Outside", script).await;
        assert!(carried.status.success(), "{carried:?}");
    }

    /// Writes the file that the first line of a block names.
    fn write(&self, side: &str, block: &Block) {
        let first = block.text.lines().next().unwrap();
        let name = first.strip_prefix("# ").unwrap();
        let path = self.path(side).join(name);
        fs::write(path, self.with_hosts(&block.text)).unwrap();
    }

    async fn run(&self, side: &str, block: &Block) -> String {
        let ended = self.shell(side, &block.text).await;
        let printed = format!(
            "{}{}",
            String::from_utf8_lossy(&ended.stdout),
            String::from_utf8_lossy(&ended.stderr)
        );
        assert!(ended.status.success(), "{block:#?}\n{printed}");
        printed
    }

    async fn shell(&self, side: &str, script: &str) -> Output {
        Command::new("sh")
            .args(["-e", "-c", &self.with_hosts(script)])
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("bin").display()),
            )
            .env("HOME", self.path("home"))
            .current_dir(self.path(side))
            .output()
            .await
            .unwrap()
    }

    fn assert_inside(&self, repository: &str, tag: &str, expected: &Image) {
        let digest = self.inside.digest(repository, tag);
        assert_eq!(
            digest.as_ref(),
            Some(expected.digest()),
            "{repository}:{tag}"
        );
        self.inside.assert_every_tag_is_complete();
    }

    /// How many manifests were written inside since this was asked before.
    fn written_inside(&self) -> usize {
        let written = self.inside.count("PUT", "/v2/*/manifests/*");
        self.inside.reset();
        written
    }
}

#[tokio::test]
async fn each_step_on_both_sides_of_an_air_gap_does_what_it_says() {
    let sections = blocks_of("docs/airgap.md").into_iter().map(|it| it.section);
    let mut sections: Vec<String> = sections.collect();
    sections.dedup();
    assert_eq!(sections, SECTIONS, "each is followed below");

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

    gap.follow("Outside").await;
    gap.follow("Inside").await;
    gap.assert_inside("library/alpine", "3.20", &alpine);
    gap.assert_inside("library/alpine", "3.21", &image("3.21"));
    gap.assert_inside("team/app", "1.0.0", &image("1.0"));
    gap.assert_inside("team/app", "1.1.0", &app);
    gap.assert_inside("team/app", &signature_tag, &signature);
    assert_eq!(gap.inside.digest("team/app", "0.9.0"), None);
    let of_sbom = sbom.digest().to_string();
    assert!(gap.inside.manifest("library/alpine", &of_sbom).is_some());
    gap.written_inside();
    gap.follow("Inside").await;
    assert_eq!(gap.written_inside(), 0, "all is in place");

    let newer = image("app 1.2");
    gap.own.put_image("team/app", "1.2.0", &newer);
    gap.follow("Outside, the next time").await;
    gap.follow("Inside, the next time").await;
    gap.assert_inside("team/app", "1.2.0", &newer);
    assert_eq!(gap.written_inside(), 1);

    gap.inside.remove_tag("library/alpine", "3.20");
    gap.inside.remove_tag("team/app", "1.1.0");
    gap.follow("Inside, with other tools").await;
    assert!(gap.inside.digest("library/alpine", "3.20").is_some());
    gap.assert_inside("team/app", "1.1.0", &app);

    gap.follow("Outside, with a disk").await;
    gap.follow("Inside, with a disk").await;
    gap.assert_inside("library/alpine", "3.20", &alpine);
    gap.inside.remove_tag("library/alpine", "3.20");
    gap.follow("Outside, with `sync`").await;
    gap.follow("Inside, with `sync`").await;
    gap.assert_inside("library/alpine", "3.20", &alpine);
}

#[tokio::test]
async fn an_archive_that_was_changed_on_its_way_is_told() {
    let gap = AirGap::start().await;
    for tag in ["3.20", "3.21"] {
        gap.hub.put_image("library/alpine", tag, &image(tag));
    }
    gap.own.put_image("team/app", "1.0.0", &image("app"));
    gap.follow("Outside").await;
    let archive = gap.path("Outside/carry-1.tar");
    let mut bytes = fs::read(&archive).unwrap();
    let layer = &image("app").all_blobs()[1].bytes.clone();
    let mut windows = bytes.windows(layer.len());
    let at = windows.position(|window| window == &layer[..]).unwrap();
    bytes[at] ^= 1;
    fs::write(archive, bytes).unwrap();
    gap.carry().await;
    let block = "image-sync load carry-1.tar registry.inside.example:5000 --output table";
    let ended = gap.shell("Inside", block).await;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let printed = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(printed.contains("the bytes have the digest"), "{printed}");
    assert_eq!(gap.inside.digest("team/app", "1.0.0"), None);
    gap.inside.assert_every_tag_is_complete();
}
