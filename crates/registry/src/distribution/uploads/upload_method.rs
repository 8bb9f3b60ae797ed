//! The ways to send a blob (OCI distribution spec, sections "Pushing a blob monolithically" and "Pushing a blob in chunks").

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use image_sync_shared::panics::lock;
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
pub(crate) enum UploadMethod {
    /// With the PUT that ends the upload: one request.
    Put,
    /// With one PATCH, then a PUT without a body: for what stands in front of some registries and refuses the first way.
    Patch,
    /// With a PATCH for every so many bytes, then a PUT without a body.
    Chunks(u64),
}

/// Statuses by which a PUT with a body may be refused although the same bytes are welcome in another way.
pub(super) const MAY_TAKE_ANOTHER_METHOD: [StatusCode; 7] = [
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
pub(crate) struct UploadSupport {
    /// It took a PATCH after it had refused a PUT.
    patches: bool,
    /// The longest chunk, as the config says or was learnt.
    chunk: Option<u64>,
}

impl UploadSupport {
    /// How to send a blob of `size` bytes, the upload of which began with such limits.
    pub(crate) fn method(self, size: u64, limits: ChunkLimits) -> Result<UploadMethod, String> {
        let usual = || limits.min.map(|min| min.max(USUAL));
        // The config, and what was learnt by a 413, go before what the registry states, but within its bounds.
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
        Ok(UploadMethod::Chunks(chunk))
    }

    /// What to try after a blob of `size` bytes was refused with `status` when it was sent by `method`, if there is anything.
    pub(crate) fn after(self, status: StatusCode, method: UploadMethod, size: u64) -> Option<Self> {
        let next = match (status, method) {
            (StatusCode::PAYLOAD_TOO_LARGE, method) => {
                let refused = match method {
                    UploadMethod::Put | UploadMethod::Patch => size,
                    UploadMethod::Chunks(chunk) => chunk,
                };
                if refused <= SMALLEST_TRIED {
                    return None;
                }
                Self {
                    // By halves, as a 413 does not say how much is allowed.
                    chunk: Some((refused / 2).clamp(SMALLEST_TRIED, LARGEST_TRIED)),
                    ..self
                }
            }
            (_, UploadMethod::Put) => Self {
                patches: true,
                ..self
            },
            _ => return None,
        };
        // Not if the limits of the registry itself led to the chunk that it refuses.
        (next != self).then_some(next)
    }

    fn whole(self) -> UploadMethod {
        if self.patches {
            UploadMethod::Patch
        } else {
            UploadMethod::Put
        }
    }
}

/// What is known of each host.
#[derive(Debug, Default)]
pub(super) struct UploadMethods {
    /// The longest chunk that the config allows.
    configured: BTreeMap<String, u64>,
    learnt: Mutex<HashMap<String, UploadSupport>>,
}

impl UploadMethods {
    pub(super) fn new(configured: BTreeMap<String, u64>) -> Self {
        Self {
            configured,
            learnt: Mutex::default(),
        }
    }

    pub(super) fn of(&self, host: &str) -> UploadSupport {
        self.learnt()
            .get(host)
            .copied()
            .unwrap_or_else(|| UploadSupport {
                chunk: self.configured.get(host).copied(),
                ..UploadSupport::default()
            })
    }

    pub(super) fn remember(&self, host: &str, support: UploadSupport) {
        self.learnt().insert(host.to_owned(), support);
    }

    fn learnt(&self) -> MutexGuard<'_, HashMap<String, UploadSupport>> {
        lock(&self.learnt)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn limits(min: Option<u64>, max: Option<u64>) -> ChunkLimits {
        ChunkLimits { min, max }
    }

    fn chunk(chunk: u64) -> UploadSupport {
        UploadSupport {
            chunk: Some(chunk),
            ..UploadSupport::default()
        }
    }

    #[test]
    fn a_blob_is_sent_whole_where_nothing_speaks_for_chunks() {
        let usual = UploadSupport::default();
        let none = ChunkLimits::default();
        assert_eq!(usual.method(u64::MAX, none), Ok(UploadMethod::Put));
        assert_eq!(
            chunk(100).method(100, none),
            Ok(UploadMethod::Put),
            "one request"
        );
        let patches = UploadSupport {
            patches: true,
            ..chunk(100)
        };
        assert_eq!(patches.method(100, none), Ok(UploadMethod::Patch));
        assert_eq!(patches.method(101, none), Ok(UploadMethod::Chunks(100)));
    }

    #[test]
    fn a_chunk_keeps_to_what_the_registry_states() {
        let gib = 1024 * MIB;
        let of = |support: UploadSupport, limits| support.method(gib, limits).unwrap();
        let usual = UploadSupport::default();
        assert_eq!(
            of(usual, limits(Some(1), None)),
            UploadMethod::Chunks(USUAL)
        );
        let large = limits(Some(70 * MIB), None);
        assert_eq!(of(usual, large), UploadMethod::Chunks(70 * MIB));
        assert_eq!(
            of(usual, limits(None, Some(MIB))),
            UploadMethod::Chunks(MIB)
        );
        assert_eq!(of(usual, limits(None, Some(2 * gib))), UploadMethod::Put);
        assert_eq!(of(chunk(9 * MIB), large), UploadMethod::Chunks(70 * MIB));
        let both = limits(Some(MIB), Some(2 * MIB));
        assert_eq!(of(chunk(9 * MIB), both), UploadMethod::Chunks(2 * MIB));
        let nonsense = limits(Some(3 * MIB), Some(2 * MIB));
        assert_eq!(of(usual, nonsense), UploadMethod::Chunks(2 * MIB));
        let tiny = usual.method(gib, limits(None, Some(1))).unwrap_err();
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
        let mut support = UploadSupport::default();
        let (size, mut tried) = (24 * MIB, Vec::new());
        let mut method = UploadMethod::Put;
        while let Some(next) = support.after(too_large, method, size) {
            support = next;
            method = support.method(size, ChunkLimits::default()).unwrap();
            tried.push(method);
        }
        let chunks = [12, 6, 5].map(|mib| UploadMethod::Chunks(mib * MIB));
        assert_eq!(tried, chunks);
        let huge = UploadSupport::default().after(too_large, UploadMethod::Patch, 10_000 * MIB);
        assert_eq!(huge, Some(chunk(LARGEST_TRIED)));
        let small = UploadSupport::default().after(too_large, UploadMethod::Put, MIB);
        assert_eq!(small, None);
        let configured = chunk(MIB).after(too_large, UploadMethod::Chunks(MIB), size);
        assert_eq!(configured, None);
    }

    #[test]
    fn another_refusal_of_a_put_leads_to_a_patch() {
        let refused =
            |method| UploadSupport::default().after(StatusCode::METHOD_NOT_ALLOWED, method, 9);
        let patches = UploadSupport {
            patches: true,
            chunk: None,
        };
        assert_eq!(refused(UploadMethod::Put), Some(patches));
        assert_eq!(refused(UploadMethod::Patch), None);
        assert_eq!(refused(UploadMethod::Chunks(5)), None);
    }
}
