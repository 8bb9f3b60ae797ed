//! Dead letters: their jobs put back as a new run, or dropped.
//!
//! What is put back is published first, as a whole and with its seal, and then its letters are removed. A crash in between
//! leaves letters that are put back a second time, which is harmless: the image is then found in its place.

mod chosen;
mod replayed;

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::dead_letters::DeadLetters;
use image_sync_shared::run::RunId;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::produce::{Produced, Producer};
use chosen::Chosen;
use replayed::{Replayed, plan};

/// Letters that are removed at the same time.
const REMOVALS_IN_FLIGHT: usize = 32;

/// Which letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// All that there are now.
    All,
    /// Those with these ids.
    These(Vec<String>),
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LetterError {
    /// There are no such letters.
    #[error(
        "nothing was done, as there is no dead letter {}, expected ids as `image-sync dead-letters list` shows them",
        .0.join(", ")
    )]
    Unknown(Vec<String>),
    /// There is no job in these letters.
    #[error(
        "nothing was done, as dead letter {} is of a message that was no job and cannot be replayed, only shown and dropped",
        .0.join(", ")
    )]
    NoJob(Vec<String>),
    /// Their jobs are of kinds that this version does not know.
    #[error(
        "nothing was done, as dead letter {} has a job of a kind that this version does not know: replay it with the version \
         that its workers have",
        .0.join(", ")
    )]
    UnknownKind(Vec<String>),
    /// They cannot be reached.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Puts the jobs of the chosen letters back as one run of their own, which may take `timeout`, and then removes the letters.
/// Returns the run and how far the producer came with it, or none if there was nothing to put back. Of all letters, those
/// without a job, or with one of a kind that is not known here, are left where they are.
pub async fn replay(
    producer: &Producer,
    letters: &dyn DeadLetters,
    choice: &Choice,
    timeout: Duration,
    stop: &CancellationToken,
) -> Result<Option<(RunId, Produced)>, LetterError> {
    let mut chosen = Chosen::of(letters, choice).await?;
    let jobless = chosen.named_without_job();
    if !jobless.is_empty() {
        return Err(LetterError::NoJob(jobless));
    }
    let unknown = chosen.named_of_unknown_kind();
    if !unknown.is_empty() {
        return Err(LetterError::UnknownKind(unknown));
    }
    let first = next_page(&mut chosen).await?;
    let Some(plan) = plan(&first, timeout, producer.clock.now()) else {
        return Ok(None);
    };
    let mut published = Vec::new();
    let pages = stream::try_unfold((first, chosen), |(page, mut chosen)| async move {
        if page.is_empty() {
            return Ok(None);
        }
        let next = next_page(&mut chosen).await?;
        Ok(Some((page, (next, chosen))))
    });
    // Ids alone are kept: all letters may be too many to be held.
    let pages = pages.inspect_ok(|page: &Vec<Replayed>| {
        published.extend(page.iter().map(|replayed| replayed.letter.clone()));
    });
    let outcome = producer.produce_pages(&plan, pages, stop).await?;
    // Otherwise the run is given up, whatever came of it by then, and the letters stay.
    if let Produced::Sealed { .. } = outcome {
        remove(letters, published).await?;
    }
    Ok(Some((plan.run_id, outcome)))
}

/// Removes the chosen letters, and says how many there were.
pub async fn discard(letters: &dyn DeadLetters, choice: &Choice) -> Result<u64, LetterError> {
    let (mut chosen, mut removed) = (Chosen::of(letters, choice).await?, 0);
    loop {
        let page = chosen.page().await?;
        if page.is_empty() {
            return Ok(removed);
        }
        let ids = page.into_iter().map(|letter| letter.id).collect();
        removed += remove(letters, ids).await?;
    }
}

/// The next letters that have jobs; nothing at the end.
async fn next_page(chosen: &mut Chosen) -> Result<Vec<Replayed>, QueueError> {
    loop {
        let page = chosen.page().await?;
        let (is_end, letters) = (page.is_empty(), page.len());
        let replayed: Vec<Replayed> = page.into_iter().filter_map(Replayed::of).collect();
        let left = letters - replayed.len();
        if left > 0 {
            tracing::warn!(
                letters = left,
                "left dead letters of messages that were no jobs, or of jobs of a kind that this version does not know"
            );
        }
        if is_end || !replayed.is_empty() {
            return Ok(replayed);
        }
    }
}

async fn remove(letters: &dyn DeadLetters, ids: Vec<String>) -> Result<u64, QueueError> {
    stream::iter(ids)
        .map(|id| async move { letters.take(&id).await })
        .buffer_unordered(REMOVALS_IN_FLIGHT)
        .try_fold(0, |removed, taken| async move {
            Ok(removed + u64::from(taken.is_some()))
        })
        .await
}

#[cfg(test)]
mod tests;
