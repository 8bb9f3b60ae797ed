//! Answers that are lost, as the server is killed after it did what it was asked, or that are overtaken by another client.

use std::time::Duration;

use image_sync_queue::Ports;
use image_sync_queue::jetstream::{ConnectSettings, Connection, JetStream, Prefix, provision};
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::queue::leases::Renewal;
use image_sync_shared::ports::runs::run_control::Opening;
use image_sync_shared::run::RunId;
use image_sync_testkit::TokioClock;
use image_sync_testkit::images::deterministic_bytes;
use image_sync_testkit::network::proxy::{Proxy, Toward};
use image_sync_testkit::servers::NatsServer;

use crate::samples::run;
use crate::stored_reports::{put_report, report_of};
use crate::support::{clock, connect, fresh_prefix, open, settings, small};

struct QueueBehindProxy {
    server: NatsServer,
    proxy: Proxy,
    clock: TokioClock,
    queue: JetStream,
    prefix: Prefix,
}

impl QueueBehindProxy {
    /// A queue whose client reaches its server through a proxy.
    async fn new() -> Self {
        let (server, prefix) = (NatsServer::start().await.unwrap(), fresh_prefix());
        let proxy = Proxy::start(&server.host()).await.unwrap();
        let provisioned =
            provision(&connect(&server, &prefix).await, &small(), clock().now()).await;
        provisioned.unwrap();
        let through_proxy = ConnectSettings {
            servers: vec![format!("nats://{}", proxy.host())],
            ..settings(&server, &prefix)
        };
        let (connection, clock) = (Connection::open(through_proxy).await.unwrap(), clock());
        Self {
            queue: open(connection, &clock).await,
            server,
            proxy,
            clock,
            prefix,
        }
    }

    fn ports(&self) -> Ports {
        self.queue.ports().clone()
    }

    /// Asks for something that is written to a bucket; the answer is lost as the server is killed and started again.
    async fn unanswered<T>(&mut self, bucket: &str, asking: impl Future<Output = T>) -> T {
        let answer = format!("\"stream\":\"KV_{}_{bucket}\"", self.prefix);
        let written = self.proxy.hold(Toward::Client, &answer, 1);
        let restart = async {
            written.reached().await;
            self.server.kill().unwrap();
            self.server.restart().await.unwrap();
        };
        tokio::join!(asking, restart).0
    }
}

#[tokio::test]
async fn a_lease_is_held_whose_grant_was_not_answered() {
    let mut setup = QueueBehindProxy::new().await;
    let leases = setup.ports().leases;
    let acquired = setup
        .unanswered("leases", leases.acquire("target", "w1"))
        .await;
    let lease = acquired.unwrap().expect("nobody else asked for it");
    let renewed = leases.renew(&lease).await.unwrap();
    assert!(matches!(renewed, Renewal::Held(_)), "{renewed:?}");
    assert_eq!(leases.acquire("target", "w1").await, Ok(None));
}

#[tokio::test]
async fn a_lease_is_held_whose_renewal_was_not_answered() {
    let mut setup = QueueBehindProxy::new().await;
    let leases = setup.ports().leases;
    let lease = leases.acquire("target", "w1").await.unwrap().unwrap();
    let renewed = setup
        .unanswered("leases", leases.renew(&lease))
        .await
        .unwrap();
    let Renewal::Held(renewed) = renewed else {
        panic!("nobody else asked for it");
    };
    assert_eq!(
        leases.renew(&lease).await,
        Ok(Renewal::Lost),
        "it was made once"
    );
    leases.release(renewed).await.unwrap();
    assert!(leases.acquire("target", "w2").await.unwrap().is_some());
}

#[tokio::test]
async fn a_run_is_open_whose_opening_was_not_answered() {
    let mut setup = QueueBehindProxy::new().await;
    let (runs, states) = (setup.ports().runs, setup.ports().states);
    let (run, until) = (run(), setup.clock.now() + Duration::from_secs(60));
    let opened = setup.unanswered("runs", runs.open("c", &run, until)).await;
    assert_eq!(opened, Ok(Opening::Opened));
    assert!(
        states.get(&run).await.unwrap().is_some(),
        "aggregators know of it"
    );
}

#[tokio::test]
async fn a_run_whose_producer_died_after_its_claim_is_told_of_by_who_finds_the_claim() {
    let setup = QueueBehindProxy::new().await;
    let (dead, next) = (run(), RunId::new("next"));
    let until = setup.clock.now() + Duration::from_secs(60);
    let runs = setup.ports().runs;
    let answer = format!("\"stream\":\"KV_{}_runs\"", setup.prefix);
    let claimed = setup.proxy.hold(Toward::Client, &answer, 1);
    tokio::select! {
        opened = runs.open("c", &dead, until) => panic!("it should have died: {opened:?}"),
        () = claimed.reached() => {}
    }
    let other = open(connect(&setup.server, &setup.prefix).await, &setup.clock).await;
    let states = &other.ports().states;
    assert_eq!(states.get(&dead).await, Ok(None));
    let busy = other.ports().runs.open("c", &next, until).await;
    assert_eq!(busy, Ok(Opening::Busy(dead.clone())));
    let state = states.get(&dead).await.unwrap().unwrap();
    assert_eq!((state.catalog.as_str(), state.until), ("c", until));
    assert_eq!(states.get(&next).await, Ok(None));
}

/// Its reader asks for the rest of its pieces when another aggregator has put its own report in its place.
#[tokio::test]
async fn a_report_that_is_replaced_while_it_is_read_is_read_anew() {
    let (setup, run) = (QueueBehindProxy::new().await, run());
    // More than is asked for at once.
    let before = deterministic_bytes("before", 5_000_000);
    let after = deterministic_bytes("after", 4_500_000);
    let other = open(connect(&setup.server, &setup.prefix).await, &setup.clock).await;
    put_report(&*other.ports().reports, &run, &before)
        .await
        .unwrap();
    let the_rest = setup
        .proxy
        .hold(Toward::Server, "CONSUMER.MSG.NEXT.OBJ_", 2);
    let replace = async {
        the_rest.reached().await;
        put_report(&*other.ports().reports, &run, &after)
            .await
            .unwrap();
        the_rest.release();
    };
    let (read, ()) = tokio::join!(report_of(&setup.queue, &run), replace);
    assert!(read.as_deref() == Some(&after[..]));
}
