//! Open and cancelled runs as keys of a bucket; what is cancelled is followed into memory.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::runs::run_control::{Opening, RunControl};
use image_sync_shared::ports::runs::run_states::RunState;
use image_sync_shared::run::RunId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::bucket::{Bucket, Entry};
use super::run_states::run_key;
use crate::jetstream::client::Connection;
use crate::jetstream::names::bucket_stream;
use crate::jetstream::names::token;
use crate::jetstream::streams::Capacity;

/// The first token of the keys of cancelled runs.
pub(crate) const CANCEL: &str = "cancel";
/// The first token of the keys of claims on catalogs.
const PLAN: &str = "plan";

/// What a catalog's key has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    run: RunId,
    #[serde(with = "time::serde::rfc3339")]
    until: OffsetDateTime,
}

/// What a cancelled run's key has. When that was is for people, and earlier versions cannot read a key without it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cancelled {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

/// The cancelled runs that are known here.
#[derive(Default)]
pub(crate) struct CancelledRuns(Mutex<HashSet<RunId>>);

impl CancelledRuns {
    /// Learns of a key of the bucket.
    pub(crate) fn learn(&self, key: &str) {
        let run = key
            .strip_prefix(CANCEL)
            .and_then(|rest| rest.strip_prefix('.'));
        if let Some(run) = run.and_then(token::decode).and_then(|run| run.parse().ok()) {
            lock(&self.0).insert(run);
        }
    }
}

/// About as much as a run takes in the bucket as it begins, in bytes.
const BEGINNING: u64 = 512;

/// Knows the runs of one installation.
pub(crate) struct JetStreamRunControl {
    connection: Connection,
    bucket: Bucket,
    /// For runs that begin.
    capacity: Capacity,
    clock: Arc<dyn Clock>,
    known: Arc<CancelledRuns>,
}

impl JetStreamRunControl {
    pub(crate) fn new(
        connection: Connection,
        clock: Arc<dyn Clock>,
        known: Arc<CancelledRuns>,
    ) -> Self {
        let name = connection.names().runs();
        Self {
            capacity: Capacity::new(
                bucket_stream(&name),
                12,
                "the rest is kept for the ends of open runs: provision larger buckets (--bucket-max-bytes), or keep \
                 runs for less time (--reports-max-age)",
            ),
            bucket: Bucket::new(connection.clone(), name),
            connection,
            clock,
            known,
        }
    }
}

impl JetStreamRunControl {
    /// Aggregators learn of a run from its state, and end it if nothing more comes. A crash before it leaves a claim
    /// alone: who finds the catalog claimed tells of that run too.
    async fn tell_of(&self, catalog: &str, claim: Claim) -> Result<(), QueueError> {
        let state = RunState {
            run: claim.run,
            catalog: catalog.to_owned(),
            until: claim.until,
            ended: None,
        };
        // A run that is opened again has a state.
        let created = self.bucket.create(&run_key(&state.run), &state).await;
        created.map(drop)
    }
}

fn plan_key(catalog: &str) -> String {
    format!("{PLAN}.{}", token::encode(catalog))
}

fn cancel_key(run: &RunId) -> String {
    format!("{CANCEL}.{}", token::encode(run.as_str()))
}

#[async_trait]
impl RunControl for JetStreamRunControl {
    async fn open(
        &self,
        catalog: &str,
        run: &RunId,
        until: OffsetDateTime,
    ) -> Result<Opening, QueueError> {
        // Before the claim: a run whose end could not be stored must not begin.
        let _reserved = self.capacity.reserve(&self.connection, BEGINNING).await?;
        let key = plan_key(catalog);
        let own = Claim {
            run: run.clone(),
            until,
        };
        loop {
            let entry: Entry<Claim> = self.bucket.get(&key).await?;
            if let Some(claim) = entry.value
                // A claim that has run out keeps nobody waiting, and one's own may be of a try whose answer was lost.
                && claim.until > self.clock.now()
                && claim.run != *run
            {
                let open = claim.run.clone();
                self.tell_of(catalog, claim).await?;
                return Ok(Opening::Busy(open));
            }
            let replaced = self.bucket.replace(&key, entry.revision, &own).await?;
            if replaced.is_some() {
                self.tell_of(catalog, own).await?;
                return Ok(Opening::Opened);
            }
        }
    }

    async fn close(&self, catalog: &str, run: &RunId) -> Result<(), QueueError> {
        let key = plan_key(catalog);
        let entry: Entry<Claim> = self.bucket.get(&key).await?;
        if entry.value.is_some_and(|claim| claim.run == *run) {
            // If it is another's by now, it is not this run's to close.
            self.bucket.delete(&key, entry.revision).await?;
        }
        Ok(())
    }

    async fn cancel(&self, run: &RunId) -> Result<(), QueueError> {
        let key = cancel_key(run);
        let cancelled = Cancelled {
            at: self.clock.now(),
        };
        self.bucket.put(&key, &cancelled).await?;
        // At once: what follows the bucket tells of it later.
        self.known.learn(&key);
        Ok(())
    }

    fn is_cancelled(&self, run: &RunId) -> bool {
        lock(&self.known.0).contains(run)
    }

    async fn was_cancelled(&self, run: &RunId) -> Result<bool, QueueError> {
        let entry: Entry<Cancelled> = self.bucket.get(&cancel_key(run)).await?;
        Ok(entry.value.is_some())
    }
}
