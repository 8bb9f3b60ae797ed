//! What the log of an open run says of its images: which are done, which come again and why, and which wait.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobMatcher};
use image_sync_shared::image::reference::split;
use image_sync_shared::run::outcome::{ImageResult, JobResult, ResultKind};
use image_sync_shared::run::report::MissingImage;
use image_sync_shared::run::{ImageName, RunEvent};
use image_sync_shared::text::UnknownWord;
use image_sync_shared::text::timestamp;
use serde::Serialize;
use thiserror::Error;
use time::OffsetDateTime;

use crate::fold::Fold;

/// How an image stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A worker writes its target now.
    InHand,
    /// It was put back, or an attempt failed, and it comes again.
    PutBack,
    /// It failed.
    Failed,
    /// Nothing is said of it yet: it waits for a worker, or one looks at it.
    Waiting,
    /// It was copied.
    Copied,
    /// It was up to date.
    UpToDate,
    /// It would have been copied, but this is a dry run.
    WouldCopy,
    /// It was left as it is, as its policy says.
    Kept,
    /// It is done, in a way that a worker of another version calls so.
    #[serde(untagged)]
    Other(UnknownWord),
}

/// An image of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageState {
    /// The image as the config names it.
    pub image: String,
    /// Its tag.
    pub tag: String,
    /// Its target.
    pub target: String,
    /// How it stands.
    pub state: Standing,
    /// How many attempts have failed, or were needed.
    pub attempts: u32,
    /// How often it was put back without an attempt.
    pub defers: u32,
    /// Why it failed, comes again, or was left as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it comes again.
    #[serde(with = "timestamp::option", skip_serializing_if = "Option::is_none")]
    pub due: Option<OffsetDateTime>,
    /// The worker that has it in hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
}

impl Standing {
    fn of(entry: &ImageResult) -> Self {
        match entry.kind() {
            ResultKind::AlreadyCached => Self::UpToDate,
            ResultKind::Pulled => Self::Copied,
            ResultKind::Skipped => Self::WouldCopy,
            ResultKind::Kept => Self::Kept,
            ResultKind::Failed => Self::Failed,
            ResultKind::Other => Self::Other(UnknownWord::new(entry.action.name())),
        }
    }
}

impl From<ImageResult> for ImageState {
    fn from(result: ImageResult) -> Self {
        Self {
            state: Standing::of(&result),
            image: result.image,
            tag: result.tag,
            target: result.target,
            attempts: result.attempts,
            defers: 0,
            error: result.error.or(result.note),
            due: None,
            worker: None,
        }
    }
}

impl From<MissingImage> for ImageState {
    fn from(missing: MissingImage) -> Self {
        Self {
            state: Standing::Waiting,
            image: missing.image,
            tag: missing.tag,
            target: missing.target,
            attempts: missing.attempts,
            defers: 0,
            error: missing.error,
            due: None,
            worker: None,
        }
    }
}

/// A text that is no glob.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{glob:?} is not a pattern: {reason}, expected a glob as in '*nginx*'")]
pub struct NotAGlob {
    glob: String,
    reason: String,
}

/// Which images are meant: by a glob, or by a name as the config writes it, in full, or as the target.
pub struct Meant {
    text: String,
    glob: GlobMatcher,
}

impl Meant {
    /// Those that `text` names.
    pub fn new(text: &str) -> Result<Self, NotAGlob> {
        let glob = GlobBuilder::new(text).build().map_err(|error| NotAGlob {
            glob: text.to_owned(),
            reason: error.kind().to_string(),
        })?;
        Ok(Self {
            text: text.to_owned(),
            glob: glob.compile_matcher(),
        })
    }

    /// Whether this one is meant.
    #[must_use]
    pub fn is(&self, image: &str, tag: &str, target: &str) -> bool {
        let written = format!("{image}:{tag}");
        let named = [written.as_str(), image, target];
        named.iter().any(|name| self.glob.is_match(name)) || self.is_same(&written, target)
    }

    /// Registries have short names and long ones, and targets too.
    fn is_same(&self, written: &str, target: &str) -> bool {
        let Ok((repository, reference)) = split(&self.text) else {
            return false;
        };
        [written, target].iter().any(|name| {
            split(name).is_ok_and(|(other, of)| {
                other == repository && (reference.is_none() || of == reference)
            })
        })
    }
}

/// The last word on an image that comes again. What is said later is greater, in whatever order it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    attempts: u32,
    defers: u32,
    error: Option<String>,
    due: Option<OffsetDateTime>,
}

/// The images of a run, as far as its log was read.
#[derive(Default)]
pub struct ImageStates {
    fold: Fold,
    names: BTreeMap<u32, ImageName>,
    said: BTreeMap<u32, Said>,
    results: BTreeMap<u32, (Standing, u32, Option<String>)>,
}

impl ImageStates {
    /// Takes the next event in.
    pub fn take(&mut self, event: RunEvent) {
        match &event {
            RunEvent::Chunk { first_idx, items } => {
                let chunk = (*first_idx..=u32::MAX).zip(items.iter().cloned());
                self.names.extend(chunk);
            }
            RunEvent::Attempt {
                idx,
                attempt,
                defers,
                error,
                due,
                ..
            } => {
                let said = Said {
                    attempts: *attempt,
                    defers: *defers,
                    error: Some(error.clone()),
                    due: *due,
                };
                let last = self.said.entry(*idx).or_default();
                if *last < said {
                    *last = said;
                }
            }
            // A result is taken from the fold below, which lets none count that has no proof.
            _ => {}
        }
        for JobResult { idx, entry, .. } in self.fold.apply(event) {
            let standing = Standing::of(&entry);
            self.results
                .insert(idx, (standing, entry.attempts, entry.error.or(entry.note)));
        }
    }

