//! How much a server lets an account store.

use std::error::Error;
use std::fmt;

use image_sync_shared::ports::QueueError;
use image_sync_shared::text::size;
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

/// Why something cannot be made or made larger. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// The stream.
    pub(super) object: String,
    /// What the server says.
    pub(super) said: String,
    /// What the whole installation reserves.
    pub(super) reserved: u64,
    /// What there is for the account.
    pub(super) storage: Storage,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Storage { used, limit } = self.storage;
        let (reserved, used) = (size::whole(self.reserved), size::whole(used));
        let (object, said) = (&self.object, &self.said);
        write!(
            f,
            "there is no room for {object} ({said}): the installation reserves {reserved}, and the account holds {used} and may hold "
        )?;
        let larger = if let Some(limit) = limit {
            write!(f, "{}", size::whole(limit))?;
            "the storage of the account"
        } else {
            f.write_str("what the server has, which is less (its max_file_store)")?;
            "max_file_store"
        };
        write!(
            f,
            "; reserve less by --jobs-max-bytes, --log-max-bytes, --letters-max-bytes, --reports-max-bytes and \
             --bucket-max-bytes, or raise {larger} in the server's config"
        )
    }
}

impl Error for NoRoom {}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_storage_is_told_with_what_is_needed_and_given_and_the_options() {
        let told = |limit| {
            let no_room = NoRoom {
                object: "stream X".to_owned(),
                said: "insufficient storage resources available".to_owned(),
                reserved: 2_112 << 20,
                storage: Storage { used: 0, limit },
            };
            no_room.to_string()
        };
        let limited = told(Some(50 << 20));
        let sizes = "reserves 2112 MiB, and the account holds 0 B and may hold 50 MiB; reserve less by --jobs-max-bytes";
        assert!(limited.contains(sizes), "{limited}");
        let server = told(None);
        assert!(server.contains("(its max_file_store)"), "{server}");
        assert!(server.contains("or raise max_file_store"), "{server}");
    }
}
