//! The letters that a command is about.

use std::collections::{HashSet, VecDeque};

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::dead_letters::{DeadLetter, DeadLetterReader, DeadLetters};

use super::{Choice, LetterError};

/// Letters that are held at the same time.
const PAGE: usize = 500;

/// The letters of a choice that are still to be read.
pub(super) enum Chosen {
    All(Box<dyn DeadLetterReader>),
    Named(VecDeque<DeadLetter>),
}

impl Chosen {
    /// Makes sure first that all letters are there that are named.
    pub(super) async fn of(
        letters: &dyn DeadLetters,
        choice: &Choice,
    ) -> Result<Self, LetterError> {
        let Choice::These(ids) = choice else {
            return Ok(Self::All(letters.read().await?));
        };
        let (mut found, mut unknown, mut seen) = (VecDeque::new(), Vec::new(), HashSet::new());
        // An id that is given twice is one letter, of which one job is made.
        for id in ids.iter().filter(|id| seen.insert(*id)) {
            match letters.get(id).await? {
                Some(letter) => found.push_back(letter),
                None => unknown.push(format!("{id:?}")),
            }
        }
        if unknown.is_empty() {
            Ok(Self::Named(found))
        } else {
            Err(LetterError::Unknown(unknown))
        }
    }

    /// The ids of the letters without a job, as far as letters are named.
    pub(super) fn named_without_job(&self) -> Vec<String> {
        let Self::Named(letters) = self else {
            return Vec::new();
        };
        let jobless = letters.iter().filter(|letter| letter.job.is_none());
        jobless.map(|letter| letter.id.clone()).collect()
    }

    /// The ids of those whose jobs are of a kind that is not known here.
    pub(super) fn named_of_unknown_kind(&self) -> Vec<String> {
        let Self::Named(letters) = self else {
            return Vec::new();
        };
        let is_unknown =
            |letter: &&DeadLetter| letter.job.as_ref().is_some_and(|job| !job.is_known());
        let unknown = letters.iter().filter(is_unknown);
        unknown.map(|letter| letter.id.clone()).collect()
    }

    /// The next letters; nothing at the end.
    pub(super) async fn page(&mut self) -> Result<Vec<DeadLetter>, QueueError> {
        let mut page = Vec::new();
        while page.len() < PAGE
            && let Some(letter) = self.next().await?
        {
            page.push(letter);
        }
        Ok(page)
    }

    async fn next(&mut self) -> Result<Option<DeadLetter>, QueueError> {
        match self {
            Self::All(reader) => reader.next().await,
            Self::Named(letters) => Ok(letters.pop_front()),
        }
    }
}
