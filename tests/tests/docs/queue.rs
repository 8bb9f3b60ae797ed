//! docs/queue.md: its commands one after the other, against the server that the first of them starts.

use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_testkit::images::index;
use image_sync_testkit::servers::NatsServer;
use image_sync_tests::Running;
use serde_json::Value;

use crate::page::Page;
use crate::sandbox::{Sandbox, free_port};

/// What keeps the server of the page off the ports and the disk of others.
const NATS_SERVER: &str = r#"
PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin
exec "${NATS_SERVER_BIN:-nats-server}" "$@" --addr 127.0.0.1 --port "$NATS_PORT" --http_port "$MONITOR_PORT" --config nats.conf"#;

/// The machine of the page, with what it says at first carried out.
pub(crate) struct Queue {
    pub(crate) sandbox: Sandbox,
    page: Page,
    monitor: u16,
    /// What goes on, the server first.
    roles: Vec<Running>,
}

impl Queue {
    /// Carries out the commands of a section of a page: those that end with `&` go on, the others end well.
    pub(crate) async fn start<const N: usize>(name: &'static str, section: &str) -> Self {
        let (port, monitor) = (free_port(), free_port());
        let mut sandbox = Sandbox::start().await;
        sandbox.stand_in("nats-server", NATS_SERVER);
        let store = "jetstream { max_file_store: 1TB }\n";
        sandbox.program.write("nats.conf", store);
        sandbox.write_images(&[
            "docker.io/library/nginx:1.27",
            "docker.io/library/nginx:1.27-alpine",
            "ghcr.io/project-zot/zot:v2",
        ]);
        sandbox.program = sandbox
            .program
            .env("NATS_PORT", &port.to_string())
            .env("MONITOR_PORT", &monitor.to_string())
            .env("NATS_URL", &format!("nats://127.0.0.1:{port}"));
        let page = Page::open(name);
        let commands: [String; N] = page.commands(section);
        let mut roles = Vec::new();
        for command in commands {
            if let Some(command) = command.strip_suffix('&') {
                roles.push(sandbox.start_command(command));
            } else {
                sandbox.run_well(&command).await;
            }
        }
        Self {
            sandbox,
            page,
            monitor,
            roles,
        }
    }

    /// Ends the roles, and the server after them.
    pub(crate) async fn stop(mut self) {
        while let Some(role) = self.roles.pop() {
            role.signal("TERM").await;
            role.ended().await;
        }
    }

