//! The ways to send a blob (OCI distribution spec, sections "Pushing a blob monolithically" and "Pushing a blob in chunks").

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

const MIB: u64 = 1024 * 1024;
/// The smallest chunk that is tried after a 413, in bytes: object stores take no smaller parts.
const SMALLEST_TRIED: u64 = 5 * MIB;
/// The largest chunk that is tried after a 413, in bytes: front ends that limit a body limit it to 100 MB and less.
const LARGEST_TRIED: u64 = 64 * MIB;
/// The chunk where a registry states only how long one is at least, in bytes.
const USUAL: u64 = 50 * MIB;
/// How many chunks one blob may have: object stores take no more parts.
const MAX_CHUNKS: u64 = 10_000;

/// How a blob's bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// With the PUT that ends the upload: one request.
    Put,
    /// With one PATCH, then a PUT without a body: for what stands in front of some registries and refuses the first way.
    Patch,
    /// With a PATCH for every so many bytes, then a PUT without a body.
    Chunks(u64),
}

/// Statuses by which a PUT with a body may be refused although the same bytes are welcome in another way.
pub(super) const MAY_WANT_ANOTHER_WAY: [StatusCode; 7] = [
    StatusCode::BAD_REQUEST,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::LENGTH_REQUIRED,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::RANGE_NOT_SATISFIABLE,
    StatusCode::NOT_IMPLEMENTED,
];

/// How long a chunk may be, as the registry states it when an upload begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChunkLimits {
    min: Option<u64>,
    max: Option<u64>,
}

impl ChunkLimits {
    pub(super) fn stated(headers: &HeaderMap) -> Self {
        let bytes = |name| {
            let text = headers.get(name)?.to_str().ok()?;
            text.trim().parse().ok().filter(|bytes| *bytes > 0)
        };
        Self {
            min: bytes("oci-chunk-min-length"),
            max: bytes("oci-chunk-max-length"),
        }
    }
}

/// What is known of a registry about how it takes blobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Habits {
    /// It took a PATCH after it had refused a PUT.
    patches: bool,
    /// The longest chunk, as the config says or was learnt.
    chunk: Option<u64>,
}

impl Habits {
    /// How to send a blob of `size` bytes, the upload of which began with such limits.
    pub(crate) fn way(self, size: u64, limits: ChunkLimits) -> Result<Way, String> {
        let usual = || limits.min.map(|min| min.max(USUAL));
        let Some(wanted) = self.chunk.or(limits.max).or_else(usual) else {
            return Ok(self.whole());
        };
        let at_least = wanted.max(limits.min.unwrap_or_default());
        let chunk = at_least.min(limits.max.unwrap_or(u64::MAX));
        if size <= chunk {
            return Ok(self.whole());
        }
        let count = size.div_ceil(chunk);
        if count > MAX_CHUNKS {
            return Err(format!(
                "in chunks of {chunk} bytes it would take {count} requests, expected at most {MAX_CHUNKS}"
            ));
        }
        Ok(Way::Chunks(chunk))
    }

    /// What to try after a blob of `size` bytes was refused with `status` when it was sent in `way`, if there is anything.
    pub(crate) fn after(self, status: StatusCode, way: Way, size: u64) -> Option<Self> {
        let next = match (status, way) {
            (StatusCode::PAYLOAD_TOO_LARGE, way) => {
                let refused = match way {
                    Way::Put | Way::Patch => size,
                    Way::Chunks(chunk) => chunk,
                };
                if refused <= SMALLEST_TRIED {
                    return None;
                }
                Self {
                    chunk: Some((refused / 2).clamp(SMALLEST_TRIED, LARGEST_TRIED)),
                    ..self
                }
            }
            (_, Way::Put) => Self {
                patches: true,
                ..self
            },
            _ => return None,
        };
        // Not if the limits of the registry itself led to the chunk that it refuses.
        (next != self).then_some(next)
    }

    fn whole(self) -> Way {
        if self.patches { Way::Patch } else { Way::Put }
    }
}

/// What is known of each host.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// The longest chunk that the config allows.
    configured: BTreeMap<String, u64>,
    learnt: Mutex<HashMap<String, Habits>>,
}

impl Ways {
    pub(super) fn new(configured: BTreeMap<String, u64>) -> Self {
        Self {
            configured,
            learnt: Mutex::default(),
        }
    }

    pub(super) fn of(&self, host: &str) -> Habits {
        self.learnt().get(host).copied().unwrap_or_else(|| Habits {
            chunk: self.configured.get(host).copied(),
            ..Habits::default()
        })
    }

