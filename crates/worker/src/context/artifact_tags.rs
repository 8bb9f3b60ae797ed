//! The tags by which artifacts belong to images, as each run lists them: once for all images of a repository.

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex};

use image_sync_shared::failure::{Failure, Reaction};
use image_sync_shared::image::reference::Repository;
use image_sync_shared::image::referrers::is_tag_of_digest;
use image_sync_shared::panics::lock;
use image_sync_shared::run::RunId;
use tokio::sync::OnceCell;
use tracing::debug;

/// How many lists are held: those of the repositories that are worked now, and of some before.
const CAPACITY: usize = 64;

/// The tags of one repository that name a digest; nothing where it does not list its tags to us.
pub(crate) type TagsOfDigests = Option<Arc<HashSet<String>>>;

type List = Arc<OnceCell<TagsOfDigests>>;

/// The lists, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct ArtifactTags(Mutex<VecDeque<((RunId, Repository), List)>>);

impl ArtifactTags {
    /// The tags of `repository` in this run: from `listing`, unless another image of the run has listed them.
    pub(crate) async fn of(
        &self,
        run: &RunId,
        repository: &Repository,
        listing: impl Future<Output = Result<Vec<String>, Failure>>,
    ) -> Result<TagsOfDigests, Failure> {
        let list = self.list(run, repository);
        let listed = list.get_or_try_init(|| async {
            match listing.await {
                Ok(tags) => {
                    let tags = tags.into_iter().filter(|tag| is_tag_of_digest(tag));
                    Ok(Some(Arc::new(tags.collect())))
                }
                Err(failure) if failure.class.reaction() == Reaction::Fail => {
                    debug!(error = %failure, "each tag of an artifact is asked for by itself");
                    Ok(None)
                }
                Err(failure) => Err(failure),
            }
        });
        listed.await.cloned()
    }

    fn list(&self, run: &RunId, repository: &Repository) -> List {
        let key = (run.clone(), repository.clone());
        let mut lists = lock(&self.0);
        if let Some((_, list)) = lists.iter().find(|(known, _)| *known == key) {
            return Arc::clone(list);
        }
        if lists.len() == CAPACITY {
            lists.pop_front();
        }
        let list = List::default();
        lists.push_back((key, Arc::clone(&list)));
        list
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use image_sync_shared::failure::{FailureClass, Side, Step};
    use image_sync_shared::image::digest::Digest;
    use image_sync_shared::image::referrers::CosignKind;

    use super::*;

    async fn ask(
        tags: &ArtifactTags,
        run: &str,
        asked: &AtomicUsize,
        listed: Result<Vec<String>, FailureClass>,
    ) -> Result<TagsOfDigests, Failure> {
        let listing = async {
            asked.fetch_add(1, Ordering::Relaxed);
            listed.map_err(|class| Failure::new(Side::Source, Step::ListTags, "a/b", class, "x"))
        };
        let repository = "quay.io/a/b".parse().unwrap();
        tags.of(&RunId::new(run.to_owned()), &repository, listing)
            .await
    }

    #[tokio::test]
    async fn tags_are_listed_once_per_repository_and_run() {
        let (tags, asked) = (ArtifactTags::default(), AtomicUsize::new(0));
        let signature = CosignKind::Signature.tag(&Digest::of(b"a"));
        let all = vec!["1.0".to_owned(), signature.clone()];
        for _ in 0..2 {
            let found = ask(&tags, "r1", &asked, Ok(all.clone())).await.unwrap();
            assert_eq!(*found.unwrap(), HashSet::from([signature.clone()]));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        ask(&tags, "r2", &asked, Ok(all)).await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_refusal_to_list_is_known_and_a_failure_that_may_pass_is_not() {
        let (tags, asked) = (ArtifactTags::default(), AtomicUsize::new(0));
        for _ in 0..2 {
            let failed = ask(&tags, "r1", &asked, Err(FailureClass::Unavailable)).await;
            assert_eq!(failed.unwrap_err().class, FailureClass::Unavailable);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        for _ in 0..2 {
            let refused = ask(&tags, "r1", &asked, Err(FailureClass::Denied)).await;
            assert_eq!(refused, Ok(None));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn the_lists_of_repositories_are_bounded() {
        let (tags, asked) = (ArtifactTags::default(), AtomicUsize::new(0));
        for run in 0..=CAPACITY {
            let listed = ask(&tags, &format!("r{run}"), &asked, Ok(Vec::new())).await;
            listed.unwrap();
        }
        assert_eq!(lock(&tags.0).len(), CAPACITY);
    }
}
