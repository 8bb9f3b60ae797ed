//! The steps of an attempt, each with what it needs of it.

use image_sync_shared::run::job::{Referrers, Remote};

use tokio::sync::Semaphore;

use super::Attempt;
use crate::transfer::artifacts::ArtifactCopier;
use crate::transfer::blob_progress::BlobProgress;
use crate::transfer::blobs::BlobCopier;
use crate::transfer::facts::Facts;
use crate::transfer::read_manifests::ManifestReader;
use crate::transfer::write_manifests::ManifestWriter;

impl Attempt<'_> {
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            memo: self.context.ports.memo.as_ref(),
            clock: self.context.ports.clock.as_ref(),
            target: self.target.repository(),
        }
    }

    pub(super) fn manifest_reader<'b>(&'b self, source: &'b Remote) -> ManifestReader<'b> {
        ManifestReader {
            requests: self.requests,
            source,
            target: &self.target,
            concurrency: self.context.settings.blob_concurrency,
            missing_attestations: &self.missing_attestations,
            large_image: &self.large_image,
        }
    }

    pub(super) fn blobs<'b>(&'b self, source: &'b Remote) -> BlobCopier<'b> {
        BlobCopier {
            requests: self.requests,
            source,
            target: &self.target,
            concurrency: self.context.settings.blob_concurrency,
            single_flight: self.context.ports.single_flight.as_ref(),
            limit: self.limit,
            progress: BlobProgress {
                job: &self.job.job_id,
                progress: self.context.ports.progress.as_ref(),
                measures: self.context.ports.measures.as_ref(),
                tally: self.tally,
            },
        }
    }

    pub(super) fn manifest_writer(&self) -> ManifestWriter<'_> {
        ManifestWriter {
            requests: self.requests,
            target: &self.target,
            image: &self.job.target.image,
            concurrency: self.context.settings.blob_concurrency,
            lease: self.lease,
        }
    }

    pub(super) fn artifacts<'b>(&'b self, policy: &'b Referrers) -> ArtifactCopier<'b> {
        let source = self.artifact_source.as_ref().unwrap_or(&self.source);
        ArtifactCopier {
            context: self.context,
            job: self.job,
            policy,
            requests: self.requests,
            source,
            target: &self.target,
            facts: self.facts(),
            reader: self.manifest_reader(source),
            blobs: self.blobs(source),
            one_index: Semaphore::new(1),
            lease: self.lease,
            tally: self.tally,
        }
    }
}
