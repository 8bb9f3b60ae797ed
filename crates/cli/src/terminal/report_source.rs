//! A report as it is read to be shown: piece by piece, and as often as needed.

use std::io;

use image_sync_aggregator::aggregate::FinishedRun;
use image_sync_shared::run::outcome::ImageResult;
use image_sync_shared::run::report::{MissingImage, Report, ReportHead};

/// Entries of a report.
pub(crate) type Entries<'a, T> = Box<dyn Iterator<Item = io::Result<T>> + 'a>;

/// A report that may be too large to be held.
pub(crate) trait ReportSource {
    /// All of it but its lists.
    fn head(&self) -> &ReportHead;

    /// One entry per image that has a result.
    fn results(&mut self) -> io::Result<Entries<'_, ImageResult>>;

    /// The images that have none.
    fn missing(&mut self) -> io::Result<Entries<'_, MissingImage>>;
}

impl ReportSource for FinishedRun {
    fn head(&self) -> &ReportHead {
        &self.head
    }

    fn results(&mut self) -> io::Result<Entries<'_, ImageResult>> {
        Ok(Box::new(Self::results(self)))
    }

    fn missing(&mut self) -> io::Result<Entries<'_, MissingImage>> {
        Ok(Box::new(Self::missing(self)))
    }
}

impl ReportSource for Report {
    fn head(&self) -> &ReportHead {
        &self.head
    }

    fn results(&mut self) -> io::Result<Entries<'_, ImageResult>> {
        Ok(Box::new(self.results.iter().cloned().map(Ok)))
    }

    fn missing(&mut self) -> io::Result<Entries<'_, MissingImage>> {
        Ok(Box::new(self.missing.iter().cloned().map(Ok)))
    }
}
