use async_trait::async_trait;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::ports::QueueError;
use image_sync_testkit::{TokioClock, samples};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::intake::{DueCheck, Jobs};
use crate::senders::Ignored;

/// A catalog of `quay.io/a/b`, each tag of which goes to `cache.test/b`, but for those that begin with x.
struct OneRepository;

impl Catalog for OneRepository {
    fn concerned(&self, hint: &Hint, tags: &[String]) -> Concerned {
        let image = |tag: &str| {
            let tag: image_sync_shared::image::reference::Reference = tag.parse().unwrap();
            ImageSpec {
                reference: tag.clone(),
                target: "cache.test/b".parse().unwrap(),
                target_reference: tag,
                ..samples::image()
            }
        };
        let wanted = hint.tag.iter().filter(|tag| !tag.starts_with('x'));
        let images = wanted.chain(tags).map(|tag| image(tag)).collect();
        let named = (hint.registry.as_deref(), hint.repository.as_str());
        let mut concerned = Concerned::default();
        match named {
            (Some("quay.io"), "a/b") => concerned.at_source = images,
            (Some("cache.test"), "b") => concerned.at_target = images,
            _ => {}
        }
        concerned.why_not = Some("the catalog has nothing of it".to_owned());
        concerned
    }
}

#[derive(Default)]
struct Counted(Mutex<Vec<(Sender, Outcome)>>);

impl EventMeasures for Counted {
    fn event_ended(&self, sender: Sender, outcome: Outcome) {
        lock(&self.0).push((sender, outcome));
    }

    fn jobs_stored(&self, _: Duration) {}
}

/// Takes all jobs, or none. Remembers those that are made at once.
struct Queue {
    is_away: bool,
    stored: Mutex<Vec<String>>,
}

#[async_trait]
impl Jobs for Queue {
    async fn store(&self, checks: &[DueCheck]) -> Result<RunId, QueueError> {
        if self.is_away {
            return Err(QueueError::Unreachable("no server".to_owned()));
        }
        let at_once = checks.iter().filter(|check| check.not_before.is_none());
        let targets = at_once.map(|check| check.image.target_name());
        lock(&self.stored).extend(targets);
        Ok(RunId::new("r1"))
    }
}

struct TestReceiver {
    receiver: Receiver,
    queue: Arc<Queue>,
    counted: Arc<Counted>,
    _tasks: JoinSet<()>,
}

impl TestReceiver {
    fn new(is_away: bool) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(samples::now()));
        let intake = Arc::new(Intake::new(Arc::clone(&clock)));
        let queue = Arc::new(Queue {
            is_away,
            stored: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        let (runs, jobs) = (Arc::clone(&intake), Arc::clone(&queue));
        tasks.spawn(async move { runs.run(&*jobs, &CancellationToken::new()).await });
        let counted = Arc::<Counted>::default();
        let measures = Arc::<Counted>::clone(&counted);
        Self {
            receiver: Receiver::new(Arc::new(OneRepository), intake, measures, clock),
            queue,
            counted,
            _tasks: tasks,
        }
    }

    async fn receive(&self, delivery: Delivery) -> Vec<EventTold> {
        match self.receiver.receive(Sender::Quay, None, delivery).await {
            Received::Accepted { events, .. } => events,
            Received::NotStored(why) => panic!("{why}"),
        }
    }

    fn stored(&self) -> Vec<String> {
        lock(&self.queue.stored).clone()
    }

    fn ledger(&self) -> Value {
        serde_json::to_value(self.receiver.ledger()).unwrap()
    }
}

fn pushed(registry: &str, name: &str, reference: &str) -> Hint {
    let hint = Hint::new(Some(registry), name, HintAction::Pushed).unwrap();
    hint.with_reference(reference).unwrap()
}

