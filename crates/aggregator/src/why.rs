//! Why an image is not up to date, in a sentence or two: a pure function of what is known of it.

use image_sync_shared::ports::queue::host_pauses::HostPause;
use image_sync_shared::run::RunId;
use image_sync_shared::run::report::RunStatus;
use image_sync_shared::text::timestamp;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::image_states::{ImageState, Standing};

/// What a run says of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InRun {
    /// The run.
    pub run_id: RunId,
    /// How it ended; none while it is open.
    pub status: Option<RunStatus>,
    /// When it started, or when its report was made.
    #[serde(with = "timestamp")]
    pub at: OffsetDateTime,
    /// How the image stands, or stood at the end of the run.
    #[serde(flatten)]
    pub image: ImageState,
    /// Whether the run has it for other targets too, and they are asked for.
    #[serde(skip)]
    pub has_other_targets: bool,
}

impl InRun {
    fn name(&self) -> String {
        let ImageState {
            image, tag, target, ..
        } = &self.image;
        if self.has_other_targets {
            format!("{image}:{tag} for {target}")
        } else {
            format!("{image}:{tag}")
        }
    }
}

/// All that is known of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// What runs say of it, the latest first.
    pub runs: Vec<InRun>,
    /// The pauses of its registries.
    pub pauses: Vec<HostPause>,
    /// The ids of its dead letters.
    pub letters: Vec<String>,
    /// How many runs were looked at.
    pub looked_at: usize,
}

impl Known {
    /// What it comes to, about the image that was asked for.
    #[must_use]
    pub fn sentence(&self, image: &str) -> String {
        let mut said = match self.runs.first() {
            None => vec![format!(
                "None of the last {} runs has an image {image}: it is not in the config of the producer, or the runs are not kept \
                 any more.",
                self.looked_at
            )],
            Some(latest) => vec![of_latest(latest)],
        };
        said.extend(self.last_good());
        said.extend(self.pauses.iter().map(|pause| {
            let HostPause {
                host,
                until,
                reason,
                ..
            } = pause;
            format!(
                "{host} is left alone until {} ({reason}); `image-sync hosts resume {host}` ends that.",
                text(*until)
            )
        }));
        said.extend(self.letters.last().map(|letter| {
            format!(
                "Its job was given up: `image-sync dead-letters show {letter}` has all about it."
            )
        }));
        said.join(" ")
    }

    /// When the image was good, where it is not by the latest run.
    fn last_good(&self) -> Option<String> {
        let good = |run: &&InRun| matches!(run.image.state, Standing::Copied | Standing::UpToDate);
        let last = self.runs.iter().find(good)?;
        let is_latest = self.runs.first() == Some(last);
        (!is_latest).then(|| {
            format!(
                "It was last up to date in run {} ({}).",
                last.run_id,
                text(last.at)
            )
        })
    }
}

fn of_latest(latest: &InRun) -> String {
    let InRun {
        run_id, image, at, ..
    } = latest;
    let (name, at) = (latest.name(), text(*at));
    let why = image.error.as_deref().unwrap_or("no reason was told");
    let times = |count: u32| match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    match (image.state, latest.status) {
        (Standing::Copied, _) => format!("{name} was copied by run {run_id} ({at})."),
        (Standing::UpToDate, _) => {
            format!("{name} was up to date when run {run_id} looked at it ({at}).")
        }
        (Standing::WouldCopy, _) => {
            format!("{name} is not up to date, and run {run_id} ({at}) was a dry run.")
        }
        (Standing::Kept, _) => {
            format!("{name} is left as it is by run {run_id} ({at}), as its policy says: {why}.")
        }
        (Standing::Other(word), _) => {
            format!("{name} is done in run {run_id} ({at}), whose worker calls that {word:?}.")
        }
        (Standing::Failed, _) => format!(
            "{name} failed in run {run_id} ({at}) after {} attempts: {why}.",
            image.attempts
        ),
        (Standing::InHand, _) => format!(
            "{name} is being copied now, by worker {} in run {run_id}.",
            image.worker.as_deref().unwrap_or("unknown")
        ),
        (Standing::PutBack, None) => format!(
            "{name} was put back in run {run_id}, which is open: {} attempts failed, and it was put off {}{}: {why}.",
            image.attempts,
            times(image.defers),
            image.due.map_or_else(String::new, |due| format!(
                "; it comes again at {}",
                text(due)
            )),
        ),
        (Standing::Waiting, None) => {
            format!("{name} waits for a worker in run {run_id}, which is open since {at}.")
        }
        (Standing::PutBack | Standing::Waiting, Some(status)) => format!(
            "{name} had no result when run {run_id} ended {} ({at}): {}.",
            status.name(),
            image.error.as_deref().unwrap_or("it was never begun")
        ),
    }
}

