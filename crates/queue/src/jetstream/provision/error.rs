//! Why provisioning fails.

use image_sync_shared::ports::QueueError;
use thiserror::Error;

use super::difference::Difference;
use super::storage::NoRoom;

/// Why an installation is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProvisionError {
    /// The server does not do what it is asked for.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Settings(String),
    /// Something cannot be changed into what was asked for, or the server does not know a part of it.
    #[error("{object}: {difference}")]
    Different {
        /// The stream or consumer.
        object: String,
        /// How.
        difference: Difference,
    },
    /// Something would lose what it holds.
    #[error("{0}: nothing was changed")]
    Loss(String),
    /// Something is missing, and others of the installation are there.
    #[error(
        "{object} is missing, although others of this installation are there: nats-server leaves out what does not fit into its \
         storage when it starts (see its log; set its max_file_store or make room, and restart it). If it was never made, or is \
         lost, `image-sync provision` makes it"
    )]
    Lost {
        /// The stream.
        object: String,
    },
    /// There is no such installation, and there are others.
    #[error(
        "{object} is missing: there is no installation {prefix} at this server, but {}; name it by --prefix or \
         IMAGE_SYNC_PREFIX, or make {prefix} with `image-sync provision`",
        others.join(", ")
    )]
    NoInstallation {
        /// The stream.
        object: String,
        /// The prefix that was asked for.
        prefix: String,
        /// The prefixes of those that are there.
        others: Vec<String>,
    },
    /// The server, or the account, has too little storage.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// Something is missing.
    #[error("{object} is missing: run `image-sync provision`")]
    Missing {
        /// The stream or consumer.
        object: String,
    },
}
