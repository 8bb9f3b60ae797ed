//! The images that this process has in hand, and what moves in them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use image_sync_shared::image::digest::Digest;
use image_sync_shared::ports::queue::fleet::{ImageInHand, Transfers};
use image_sync_shared::run::RunId;
use image_sync_shared::run::job::{Job, JobId};

use super::rate::Rate;

/// Images in hand, by their jobs.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    images: HashMap<JobId, Image>,
}

#[derive(Debug)]
struct Image {
    run: RunId,
    idx: u32,
    name: String,
    target: String,
    started: Instant,
    /// Bytes of all blobs that it refers to, once that is known.
    planned: Option<u64>,
    /// Bytes of those that were at the target.
    found: u64,
    /// Bytes of those that were sent whole.
    sent: u64,
    /// Blobs under way.
    blobs: HashMap<Digest, Blob>,
    rate: Rate,
    /// When a blob began, or bytes of one were sent.
    moved: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Blob {
    sent: u64,
    size: u64,
}

impl InFlight {
    /// The images as they are now, the oldest first. A transfer that stands still is cut after `stall`.
    pub(super) fn images(&mut self, stall: Duration) -> Vec<ImageInHand> {
        let now = Instant::now();
        let mut images: Vec<&mut Image> = self.images.values_mut().collect();
        images.sort_by_key(|image| image.started);
        let images = images.into_iter();
        images.map(|image| image.told(now, stall)).collect()
    }

    pub(super) fn started(&mut self, job: &Job) {
        self.images.insert(job.job_id.clone(), Image::new(job));
    }

    pub(super) fn ended(&mut self, job: &JobId) {
        self.images.remove(job);
    }

    pub(super) fn planned(&mut self, job: &JobId, bytes: u64) {
        if let Some(image) = self.images.get_mut(job) {
            let before = image.planned.unwrap_or_default();
            image.planned = Some(before.saturating_add(bytes));
        }
    }

    pub(super) fn found(&mut self, job: &JobId, size: u64) {
        if let Some(image) = self.images.get_mut(job) {
            image.found = image.found.saturating_add(size);
        }
    }

    pub(super) fn blob_started(&mut self, job: &JobId, blob: &Digest, size: u64) {
        if let Some(image) = self.images.get_mut(job) {
            image.blobs.insert(blob.clone(), Blob { sent: 0, size });
            image.moved = Instant::now();
        }
    }

    pub(super) fn blob_advanced(&mut self, job: &JobId, blob: &Digest, bytes: u64) {
        let Some(image) = self.images.get_mut(job) else {
            return;
        };
        image.moved = Instant::now();
        if let Some(blob) = image.blobs.get_mut(blob) {
            blob.sent = blob.sent.saturating_add(bytes);
        }
    }

    pub(super) fn blob_ended(&mut self, job: &JobId, blob: &Digest) {
        if let Some(image) = self.images.get_mut(job) {
            let ended = image.blobs.remove(blob);
            // One that was broken off ends too.
            if let Some(through) = ended.filter(|blob| blob.sent >= blob.size) {
                image.sent = image.sent.saturating_add(through.size);
            }
        }
    }
}

impl Image {
    fn new(job: &Job) -> Self {
        let now = Instant::now();
        Self {
            run: job.run_id.clone(),
            idx: job.idx,
            name: format!("{}:{}", job.image, job.tag),
            target: job.target.image.to_string(),
            started: now,
            planned: None,
            found: 0,
            sent: 0,
            blobs: HashMap::new(),
            rate: Rate::default(),
            moved: now,
        }
    }

    fn told(&mut self, now: Instant, stall: Duration) -> ImageInHand {
        let under_way = self.blobs.values();
        let partly = under_way.map(|blob| blob.sent.min(blob.size));
        let sent = partly.fold(self.sent, u64::saturating_add);
        let since = now - self.started;
        let rate = self.rate.note(since, sent);
        let stands_still = now - self.moved;
        ImageInHand {
            run: self.run.clone(),
            idx: self.idx,
            image: self.name.clone(),
            target: self.target.clone(),
            since,
            transfers: self.planned.map(|planned| Transfers {
                sent,
                to_send: planned.saturating_sub(self.found).max(sent),
                rate,
                under_way: u32::try_from(self.blobs.len()).unwrap_or(u32::MAX),
                stands_still,
                cut_in: stall.saturating_sub(stands_still),
            }),
        }
    }
}
