//! Leases as keys of a bucket that forgets each after the lease's term.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::leases::{Lease, Leases, Renewal};
use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::watch::KeyChange;
use crate::jetstream::client::Connection;
use crate::jetstream::names::token;
use crate::jetstream::names::{bucket_stream, key_subject};
use crate::jetstream::provision::timing;
use crate::jetstream::streams::OrderedConsumer;

/// What a lease's key has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Grant {
    /// Who holds it, for those who look.
    holder: String,
    /// What no other grant or renewal has, so that one's own is known where its answer was lost.
    id: String,
}

/// Grants leases within one installation.
pub(crate) struct JetStreamLeases {
    connection: Connection,
    bucket: Bucket,
    /// Who holds what was granted here.
    holders: Mutex<HashMap<String, String>>,
}

impl JetStreamLeases {
    pub(crate) fn new(connection: Connection) -> Self {
        let name = connection.names().leases();
        Self {
            bucket: Bucket::new(connection.clone(), name),
            connection,
            holders: Mutex::default(),
        }
    }

    fn grant(&self, holder: String) -> Grant {
        Grant {
            holder,
            id: self.connection.unique_name(),
        }
    }
}

#[async_trait]
impl Leases for JetStreamLeases {
    async fn acquire(&self, key: &str, holder: &str) -> Result<Option<Lease>, QueueError> {
        let grant = self.grant(holder.to_owned());
        let Some(revision) = self.bucket.create(&token::encode(key), &grant).await? else {
            return Ok(None);
        };
        lock(&self.holders).insert(key.to_owned(), grant.holder);
        Ok(Some(Lease {
            key: key.to_owned(),
            revision,
        }))
    }

    async fn renew(&self, lease: &Lease) -> Result<Renewal, QueueError> {
        let holder = lock(&self.holders).get(&lease.key).cloned();
        let grant = self.grant(holder.unwrap_or_default());
        let key = token::encode(&lease.key);
        let renewed = self.bucket.replace(&key, lease.revision, &grant).await?;
        Ok(renewed.map_or(Renewal::Lost, |revision| {
            Renewal::Held(Lease {
                key: lease.key.clone(),
                revision,
            })
        }))
    }

    async fn holders(&self) -> Result<BTreeMap<String, String>, QueueError> {
        let name = self.connection.names().leases();
        let (stream, prefix) = (bucket_stream(&name), key_subject(&name, ""));
        let keys = key_subject(&name, ">");
        // All keys by one reading, and not a request for each.
        let mut consumer = OrderedConsumer::new(self.connection.clone(), stream, keys);
        let mut holders = BTreeMap::new();
        while let Some(received) = consumer.next(Duration::ZERO).await? {
            let Some(change) = KeyChange::of(&received, &prefix) else {
                continue;
            };
            let Some(key) = token::decode(change.key) else {
                continue;
            };
            match serde_json::from_slice::<Grant>(change.value) {
                Ok(grant) => holders.insert(key, grant.holder),
                // It was given back, or nobody can tell.
                Err(_) => holders.remove(&key),
            };
        }
        Ok(holders)
    }

    async fn term(&self) -> Result<Duration, QueueError> {
        timing::lease_term(&self.connection).await
    }

    async fn release(&self, lease: Lease) -> Result<(), QueueError> {
        lock(&self.holders).remove(&lease.key);
        let key = token::encode(&lease.key);
        // This revision alone: if the lease has run out, the key may be another's grant by now.
        self.bucket.delete(&key, lease.revision).await.map(drop)
    }
}
