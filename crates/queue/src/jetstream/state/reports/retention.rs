//! What lies in the store of reports, and what goes when there is no room.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use image_sync_shared::ports::QueueError;
use image_sync_shared::run::RunId;
use serde::de::IgnoredAny;
use serde_json::json;

use super::JetStreamReports;
use crate::jetstream::client::Retries;
use crate::jetstream::names::object_stream;
use crate::jetstream::names::token;
use crate::jetstream::streams::{StreamInfo, stream_info_with_subjects, stream_object};

/// Room that is not counted on: for what a server keeps beside a message, and for others that store something now.
const SPARE: u64 = 16 * 1024;
/// What share of the store is made free at least, so that not every report has to.
const SHARE: u64 = 16;

/// What the server says of the store.
pub(super) struct StoreUsage(StreamInfo);

/// How much of its history an installation keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Reports that are kept.
    pub reports: u64,
    /// What they take, in bytes.
    pub bytes: u64,
    /// What they may take, in bytes; 0 for no limit.
    pub max_bytes: u64,
    /// For how long a report will be kept, roughly, if others come as often and are as large as those that are kept: none
    /// while there are too few to tell.
    pub lasts: Option<Duration>,
}

impl StoreUsage {
    /// How much it may hold, if there is a limit.
    pub(super) fn limit(&self) -> Option<u64> {
        self.0.config.max_bytes()
    }

    /// How much has to go so that `needed` bytes fit. None if they fit: then it is not this store that is full.
    pub(super) fn excess(&self, needed: u64) -> Option<u64> {
        let limit = self.limit()?;
        let wanted = |spare: u64| {
            self.0
                .state
                .bytes
                .saturating_add(needed)
                .saturating_add(spare)
        };
        (wanted(SPARE) > limit).then(|| wanted(SPARE.max(limit / SHARE)) - limit)
    }

    /// How many messages the subjects have that were asked for.
    pub(super) fn messages(self) -> u64 {
        self.subjects().into_values().sum()
    }

    fn subjects(self) -> HashMap<String, u64> {
        self.0.state.subjects.unwrap_or_default()
    }

    pub(super) fn history(&self) -> History {
        let reports = self
            .0
            .state
            .subjects
            .as_ref()
            .map_or(0, |subjects| subjects.len() as u64);
        let (bytes, max_bytes) = (self.0.state.bytes, self.limit().unwrap_or(0));
        let max_age =
            Some(Duration::from_nanos(self.0.config.max_age)).filter(|age| !age.is_zero());
        let span =
            Duration::try_from(self.0.state.last_ts - self.0.state.first_ts).unwrap_or_default();
        let lasts = if reports < 2 || span.is_zero() || bytes == 0 {
            None
        } else {
            let by_room = (max_bytes > 0).then(|| by_room(reports, span, bytes, max_bytes));
            [by_room, max_age].into_iter().flatten().min()
        };
        History {
            reports,
            bytes,
            max_bytes,
            lasts,
        }
    }
}

/// How long it takes until so many bytes are full, if reports that took `bytes` came within `span`.
fn by_room(reports: u64, span: Duration, bytes: u64, max_bytes: u64) -> Duration {
    let [reports, bytes, max_bytes] = [reports, bytes, max_bytes].map(u128::from);
    let seconds = u128::from(span.as_secs()) * reports / (reports - 1).max(1);
    let full = seconds.saturating_mul(max_bytes) / bytes.max(1);
    Duration::from_secs(u64::try_from(full).unwrap_or(u64::MAX))
}

/// Chunks that belong to no report, when they were looked for last: the id of what they are of, and how many there were.
/// What is being stored looks like that too, but grows.
#[derive(Debug, Default)]
pub(super) struct Strays(HashMap<String, u64>);