    /// The ids of the dead letters.
    async fn letters(&self) -> Vec<String> {
        let [list, ..] = self.page.commands::<4>("Dead letters");
        let letters: Value = serde_json::from_str(&self.sandbox.run_well(&list).await).unwrap();
        let letters = letters.as_array().unwrap().iter();
        letters
            .map(|letter| letter["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// An image that is no longer there fails, and is a dead letter.
    async fn lose_an_image(&self) -> String {
        self.sandbox.source.remove_tag("library/nginx", "1.27");
        let enqueue = "image-sync enqueue -c config.yaml nginx:1.27 --wait";
        self.sandbox.ends_with(1, enqueue).await;
        self.letters().await.pop().unwrap()
    }

    /// The runs, oldest first.
    async fn runs(&self) -> Vec<Value> {
        let [list, ..] = self.page.commands::<6>("Runs");
        let text = self.sandbox.run_well(&list).await;
        let runs: Value = serde_json::from_str(&text).unwrap();
        runs.as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn images_reach_the_cache_over_a_queue_and_single_ones_go_ahead() {
    let queue = Queue::start::<7>("docs/queue.md", "Over a queue").await;
    let sandbox = &queue.sandbox;
    assert!(sandbox.has("library/nginx", "1.27"));
    assert!(sandbox.read("report.json").contains("\"complete\""));
    let [two, one, elsewhere] = queue.page.commands("Single images");
    for command in [two, one, elsewhere + " --wait"] {
        sandbox.run_well(&command).await;
    }
    assert!(sandbox.has("alpine", "3"));

    let [workers] = queue.page.commands("Workers");
    let workers: Value = serde_json::from_str(&sandbox.run_well(&workers).await).unwrap();
    let workers = workers.as_array().unwrap();
    assert!(!workers.is_empty(), "those that the page starts");

    let [sizes] = queue.page.commands("Sizes");
    let sizes = sizes.replace("127.0.0.1:8222", &format!("127.0.0.1:{}", queue.monitor));
    let said = sandbox.run_well(&sizes).await;
    assert!(said.contains("\"messages\""), "{said}");
    queue.stop().await;
}

#[tokio::test]
async fn dead_letters_are_shown_replayed_and_dropped() {
    let queue = Queue::start::<7>("docs/queue.md", "Over a queue").await;
    let sandbox = &queue.sandbox;
    let [_, show, replay, drop] = queue.page.commands("Dead letters");
    let id = queue.lose_an_image().await;
    let shown = sandbox.run_well(&show.replace("ID", &id)).await;
    assert!(shown.contains("library/nginx"), "{shown}");
    let again = index("again", &["linux/amd64"]);
    sandbox.source.put_image("library/nginx", "1.27", &again);
    sandbox.run_well(&replay.replace("ID...", &id)).await;
    let copied = sandbox.target.digest("library/nginx", "1.27");
    let child = again.child("linux/amd64").unwrap();
    assert_eq!(copied.as_ref(), Some(child.digest()));
    assert!(queue.letters().await.is_empty());
    let id = queue.lose_an_image().await;
    sandbox.run_well(&drop.replace("ID...", &id)).await;
    assert!(queue.letters().await.is_empty());
    queue.stop().await;
}

#[tokio::test]
async fn runs_are_looked_at_and_cancelled_and_a_pause_is_ended() {
    let queue = Queue::start::<7>("docs/queue.md", "Over a queue").await;
    let sandbox = &queue.sandbox;
    let [_, show, watch, cancel, of_nginx, why] = queue.page.commands("Runs");
    let first = queue.runs().await[0]["run_id"].as_str().unwrap().to_owned();
    assert!(sandbox.run_well(&show).await.contains("nginx"));
    sandbox.run_well(&watch.replace("01JD3X", &first)).await;
    assert!(sandbox.read("report.json").contains(&first));

    let day = Fault::rate_limited(Some("86400"));
    let heads = Rule::new("HEAD", "/v2/library/nginx/manifests/*").first(2);
    sandbox.source.stage(heads, day);
    let enqueue = "image-sync enqueue -c config.yaml nginx:1.27";
    sandbox.run_well(enqueue).await;
    let paused = "host paused until";
    tokio::select! {
        _ = queue.roles[2].line(paused) => {}
        _ = queue.roles[3].line(paused) => {}
    }
    for command in [of_nginx, why] {
        let said = sandbox.run_well(&command).await;
        assert!(said.contains("429"), "{command}: {said}");
    }
    let [hosts, resume] = queue.page.commands("Paused registries");
    assert!(sandbox.run_well(&hosts).await.contains("docker.io"));
    sandbox.run_well(&resume).await;
    let latest = queue.runs().await.pop().unwrap();
    let latest = latest["run_id"].as_str().unwrap();
    sandbox.run_well(&cancel.replace("01JD3X", latest)).await;
    queue.stop().await;
}

#[tokio::test]
async fn a_worker_shares_facts_by_a_key_that_the_server_does_not_know() {
    let queue = Queue::start::<7>("docs/queue.md", "Over a queue").await;
    let [key, worker] = queue.page.commands("Facts");
    queue.sandbox.run_well(&key).await;
    let worker = queue.sandbox.start_command(&worker);
    worker.line("worker started").await;
    worker.stop().await;
    queue.stop().await;
}

#[tokio::test]
async fn roles_have_users_of_their_own() {
    let mut sandbox = Sandbox::start().await;
    sandbox.write_images(&["docker.io/library/nginx:1.27"]);
    let [credentials, worker] = Page::open("docs/queue.md").commands("Permissions");
    sandbox.run_well(&credentials).await;
    let roles = sandbox.read("credentials/nats/nats-roles.conf");
    let nats = NatsServer::start_configured(&roles).await.unwrap();
    sandbox.program = sandbox.program.env("NATS_URL", &nats.url());
    let (_, as_worker) = worker.split_once("config.yaml ").unwrap();
    let as_provision = as_worker.replace("worker", "provision");
    sandbox
        .run_well(&format!("image-sync provision {as_provision}"))
        .await;
    let worker = sandbox.start_command(&worker);
    worker.line("worker started").await;
    worker.stop().await;
}