fn delivery(hints: Vec<Hint>) -> Delivery {
    Delivery {
        hints,
        ..Delivery::default()
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_catalog_names_is_checked_and_all_else_is_counted() {
    let test = TestReceiver::new(false);
    let mut both = delivery(vec![
        pushed("quay.io", "a/b", "v1"),
        pushed("quay.io", "a/c", "v1"),
        pushed("quay.io", "a/b", "x1"),
    ]);
    both.ignored.push(Ignored::Blob);
    let events = test.receive(both).await;
    let outcomes: Vec<Outcome> = events.iter().map(|event| event.outcome).collect();
    let unmatched = Outcome::Unmatched;
    let expected = [Outcome::Stored, unmatched, unmatched, Outcome::Ignored];
    assert_eq!(outcomes, expected);
    assert_eq!(events[0].targets, ["cache.test/b:v1"]);
    assert_eq!(events[1].image.as_deref(), Some("quay.io/a/c:v1"));
    assert!(events[1].why.is_some() && events[3].why.is_some());
    assert_eq!(test.stored(), ["cache.test/b:v1"]);
    let counted = lock(&test.counted.0).clone();
    assert_eq!(counted.len(), 4);
    assert_eq!(test.ledger()["senders"]["quay"]["events"]["unmatched"], 2);
    assert_eq!(test.ledger()["recent"][0]["runs"][0], "r1");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_comes_again_leads_to_nothing_once_it_is_stored() {
    let test = TestReceiver::new(false);
    let again = || Delivery {
        id: Some("7".to_owned()),
        ..delivery(vec![pushed("quay.io", "a/b", "v1")])
    };
    test.receive(again()).await;
    let events = test.receive(again()).await;
    assert_eq!(events[0].outcome, Outcome::Repeated);
    assert_eq!(test.stored().len(), 1);
    let away = TestReceiver::new(true);
    for _ in 0..2 {
        let received = away.receiver.receive(Sender::Quay, None, again()).await;
        assert!(matches!(received, Received::NotStored(_)));
    }
    assert_eq!(away.ledger()["senders"]["quay"]["events"]["not_stored"], 2);
    assert!(away.ledger()["recent"][0]["error"].is_string());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_and_what_is_deleted_at_a_target_is_brought_again() {
    let test = TestReceiver::new(false);
    let deleted = |registry, name| Hint {
        action: HintAction::Deleted,
        ..pushed(registry, name, "v1")
    };
    let at_source = test
        .receive(delivery(vec![deleted("quay.io", "a/b")]))
        .await;
    assert_eq!(at_source[0].outcome, Outcome::Deleted);
    assert_eq!(test.stored().len(), 0);
    let at_target = test
        .receive(delivery(vec![deleted("cache.test", "b")]))
        .await;
    assert_eq!(at_target[0].outcome, Outcome::Stored);
    assert_eq!(test.stored(), ["cache.test/b:v1"]);
}

#[tokio::test(start_paused = true)]
async fn what_this_program_pushed_is_not_checked_for_that_unless_it_is_a_source() {
    let test = TestReceiver::new(false);
    let own = |registry, name| Hint {
        is_own: true,
        ..pushed(registry, name, "v1")
    };
    let at_target = test.receive(delivery(vec![own("cache.test", "b")])).await;
    assert_eq!(at_target[0].outcome, Outcome::Own);
    let at_source = test.receive(delivery(vec![own("quay.io", "a/b")])).await;
    assert_eq!(at_source[0].outcome, Outcome::Stored);
    assert_eq!(test.stored(), ["cache.test/b:v1"]);
}

#[tokio::test(start_paused = true)]
async fn a_sender_of_one_registry_speaks_for_that_one() {
    let test = TestReceiver::new(false);
    let hint = pushed("registry.internal:5000", "a/b", "v1");
    let registry = Some("quay.io");
    let received = test
        .receiver
        .receive(Sender::Harbor, registry, delivery(vec![hint.clone()]));
    assert!(matches!(received.await, Received::Accepted { .. }));
    assert_eq!(test.stored(), ["cache.test/b:v1"]);
    let events = test.receive(delivery(vec![hint])).await;
    assert_eq!(events[0].outcome, Outcome::Unmatched);
}

#[tokio::test(start_paused = true)]
async fn a_late_signature_leads_to_a_check_of_the_tags_of_its_subject() {
    let test = TestReceiver::new(false);
    let subject = Digest::of(b"image");
    let tagged = |tag| Hint {
        digest: Some(subject.clone()),
        ..pushed("quay.io", "a/b", tag)
    };
    test.receive(delivery(vec![tagged("v1"), tagged("v1.2")]))
        .await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let signature = Hint {
        subject: Some(subject.clone()),
        ..pushed("quay.io", "a/b", Digest::of(b"signature").as_str())
    };
    let events = test.receive(delivery(vec![signature])).await;
    assert_eq!(events[0].targets, ["cache.test/b:v1", "cache.test/b:v1.2"]);
    assert_eq!(test.stored().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_would_follow_stores_nothing() {
    let test = TestReceiver::new(false);
    let events = test
        .receiver
        .would_follow(None, delivery(vec![pushed("quay.io", "a/b", "v1")]));
    assert_eq!(events[0].targets, ["cache.test/b:v1"]);
    assert!(test.stored().is_empty());
    assert!(lock(&test.counted.0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_guesses_secrets_does_not_push_out_what_came() {
    let test = TestReceiver::new(false);
    test.receive(delivery(vec![pushed("quay.io", "a/b", "v1")]))
        .await;
    for _ in 0..1_000 {
        test.receiver.refused(Sender::Quay, Outcome::Refused, "no");
    }
    test.receiver
        .refused(Sender::Quay, Outcome::Unreadable, "no JSON");
    let ledger = test.ledger();
    assert_eq!(ledger["recent"].as_array().unwrap().len(), 2);
    assert_eq!(ledger["senders"]["quay"]["events"]["refused"], 1_000);
}
