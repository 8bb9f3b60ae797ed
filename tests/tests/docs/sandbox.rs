//! A machine to follow the documents on: a folder with the program on its PATH, and registries that stand for those that
//! the documents name.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use image_sync_testkit::FakeRegistry;
use image_sync_testkit::images::index;
use image_sync_tests::{Ended, Program, Running};

/// Registries that images come from.
const SOURCES: [&str; 3] = ["docker.io", "ghcr.io", "registry.k8s.io"];
/// Registries that images go to.
const TARGETS: [&str; 2] = ["localhost:5000", "registry.example.com"];

/// The images that documents name: all of them are at the source.
const IMAGES: [(&str, &str); 9] = [
    ("library/nginx", "1.27"),
    ("library/nginx", "1.27-alpine"),
    ("library/alpine", "3"),
    ("library/alpine", "3.20"),
    ("project-zot/zot", "v2"),
    ("project-zot/zot-linux-amd64", "v2.1.2"),
    ("pause", "3.9"),
    ("pause", "3.10"),
    ("acme/app", "1.0"),
];

/// All of it ends when it is dropped.
pub(crate) struct Sandbox {
    pub(crate) program: Program,
    pub(crate) source: FakeRegistry,
    pub(crate) target: FakeRegistry,
}

impl Sandbox {
    pub(crate) async fn start() -> Self {
        let program = Program::new(env!("CARGO_BIN_EXE_image-sync-under-test"));
        let home = program.home().to_owned();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        fs::create_dir(home.join("bin")).unwrap();
        symlink(
            env!("CARGO_BIN_EXE_image-sync-under-test"),
            home.join("bin/image-sync"),
        )
        .unwrap();
        symlink(root.join("examples"), home.join("examples")).unwrap();
        let found = format!("{}/bin:/usr/local/bin:/usr/bin:/bin", home.display());
        let sandbox = Self {
            program: program.env("PATH", &found),
            source: FakeRegistry::start().await.unwrap(),
            target: FakeRegistry::start().await.unwrap(),
        };
        for (repository, tag) in IMAGES {
            sandbox.put(repository, tag, &format!("{repository} {tag}"));
        }
        sandbox
    }

    /// Puts an image for two platforms there.
    pub(crate) fn put(&self, repository: &str, tag: &str, name: &str) {
        let image = index(name, &["linux/amd64", "linux/arm64"]);
        self.source.put_image(repository, tag, &image);
    }

    /// A program that stands for another one of its name.
    pub(crate) fn stand_in(&self, name: &str, script: &str) {
        let file = self.program.home().join("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Where the registries are that documents name.
    pub(crate) fn registries(&self) -> String {
        let at = |names: &[&str], registry: &FakeRegistry| {
            let lines = names
                .iter()
                .map(|name| format!("  \"{name}\": {{endpoint: '{}'}}\n", registry.url()));
            lines.collect::<String>()
        };
        let sources = at(&SOURCES, &self.source);
        format!("registries:\n{sources}{}", at(&TARGETS, &self.target))
    }

    /// Writes a config that knows where the registries are.
    pub(crate) fn write_config(&self, name: &str, text: &str) {
        let text = format!("{text}\n{}", self.registries());
        self.program.write(name, &text);
    }

    /// Writes a config of these images.
    pub(crate) fn write_images(&self, images: &[&str]) {
        let images = images.iter().map(|it| format!("  - source: {it}\n"));
        let images: String = images.collect();
        let text = format!("cache_registry: localhost:5000\nimages:\n{images}");
        self.write_config("config.yaml", &text);
    }

    /// Carries a command out to its end.
    pub(crate) async fn run(&self, command: &str) -> Ended {
        self.program.start_shell(command).ended().await
    }

    /// Carries it out, and expects that it ends well. Returns what it wrote to stdout.
    pub(crate) async fn run_well(&self, command: &str) -> String {
        self.ends_with(0, command).await.stdout
    }

    pub(crate) async fn ends_with(&self, code: i32, command: &str) -> Ended {
        let ended = self.run(command).await;
        assert_eq!(ended.code, Some(code), "{command}\n{ended:#?}");
        ended
    }

    /// Starts what goes on until it is ended.
    pub(crate) fn start_command(&self, command: &str) -> Running {
        self.program.start_shell(&format!("exec {command}"))
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.program.home().join(name)).unwrap()
    }

    /// What is at the target.
    pub(crate) fn has(&self, repository: &str, tag: &str) -> bool {
        self.target.digest(repository, tag).is_some()
    }
}

/// A port that nobody has.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
