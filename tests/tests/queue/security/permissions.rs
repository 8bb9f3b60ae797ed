//! Every command does its whole job as a user who may do what deploy/nats-roles.conf lets its role do, and nothing else.

use std::fmt::Write as _;

use image_sync_shared::run::report::RunStatus;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Gate, Rule};
use image_sync_testkit::images::image;
use image_sync_testkit::servers::{NatsServer, RawNats, UNREADABLE_HEADERS};
use image_sync_tests::{Catalog, Ended, Entry, Program, Running, Watched};

const ROLES: &str = include_str!("../../../../deploy/nats-roles.conf");
const USERS: [&str; 6] = [
    "provision",
    "producer",
    "webhook",
    "worker",
    "aggregator",
    "operator",
];

/// Commands after a run that has left two dead letters: who gives them, and how they end.
const COMMANDS: [(&str, &str, i32); 13] = [
    ("operator", "runs list", 0),
    ("operator", "runs show latest --output table", 0),
    ("operator", "runs watch latest", 1),
    (
        "producer",
        "enqueue -c config.yaml SOURCE/app1:1.0 --wait",
        0,
    ),
    ("operator", "hosts list", 0),
    ("operator", "workers list", 0),
    ("operator", "hosts resume docker.io", 2),
    ("operator", "dead-letters list", 0),
    ("operator", "dead-letters show ID", 0),
    ("operator", "dead-letters replay ID --wait", 1),
    ("operator", "dead-letters drop --all", 0),
    ("producer", "producer -c chain.yaml --wait", 0),
    ("producer", "producer -c unlisted.yaml --wait", 1),
];

/// A server where each role has its own user, and registries.
struct Guarded {
    nats: NatsServer,
    source: FakeRegistry,
    target: FakeRegistry,
    program: Program,
}

impl Guarded {
    async fn start() -> Self {
        let program = Program::new(env!("CARGO_BIN_EXE_image-sync-under-test"));
        let mut config = String::new();
        for user in USERS {
            let name = user.to_uppercase();
            writeln!(config, "{name}_PASSWORD: of-{user}").unwrap();
            program.write(&format!("{user}.password"), &format!("of-{user}"));
        }
        let nats = NatsServer::start_configured(&(config + ROLES))
            .await
            .unwrap();
        let guarded = Self {
            program: program.env("NATS_URL", &nats.url()),
            nats,
            source: FakeRegistry::start().await.unwrap(),
            target: FakeRegistry::start().await.unwrap(),
        };
        guarded.write_catalog();
        guarded
    }

    /// Of five images, one needs two attempts, one waits for its registry, one is missing, and one kills its worker.
    fn write_catalog(&self) {
        let mut catalog = Catalog::new(self.target.host());
        for number in 1..=5 {
            let repository = format!("app{number}");
            let source = format!("{}/{repository}", self.source.host());
            catalog = catalog.image(Entry::new(&source, "1.0").cache_as(&repository));
            if number != 4 {
                self.source
                    .put_image(&repository, "1.0", &image(&repository));
            }
        }
        self.program.write("config.yaml", &catalog.yaml());
        self.write_chain();
        self.write_unlisted();
    }

    /// Of an image, and of one that is read where that is written to.
    fn write_chain(&self) {
        let (source, target) = (self.source.host(), self.target.host());
        let first = Entry::new(&format!("{source}/app1"), "1.0").cache_as("chained");
        let second = Entry::new(&format!("{target}/chained"), "1.0").cache_as("twice");
        let chain = Catalog::new(target).image(first).image(second);
        self.program.write("chain.yaml", &chain.yaml());
    }

    /// Of the tags of a repository that cannot be listed.
    fn write_unlisted(&self) {
        let source = format!("{}/gone", self.source.host());
        let rules = format!("images: [{{source: {source}, tags: {{include: '.*'}}}}]\n");
        let cache = format!("cache_registry: {}\n", self.target.host());
        self.program.write("unlisted.yaml", &(cache + &rules));
    }

    fn role(&self, user: &str, line: &str) -> Running {
        let who = format!(
            "--nats-user {user} --nats-password-file {user}.password --nats-inbox-prefix _INBOX_{user}"
        );
        let words = line.split_whitespace().chain(who.split_whitespace());
        self.program.start(&words.collect::<Vec<_>>())
    }

