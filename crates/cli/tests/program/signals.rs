//! SIGINT and SIGTERM.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command};

use image_sync_shared::report::RunStatus;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Gate, Rule};
use tokio::task::spawn_blocking;

use crate::support::{Ended, Home, catalog, registry_with};

/// The program while one of its images is held at a gate.
struct Held {
    registry: FakeRegistry,
    gate: Gate,
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    seen: String,
    // Removed when the test is over.
    _home: Home,
}

impl Held {
    /// Starts `sync` of two images, one after the other, and returns when the first one's blobs wait at the gate.
    async fn start(options: &str) -> Self {
        let registry = registry_with(&["first", "second"]).await;
        let gate = Gate::new();
        registry.stage(Rule::new("GET", "/v2/first/blobs/*"), Fault::hold(&gate));
        let home = Home::new();
        home.write("config.yaml", catalog(&registry, &["first", "second"]));
        let mut child = home.start(&format!("sync -c config.yaml --concurrency 1 {options}"));
        gate.reached().await;
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self {
            registry,
            gate,
            child,
            stderr,
            seen: String::new(),
            _home: home,
        }
    }

    /// Sends a signal and returns when the program has said that it has it.
    async fn signal(mut self, name: &str) -> Self {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
        let received = format!("SIG{name} received");
        spawn_blocking(move || {
            let before = self.seen.matches(&received).count();
            while self.seen.matches(&received).count() == before {
                let read = self.stderr.read_line(&mut self.seen).unwrap();
                assert_ne!(read, 0, "no '{received}' in {}", self.seen);
            }
            self
        })
        .await
        .unwrap()
    }

    /// Waits for the program's end.
    async fn ended(mut self) -> (Ended, FakeRegistry) {
        spawn_blocking(move || {
            self.stderr.read_to_string(&mut self.seen).unwrap();
            let mut ended = Ended::from(self.child.wait_with_output().unwrap());
            ended.stderr = self.seen;
            (ended, self.registry)
        })
        .await
        .unwrap()
    }
}

fn names(images: &[image_sync_shared::run::ImageName]) -> Vec<&str> {
    let last = |target: &'_ str| target.rfind('/').map_or(0, |slash| slash + 1);
    images
        .iter()
        .map(|image| &image.target[last(&image.target)..])
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_signal_lets_what_is_in_hand_be_finished_and_takes_nothing_new() {
    for signal in ["TERM", "INT"] {
        let held = Held::start("--grace 10m").await.signal(signal).await;
        held.gate.release();
        let (ended, registry) = held.ended().await;
        assert_eq!(ended.code, Some(3), "{ended:#?}");
        let report = ended.report();
        assert_eq!(report.head.status, RunStatus::Incomplete);
        assert_eq!(report.head.summary.pulled, 1, "{ended:#?}");
        assert_eq!(report.head.summary.total, 2);
        assert_eq!(names(&report.missing), ["second:1"]);
        assert_eq!(registry.tags("cache/first"), ["1"]);
        assert_eq!(
            registry.count("*", "/v2/second/*"),
            0,
            "nothing new was begun"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_finished_within_the_grace_time_is_given_back_and_leaves_nothing_broken() {
    let held = Held::start("--grace 0s").await.signal("TERM").await;
    let (ended, registry) = held.ended().await;
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    let report = ended.report();
    assert_eq!(report.head.status, RunStatus::Incomplete);
    assert_eq!(names(&report.missing), ["first:1", "second:1"]);
    assert_eq!(registry.tags("cache/first"), Vec::<String>::new());
    assert_eq!(registry.open_uploads(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    for (second, code) in [("TERM", 143), ("INT", 130)] {
        let held = Held::start("--grace 10m").await.signal("TERM").await;
        let (ended, registry) = held.signal(second).await.ended().await;
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        assert_eq!(ended.stdout, "", "there is no report");
        registry.assert_every_tag_is_complete();
    }
}