    pub(super) fn remember(&self, host: &str, habits: Habits) {
        self.learnt().insert(host.to_owned(), habits);
    }

    fn learnt(&self) -> MutexGuard<'_, HashMap<String, Habits>> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn limits(min: Option<u64>, max: Option<u64>) -> ChunkLimits {
        ChunkLimits { min, max }
    }

    fn chunk(chunk: u64) -> Habits {
        Habits {
            chunk: Some(chunk),
            ..Habits::default()
        }
    }

    #[test]
    fn a_blob_is_sent_whole_where_nothing_speaks_for_chunks() {
        let usual = Habits::default();
        let none = ChunkLimits::default();
        assert_eq!(usual.way(u64::MAX, none), Ok(Way::Put));
        assert_eq!(chunk(100).way(100, none), Ok(Way::Put), "one request");
        let patches = Habits {
            patches: true,
            ..chunk(100)
        };
        assert_eq!(patches.way(100, none), Ok(Way::Patch));
        assert_eq!(patches.way(101, none), Ok(Way::Chunks(100)));
    }

    #[test]
    fn a_chunk_keeps_to_what_the_registry_states() {
        let gib = 1024 * MIB;
        let of = |habits: Habits, limits| habits.way(gib, limits).unwrap();
        let usual = Habits::default();
        assert_eq!(of(usual, limits(Some(1), None)), Way::Chunks(USUAL));
        let large = limits(Some(70 * MIB), None);
        assert_eq!(of(usual, large), Way::Chunks(70 * MIB));
        assert_eq!(of(usual, limits(None, Some(MIB))), Way::Chunks(MIB));
        assert_eq!(of(usual, limits(None, Some(2 * gib))), Way::Put);
        assert_eq!(of(chunk(9 * MIB), large), Way::Chunks(70 * MIB));
        let both = limits(Some(MIB), Some(2 * MIB));
        assert_eq!(of(chunk(9 * MIB), both), Way::Chunks(2 * MIB));
        let nonsense = limits(Some(3 * MIB), Some(2 * MIB));
        assert_eq!(of(usual, nonsense), Way::Chunks(2 * MIB));
        let tiny = usual.way(gib, limits(None, Some(1))).unwrap_err();
        assert!(tiny.contains("expected at most 10000"), "{tiny}");
    }

    #[test]
    fn only_lengths_that_are_numbers_count() {
        let stated = |min: &str, max: &str| {
            let header = |name, value: &str| {
                let value = HeaderValue::from_str(value).unwrap();
                (HeaderName::from_static(name), value)
            };
            let headers = [
                header("oci-chunk-min-length", min),
                header("oci-chunk-max-length", max),
            ];
            ChunkLimits::stated(&headers.into_iter().collect())
        };
        assert_eq!(stated("5", " 7 "), limits(Some(5), Some(7)));
        assert_eq!(stated("0", "x"), ChunkLimits::default());
        assert_eq!(stated("-1", ""), ChunkLimits::default());
    }

    #[test]
    fn a_413_halves_what_is_sent_down_to_five_mebibytes() {
        let too_large = StatusCode::PAYLOAD_TOO_LARGE;
        let mut habits = Habits::default();
        let (size, mut tried) = (24 * MIB, Vec::new());
        let mut way = Way::Put;
        while let Some(next) = habits.after(too_large, way, size) {
            habits = next;
            way = habits.way(size, ChunkLimits::default()).unwrap();
            tried.push(way);
        }
        let chunks = [12, 6, 5].map(|mib| Way::Chunks(mib * MIB));
        assert_eq!(tried, chunks);
        let huge = Habits::default().after(too_large, Way::Patch, 10_000 * MIB);
        assert_eq!(huge, Some(chunk(LARGEST_TRIED)));
        let small = Habits::default().after(too_large, Way::Put, MIB);
        assert_eq!(small, None);
        let configured = chunk(MIB).after(too_large, Way::Chunks(MIB), size);
        assert_eq!(configured, None);
    }

    #[test]
    fn another_refusal_of_a_put_leads_to_a_patch() {
        let refused = |way| Habits::default().after(StatusCode::METHOD_NOT_ALLOWED, way, 9);
        let patches = Habits {
            patches: true,
            chunk: None,
        };
        assert_eq!(refused(Way::Put), Some(patches));
        assert_eq!(refused(Way::Patch), None);
        assert_eq!(refused(Way::Chunks(5)), None);
    }
}
