//! Jobs, letters and events for the rules.

use std::time::Duration;

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::platform::Platforms;
use image_sync_shared::ports::queue::dead_letters::{DeadLetter, DeadLetters};
use image_sync_shared::ports::queue::fleet::{About, Duty, ImageInHand, Presence, Transfers};
use image_sync_shared::run::job::{Job, Trust};
use image_sync_shared::run::outcome::{Action, ImageResult, JobResult};
use image_sync_shared::run::{RunEvent, RunId};
use image_sync_testkit::samples;
use time::OffsetDateTime;
use time::macros::datetime;

const SOME_TIME: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

/// All letters, oldest first.
pub(crate) async fn all_of(letters: &dyn DeadLetters) -> Vec<DeadLetter> {
    let (mut reader, mut read) = (letters.read().await.unwrap(), Vec::new());
    while let Some(letter) = reader.next().await.unwrap() {
        read.push(letter);
    }
    read
}

pub(crate) fn run() -> RunId {
    RunId::new("r1")
}

/// Job `idx` of [`run`].
pub(crate) fn job(idx: u32) -> Job {
    job_of(&run(), idx)
}

pub(crate) fn job_of(run: &RunId, idx: u32) -> Job {
    let mut job = samples::copy(
        "docker.io/library/nginx:1.27",
        "localhost:5000/library/nginx:1.27",
    );
    job.target.trust = Trust::Insecure;
    job.platforms = Platforms::of(vec!["linux/arm64/v8".parse().unwrap()]);
    job.run_id = run.clone();
    samples::numbered(idx, job)
}

/// Job `idx` of [`run`], held until `time`.
pub(crate) fn held_job(idx: u32, time: OffsetDateTime) -> Job {
    Job {
        not_before: Some(time),
        ..job(idx)
    }
}

pub(crate) fn failure() -> Failure {
    Failure::new(
        Side::Target,
        Step::PushBlob,
        "sha256:ab",
        FailureClass::Unavailable,
        "503 Service Unavailable",
    )
}

pub(crate) fn letter(id: &str, reason: &str) -> DeadLetter {
    DeadLetter {
        id: id.to_owned(),
        died_at: SOME_TIME,
        reason: reason.to_owned(),
        job: Some(job(0)),
        raw: None,
    }
}

pub(crate) fn seal(expected: u32) -> RunEvent {
    RunEvent::Seal { expected }
}

pub(crate) fn result(idx: u32, action: Action) -> RunEvent {
    RunEvent::Result(Box::new(JobResult {
        idx,
        worker: "w1".to_owned(),
        class: None,
        mac: None,
        entry: ImageResult {
            image: "docker.io/library/nginx".to_owned(),
            tag: "1.27".to_owned(),
            error: None,
            target: "localhost:5000/library/nginx:1.27".to_owned(),
            ..samples::entry(idx, action)
        },
    }))
}

/// A member that has one image in hand.
pub(crate) fn member(duty: Duty, name: &str) -> Presence {
    let image = ImageInHand {
        run: run(),
        idx: 7,
        image: "nginx:1.27".to_owned(),
        target: "localhost:5000/nginx:1.27".to_owned(),
        since: Duration::from_millis(1500),
        transfers: Some(Transfers {
            sent: 5,
            to_send: 7,
            ..Transfers::default()
        }),
    };
    Presence {
        duty,
        about: About {
            name: name.to_owned(),
            host: "machine.example".to_owned(),
            version: "0.1.0".to_owned(),
            since: datetime!(2026-11-20 12:00 UTC),
            slots: 4,
            in_hand: 1,
            images: vec![image],
            has_left: false,
        },
    }
}
