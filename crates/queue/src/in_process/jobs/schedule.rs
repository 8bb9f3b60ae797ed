//! Which job is delivered when: plain data that is told the time.
//!
//! Every job has one time at which it is visible: when it is published that is now or its `not_before`, each delivery
//! moves it on by the visibility time, and so does a heartbeat. A job that was delivered as often as allowed stands apart
//! from its lane, and when its time comes it is poison.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::ports::queue::backlog::LaneLength;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::ports::telemetry::trace_context::TraceContext;
use image_sync_shared::run::RunId;
use tokio::time::Instant;

/// When a job is visible, and its number: the order of a line.
type Due = (Instant, u64);

/// A message and what its headers say.
#[derive(Debug, Default)]
pub(in crate::in_process) struct JobMessage {
    pub(in crate::in_process) body: Vec<u8>,
    pub(in crate::in_process) trace: TraceContext,
}

struct ScheduledJob {
    lane: Lane,
    run: RunId,
    parcel: Arc<JobMessage>,
    deliveries: u64,
    visible_at: Instant,
    /// Whether it was handed over as poison.
    is_poison: bool,
}

/// How a job stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Waits,
    InHand,
    Held,
    Poison,
}

/// A job, now taken.
#[derive(Debug)]
pub(in crate::in_process) struct Taken {
    pub(in crate::in_process) number: u64,
    pub(in crate::in_process) lane: Lane,
    pub(in crate::in_process) parcel: Arc<JobMessage>,
    pub(in crate::in_process) deliveries: u64,
}

/// Which jobs are asked for.
#[derive(Clone, Copy)]
pub(in crate::in_process) enum Selection<'a> {
    /// Those of these lanes, the first lane first.
    Lanes(&'a [Lane]),
    /// Those that were delivered too often.
    Poison,
}

struct LaneQueues {
    max_deliver: u64,
    lanes: [BTreeSet<Due>; Lane::ALL.len()],
    last_chance: BTreeSet<Due>,
}

impl LaneQueues {
    fn of(&mut self, entry: &ScheduledJob) -> &mut BTreeSet<Due> {
        if entry.deliveries >= self.max_deliver {
            &mut self.last_chance
        } else {
            &mut self.lanes[entry.lane as usize]
        }
    }

    /// The queues asked for, in their order.
    fn of_selection<'a>(
        &'a self,
        selection: Selection<'a>,
    ) -> impl Iterator<Item = &'a BTreeSet<Due>> {
        let (lanes, poison) = match selection {
            Selection::Lanes(lanes) => (lanes, None),
            Selection::Poison => (&[][..], Some(&self.last_chance)),
        };
        let lanes = lanes.iter().map(|lane| &self.lanes[*lane as usize]);
        lanes.chain(poison)
    }
}

pub(in crate::in_process) struct Schedule {
    visibility: Duration,
    next_number: u64,
    entries: HashMap<u64, ScheduledJob>,
    held: [usize; Lane::ALL.len()],
    /// How many deliveries there were.
    taken: u64,
    queues: LaneQueues,
}

impl Schedule {
    pub(in crate::in_process) fn new(visibility: Duration, max_deliver: u64) -> Self {
        Self {
            visibility,
            next_number: 0,
            entries: HashMap::new(),
            held: [0; Lane::ALL.len()],
            taken: 0,
            queues: LaneQueues {
                max_deliver: max_deliver.max(1),
                lanes: Default::default(),
                last_chance: BTreeSet::new(),
            },
        }
    }

    /// How many jobs of `lane` are stored, delivered ones included.
    pub(in crate::in_process) fn held(&self, lane: Lane) -> usize {
        self.held[lane as usize]
    }

    /// How many deliveries there were.
    pub(in crate::in_process) fn taken(&self) -> u64 {
        self.taken
    }

    /// What stands in each lane, then what is held and what is poison. Looks at every job.
    pub(in crate::in_process) fn length(&self, now: Instant) -> Vec<LaneLength> {
        let empty = |lane| LaneLength {
            lane,
            stored: 0,
            in_hand: 0,
        };
        let mut lanes = Lane::ALL.map(|lane| empty(lane.name()));
        let (mut held, mut poison) = (empty("held"), empty("poison"));
        for entry in self.entries.values() {
            let standing = self.standing(entry, now);
            let length = match standing {
                Standing::Waits | Standing::InHand => &mut lanes[entry.lane as usize],
                Standing::Held => &mut held,
                Standing::Poison => &mut poison,
            };
            length.stored += 1;
            length.in_hand += u64::from(standing == Standing::InHand);
        }
        lanes.into_iter().chain([held, poison]).collect()
    }

