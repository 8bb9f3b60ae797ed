//! The queue over NATS `JetStream`, which any number of machines share.
//!
//! What lies where, all below an installation's [`Prefix`]:
//!
//! | stream | holds |
//! |---|---|
//! | `IMGSYNC_JOBS` | jobs: `imgsync.job.<lane>.<host>.<run>` what can be worked, `imgsync.held...` what is not due yet, `imgsync.poison...` what was delivered too often |
//! | `IMGSYNC_RUNLOG` | `imgsync.run.<run>.<kind of event>` |
//! | `IMGSYNC_DLQ` | `imgsync.dlq.<id>`, one letter per id |
//! | buckets `imgsync_runs`, `imgsync_leases`, `imgsync_hosts`, `imgsync_memo` | who may run a catalog and what was cancelled, who may write a target, which hosts are left alone, facts |
//! | object store `imgsync_reports` | reports |
//!
//! What needs not be kept is told over `imgsync.fleet.>`, which no stream takes: who is there, and what they have in hand.
//!
//! Each lane, the held jobs and the poison have one consumer, made by [`provision`]. A lane holds nothing but what can be
//! worked now, so that a delivery counts as one and a job that waits stands in nobody's way.

mod client;
mod fleet;
mod jobs;
mod names;
mod provision;
mod state;
mod streams;

use std::sync::Arc;

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::RunId;
use tokio::task::JoinSet;
use tokio_util::sync::DropGuard;

pub use client::{Auth, ConnectError, ConnectSettings, Connection, TlsFiles};
pub use names::{InvalidPrefix, Prefix, Role};
pub use provision::{
    Change, Difference, NoRoom, ProvisionError, ProvisionSettings, Storage, installed, provision,
    storage, verify,
};
pub use state::{History, JetStreamReports};
pub use streams::Subscription;

use crate::Ports;
use crate::known_pauses::KnownPauses;
use client::Retries;
use fleet::JetStreamFleet;
use jobs::{BackgroundTasks, JetStreamBacklog, JetStreamJobQueue, JobStore};
use names::Area;
use state::{
    CANCEL, CancelledRuns, JetStreamDeadLetters, JetStreamHostPauses, JetStreamLeases,
    JetStreamMemos, JetStreamRunControl, JetStreamRunLog, JetStreamRunStates, KeyChange,
    host_pauses, watch,
};
use streams::{ServerClock, server_clock};

/// The queue of one installation, as one client sees it. It is provisioned before. Its ports work for as long as it lives.
pub struct JetStream {
    connection: Connection,
    ports: Ports,
    tasks: BackgroundTasks,
    _stop_in_the_end: DropGuard,
    _watches: JoinSet<()>,
}

impl JetStream {
    /// The queue for a client of this `role`, which takes the time from the server, or from `clock` as long as the server
    /// did not tell it, and takes a job that was delivered `max_deliver` times for poison. Makes sure that all is there that
    /// the role needs.
    pub async fn open(
        connection: Connection,
        role: Role,
        clock: Arc<dyn Clock>,
        max_deliver: u64,
    ) -> Result<Self, ProvisionError> {
        // First: with a stream missing, all else would wait for it, or fail in words of its own.
        verify(&connection, role).await?;
        let (cancelled, pauses) = (
            Arc::<CancelledRuns>::default(),
            Arc::<KnownPauses>::default(),
        );
        let mut watches = JoinSet::new();
        let server = Arc::new(ServerClock::new(&connection, clock));
        let clock: Arc<dyn Clock> = Arc::<ServerClock>::clone(&server);
        if matches!(role, Role::Worker | Role::Aggregator) {
            watch_cancelled_runs(&mut watches, &connection, &cancelled).await?;
        }
        if role == Role::Worker {
            watch_host_pauses(&mut watches, &connection, &clock, &pauses).await?;
        }
        server_clock::keep(&mut watches, &connection, role, &server).await;
        let tasks = BackgroundTasks::default();
        let letters = JetStreamDeadLetters::new(connection.clone());
        let jobs = Arc::new(JobStore::new(
            connection.clone(),
            Arc::clone(&clock),
            letters.clone(),
            max_deliver.max(1),
        ));
        let ports = Ports {
            jobs: Arc::new(JetStreamJobQueue::new(jobs, tasks.clone())),
            letters: Arc::new(letters),
            backlog: Arc::new(JetStreamBacklog::new(connection.clone(), role)),
            log: Arc::new(JetStreamRunLog::new(connection.clone())),
            runs: Arc::new(JetStreamRunControl::new(
                connection.clone(),
                Arc::clone(&clock),
                cancelled,
            )),
            leases: Arc::new(JetStreamLeases::new(connection.clone())),
            pauses: Arc::new(JetStreamHostPauses::new(
                connection.clone(),
                Arc::clone(&clock),
                pauses,
            )),
            states: Arc::new(JetStreamRunStates::new(connection.clone())),
            reports: Arc::new(JetStreamReports::new(connection.clone())),
            memos: Arc::new(JetStreamMemos::new(connection.clone())),
            fleet: Arc::new(JetStreamFleet::new(connection.clone())),
            clock,
        };
        Ok(Self {
            connection,
            ports,
            _stop_in_the_end: tasks.stop.clone().drop_guard(),
            tasks,
            _watches: watches,
        })
    }

