//! docs/config.md and docs/telemetry.md.

use image_sync_testkit::Collector;

use crate::page::Page;
use crate::sandbox::Sandbox;

#[tokio::test]
async fn images_of_a_chart_are_read_from_stdin() {
    let sandbox = Sandbox::start().await;
    sandbox.stand_in("helm", r#"echo '        image: "nginx:1.27"'"#);
    let list = "cache_registry: localhost:5000\nlists: ['-']";
    sandbox.write_config("from-stdin.yaml", list);
    let [command] = Page::open("docs/config.md").commands("A list of images from somewhere else");
    let ended = sandbox.ends_with(0, &command).await;
    assert!(sandbox.has("nginx", "1.27"), "{command} {ended:#?}");
}

#[tokio::test]
async fn spans_reach_the_collector_that_the_environment_names() {
    let sandbox = Sandbox::start().await;
    sandbox.write_images(&["docker.io/library/nginx:1.27"]);
    let collector = Collector::start().await.unwrap();
    let [command] = Page::open("docs/telemetry.md").commands("Traces");
    let command = command.replace("http://localhost:4318", collector.endpoint());
    sandbox.run_well(&command).await;
    assert!(!collector.spans().is_empty());
}
