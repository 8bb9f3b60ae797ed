//! Leases as keys of a bucket that forgets each after the lease's term.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::leases::{Lease, Leases, Renewal};
use serde::{Deserialize, Serialize};

use super::bucket::{Bucket, Entry};
use super::token;
use crate::lock::lock;

/// What a lease's key has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Grant {
    /// Who holds it, for those who look.
    holder: String,
    /// Which state of the lease this one renews; 0 for none.
    renews: u64,
}

/// Grants leases within one installation.
pub(super) struct JetStreamLeases {
    bucket: Bucket,
    /// Who holds what was granted here.
    holders: Mutex<HashMap<String, String>>,
}

impl JetStreamLeases {
    pub(super) fn new(bucket: Bucket) -> Self {
        Self {
            bucket,
            holders: Mutex::default(),
        }
    }

    /// After a renewal that was not answered: whether it was made. Nobody else can have renewed this state of the lease.
    async fn was_renewed(&self, lease: &Lease) -> Result<Renewal, QueueError> {
        let entry: Entry<Grant> = self.bucket.get(&token::encode(&lease.key)).await?;
        Ok(match entry.value {
            Some(grant) if grant.renews == lease.revision => Renewal::Held(Lease {
                key: lease.key.clone(),
                revision: entry.revision,
            }),
            _ if entry.revision == lease.revision => {
                return Err(QueueError::Unreachable("the renewal was lost".to_owned()));
            }
            _ => Renewal::Lost,
        })
    }
}

#[async_trait]
impl Leases for JetStreamLeases {
    async fn acquire(&self, key: &str, holder: &str) -> Result<Option<Lease>, QueueError> {
        let grant = Grant {
            holder: holder.to_owned(),
            renews: 0,
        };
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
        let grant = Grant {
            holder: holder.unwrap_or_default(),
            renews: lease.revision,
        };
        let key = token::encode(&lease.key);
        match self.bucket.replace(&key, lease.revision, &grant).await {
            Ok(Some(revision)) => Ok(Renewal::Held(Lease {
                key: lease.key.clone(),
                revision,
            })),
            Ok(None) => Ok(Renewal::Lost),
            Err(QueueError::Unreachable(_)) => self.was_renewed(lease).await,
            Err(error) => Err(error),
        }
    }

    async fn release(&self, lease: Lease) -> Result<(), QueueError> {
        lock(&self.holders).remove(&lease.key);
        let key = token::encode(&lease.key);
        self.bucket.delete(&key, lease.revision).await.map(drop)
    }
}
