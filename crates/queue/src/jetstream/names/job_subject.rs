//! Where the message of a job stands, as its subject says, and who consumes it there.

use image_sync_shared::ports::queue::job_queue::Lane;

/// Where the message of a job stands. Lanes hold nothing but what is to be worked now: so what waits, and what is never to
/// be worked, is neither counted as delivered nor in anybody's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// In its lane.
    Lane,
    /// It is not due yet.
    Delayed,
    /// It was delivered too often.
    Poison,
}

impl Area {
    pub(super) const ALL: [Self; 3] = [Self::Lane, Self::Delayed, Self::Poison];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lane => "job",
            Self::Delayed => "held",
            Self::Poison => "poison",
        }
    }
}

/// The consumers of the stream of jobs: one per lane, and one for each of the other areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consumer {
    /// A lane.
    Lane(Lane),
    /// The jobs that are not due yet.
    Delayed,
    /// The jobs that were delivered too often.
    Poison,
}

impl Consumer {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Lane(Lane::Now),
        Self::Lane(Lane::Retry),
        Self::Lane(Lane::Bulk),
        Self::Delayed,
        Self::Poison,
    ];

    /// The name of its consumer.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lane(lane) => lane.name(),
            Self::Delayed => Area::Delayed.name(),
            Self::Poison => Area::Poison.name(),
        }
    }
}

/// The subject of a job's message, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobSubject {
    /// Where it stands.
    pub(crate) area: Area,
    /// Which lane it belongs to.
    pub(crate) lane: Lane,
    /// The source's host and the run, as tokens.
    pub(super) rest: String,
}

impl JobSubject {
    /// The same job on another area.
    pub(crate) fn on(&self, area: Area) -> Self {
        Self {
            area,
            ..self.clone()
        }
    }
}