    /// All that is known of the run as a whole.
    #[must_use]
    pub fn fold(&self) -> &Fold {
        &self.fold
    }

    /// The images that are `meant`, or without that those that are not done well, in the order of the catalog; `holders`
    /// tells which targets are being written, and by which worker.
    #[must_use]
    pub fn images(
        &self,
        meant: Option<&Meant>,
        holders: &BTreeMap<String, String>,
    ) -> Vec<ImageState> {
        let is_meant = |name: &ImageName, state: Standing| match meant {
            Some(meant) => meant.is(&name.image, &name.tag, &name.target),
            // By the order of its variants: what is not done well comes first.
            None => state <= Standing::Waiting,
        };
        let states = self.names.iter().map(|(idx, name)| {
            let state = self.state(*idx, name, holders);
            (name, state)
        });
        states
            .filter(|(name, image)| is_meant(name, image.state))
            .map(|(_, image)| image)
            .collect()
    }

    fn state(&self, idx: u32, name: &ImageName, holders: &BTreeMap<String, String>) -> ImageState {
        let (said, result) = (self.said.get(&idx), self.results.get(&idx));
        // An image that has its result is in nobody's hand, even if its target's lease is held still, or for another
        // run.
        let worker = holders.get(&name.target).filter(|_| result.is_none());
        let last = said.cloned().unwrap_or_default();
        let (state, attempts, error) = match (result, worker, said) {
            (Some((standing, attempts, error)), ..) => (*standing, *attempts, error.clone()),
            (None, Some(_), _) => (Standing::InHand, last.attempts, last.error),
            (None, None, Some(_)) => (Standing::PutBack, last.attempts, last.error),
            (None, None, None) => (Standing::Waiting, 0, None),
        };
        ImageState {
            image: name.image.clone(),
            tag: name.tag.clone(),
            target: name.target.clone(),
            state,
            attempts,
            defers: last.defers,
            error,
            due: last.due.filter(|_| state == Standing::PutBack),
            worker: worker.cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_sync_shared::run::outcome::Action;
    use image_sync_testkit::samples::{chunk, name, now, opened, result};

    fn attempt(idx: u32, defers: u32, error: &str) -> RunEvent {
        RunEvent::Attempt {
            idx,
            attempt: 1,
            defers,
            error: error.to_owned(),
            due: Some(now()),
            bytes_copied: 0,
        }
    }

    fn states() -> ImageStates {
        let mut states = ImageStates::default();
        for event in [
            RunEvent::Open(opened()),
            chunk(0, 6),
            attempt(1, 2, "429 again"),
            attempt(1, 1, "429"),
            result(2, Action::Failed),
            result(3, Action::Pulled),
            result(4, Action::AlreadyCached),
            RunEvent::Seal { expected: 6 },
        ] {
            states.take(event);
        }
        states
    }

    #[test]
    fn an_open_run_says_which_images_are_in_hand_put_back_failed_and_waiting() {
        let holders = BTreeMap::from([
            (name(0).target, "a".to_owned()),
            (name(3).target, "of another run".to_owned()),
        ]);
        let all = states().images(None, &holders);
        let told: Vec<_> = all.iter().map(|image| (&*image.tag, image.state)).collect();
        let expected = [
            ("v0", Standing::InHand),
            ("v1", Standing::PutBack),
            ("v2", Standing::Failed),
            ("v5", Standing::Waiting),
        ];
        assert_eq!(told, expected);
        let put_back = &all[1];
        assert_eq!((put_back.attempts, put_back.defers), (1, 2));
        assert_eq!(put_back.error.as_deref(), Some("429 again"));
        assert_eq!(put_back.due, Some(now()));
        assert_eq!(all[0].worker.as_deref(), Some("a"));
        assert_eq!(all[2].error.as_deref(), Some("source: check t: 404"));
    }

    #[test]
    fn an_image_with_an_unknown_action_is_done_and_called_so() {
        let mut states = states();
        states.take(result(5, Action::from("signed")));
        states.take(result(0, Action::from("quarantined")));
        let tags = |images: &[ImageState]| -> Vec<String> {
            images.iter().map(|image| image.tag.clone()).collect()
        };
        let troubles = states.images(None, &BTreeMap::new());
        assert_eq!(tags(&troubles), ["v1", "v2"], "all others are done");
        let meant = Meant::new("*:v5").unwrap();
        let signed = &states.images(Some(&meant), &BTreeMap::new())[0];
        let json = serde_json::to_value(signed).unwrap();
        assert_eq!(json["state"], "signed");
    }

    #[test]
    fn an_image_is_named_by_glob_in_full_or_as_its_target() {
        let named = |text: &str| {
            let meant = Meant::new(text).unwrap();
            let images = states().images(Some(&meant), &BTreeMap::new());
            images
                .iter()
                .map(|image| image.tag.clone())
                .collect::<Vec<_>>()
        };
        for text in ["quay.io/a/b:v3", "localhost:5000/quay.io/a/b:v3", "*:v3"] {
            assert_eq!(named(text), ["v3"], "{text}");
        }
        assert_eq!(named("quay.io/a/b").len(), 6, "all tags of it");
        assert_eq!(named("quay.io/a/c:v3"), [""; 0]);
        let docker = Meant::new("docker.io/library/nginx:1").unwrap();
        assert!(docker.is("nginx", "1", "cache/nginx:1"));
    }
}
