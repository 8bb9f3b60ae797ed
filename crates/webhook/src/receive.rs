//! From what a sender said to what becomes of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use image_sync_shared::config::ImageSpec;
use image_sync_shared::config::webhooks::Sender;
use image_sync_shared::image::hint::{Hint, HintAction};
use image_sync_shared::panics::lock;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::run::RunId;
use tokio::time::Instant;

use crate::intake::{Concerning, Intake, Taken};
use crate::ledger::{DeliveryTold, EventTold, Ledger, Outcome};
use crate::seen::Seen;
use crate::senders::Delivery;

/// The images that a hint concerns.
#[derive(Clone, Debug, Default)]
pub struct Concerned {
    /// Those whose source it tells of.
    pub at_source: Vec<ImageSpec>,
    /// Those whose target it tells of.
    pub at_target: Vec<ImageSpec>,
    /// Why there are none, in a sentence.
    pub why_not: Option<String>,
}

/// The images that are to be kept.
pub trait Catalog: Send + Sync {
    /// Those that `hint` concerns; `tags` are those that earlier events gave to the manifest that it is about, or to its
    /// subject.
    fn concerned(&self, hint: &Hint, tags: &[String]) -> Concerned;
}

/// Is told what comes. Called often, so it must return at once.
pub trait EventMeasures: Send + Sync {
    /// An event came to this.
    fn event_ended(&self, sender: Sender, outcome: Outcome);

    /// Jobs of a delivery were stored, so long after it came.
    fn jobs_stored(&self, took: Duration);
}

/// What a delivery came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// All that follows from it is stored.
    Accepted {
        /// Its events, in their order.
        events: Vec<EventTold>,
        /// The runs of its jobs.
        runs: Vec<RunId>,
    },
    /// What follows from it could not be stored, for this reason: it may be sent again.
    NotStored(String),
}

/// Takes deliveries.
pub struct Receiver {
    catalog: Arc<dyn Catalog>,
    intake: Arc<Intake>,
    measures: Arc<dyn EventMeasures>,
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
    ledger: Mutex<Ledger>,
}

