//! What came lately, and what became of it: for who wants to know why an image was not checked.

use std::collections::{BTreeMap, VecDeque};

use image_sync_shared::config::webhooks::Sender;
use image_sync_shared::run::RunId;
use serde::Serialize;
use time::OffsetDateTime;

/// How many deliveries are kept.
const KEPT: usize = 200;
/// How many events of a delivery are kept.
const EVENTS: usize = 20;

/// What became of an event, or of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// There are jobs that check its images after it.
    Stored,
    /// The catalog has no image of it.
    Unmatched,
    /// It is not of a kind that anything follows from.
    Ignored,
    /// It tells of a tag or a manifest that its source has no more: nothing is deleted.
    Deleted,
    /// It tells of what this program did.
    Own,
    /// It came before.
    Repeated,
    /// Its request did not prove who sent it.
    Refused,
    /// Its request cannot be understood.
    Unreadable,
    /// Its sender sends too much.
    Limited,
    /// Its jobs could not be stored.
    NotStored,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Stored,
        Self::Unmatched,
        Self::Ignored,
        Self::Deleted,
        Self::Own,
        Self::Repeated,
        Self::Refused,
        Self::Unreadable,
        Self::Limited,
        Self::NotStored,
    ];

    /// Its name in metrics, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Unmatched => "unmatched",
            Self::Ignored => "ignored",
            Self::Deleted => "deleted",
            Self::Own => "own",
            Self::Repeated => "repeated",
            Self::Refused => "refused",
            Self::Unreadable => "unreadable",
            Self::Limited => "limited",
            Self::NotStored => "not_stored",
        }
    }
}

/// One event of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventTold {
    /// What it is about, as `REGISTRY/NAME:TAG`, as far as it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The targets that are checked after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliveryTold {
    /// When it came.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who sent it.
    pub sender: &'static str,
    /// Its name in the log of its sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// What it said, some of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventTold>,
    /// The runs that came of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunId>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What one sender sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SenderTold {
    /// When something came of it last.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_at: Option<OffsetDateTime>,
    /// How many of its events came to what, since the program began.
    pub events: BTreeMap<Outcome, u64>,
}

/// What came. Its memory is bounded.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ledger {
    senders: BTreeMap<&'static str, SenderTold>,
    /// The latest last.
    recent: VecDeque<DeliveryTold>,
}

impl Ledger {
    /// Counts what an event came to.
    pub(crate) fn count(&mut self, sender: Sender, outcome: Outcome, at: OffsetDateTime) {
        let told = self.senders.entry(sender.name()).or_default();
        told.last_at = Some(at);
        *told.events.entry(outcome).or_default() += 1;
    }

    /// Keeps what a request came to.
    pub(crate) fn keep(&mut self, mut delivery: DeliveryTold) {
        delivery.events.truncate(EVENTS);
        for event in &mut delivery.events {
            event.targets.truncate(EVENTS);
        }
        self.recent.push_back(delivery);
        if self.recent.len() > KEPT {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-28 12:00 UTC);

    #[test]
    fn an_outcome_has_one_name_in_metrics_and_in_json() {
        for outcome in Outcome::ALL {
            let json = serde_json::to_value(outcome).unwrap();
            assert_eq!(json, outcome.name());
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_counted_is_not() {
        let mut ledger = Ledger::default();
        let event = EventTold {
            image: None,
            outcome: Outcome::Stored,
            why: None,
            targets: vec![String::new(); EVENTS + 1],
        };
        for _ in 0..1_000 {
            ledger.count(Sender::Zot, Outcome::Stored, NOW);
            ledger.keep(DeliveryTold {
                at: NOW,
                sender: "zot",
                delivery: None,
                events: vec![event.clone(); EVENTS + 1],
                runs: Vec::new(),
                error: None,
            });
        }
        assert_eq!(ledger.recent.len(), KEPT);
        let kept = &ledger.recent[0].events;
        assert_eq!((kept.len(), kept[0].targets.len()), (EVENTS, EVENTS));
        let json = serde_json::to_value(&ledger).unwrap();
        assert_eq!(json["senders"]["zot"]["events"]["stored"], 1_000);
        assert_eq!(json["senders"]["zot"]["last_at"], "2026-11-28T12:00:00Z");
    }
}
