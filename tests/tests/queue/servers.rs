//! The nats-server is killed (SIGKILL) and started again, and nobody has to do anything about it.

use std::time::Duration;

use image_sync_testkit::Proxy;
use image_sync_testkit::fake_registry::{Fault, Gate, Rule};
use image_sync_testkit::proxy::Toward;
use image_sync_tests::Running;

use crate::support::{Installation, repository};

const CUT: &str = "the connection to NATS was cut";

/// Kills the server at a moment when `roles` are connected, and starts it again when each has noticed.
async fn kill_and_restart(installation: &mut Installation, roles: &[&Running]) {
    installation.nats.kill().unwrap();
    for role in roles {
        role.line(CUT).await;
    }
    installation.nats.restart().await.unwrap();
}

#[tokio::test]
async fn a_restarted_nats_server_loses_no_job_that_is_being_published() {
    let mut installation = Installation::start().await;
    installation.write(&installation.catalog(300));
    let proxy = Proxy::start(&installation.nats.host()).await.unwrap();
    let under_way = proxy.hold(Toward::Server, "HPUB imgsync.job.bulk", 150);
    let aggregator = installation.aggregator();
    let worker = installation.worker("a");
    let to_proxy = format!(
        "producer -c config.yaml --wait --nats nats://{}",
        proxy.host()
    );
    let producer = installation.role(&to_proxy);
    under_way.reached().await;
    kill_and_restart(&mut installation, &[&producer, &aggregator, &worker]).await;
    installation.assert_all_pulled(&producer.ended().await, 300);
}