    /// Its ports.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The connection that it is reached by.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Ends what is under way: jobs that were taken while nobody waited for them any more are given back. To be called
    /// when no more jobs are pulled.
    pub async fn close(&self) -> Result<(), QueueError> {
        self.tasks.stop.cancel();
        self.tasks.tracker.close();
        self.tasks.tracker.wait().await;
        // What was sent without waiting for an answer, as that a consumer is deleted, leaves before the process ends.
        self.connection.flush().await
    }

    /// Stores a message in the log of a run as it is, as one of this kind: what another program, or a newer version of this
    /// one, might have sent. For tests.
    pub async fn append_raw(
        &self,
        run: &RunId,
        kind: &str,
        message: &[u8],
    ) -> Result<(), QueueError> {
        let subject = self.connection.names().event_of_kind(run, kind);
        let (no_headers, payload) = (async_nats::HeaderMap::new(), message.to_vec());
        let stored = self
            .connection
            .publish(&subject, &no_headers, payload.into(), Retries::None);
        stored.await.map(drop)
    }

    /// Stores a message as it is: what another program, or a newer version of this one, might have sent. For tests.
    pub async fn publish_raw(
        &self,
        lane: Lane,
        run: &RunId,
        message: &[u8],
    ) -> Result<(), QueueError> {
        let names = self.connection.names();
        let subject = names.subject_for(Area::Lane, lane, "docker.io", run);
        let (no_headers, payload) = (async_nats::HeaderMap::new(), message.to_vec());
        let stored = self
            .connection
            .publish(&subject, &no_headers, payload.into(), Retries::None);
        stored.await.map(drop)
    }
}

/// Follows which runs other clients cancel.
async fn watch_cancelled_runs(
    tasks: &mut JoinSet<()>,
    connection: &Connection,
    cancelled: &Arc<CancelledRuns>,
) -> Result<(), QueueError> {
    let (runs, cancelled) = (connection.names().runs(), Arc::clone(cancelled));
    let learn = move |change: &KeyChange<'_>| cancelled.learn(change.key);
    watch::watch(tasks, connection, &runs, &format!("{CANCEL}.>"), learn).await
}

/// Follows which hosts other clients leave alone.
async fn watch_host_pauses(
    tasks: &mut JoinSet<()>,
    connection: &Connection,
    clock: &Arc<dyn Clock>,
    pauses: &Arc<KnownPauses>,
) -> Result<(), QueueError> {
    let (hosts, clock, pauses) = (
        connection.names().hosts(),
        Arc::clone(clock),
        Arc::clone(pauses),
    );
    let learn = move |change: &KeyChange<'_>| host_pauses::learn(&pauses, change, clock.now());
    watch::watch(tasks, connection, &hosts, ">", learn).await
}
