//! Blobs of a source that are read once for several targets.
//!
//! Whoever needs a blob joins a stream of it that is on its way, while all that came so far is still kept. The fastest reader sets the
//! pace and waits for nobody: what is kept for the others is bounded, and whoever falls out of that goes on with a request of
//! its own, by Range. So a target that is slow, hangs or fails costs the others nothing.

mod budget;
mod stream;
mod window;

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, Weak};

use image_sync_shared::failure::Side;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::reference::Repository;
use image_sync_shared::panics::lock;
use image_sync_shared::run::job::Remote;
use tokio::sync::Notify;

use self::budget::Budget;
use self::stream::Stream;
pub(super) use self::stream::{Answer, Lead, Next, Reader, Unopened};

/// How many bytes of one stream are kept at most.
const WINDOW: u64 = 8 * 1024 * 1024;
/// How many bytes all streams of a process may keep. What is read beyond is read for one target each.
const ALL_WINDOWS: u64 = 64 * 1024 * 1024;
/// How many bytes of these may be blobs that were read to their end, for those who come a little later: most blobs are small.
const ALL_WHOLE: u64 = 16 * 1024 * 1024;
/// As how many bytes a small one of them counts at least, so that they are few enough to be looked through.
const LEAST_WHOLE: u64 = 64 * 1024;

/// Which bytes a stream has: who may read a repository, and how far its host is proven, is the same for all who share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct BlobKey {
    source: Remote,
    digest: Digest,
    size: u64,
}

impl BlobKey {
    /// The key of a blob that may be shared: one that is read from a source over the network.
    pub(super) fn new(source: &Remote, blob: &Descriptor) -> Option<Self> {
        let is_remote = matches!(source.repository, Repository::Registry { .. });
        (is_remote && source.side == Side::Source).then(|| Self {
            source: source.clone(),
            digest: blob.digest.clone(),
            size: blob.size,
        })
    }
}

/// The streams of a process. A clone shares them.
#[derive(Clone)]
pub(super) struct SharedReads(Arc<Inner>);

struct Inner {
    budget: Budget,
    streams: Mutex<Streams>,
    appeared: Notify,
}

#[derive(Default)]
struct Streams {
    by_blob: HashMap<BlobKey, Vec<Weak<Stream>>>,
    /// Those that were read to their end, the oldest first.
    whole: VecDeque<(u64, Arc<Stream>)>,
}

/// A place in a stream.
pub(super) enum Seat {
    /// One that another reader has opened, or is opening.
    Joined(Reader),
    /// One that is to be opened.
    Lead(Lead),
}

impl SharedReads {
    /// No stream yet.
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            budget: Budget::new(ALL_WINDOWS),
            streams: Mutex::default(),
            appeared: Notify::new(),
        }))
    }

    /// Returns when there is a stream of a blob that can be joined at its beginning.
    pub(super) async fn joined(&self, key: &BlobKey) -> Reader {
        loop {
            let mut appeared = pin!(self.0.appeared.notified());
            appeared.as_mut().enable();
            if let Some(reader) = lock(&self.0.streams).join(key, 0) {
                return reader;
            }
            appeared.await;
        }
    }

    /// Joins a stream at `position` of a blob, or begins one there. Where there is no memory for others, it is for one reader alone.
    pub(super) fn begin(&self, key: &BlobKey, position: u64) -> Seat {
        let mut streams = lock(&self.0.streams);
        if let Some(reader) = streams.join(key, position) {
            return Seat::Joined(reader);
        }
        let bytes = key.size.saturating_sub(position).min(WINDOW);
        let mut reservation = self.0.budget.reserve(bytes);
        // What is under way goes before what is over.
        while reservation.is_none() && streams.whole.pop_front().is_some() {
            reservation = self.0.budget.reserve(bytes);
        }
        let lead = Stream::begin(position, key.size, reservation);
        if lead.is_shared {
            streams.add(key, lead.stream());
        }
        drop(streams);
        self.0.appeared.notify_waiters();
        Seat::Lead(lead)
    }

    /// Keeps what was read to its end for a while, where that is all of a small blob.
    pub(super) fn keep(&self, reader: &Reader) {
        let stream = reader.stream();
        let Some(bytes) = stream.kept_whole() else {
            return;
        };
        let whole = &mut lock(&self.0.streams).whole;
        if !whole.iter().any(|(_, kept)| Arc::ptr_eq(kept, stream)) {
            whole.push_back((bytes.max(LEAST_WHOLE), Arc::clone(stream)));
        }
        while whole.iter().map(|(bytes, _)| bytes).sum::<u64>() > ALL_WHOLE {
            whole.pop_front();
        }
    }
}

impl Streams {
    fn join(&self, key: &BlobKey, position: u64) -> Option<Reader> {
        let streams = self.by_blob.get(key)?.iter();
        streams
            .filter_map(Weak::upgrade)
            .find_map(|stream| stream.join(position))
    }

    fn add(&mut self, key: &BlobKey, stream: &Arc<Stream>) {
        // There are no more of them than fit into the memory that they have together, so all are looked at.
        self.by_blob.retain(|_, streams| {
            streams.retain(|stream| stream.strong_count() > 0);
            !streams.is_empty()
        });
        let of_blob = self.by_blob.entry(key.clone()).or_default();
        of_blob.push(Arc::downgrade(stream));
    }
}
