//! A real server, and a queue on it for each test.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use image_sync_queue::jetstream::{
    ConnectSettings, Connection, JetStream, Prefix, ProvisionSettings, Role, provision,
};
use image_sync_shared::ports::clock::Clock;
use image_sync_testkit::TokioClock;
use image_sync_testkit::servers::NatsServer;
use time::OffsetDateTime;
use tokio::sync::Mutex;

/// How often a job is delivered before it is poison.
pub(crate) const MAX_DELIVER: u64 = 4;

/// The server of all tests that do not need one of their own. It ends with the last test that uses it.
static SHARED: Mutex<Weak<NatsServer>> = Mutex::const_new(Weak::new());

pub(crate) async fn shared_server() -> Arc<NatsServer> {
    let mut shared = SHARED.lock().await;
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(NatsServer::start().await.unwrap());
    *shared = Arc::downgrade(&server);
    server
}

/// A prefix that no other test has.
pub(crate) fn fresh_prefix() -> Prefix {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("t{}-{number}", process::id()).parse().unwrap()
}

/// Short times and small streams.
pub(crate) fn small() -> ProvisionSettings {
    const MIB: u64 = 1024 * 1024;
    ProvisionSettings {
        visibility: Duration::from_secs(2),
        dedupe_window: Duration::from_secs(6),
        lease_term: Duration::from_secs(2),
        jobs_max_bytes: 16 * MIB,
        log_max_bytes: 16 * MIB,
        letters_max_bytes: MIB,
        reports_max_bytes: 16 * MIB,
        bucket_max_bytes: MIB,
        ..ProvisionSettings::default()
    }
}

pub(crate) fn settings(server: &NatsServer, prefix: &Prefix) -> ConnectSettings {
    ConnectSettings {
        prefix: prefix.clone(),
        request_timeout: Duration::from_secs(10),
        outage: Duration::from_secs(10),
        ..ConnectSettings::new(server.url())
    }
}

pub(crate) async fn connect(server: &NatsServer, prefix: &Prefix) -> Connection {
    Connection::open(settings(server, prefix)).await.unwrap()
}

/// A clock that shows the time of day.
#[expect(
    clippy::disallowed_methods,
    reason = "the server counts in the machine's time"
)]
pub(crate) fn clock() -> TokioClock {
    TokioClock::starting_at(OffsetDateTime::now_utc())
}

/// A client of a queue that is provisioned.
pub(crate) async fn open(connection: Connection, clock: &TokioClock) -> JetStream {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    JetStream::open(connection, Role::Worker, clock, MAX_DELIVER)
        .await
        .unwrap()
}

/// Provisions a queue and opens it.
pub(crate) async fn provisioned(
    server: &NatsServer,
    prefix: &Prefix,
    provisioned: &ProvisionSettings,
) -> (JetStream, TokioClock) {
    let connection = connect(server, prefix).await;
    provision(&connection, provisioned, clock().now())
        .await
        .unwrap();
    let clock = clock();
    (open(connection, &clock).await, clock)
}
