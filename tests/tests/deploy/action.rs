//! The action: what its steps do with the inputs of a workflow.

mod inputs;
mod install;
mod page;
mod runner;
mod secrets;

use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Auth, Fault, Rule};
use image_sync_testkit::images::image;

use runner::{Outcome, Runner};

const PASSWORD: &str = "pass%25 word$(id)";

/// A source and a target that wants a password.
struct Registries {
    source: FakeRegistry,
    target: FakeRegistry,
}

impl Registries {
    async fn start() -> Self {
        let auth = Auth::basic("robot", PASSWORD);
        let source = FakeRegistry::start().await.unwrap();
        for name in ["app", "web"] {
            source.put_image(&format!("team/{name}"), "1.0", &image(name));
        }
        let target = FakeRegistry::builder().auth(auth).start().await.unwrap();
        Self { source, target }
    }

    /// A config in the form of image-sync.
    fn config(&self) -> String {
        let (source, target) = (self.source.host(), self.target.host());
        format!(
            "cache_registry: {target}\n\
             images:\n\
             - {{source: {source}/team/app, tag: '1.0', cache_as: app}}\n\
             - {{source: {source}/team/web, tag: '1.0', cache_as: web}}\n\
             settings: {{retry: {{attempts: 1}}}}\n"
        )
    }

    /// A runner that logs in to the target and syncs [`Self::config`].
    fn runner(&self, password: &str) -> Runner {
        let runner = Runner::new()
            .input("config", "config.yaml")
            .input("registry", self.target.host())
            .input("username", "robot")
            .input("password", password);
        runner.write("workspace/config.yaml", &self.config());
        runner
    }
}

fn assert_counts(outcome: &Outcome, counts: [(&str, &str); 4]) {
    for (name, count) in counts {
        assert_eq!(outcome.outputs[name], count, "{name} of {outcome:#?}");
    }
}

#[tokio::test]
async fn a_config_is_synced_and_counts_and_summary_say_what_changed() {
    let registries = Registries::start().await;
    let runner = registries.runner(PASSWORD);
    let first = runner.run().await;
    assert_eq!(first.code, 0, "{first:#?}");
    assert_counts(
        &first,
        [
            ("pulled", "2"),
            ("already-cached", "0"),
            ("failed", "0"),
            ("total", "2"),
        ],
    );
    let digest = registries.target.digest("app", "1.0");
    assert_eq!(digest.as_ref(), Some(image("app").digest()));
    assert!(
        first.summary.contains("### image-sync: 2 copied"),
        "{first:#?}"
    );
    assert!(first.summary.contains("team/app&#58;1.0"), "{first:#?}");
    let report = std::fs::read_to_string(&first.outputs["report"]).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["summary"]["total"], 2);

    let second = runner.run().await;
    assert_counts(
        &second,
        [
            ("pulled", "0"),
            ("already-cached", "2"),
            ("failed", "0"),
            ("total", "2"),
        ],
    );
}

#[tokio::test]
async fn a_dry_run_says_what_it_would_copy() {
    let registries = Registries::start().await;
    let runner = registries
        .runner(PASSWORD)
        .input("args", "--dry-run --only '*app*'");
    let outcome = runner.run().await;
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_eq!(outcome.outputs["skipped"], "1", "{outcome:#?}");
    assert!(outcome.summary.contains("1 to be copied"), "{outcome:#?}");
    assert_eq!(registries.target.digest("app", "1.0"), None);
}

#[tokio::test]
async fn a_failed_image_fails_the_step_after_outputs_and_summary_are_written() {
    let registries = Registries::start().await;
    let body = r#"{"errors": [{"code": "DENIED", "message": "<img src=x> | [a](b) `c`"}]}"#;
    registries.source.stage(
        Rule::new("GET", "/v2/team/web/manifests/*"),
        Fault::status(403).with_body(body),
    );
    registries.source.stage(
        Rule::new("HEAD", "/v2/team/web/manifests/*"),
        Fault::status(403),
    );
    let outcome = registries.runner(PASSWORD).run().await;
    assert_eq!(outcome.code, 1, "{outcome:#?}");
    assert_counts(
        &outcome,
        [
            ("pulled", "1"),
            ("already-cached", "0"),
            ("failed", "1"),
            ("total", "2"),
        ],
    );
    assert!(
        outcome
            .log
            .contains("::error title=image-sync::1 of 2 images failed"),
        "{outcome:#?}"
    );
    assert!(outcome.summary.contains("#### Failed"), "{outcome:#?}");
    assert!(outcome.summary.contains("img src"), "{outcome:#?}");
    for active in ["<img", "[a]", "`c`"] {
        assert!(
            !outcome.summary.contains(active),
            "{active} in {outcome:#?}"
        );
    }
    let cells = outcome
        .summary
        .lines()
        .filter(|line| line.starts_with("| "));
    for row in cells {
        assert_eq!(row.matches('|').count(), 4, "{row}");
    }
}

#[tokio::test]
async fn nothing_that_the_program_prints_is_a_command_to_the_runner() {
    let registries = Registries::start().await;
    let outcome = registries.runner(PASSWORD).run().await;
    let place = |text: &str| {
        let place = outcome.log.lines().position(|line| line.starts_with(text));
        place.unwrap_or_else(|| panic!("no {text} in {outcome:#?}"))
    };
    let stop = "::stop-commands::";
    let stopped = outcome.log.lines().nth(place(stop)).unwrap();
    let resumed = format!("::{}::", stopped.trim_start_matches(stop));
    let table = place("IMAGE ");
    assert!(
        place(stop) < table && table < place(&resumed),
        "{outcome:#?}"
    );
}
