//! Who works for an installation, and what they have in hand. It is told while somebody asks, and kept by nobody: what is lost
//! on the way costs nothing.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::ports::QueueError;
use crate::run::RunId;
use crate::text;

/// For so long after it was asked a member goes on telling what it has in hand.
pub const ASK_LASTS: Duration = Duration::from_secs(12);
/// So many images in hand are told at most.
pub const MOST_TOLD: usize = 64;

/// What a member of the fleet does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// It works jobs.
    Worker,
    /// It makes reports.
    Aggregator,
}

/// A member of the fleet, as it tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// What it does.
    pub duty: Duty,
    /// All the rest.
    pub about: About,
}

/// What a member says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// What results and leases call it.
    #[serde(with = "text::field")]
    pub name: String,
    /// The machine that it runs on.
    #[serde(with = "text::field", default)]
    pub host: String,
    /// The version of its program.
    #[serde(with = "text::field", default)]
    pub version: String,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// How many jobs it works at the same time.
    #[serde(default)]
    pub slots: u32,
    /// How many images it has in hand.
    #[serde(default)]
    pub in_hand: u32,
    /// The first of them.
    #[serde(default)]
    pub images: Vec<ImageInHand>,
    /// Whether these are its last words.
    #[serde(default)]
    pub has_left: bool,
}

/// An image in the hand of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInHand {
    /// The run that it belongs to.
    #[serde(rename = "run_id")]
    pub run: RunId,
    /// Its place in the run.
    pub idx: u32,
    /// The image with its tag, as the config names it.
    #[serde(with = "text::field")]
    pub image: String,
    /// Its target.
    #[serde(with = "text::field")]
    pub target: String,
    /// For how long it is in hand.
    #[serde(rename = "since_ms", with = "millis")]
    pub since: Duration,
    /// Its blobs, once it is known which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfers: Option<Transfers>,
}

/// What is sent of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Transfers {
    /// Bytes that were sent.
    #[serde(rename = "bytes_sent")]
    pub sent: u64,
    /// Bytes that are to be sent in all, as far as is known.
    #[serde(rename = "bytes_to_send")]
    pub to_send: u64,
    /// Bytes per second.
    #[serde(rename = "bytes_per_second")]
    pub rate: u64,
    /// Blobs that are being sent.
    #[serde(rename = "blobs_under_way")]
    pub under_way: u32,
    /// Since the last byte.
    #[serde(rename = "stands_still_ms", with = "millis")]
    pub stands_still: Duration,
    /// When it is cut if no byte comes.
    #[serde(rename = "cut_in_ms", with = "millis")]
    pub cut_in: Duration,
}

/// How the members of an installation hear of each other.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Asks all members to tell of themselves, now and for [`ASK_LASTS`]. Fails where this user may not ask, or not hear the answers:
    /// that is known a moment after it was tried for the first time.
    async fn ask(&self) -> Result<(), QueueError>;

    /// Hears when somebody asks, from now on.
    async fn asked(&self) -> Result<Box<dyn Asked>, QueueError>;

    /// Tells all who listen. Fails where this user may not.
    async fn tell(&self, presence: &Presence) -> Result<(), QueueError>;

    /// Hears what is told, from now on.
    async fn listen(&self) -> Result<Box<dyn Told>, QueueError>;
}

/// Hears when somebody asks.
#[async_trait]
pub trait Asked: Send {
    /// Waits until somebody asks.
    async fn next(&mut self);
}

/// Hears what members tell.
#[async_trait]
pub trait Told: Send {
    /// The next thing that is told and can be understood.
    async fn next(&mut self) -> Presence;
}

/// Whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