    /// A webhook hears of two pushes of one image, of which the second is checked later, and what zot says.
    async fn take_events(&self) {
        let webhook = self.role(
            "webhook",
            "webhook -c config.yaml --listen 127.0.0.1:0 --insecure-no-auth --zot-events zot.events --zot-registry zot.test",
        );
        let webhook = Watched::over(webhook).await;
        webhook.readiness_is(200).await;
        let image = format!("{}/app1:1.0", self.source.host());
        let event = format!(r#"{{"image": "{image}"}}"#);
        for _ in 0..2 {
            let (status, answer) = webhook.ask("POST", "/v1/hooks/generic", "", &event).await;
            assert_eq!(status, 202, "{answer} {:#?}", self.refused());
        }
        let ended = self.run("operator", "runs watch latest").await;
        assert_eq!(ended.code, Some(0), "{ended:#?} {:#?}", self.refused());
        assert_eq!(webhook.role.stop().await.code, Some(0));
    }

    async fn run(&self, user: &str, line: &str) -> Ended {
        self.role(user, line).ended().await
    }

    /// What the server refused to anyone.
    fn refused(&self) -> Vec<String> {
        let mut log = self.nats.log();
        log.retain(|line| line.contains("Violation"));
        log
    }
}

const PROVISION: &str = "provision --visibility 5s --lease-term 5s --jobs-max-bytes 16MiB \
                         --log-max-bytes 16MiB --letters-max-bytes 16MiB --reports-max-bytes 16MiB \
                         --bucket-max-bytes 4MiB";
const WORKER: &str = "worker -c config.yaml --max-deliver 1 --log-level warn --name";

#[tokio::test]
async fn every_command_does_its_whole_job_as_its_own_user() {
    let guarded = Guarded::start().await;
    let provisioned = guarded.run("provision", PROVISION).await;
    assert_eq!(provisioned.code, Some(0), "{provisioned:#?}");

    let (source, gate) = (&guarded.source, Gate::new());
    source.stage(Rule::new("HEAD", "/v2/app2/*").first(3), Fault::status(503));
    let busy = Fault::rate_limited(Some("1"));
    source.stage(Rule::new("GET", "/v2/app3/manifests/*").first(1), busy);
    source.stage(Rule::new("GET", "/v2/app5/blobs/*"), Fault::hold(&gate));
    let aggregator = guarded.role("aggregator", "aggregator --max-deliver 1 --log-level warn");
    // With one slot it dies with one job.
    let mut doomed = guarded.role("worker", &format!("{WORKER} doomed --slots 1"));
    let produced = guarded.run("producer", "producer -c config.yaml --wait");
    let kill = async {
        gate.reached().await;
        doomed.kill().await;
        gate.release();
        guarded.role("worker", &format!("{WORKER} heir"))
    };
    let (ended, worker) = tokio::join!(produced, kill);
    assert_eq!(ended.code, Some(1), "{ended:#?} {:#?}", guarded.refused());
    let report = ended.report();
    assert_eq!(report.head.status, RunStatus::Complete, "{ended:#?}");
    let by_janitor = |error: &str| error.contains("ended without a result");
    let errors = || {
        report
            .results
            .iter()
            .filter_map(|result| result.error.as_deref())
    };
    assert!(errors().any(by_janitor), "{report:#?}");
    guarded.target.assert_every_tag_is_complete();

    let listed = guarded
        .run("operator", "dead-letters list --output json")
        .await;
    let missing = report.results.iter().position(|result| {
        result
            .error
            .as_deref()
            .is_some_and(|error| !by_janitor(error))
    });
    let id = format!("{}:{}", report.head.run_id, missing.unwrap());
    assert!(listed.stdout.contains(&id), "{listed:#?}");
    for (user, line, code) in COMMANDS {
        let ended = guarded
            .run(
                user,
                &line.replace("ID", &id).replace("SOURCE", source.host()),
            )
            .await;
        assert_eq!(
            ended.code,
            Some(code),
            "{line}: {ended:#?} {:#?}",
            guarded.refused()
        );
    }
    guarded.take_events().await;
    worker.stop().await;
    for (user, line) in [
        ("producer", "producer -c config.yaml"),
        ("operator", "runs cancel latest --wait"),
    ] {
        let ended = guarded.run(user, line).await;
        assert_eq!(
            ended.code,
            Some(0),
            "{line}: {ended:#?} {:#?}",
            guarded.refused()
        );
    }
    aggregator.stop().await;
    assert_eq!(guarded.refused(), [] as [String; 0]);
}

/// What each user may publish to, of what roles receive, with a run and keys of their own making.
const WRITABLE: [(&str, &[&str]); 5] = [
    (
        "webhook",
        &[
            "imgsync.job.now.quay=2Eio.x",
            "imgsync.held.now.quay=2Eio.x",
            "$KV.imgsync_runs.plan.y",
        ],
    ),
    (
        "producer",
        &[
            "imgsync.job.now.docker=2Eio.x",
            "imgsync.job.bulk.docker=2Eio.x",
            "imgsync.held.bulk.docker=2Eio.x",
            "imgsync.run.RUN.alive",
            "$KV.imgsync_runs.run.x",
            "$KV.imgsync_runs.cancel.x",
        ],
    ),
    (
        "worker",
        &[
            "imgsync.job.retry.docker=2Eio.x",
            "imgsync.poison.bulk.docker=2Eio.x",
            "imgsync.dlq.x",
            "imgsync.run.RUN.result",
            "$KV.imgsync_hosts.x",
        ],
    ),
    ("aggregator", &["imgsync.dlq.y", "$KV.imgsync_runs.plan.x"]),
    (
        "operator",
        &["imgsync.job.now.ghcr=2Eio.x", "imgsync.run.RUN.chunk"],
    ),
];

impl Guarded {
    /// Publishes messages that no NATS client receives wherever a user may publish.
    async fn publish_unreadable(&self, run: &str) {
        for (user, subjects) in WRITABLE {
            let (host, password) = (self.nats.host(), format!("of-{user}"));
            let raw = RawNats::connect_as(&host, user, &password).await;
            let mut raw = raw.unwrap();
            for subject in subjects {
                let subject = subject.replace("RUN", run);
                for (_, headers) in UNREADABLE_HEADERS {
                    let published = raw.publish(subject.as_bytes(), headers, b"{}");
                    published.await.unwrap();
                }
            }
            raw.flush().await.unwrap();
        }
    }
}

#[tokio::test]
async fn malformed_headers_of_any_user_in_any_stream_end_no_role_and_no_run() {
    let guarded = Guarded::start().await;
    let provisioned = guarded.run("provision", PROVISION).await;
    assert_eq!(provisioned.code, Some(0), "{provisioned:#?}");
    let source = &guarded.source;
    source.put_image("app4", "1.0", &image("app4"));
    let gate = Gate::new();
    source.stage(Rule::new("GET", "/v2/app5/blobs/*"), Fault::hold(&gate));
    guarded.publish_unreadable("x").await;
    let aggregator = guarded.role("aggregator", "aggregator --log-level warn");
    let worker = guarded.role("worker", "worker -c config.yaml --log-level warn --name w");
    let produced = guarded.run("producer", "producer -c config.yaml --wait");
    let disturb = async {
        gate.reached().await;
        let runs = guarded.run("operator", "runs list --output json").await;
        let runs: serde_json::Value = serde_json::from_str(&runs.stdout).unwrap();
        let run = runs[0]["run_id"].as_str().unwrap();
        guarded.publish_unreadable(run).await;
        gate.release();
    };
    let (ended, ()) = tokio::join!(produced, disturb);
    assert_eq!(
        ended.code,
        Some(0),
        "{ended:#?} {worker:#?} {aggregator:#?}"
    );
    let report = ended.report();
    assert_eq!(report.head.status, RunStatus::Complete, "{ended:#?}");
    guarded.target.assert_every_tag_is_complete();
    let listed = guarded
        .run("operator", "dead-letters list --output json")
        .await;
    assert_eq!(listed.code, Some(0), "{listed:#?}");
    let letters = listed.stdout.matches("cannot be received").count();
    assert!(letters >= UNREADABLE_HEADERS.len(), "{listed:#?}");
    let watched = guarded.run("operator", "runs watch latest").await;
    assert_eq!(watched.code, Some(0), "{watched:#?}");
    worker.stop().await;
    aggregator.stop().await;
    assert_eq!(guarded.refused(), [] as [String; 0]);
}
