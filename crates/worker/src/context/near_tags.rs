//! What is said of a tag that its source does not have: whether there is such a repository, and which tags are like it. For that
//! the repository is listed, once for all images of a run, one page of it, and not for more than a few repositories of a run:
//! where a whole catalog is missing, the first ones tell enough.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use image_sync_shared::failure::{Failure, FailureClass};
use image_sync_shared::image::reference::{Reference, Repository};
use image_sync_shared::panics::lock;
use image_sync_shared::run::RunId;
use image_sync_shared::text::nearest::{LIKE_IT, distance};
use tokio::sync::OnceCell;

/// How many repositories of a run are listed for it.
const REPOSITORIES: usize = 16;
/// Of how many runs it is known what was listed.
const RUNS: usize = 4;
/// How many tags of a repository are looked at.
const TAGS: usize = 1000;
/// How many tags are told.
const TOLD: usize = 3;

/// What is said where nothing is known.
const UNKNOWN: &str = "not found: there is no such repository or tag";

/// What came of listing a repository.
#[derive(Debug)]
enum Listed {
    /// Its tags, or the first ones.
    Tags(Vec<String>),
    /// It is not there, in the words of the registry.
    NoRepository(String),
    /// It does not let itself be listed.
    Unknown,
}

type List = Arc<OnceCell<Listed>>;

/// What was listed, the oldest run first.
#[derive(Debug, Default)]
pub(crate) struct NearTags(Mutex<VecDeque<(RunId, HashMap<Repository, List>)>>);

impl NearTags {
    /// What to say of a reference that `repository` does not have: by `listing`, unless another image of the run has listed it.
    pub(crate) async fn explain(
        &self,
        run: &RunId,
        repository: &Repository,
        reference: &Reference,
        listing: impl Future<Output = Result<Vec<String>, Failure>>,
    ) -> String {
        let Reference::Tag(tag) = reference else {
            return UNKNOWN.to_owned();
        };
        let Some(list) = self.list(run, repository) else {
            return UNKNOWN.to_owned();
        };
        let listed = list.get_or_init(|| async {
            match listing.await {
                Ok(mut tags) => {
                    tags.truncate(TAGS);
                    Listed::Tags(tags)
                }
                Err(failure) if failure.class == FailureClass::NotFound => {
                    Listed::NoRepository(failure.answer)
                }
                Err(failure) => {
                    tracing::debug!(error = %failure, "what is like a missing tag is not known");
                    Listed::Unknown
                }
            }
        });
        match listed.await {
            Listed::Tags(tags) => of_tags(tag, tags),
            Listed::NoRepository(said) => format!(
                "not found: there is no such repository ({said}); look at its name, or give credentials where it is private"
            ),
            Listed::Unknown => UNKNOWN.to_owned(),
        }
    }

    /// None where enough of the run is listed.
    fn list(&self, run: &RunId, repository: &Repository) -> Option<List> {
        let mut runs = lock(&self.0);
        if !runs.iter().any(|(known, _)| known == run) {
            if runs.len() == RUNS {
                runs.pop_front();
            }
            runs.push_back((run.clone(), HashMap::new()));
        }
        let (_, lists) = runs.iter_mut().find(|(known, _)| known == run)?;
        if lists.len() == REPOSITORIES && !lists.contains_key(repository) {
            return None;
        }
        Some(Arc::clone(lists.entry(repository.clone()).or_default()))
    }
}

fn of_tags(tag: &str, tags: &[String]) -> String {
    if tags.is_empty() {
        return "not found: the repository is not there, or has no tags".to_owned();
    }
    let mut near: Vec<(usize, &str)> = tags
        .iter()
        .filter_map(|name| Some((distance(tag, name)?, name.as_str())))
        .collect();
    near.sort_unstable();
    let near: Vec<&str> = near.into_iter().take(TOLD).map(|(_, name)| name).collect();
    if near.is_empty() {
        return "not found: the repository has no such tag, and its first ones are not like it; `image-sync config tags` lists all"
            .to_owned();
    }
    format!(
        "not found: the repository has no such tag{LIKE_IT}{}",
        near.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use image_sync_shared::failure::{Side, Step};

    use super::*;

    async fn explained(
        near: &NearTags,
        (run, repository, tag): (&str, &str, &str),
        asked: &AtomicUsize,
        listed: Result<&[&str], FailureClass>,
    ) -> String {
        let listing = async {
            asked.fetch_add(1, Ordering::Relaxed);
            match listed {
                Ok(tags) => Ok(tags.iter().map(|tag| (*tag).to_owned()).collect()),
                Err(class) => Err(Failure::new(
                    Side::Source,
                    Step::ListTags,
                    "a",
                    class,
                    "404",
                )),
            }
        };
        let (run, repository) = (RunId::new(run.to_owned()), repository.parse().unwrap());
        let reference = Reference::Tag(tag.to_owned());
        near.explain(&run, &repository, &reference, listing).await
    }

    #[tokio::test]
    async fn a_missing_tag_is_told_with_those_like_it_and_a_missing_repository_apart() {
        let (near, asked) = (NearTags::default(), AtomicUsize::new(0));
        let tags = ["1.27-alpine", "1.27-alpine-slim", "1.26-alpine", "latest"];
        let of = |repository, tag| ("r", repository, tag);
        let text = explained(&near, of("q.io/a", "1.27-alpin"), &asked, Ok(&tags)).await;
        let start =
            "not found: the repository has no such tag; like it are 1.27-alpine, 1.26-alpine";
        assert!(text.starts_with(start), "{text}");
        let text = explained(&near, of("q.io/a", "zzz"), &asked, Ok(&tags)).await;
        assert!(
            text.contains("not like it; `image-sync config tags`"),
            "{text}"
        );
        let none = Err(FailureClass::NotFound);
        let text = explained(&near, of("q.io/b", "1"), &asked, none).await;
        assert!(text.contains("there is no such repository (404)"), "{text}");
        let text = explained(&near, of("q.io/c", "1"), &asked, Err(FailureClass::Denied)).await;
        assert_eq!(text, UNKNOWN);
    }

    #[tokio::test]
    async fn a_run_of_missing_tags_lists_each_repository_once_and_few_of_them() {
        let (near, asked) = (NearTags::default(), AtomicUsize::new(0));
        for tag in 0..1000 {
            let tag = tag.to_string();
            explained(&near, ("r1", "q.io/a", &tag), &asked, Ok(&["x"])).await;
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        for number in 0..1000 {
            let repository = format!("q.io/a{number}");
            explained(&near, ("r1", &repository, "1"), &asked, Ok(&["x"])).await;
        }
        assert_eq!(asked.load(Ordering::Relaxed), REPOSITORIES);
        explained(&near, ("r2", "q.io/a", "1"), &asked, Ok(&["x"])).await;
        assert_eq!(asked.load(Ordering::Relaxed), REPOSITORIES + 1);
        for run in 0..10 {
            let run = format!("s{run}");
            explained(&near, (&run, "q.io/a", "1"), &asked, Ok(&["x"])).await;
        }
        assert_eq!(lock(&near.0).len(), RUNS);
    }
}