    /// Whether jobs wait, and none is in anybody's hand.
    pub(in crate::in_process) fn stands_still(&self, now: Instant) -> bool {
        let has = |wanted| {
            let mut entries = self.entries.values();
            entries.any(|entry| self.standing(entry, now) == wanted)
        };
        has(Standing::Waits) && !has(Standing::InHand)
    }

    fn standing(&self, entry: &ScheduledJob, now: Instant) -> Standing {
        let is_visible = entry.visible_at <= now;
        let is_last = entry.deliveries >= self.queues.max_deliver;
        match (is_visible, entry.deliveries) {
            _ if entry.is_poison || (is_last && is_visible) => Standing::Poison,
            (true, _) => Standing::Waits,
            (false, 0) => Standing::Held,
            (false, _) => Standing::InHand,
        }
    }

    pub(in crate::in_process) fn insert(
        &mut self,
        lane: Lane,
        run: RunId,
        parcel: Arc<JobMessage>,
        visible_at: Instant,
    ) {
        let number = self.next_number;
        self.next_number += 1;
        let entry = ScheduledJob {
            lane,
            run,
            parcel,
            deliveries: 0,
            visible_at,
            is_poison: false,
        };
        self.held[lane as usize] += 1;
        self.queues.of(&entry).insert((visible_at, number));
        self.entries.insert(number, entry);
    }

    /// Takes the first job that is visible. Being handed over as poison is no delivery to work, and is not counted.
    pub(in crate::in_process) fn take(
        &mut self,
        selection: Selection<'_>,
        now: Instant,
    ) -> Option<Taken> {
        let number = self.first_visible(selection, now)?;
        let visible_at = now + self.visibility;
        let is_poison = matches!(selection, Selection::Poison);
        let counted = u64::from(!is_poison);
        self.taken += counted;
        self.change(number, |entry| {
            entry.visible_at = visible_at;
            entry.deliveries += counted;
            entry.is_poison = is_poison;
        });
        let entry = self.entries.get(&number)?;
        Some(Taken {
            number,
            lane: entry.lane,
            parcel: Arc::clone(&entry.parcel),
            deliveries: entry.deliveries,
        })
    }

    /// When the next job will be visible, if no other is stored until then.
    pub(in crate::in_process) fn next_visible(&self, selection: Selection<'_>) -> Option<Instant> {
        let firsts = self
            .queues
            .of_selection(selection)
            .filter_map(BTreeSet::first);
        firsts.min().map(|(at, _)| *at)
    }

    fn first_visible(&self, selection: Selection<'_>, now: Instant) -> Option<u64> {
        let mut firsts = self
            .queues
            .of_selection(selection)
            .filter_map(BTreeSet::first);
        firsts
            .find(|(visible_at, _)| *visible_at <= now)
            .map(|(_, number)| *number)
    }

    /// Whether a job was delivered for the last time.
    pub(in crate::in_process) fn is_last_chance(&self, taken: &Taken) -> bool {
        taken.deliveries >= self.queues.max_deliver
    }

    /// Starts the visibility time anew.
    pub(in crate::in_process) fn prolong(&mut self, number: u64, now: Instant) {
        let visible_at = now + self.visibility;
        self.change(number, |entry| entry.visible_at = visible_at);
    }

    /// Undoes a delivery: the job is visible again after the visibility time, as if it had never been taken.
    pub(in crate::in_process) fn put_back(&mut self, number: u64, now: Instant) {
        let visible_at = now + self.visibility;
        self.change(number, |entry| {
            entry.visible_at = visible_at;
            entry.deliveries = entry.deliveries.saturating_sub(1);
        });
    }

    /// Removes a job, and says which lane has become shorter.
    pub(in crate::in_process) fn remove(&mut self, number: u64) -> Option<Lane> {
        let entry = self.entries.remove(&number)?;
        self.queues.of(&entry).remove(&(entry.visible_at, number));
        self.held[entry.lane as usize] -= 1;
        Some(entry.lane)
    }