impl Strays {
    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl JetStreamReports {
    /// What the store holds, with the subjects that match `filter`.
    pub(super) async fn usage(&self, filter: &str) -> Result<StoreUsage, QueueError> {
        let stream = object_stream(&self.bucket());
        let info = stream_info_with_subjects(&self.connection, &stream, filter);
        info.await.map(StoreUsage)
    }

    /// How much of its history the installation keeps.
    pub async fn history(&self) -> Result<History, QueueError> {
        Ok(self.usage(&self.meta_subject("*")).await?.history())
    }

    /// How many bytes a report may take that is to be stored, if there is a limit.
    pub(super) async fn largest_report(&self) -> Result<Option<u64>, QueueError> {
        let limit = self.usage(&self.meta_subject("*")).await?.limit();
        Ok(limit.map(|limit| limit - limit / SHARE))
    }

    /// Drops reports, the oldest first, so that `needed` bytes fit, and chunks of nothing where there is no other report. Says
    /// whether there is more room by it. What is stored now, as the report of `run` and under `nuid`, stays.
    pub(super) async fn make_room(
        &self,
        run: &RunId,
        nuid: &str,
        needed: u64,
    ) -> Result<bool, QueueError> {
        let found = self.usage(&self.meta_subject("*")).await?;
        let Some(excess) = found.excess(needed) else {
            return Ok(false);
        };
        let (mut freed, mut dropped, mut last) = (0, 0_u32, None);
        let own = token::encode(run.as_str());
        // The oldest first: they are named for their runs, whose ids sort by their start.
        for name in self.names(found).into_values() {
            if freed >= excess {
                break;
            }
            if name != own {
                freed += self.drop_report(&name).await?;
                dropped += 1;
                last = Some(name);
            }
        }
        if let Some(last) = last {
            tracing::info!(
                reports = dropped,
                last,
                "the store of reports is full: dropped the oldest"
            );
            return Ok(true);
        }
        let strays = self.strays_beside(nuid).await?;
        for stray in strays.keys() {
            self.purge(&self.chunk_subject(stray)).await?;
        }
        Ok(!strays.is_empty())
    }

    /// Removes chunks that belong to no report and did not change since `before`, and says which others there are.
    pub(super) async fn remove_strays(&self, before: &Strays) -> Result<Strays, QueueError> {
        let mut strays = self.strays_beside("").await?;
        let settled = |(nuid, count): (&String, &u64)| before.0.get(nuid) == Some(count);
        let old: Vec<String> = strays
            .iter()
            .filter(|stray| settled(*stray))
            .map(|(nuid, _)| nuid.clone())
            .collect();
        for nuid in old {
            let chunks = strays.remove(&nuid).unwrap_or_default();
            self.purge(&self.chunk_subject(&nuid)).await?;
            tracing::info!(
                pieces = chunks,
                nuid,
                "removed pieces of a report that was never stored whole"
            );
        }
        Ok(Strays(strays))
    }

    /// The names of all reports, in the order of their runs.
    fn names(&self, found: StoreUsage) -> BTreeMap<String, String> {
        let start = self.meta_subject("");
        let name = |subject: String| {
            let encoded = subject.strip_prefix(&start)?.to_owned();
            let name = String::from_utf8(URL_SAFE.decode(&encoded).ok()?).ok()?;
            Some((name.clone(), name))
        };
        found.subjects().into_keys().filter_map(name).collect()
    }

    /// Drops a report and its chunks, and says how many bytes they had.
    async fn drop_report(&self, name: &str) -> Result<u64, QueueError> {
        let info = self.info_of(name).await?;
        // First what makes it a report: a half of one is none.
        self.purge(&self.meta_subject(&URL_SAFE.encode(name)))
            .await?;
        let Some(info) = info else { return Ok(0) };
        self.purge(&self.chunk_subject(&info.nuid)).await?;
        Ok(info.size as u64)
    }

    /// The chunks that belong to no report, but for those under `nuid`.
    async fn strays_beside(&self, nuid: &str) -> Result<HashMap<String, u64>, QueueError> {
        let start = self.chunk_subject("");
        let chunks = self.usage(&self.chunk_subject("*")).await?.subjects();
        let mut strays: HashMap<String, u64> = chunks
            .into_iter()
            .filter_map(|(subject, count)| Some((subject.strip_prefix(&start)?.to_owned(), count)))
            .filter(|(found, _)| found != nuid)
            .collect();
        let names = self.names(self.usage(&self.meta_subject("*")).await?);
        if strays.len() <= names.len() {
            // Each report has chunks, so there is nothing to look for, and a long history is not read each time.
            return Ok(HashMap::new());
        }
        let mut known = HashSet::new();
        for name in names.keys() {
            known.extend(self.info_of(name).await?.map(|info| info.nuid));
        }
        strays.retain(|found, _| !known.contains(found));
        Ok(strays)
    }

    /// Removes all messages of a subject.
    pub(super) async fn purge(&self, subject: &str) -> Result<(), QueueError> {
        let stream = object_stream(&self.bucket());
        let (api, body) = (
            format!("STREAM.PURGE.{stream}"),
            json!({ "filter": subject }),
        );
        let purged = self
            .connection
            .api::<IgnoredAny>(&api, &body, Retries::WhileAway);
        purged
            .await?
            .map(drop)
            .map_err(|error| error.refusing(&stream_object(&stream)))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::jetstream::streams::{StreamLimits, StreamState};

    const MIB: u64 = 1024 * 1024;

    fn usage(reports: u64, bytes: u64, max_mib: u64, hours: i64) -> StoreUsage {
        let first_ts = datetime!(2026-11-20 12:00 UTC);
        StoreUsage(StreamInfo {
            config: StreamLimits {
                max_bytes: (max_mib * MIB).cast_signed(),
                max_age: 90 * 24 * 3_600 * 1_000_000_000,
            },
            state: StreamState {
                messages: reports,
                bytes,
                first_ts,
                last_ts: first_ts + time::Duration::hours(hours),
                last_seq: reports,
                subjects: Some((0..reports).map(|name| (name.to_string(), 1)).collect()),
            },
        })
    }

    #[test]
    fn a_full_store_makes_room_for_more_than_one_report() {
        assert_eq!(usage(9, 15 * MIB, 16, 1).excess(MIB / 2), None);
        let excess = usage(9, 16 * MIB, 16, 1).excess(MIB).unwrap();
        assert_eq!(excess, 2 * MIB);
        assert_eq!(usage(9, 16 * MIB, 0, 1).excess(MIB), None, "no limit");
    }

    #[test]
    fn how_long_history_lasts_is_told_from_what_is_kept() {
        let hour = Duration::from_secs(3_600);
        // 1 MiB an hour.
        let history = usage(11, 11 * MIB, 100, 10).history();
        assert_eq!(history.lasts, Some(100 * hour));
        assert_eq!((history.reports, history.bytes), (11, 11 * MIB));
        let roomy = usage(11, 11 * MIB, 1_000_000, 10).history();
        assert_eq!(roomy.lasts, Some(90 * 24 * hour), "its age is the limit");
        for few in [usage(0, 0, 100, 0), usage(1, MIB, 100, 0)] {
            assert_eq!(few.history().lasts, None);
        }
    }
}