impl Receiver {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new(
        catalog: Arc<dyn Catalog>,
        intake: Arc<Intake>,
        measures: Arc<dyn EventMeasures>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            catalog,
            intake,
            measures,
            clock,
            seen: Mutex::default(),
            ledger: Mutex::default(),
        }
    }

    /// What came lately.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        lock(&self.ledger).clone()
    }

    /// Notes a request from which nothing follows.
    pub fn refused(&self, sender: Sender, outcome: Outcome, why: &str) {
        self.count(sender, outcome);
        // Whoever may be guessing secrets does not push out what came.
        if outcome != Outcome::Refused {
            self.keep(sender, None, Vec::new(), Vec::new(), Some(why.to_owned()));
        }
    }

    /// Takes a delivery of a sender, which speaks for `registry` whatever its payload says. Returns once all that follows is
    /// stored.
    pub async fn receive(
        &self,
        sender: Sender,
        registry: Option<&str>,
        delivery: Delivery,
    ) -> Received {
        let now = self.clock.now();
        if let Some(id) = &delivery.id
            && lock(&self.seen).was_stored(sender, id, now)
        {
            let event = told(None, Outcome::Repeated, Some("it came before".to_owned()));
            return self.accepted(sender, delivery.id, vec![event], Vec::new());
        }
        let id = delivery.id.clone();
        let (events, images) = self.look_at(registry, delivery);
        let taken = if images.is_empty() {
            Taken::Stored {
                runs: Vec::new(),
                jobs: 0,
            }
        } else {
            let came = Instant::now();
            let taken = self.intake.take(images).await;
            if let Taken::Stored { .. } = taken {
                self.measures.jobs_stored(came.elapsed());
            }
            taken
        };
        let why = match taken {
            Taken::Stored { runs, .. } => {
                if let Some(id) = &id {
                    lock(&self.seen).stored(sender, id.clone(), now);
                }
                return self.accepted(sender, id, events, runs);
            }
            Taken::NotStored(why) => why,
            Taken::TooMany => "events of too many targets came at the same time".to_owned(),
        };
        self.count(sender, Outcome::NotStored);
        self.keep(sender, id, events, Vec::new(), Some(why.clone()));
        Received::NotStored(why)
    }

    /// What would follow from a delivery.
    pub fn would_follow(&self, registry: Option<&str>, delivery: Delivery) -> Vec<EventTold> {
        self.look_at(registry, delivery).0
    }

    /// What each event comes to, and the images that are to be checked, each target once.
    fn look_at(
        &self,
        registry: Option<&str>,
        delivery: Delivery,
    ) -> (Vec<EventTold>, Vec<Concerning>) {
        let (mut events, mut images) = (Vec::new(), Vec::new());
        for mut hint in delivery.hints {
            if let Some(registry) = registry {
                hint.registry = Some(registry.to_owned());
            }
            let (event, of_hint) = self.look_at_hint(&hint);
            events.push(event);
            images.extend(of_hint);
        }
        for ignored in delivery.ignored {
            events.push(told(None, Outcome::Ignored, Some(ignored.to_string())));
        }
        (events, images)
    }

    fn look_at_hint(&self, hint: &Hint) -> (EventTold, Vec<Concerning>) {
        let image = Some(name_of(hint));
        let tags = self.tags_of(hint);
        let Concerned {
            mut at_source,
            mut at_target,
            why_not,
        } = self.catalog.concerned(hint, &tags);
        let is_deleted = hint.action == HintAction::Deleted;
        let is_own = hint.is_own && !at_target.is_empty();
        if is_deleted {
            at_source.clear();
        }
        if hint.is_own {
            // What was copied is not checked for that: it would go round. As a source of others it is as any.
            at_target.clear();
        }
        // What was put beside an image, or at its target, changes nothing of its source's tag.
        let awaited = hint.digest.as_ref().filter(|_| hint.subject.is_none());
        let at_source = at_source.into_iter().map(|image| Concerning {
            digest: awaited
                .filter(|_| image.reference.tag() == hint.tag.as_deref())
                .cloned(),
            image,
        });
        let at_target = at_target.into_iter().map(|image| Concerning {
            image,
            digest: None,
        });
        let images: Vec<Concerning> = at_source.chain(at_target).collect();
        if images.is_empty() {
            let (outcome, why) = if is_own {
                (Outcome::Own, Some("this program did it".to_owned()))
            } else if is_deleted {
                let why = "nothing is deleted at targets".to_owned();
                (Outcome::Deleted, Some(why))
            } else {
                (Outcome::Unmatched, why_not)
            };
            return (told(image, outcome, why), images);
        }
        let targets = images.iter().map(|of| of.image.target_name()).collect();
        let event = EventTold {
            targets,
            ..told(image, Outcome::Stored, None)
        };
        (event, images)
    }

    /// The tags of what a hint is about, as far as they were told; and what it tells itself is remembered.
    fn tags_of(&self, hint: &Hint) -> Vec<String> {
        let mut seen = lock(&self.seen);
        let registry = hint.registry.as_deref();
        if let (Some(digest), Some(tag), None) = (&hint.digest, &hint.tag, &hint.subject)
            && hint.action == HintAction::Pushed
        {
            seen.tagged(registry, &hint.repository, digest, tag);
        }
        let about = hint.subject.as_ref().or(hint.digest.as_ref());
        about.map_or_else(Vec::new, |digest| {
            seen.tags(registry, &hint.repository, digest)
        })
    }

    fn accepted(
        &self,
        sender: Sender,
        id: Option<String>,
        events: Vec<EventTold>,
        runs: Vec<RunId>,
    ) -> Received {
        for event in &events {
            self.count(sender, event.outcome);
        }
        self.keep(sender, id, events.clone(), runs.clone(), None);
        Received::Accepted { events, runs }
    }

    fn count(&self, sender: Sender, outcome: Outcome) {
        self.measures.event_ended(sender, outcome);
        lock(&self.ledger).count(sender, outcome, self.clock.now());
    }

    fn keep(
        &self,
        sender: Sender,
        delivery: Option<String>,
        events: Vec<EventTold>,
        runs: Vec<RunId>,
        error: Option<String>,
    ) {
        lock(&self.ledger).keep(DeliveryTold {
            at: self.clock.now(),
            sender: sender.name(),
            delivery,
            events,
            runs,
            error,
        });
    }
}

fn told(image: Option<String>, outcome: Outcome, why: Option<String>) -> EventTold {
    EventTold {
        image,
        outcome,
        why,
        targets: Vec::new(),
    }
}

fn name_of(hint: &Hint) -> String {
    let mut name = hint
        .registry
        .as_ref()
        .map_or_else(String::new, |registry| format!("{registry}/"));
    name.push_str(&hint.repository);
    match (&hint.tag, &hint.digest) {
        (Some(tag), _) => format!("{name}:{tag}"),
        (None, Some(digest)) => format!("{name}@{digest}"),
        (None, None) => name,
    }
}

#[cfg(test)]
mod tests;