    /// Removes the jobs of `run` that nobody works on. Looks at every job: it is for the rare cancel.
    pub(in crate::in_process) fn purge(&mut self, run: &RunId, now: Instant) -> u64 {
        let in_hand = |entry: &ScheduledJob| entry.deliveries > 0 && entry.visible_at > now;
        let dropped: Vec<u64> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.run == *run && !in_hand(entry))
            .map(|(number, _)| *number)
            .collect();
        dropped
            .into_iter()
            .filter_map(|number| self.remove(number))
            .map(|_| 1)
            .sum()
    }

    fn change(&mut self, number: u64, change: impl FnOnce(&mut ScheduledJob)) {
        let Some(entry) = self.entries.get_mut(&number) else {
            return;
        };
        // Which queue it stands in, and where in there, follows from what is changed here: so out of the one first.
        self.queues.of(entry).remove(&(entry.visible_at, number));
        change(entry);
        self.queues.of(entry).insert((entry.visible_at, number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VISIBILITY: Duration = Duration::from_secs(60);
    const ALL: Selection<'_> = Selection::Lanes(&Lane::ALL);

    fn store() -> (Schedule, Instant) {
        (Schedule::new(VISIBILITY, 2), Instant::now())
    }

    fn insert(store: &mut Schedule, lane: Lane, name: &str, visible_at: Instant) {
        let parcel = JobMessage {
            body: name.into(),
            ..JobMessage::default()
        };
        store.insert(lane, RunId::new("r"), parcel.into(), visible_at);
    }

    fn take(store: &mut Schedule, selection: Selection<'_>, now: Instant) -> Option<(u64, String)> {
        let taken = store.take(selection, now)?;
        let name = String::from_utf8_lossy(&taken.parcel.body).into_owned();
        Some((taken.number, name))
    }

    fn is_empty(store: &Schedule) -> bool {
        store.entries.is_empty()
            && store.held == [0; 3]
            && store.queues.last_chance.is_empty()
            && store.queues.lanes.iter().all(BTreeSet::is_empty)
    }

    #[test]
    fn a_job_is_visible_from_its_instant_on_and_not_before() {
        let (mut store, now) = store();
        let due = now + Duration::from_secs(5);
        insert(&mut store, Lane::Retry, "later", due);
        assert!(
            store
                .take(ALL, due.checked_sub(Duration::from_nanos(1)).unwrap())
                .is_none()
        );
        assert_eq!(store.next_visible(ALL), Some(due));
        assert!(store.take(ALL, due).is_some());
        assert_eq!(store.next_visible(ALL), Some(due + VISIBILITY));
    }

    #[test]
    fn the_first_lane_named_goes_first_and_within_a_lane_the_first_due() {
        let (mut store, now) = store();
        insert(&mut store, Lane::Bulk, "b1", now);
        insert(&mut store, Lane::Bulk, "b0", now - Duration::from_secs(1));
        insert(&mut store, Lane::Now, "n", now);
        let order: Vec<String> =
            std::iter::from_fn(|| take(&mut store, ALL, now).map(|(_, name)| name)).collect();
        assert_eq!(order, ["n", "b0", "b1"]);
    }

    #[test]
    fn poison_is_handed_over_until_it_is_settled_and_never_worked_again() {
        let (mut store, start) = store();
        insert(&mut store, Lane::Bulk, "killer", start);
        let mut now = start;
        for deliveries in 1..=2 {
            let taken = store.take(ALL, now).unwrap();
            assert_eq!(taken.deliveries, deliveries);
            assert_eq!(store.is_last_chance(&taken), deliveries == 2);
            assert!(store.take(Selection::Poison, now).is_none());
            now += VISIBILITY;
        }
        assert!(store.take(ALL, now).is_none());
        for _ in 0..3 {
            let taken = store.take(Selection::Poison, now).unwrap();
            assert_eq!(taken.deliveries, 2);
            assert!(store.take(Selection::Poison, now).is_none());
            now += VISIBILITY;
        }
        assert_eq!(store.remove(0), Some(Lane::Bulk));
        assert!(is_empty(&store));
    }

    #[test]
    fn what_is_put_back_was_never_delivered() {
        let (mut store, mut now) = store();
        insert(&mut store, Lane::Now, "newer", now);
        for _ in 0..9 {
            let taken = store.take(ALL, now).unwrap();
            assert_eq!(taken.deliveries, 1);
            store.put_back(taken.number, now);
            assert!(store.take(ALL, now).is_none());
            now += VISIBILITY;
        }
        assert!(store.take(Selection::Poison, now).is_none());
    }

    #[test]
    fn a_purge_leaves_other_runs_and_what_is_in_hand() {
        let (mut store, now) = store();
        insert(&mut store, Lane::Now, "in hand", now);
        let (in_hand, _) = take(&mut store, ALL, now).unwrap();
        insert(&mut store, Lane::Bulk, "waits", now);
        insert(&mut store, Lane::Retry, "held", now + VISIBILITY);
        store.insert(Lane::Bulk, RunId::new("other"), Arc::default(), now);
        assert_eq!(store.purge(&RunId::new("r"), now), 2);
        assert_eq!(store.held, [1, 0, 1]);
        assert_eq!(
            store.purge(&RunId::new("r"), now + VISIBILITY),
            1,
            "its worker lost it"
        );
        assert_eq!(store.remove(in_hand), None, "a late settlement is harmless");
        assert_eq!(store.purge(&RunId::new("other"), now), 1);
        assert!(is_empty(&store));
    }
}
