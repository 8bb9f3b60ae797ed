//! The images of a run that have no result, and why.

use std::collections::BTreeMap;
use std::io;

use image_sync_shared::run::report::MissingImage;
use image_sync_shared::run::{ImageName, RunEvent};

use super::first_values::FirstValues;
use crate::fold::Fold;

/// What the log says of the images that miss: their names in a temporary file, and the last word on each that was begun.
#[derive(Default)]
pub(super) struct Missing {
    names: FirstValues<(u32, ImageName)>,
    last: BTreeMap<u32, Said>,
}

/// What was said of an image. What is said later is greater, in whatever order it is read.
#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    attempts: u32,
    defers: u32,
    bytes_copied: u64,
    error: Option<String>,
}

impl Missing {
    /// Takes an event of the log in, as far as it is about an image that misses in `fold`.
    pub(super) fn take(&mut self, event: RunEvent, fold: &Fold) -> io::Result<()> {
        match event {
            RunEvent::Chunk { first_idx, items } => {
                let chunk = (first_idx..=u32::MAX).zip(items);
                // Names are kept of what misses alone, which mostly are few: why the log is read again for them.
                for named in chunk.filter(|(idx, _)| fold.is_missing(*idx)) {
                    self.names.put(named.0, &named)?;
                }
            }
            RunEvent::Attempt {
                idx,
                attempt,
                defers,
                error,
                bytes_copied,
                ..
            } if fold.is_missing(idx) => {
                let said = Said {
                    attempts: attempt,
                    defers,
                    bytes_copied,
                    error: Some(error),
                };
                let last = self.last.entry(idx).or_default();
                if *last < said {
                    *last = said;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Bytes that were sent of them.
    pub(super) fn bytes_copied(&self) -> u64 {
        let bytes = self.last.values().map(|said| said.bytes_copied);
        bytes.fold(0, u64::saturating_add)
    }

    /// The images, in the order of the catalog.
    pub(super) fn images(mut self) -> io::Result<FirstValues<MissingImage>> {
        let mut images = FirstValues::default();
        for named in self.names.iter() {
            let (idx, name) = named?;
            let said = self.last.remove(&idx).unwrap_or_default();
            let image = MissingImage {
                image: name.image,
                tag: name.tag,
                target: name.target,
                attempts: said.attempts,
                bytes_copied: said.bytes_copied,
                error: said.error,
            };
            images.put(idx, &image)?;
        }
        Ok(images)
    }
}
