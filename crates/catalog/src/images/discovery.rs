//! What registries are asked for to find out which images rules choose: each thing once in a run, and again after a failure
//! that may pass.

mod created;

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use image_sync_shared::config::{ImageSpec, Settings};
use image_sync_shared::failure::{Failure, FailureClass, Reaction, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::{Reference, Repository};
use image_sync_shared::panics::lock;
use image_sync_shared::ports::creation_times::{CreationTimes, DatedImage};
use image_sync_shared::ports::transfer::registries::{Registries, Resolved};
use image_sync_shared::retry::RetryPolicy;
use image_sync_shared::run::job::{Access, Remote, Trust};
use time::OffsetDateTime;
use tokio::sync::OnceCell;
use tokio::time::sleep;

use crate::tag_rules::Candidate;

/// Of how many tags of one repository the creation times are found out at the same time.
const DATED_TOGETHER: usize = 16;

/// Who is asked about images that the config does not name, and what is known already.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// Lists tags and reads what images say of themselves.
    pub registries: &'a dyn Registries,
    /// Knows when images were created.
    pub creation_times: &'a dyn CreationTimes,
    /// The time by which images are old or young.
    pub now: OffsetDateTime,
}

/// What is found out in one run.
pub(super) struct Discovery<'a> {
    pub(super) sources: Sources<'a>,
    retry: RetryPolicy,
    /// The longest that a registry may ask to be left alone.
    max_pause: Duration,
    tags: Once<(Repository, Trust), Arc<[String]>>,
    /// By a repository of the namespace, as credentials may be for that.
    repositories: Once<(Repository, Trust), Arc<[String]>>,
    /// What tags stand for, none for those that are not there.
    resolved: Once<(Repository, Trust, String), Option<Resolved>>,
    created: Once<DatedImage, OffsetDateTime>,
}

impl<'a> Discovery<'a> {
    pub(super) fn new(sources: Sources<'a>, settings: &Settings) -> Self {
        Self {
            sources,
            retry: settings.retry,
            max_pause: settings.max_pause,
            tags: Once::default(),
            repositories: Once::default(),
            resolved: Once::default(),
            created: Once::default(),
        }
    }

    /// All tags of the source of `sample`.
    pub(super) async fn tags(&self, sample: &ImageSpec) -> Result<Arc<[String]>, Failure> {
        let key = (sample.source.clone(), sample.source_trust);
        let list = async || {
            let at = &source_of(sample);
            let listed = self.retrying(at, "tags cannot be listed", async || {
                self.sources.registries.tags(at).await
            });
            listed.await.map(Arc::from)
        };
        self.tags.get(key, list).await
    }

    /// All repositories of the registry that the source of `sample` is at, in the order of their names.
    pub(super) async fn repositories(&self, sample: &ImageSpec) -> Result<Arc<[String]>, Failure> {
        let key = (sample.source.clone(), sample.source_trust);
        let list = async || {
            let at = &source_of(sample);
            let listed = self.retrying(at, "repositories cannot be listed", async || {
                self.sources.registries.repositories(at).await
            });
            let names: BTreeSet<String> = listed.await?.into_iter().collect();
            Ok(names.into_iter().collect())
        };
        self.repositories.get(key, list).await
    }

    /// What `tag` of the source of `sample` stands for; none if there is no such tag.
    async fn resolved(&self, sample: &ImageSpec, tag: &str) -> Result<Option<Resolved>, Failure> {
        let key = (sample.source.clone(), sample.source_trust, tag.to_owned());
        let resolve = async || {
            let (at, reference) = (&source_of(sample), &Reference::Tag(tag.to_owned()));
            let resolve = async || self.sources.registries.resolve(at, reference).await;
            self.retrying(at, "a tag cannot be resolved", resolve).await
        };
        self.resolved.get(key, resolve).await
    }

    /// The digest that `tag` of the source of `sample` has.
    pub(super) async fn digest(&self, sample: &ImageSpec, tag: &str) -> Result<Digest, Failure> {
        let resolved = self.resolved(sample, tag).await?;
        let none = || {
            let image = sample.source.image(Reference::Tag(tag.to_owned()));
            let answer = "not found: there is no such repository or tag";
            Failure::new(
                Side::Source,
                Step::Check,
                image,
                FailureClass::NotFound,
                answer,
            )
        };
        resolved.map(|resolved| resolved.digest).ok_or_else(none)
    }

    /// The candidates with the creation times of their images, as far as they have believable ones. A tag that has gone since
    /// it was listed is left out.
    pub(super) async fn dated<'t>(
        &self,
        sample: &ImageSpec,
        candidates: Vec<Candidate<'t>>,
    ) -> Result<Vec<Candidate<'t>>, Failure> {
        let dated = stream::iter(candidates).map(async |candidate: Candidate<'t>| {
            let created = self.created(sample, candidate.tag).await?;
            let dated = created.map(|created| {
                candidate.created_at(created::believable(created, self.sources.now))
            });
            Ok(dated)
        });
        let dated: Vec<Option<Candidate<'t>>> =
            dated.buffer_unordered(DATED_TOGETHER).try_collect().await?;
        Ok(dated.into_iter().flatten().collect())
    }

    /// Asks again and again, as often and after such waits as the settings say, unless the failure is one that stays.
    async fn retrying<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        at: &Remote,
        what: &str,
        ask: impl Fn() -> F,
    ) -> Result<T, Failure> {
        let mut attempt = 1;
        loop {
            let failure = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let asked_for = match failure.class.reaction() {
                Reaction::Retry => None,
                Reaction::PauseAndRetry(wait) => Some(wait),
                Reaction::Pause(wait) => wait,
                Reaction::Fail | Reaction::PutBack => return Err(failure),
            };
            if !self.retry.allows_another(attempt) {
                return Err(failure);
            }
            let wait = match asked_for {
                Some(wait) => wait.min(self.max_pause),
                None => self.retry.delay(attempt),
            };
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(repository = %at.repository, %failure, wait_ms, "{what}: trying again");
            sleep(wait).await;
            attempt += 1;
        }
    }
}

/// The source of an image, for reading.
fn source_of(sample: &ImageSpec) -> Remote {
    Remote {
        side: Side::Source,
        repository: sample.source.clone(),
        trust: sample.source_trust,
        access: Access::Pull,
    }
}

/// Answers that are asked for once, by however many.
struct Once<K, T>(Mutex<HashMap<K, Answer<T>>>);

type Answer<T> = Arc<OnceCell<Result<T, Failure>>>;

impl<K, T> Default for Once<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, T: Clone> Once<K, T> {
    async fn get<F: Future<Output = Result<T, Failure>>>(
        &self,
        key: K,
        ask: impl FnOnce() -> F,
    ) -> Result<T, Failure> {
        let answer = Arc::clone(lock(&self.0).entry(key).or_default());
        answer.get_or_init(ask).await.clone()
    }
}
