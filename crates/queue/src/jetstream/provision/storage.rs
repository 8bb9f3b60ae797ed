//! How much a server lets an account store.

use image_sync_shared::ports::QueueError;
use serde::Deserialize;
use serde_json::json;

use crate::jetstream::client::{Connection, Retries};

/// What the server says of the account of the installation, which others may share. In bytes, on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// What the streams of the account hold.
    pub used: u64,
    /// What it may hold, where it has a limit of its own. The server's is its `max_file_store`, which it does not tell.
    pub limit: Option<u64>,
}

#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    storage: u64,
    #[serde(default)]
    limits: Limits,
}

#[derive(Default, Deserialize)]
struct Limits {
    #[serde(default)]
    max_storage: i64,
}

/// Asks for it.
pub async fn storage(connection: &Connection) -> Result<Storage, QueueError> {
    let body = json!({});
    let account = connection.api::<Account>("INFO", &body, Retries::None);
    let account = account
        .await?
        .map_err(|error| error.refusing("the account"))?;
    Ok(Storage {
        used: account.storage,
        limit: u64::try_from(account.limits.max_storage)
            .ok()
            .filter(|limit| *limit > 0),
    })
}