fn text(time: OffsetDateTime) -> String {
    let whole = time.replace_nanosecond(0).unwrap_or(time);
    whole.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_sync_testkit::samples::{name, now};

    fn in_run(run: &str, status: Option<RunStatus>, state: Standing, error: &str) -> InRun {
        let name = name(1);
        InRun {
            run_id: RunId::new(run),
            status,
            at: now(),
            has_other_targets: false,
            image: ImageState {
                image: name.image,
                tag: name.tag,
                target: name.target,
                state,
                attempts: 2,
                defers: 1,
                error: Some(error.to_owned()).filter(|error| !error.is_empty()),
                due: (state == Standing::PutBack).then(now),
                worker: (state == Standing::InHand).then(|| "a".to_owned()),
            },
        }
    }

    #[test]
    fn an_image_that_was_put_back_is_told_with_why_until_when_and_what_can_be_done() {
        let known = Known {
            runs: vec![
                in_run("r2", None, Standing::PutBack, "429"),
                in_run("r1", Some(RunStatus::Complete), Standing::Copied, ""),
            ],
            pauses: vec![HostPause {
                host: "quay.io".to_owned(),
                since: now(),
                until: now(),
                reason: "429".to_owned(),
            }],
            letters: Vec::new(),
            looked_at: 2,
        };
        assert_eq!(
            known.sentence("b"),
            "quay.io/a/b:v1 was put back in run r2, which is open: 2 attempts failed, and it was put off once; it comes again at \
             2026-11-20T12:00:00Z: 429. It was last up to date in run r1 (2026-11-20T12:00:00Z). quay.io is left alone until \
             2026-11-20T12:00:00Z (429); `image-sync hosts resume quay.io` ends that."
        );
    }

    #[test]
    fn each_standing_of_an_image_has_its_sentence() {
        let (ended, incomplete) = (Some(RunStatus::Complete), Some(RunStatus::Incomplete));
        for (status, state, error, said) in [
            (None, Standing::Waiting, "", "waits for a worker in run r1"),
            (
                None,
                Standing::InHand,
                "",
                "is being copied now, by worker a in run r1.",
            ),
            (
                ended,
                Standing::Failed,
                "404",
                "failed in run r1 (2026-11-20T12:00:00Z) after 2 attempts: 404.",
            ),
            (
                ended,
                Standing::UpToDate,
                "",
                "was up to date when run r1 looked at it",
            ),
            (ended, Standing::Copied, "", "was copied by run r1"),
            (
                incomplete,
                Standing::Waiting,
                "",
                "had no result when run r1 ended incomplete (2026-11-20T12:00:00Z): it was never begun.",
            ),
        ] {
            let known = Known {
                runs: vec![in_run("r1", status, state, error)],
                ..Known::default()
            };
            let sentence = known.sentence("b");
            assert!(sentence.contains(said), "{sentence}");
        }
    }

    #[test]
    fn an_image_for_several_targets_is_told_with_the_one_that_is_meant() {
        let failed = in_run("r1", Some(RunStatus::Complete), Standing::Failed, "404");
        let of_several = InRun {
            has_other_targets: true,
            ..failed.clone()
        };
        let target = failed.image.target.clone();
        let sentence = |run| {
            let known = Known {
                runs: vec![run],
                ..Known::default()
            };
            known.sentence("b")
        };
        assert!(sentence(failed).starts_with("quay.io/a/b:v1 failed in run r1"));
        let start = format!("quay.io/a/b:v1 for {target} failed in run r1");
        let said = sentence(of_several);
        assert!(said.starts_with(&start), "{said}");
    }

    #[test]
    fn an_image_that_nobody_knows_and_one_that_was_given_up_are_told() {
        let nobody = Known {
            looked_at: 3,
            ..Known::default()
        };
        assert!(
            nobody
                .sentence("x:1")
                .starts_with("None of the last 3 runs has an image x:1")
        );
        let given_up = Known {
            letters: vec!["r1:0".to_owned()],
            ..nobody
        };
        let sentence = given_up.sentence("x:1");
        assert!(
            sentence.ends_with("`image-sync dead-letters show r1:0` has all about it."),
            "{sentence}"
        );
    }
}
