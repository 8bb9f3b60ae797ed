//! docs/webhooks.md.

use image_sync_testkit::servers::NatsServer;
use image_sync_tests::Watched;

use crate::page::Page;
use crate::sandbox::{Sandbox, free_port};

const PAGE: &str = "docs/webhooks.md";
const SECRET: &str = "the-secret-of-a-pipeline";
const HOOKS: &str = "cache_registry: localhost:5000
images: [{source: 'registry.example.com/team/app:1.2'}, {source: 'ghcr.io/project-zot/zot:v2'}]
webhooks: {generic: {secret_file: hook}, github: {secret_file: hook}}";

/// The address of this run in place of that of the page.
fn listening(command: &str) -> (String, String) {
    let address = format!("127.0.0.1:{}", free_port());
    (command.replace("0.0.0.0:8080", &address), address)
}

/// A sandbox with a config and the secret of its senders.
async fn sandbox() -> Sandbox {
    let sandbox = Sandbox::start().await;
    sandbox.write_config("config.yaml", HOOKS);
    sandbox.program.write("hook", SECRET);
    sandbox
}

#[tokio::test]
async fn one_process_watches_and_hears_a_script() {
    let sandbox = sandbox().await;
    let page = Page::open(PAGE);
    let [watch] = page.commands("One machine");
    let (watch, address) = listening(&watch);
    let watching = Watched::over(sandbox.start_command(&watch)).await;
    watching.role.line("run ended").await;

    let [script] = page.commands("Scripts and others");
    let script = script.replace("https://sync.example.com", &format!("http://{address}"));
    sandbox
        .run_well(&format!("SECRET={SECRET}\n{script} --fail"))
        .await;
    watching.role.lines("run ended", 2).await;

    let [_, test] = page.commands("Over a queue");
    let said = sandbox
        .run_well(&format!("{test} --to http://{address}"))
        .await;
    assert!(said.contains("project-zot/zot"), "{said}");
    watching.role.stop().await;
}

#[tokio::test]
async fn a_webhook_is_ready_beside_a_queue() {
    let mut sandbox = sandbox().await;
    let nats = NatsServer::start().await.unwrap();
    sandbox.program = sandbox.program.env("NATS_URL", &nats.url());
    sandbox.run_well("image-sync provision").await;
    let [webhook, _] = Page::open(PAGE).commands("Over a queue");
    let (webhook, _) = listening(&webhook);
    let watching = Watched::over(sandbox.start_command(&webhook)).await;
    watching.readiness_is(200).await;
    watching.role.stop().await;
}
