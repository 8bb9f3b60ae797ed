//! SIGINT and SIGTERM.

use std::process::Stdio;
use std::time::Duration;

use image_sync_shared::run::report::{MissingImage, RunStatus};
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Gate, Rule};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::support::{Ended, Home, PATIENCE, catalog, registry_with};

const SOURCE_BLOBS: &str = "/v2/first/blobs/*";
const UPLOADS: &str = "/v2/cache/first/blobs/uploads/*";

/// The program while one of its images is held at a gate.
struct Held {
    registry: FakeRegistry,
    gate: Gate,
    child: Child,
    stderr: BufReader<ChildStderr>,
    seen: String,
    // Removed when the test is over.
    _home: Home,
}

impl Held {
    /// Starts `sync` of two images, one after the other, and returns when a request of the first one waits at the gate.
    async fn start(method: &str, path: &str, options: &str) -> Self {
        let registry = registry_with(&["first", "second"]).await;
        let gate = Gate::new();
        registry.stage(Rule::new(method, path), Fault::hold(&gate));
        let home = Home::new();
        home.write("config.yaml", catalog(&registry, &["first", "second"]));
        let line = format!("sync -c config.yaml --concurrency 1 {options}");
        let mut command = Command::from(home.command(&line));
        let mut child = command.kill_on_drop(true).spawn().unwrap();
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
        let pid = self.child.id().unwrap().to_string();
        let mut kill = Command::new("kill");
        let sent = kill.args(["-s", name, &pid]).stdin(Stdio::null()).status();
        assert!(sent.await.unwrap().success());
        let received = format!("SIG{name} received");
        let before = self.seen.matches(&received).count();
        while self.seen.matches(&received).count() == before {
            let line = timeout(PATIENCE, self.stderr.read_line(&mut self.seen)).await;
            assert_ne!(
                line.unwrap().unwrap(),
                0,
                "no '{received}' in {}",
                self.seen
            );
        }
        self
    }

    /// Waits for the program's end.
    async fn ended(mut self) -> (Ended, FakeRegistry) {
        let end = async {
            self.stderr.read_to_string(&mut self.seen).await.unwrap();
            self.child.wait_with_output().await.unwrap()
        };
        let mut ended = Ended::from(timeout(PATIENCE, end).await.expect("the program ends"));
        ended.stderr = self.seen;
        (ended, self.registry)
    }
}

fn names(images: &[MissingImage]) -> Vec<&str> {
    let last = |target: &'_ str| target.rfind('/').map_or(0, |slash| slash + 1);
    images
        .iter()
        .map(|image| &image.target[last(&image.target)..])
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_signal_lets_what_is_in_hand_be_finished_and_takes_nothing_new() {
    for signal in ["TERM", "INT"] {
        let held = Held::start("GET", SOURCE_BLOBS, "--grace 10m")
            .await
            .signal(signal)
            .await;
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
    let held = Held::start("PUT", UPLOADS, "--grace 0s").await;
    assert_ne!(held.registry.open_uploads(), Vec::<String>::new());
    // The program must wait for the answer: it ends long before otherwise, with the upload still open.
    let late = Fault::Delay(Duration::from_secs(3));
    held.registry.stage(Rule::new("DELETE", UPLOADS), late);
    let held = held.signal("TERM").await;
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
        let held = Held::start("GET", SOURCE_BLOBS, "--grace 10m")
            .await
            .signal("TERM")
            .await;
        let (ended, registry) = held.signal(second).await.ended().await;
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        assert_eq!(ended.stdout, "", "there is no report");
        registry.assert_every_tag_is_complete();
    }
}
