//! The JetStream queue keeps the contract, on a real server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use image_sync_queue::Ports;
use image_sync_queue::jetstream::{JetStream, ProvisionSettings};
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::RunId;
use image_sync_testkit::servers::NatsServer;

#[path = "contract/suite.rs"]
mod contract;
#[path = "nats/support.rs"]
mod support;

use contract::test_queue::{TestQueue, Times};
use support::{MAX_DELIVER, fresh_prefix, provisioned, shared_server, small};

struct JetStreamTestQueue {
    settings: ProvisionSettings,
    clock: Arc<dyn Clock>,
    jetstream: JetStream,
    _server: Arc<NatsServer>,
}

#[async_trait]
impl TestQueue for JetStreamTestQueue {
    fn ports(&self) -> &Ports {
        self.jetstream.ports()
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn times(&self) -> Times {
        Times {
            visibility: self.settings.visibility,
            dedupe_window: self.settings.dedupe_window,
            lease_term: self.settings.lease_term,
            quiet: Duration::from_millis(300),
            patience: Duration::from_secs(10),
            limit: Duration::from_secs(60),
        }
    }

    fn max_deliver(&self) -> u64 {
        MAX_DELIVER
    }

    async fn inject(&self, lane: Lane, run: &RunId, message: &[u8]) {
        self.jetstream
            .publish_raw(lane, run, message)
            .await
            .unwrap();
    }

    async fn inject_event(&self, run: &RunId, kind: &str, message: &[u8]) {
        self.jetstream.append_raw(run, kind, message).await.unwrap();
    }
}

async fn fresh() -> JetStreamTestQueue {
    // A hiccup of half of these times, on a machine under load, breaks no rule.
    let settings = ProvisionSettings {
        visibility: Duration::from_secs(4),
        lease_term: Duration::from_secs(4),
        ..small()
    };
    let server = shared_server().await;
    let (queue, _) = provisioned(&server, &fresh_prefix(), &settings).await;
    JetStreamTestQueue {
        settings,
        clock: Arc::clone(&queue.ports().clock),
        jetstream: queue,
        _server: server,
    }
}

contract::every_rule!(fresh, tokio::test);
