//! When an image was created: what its configuration says, read once per digest and remembered.

use image_sync_shared::config::ImageSpec;
use image_sync_shared::failure::{Failure, FailureClass};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, Manifest, RawManifest};
use image_sync_shared::image::media_type::{self, Kind};
use image_sync_shared::image::platform::{Platform, Platforms};
use image_sync_shared::image::reference::Reference;
use image_sync_shared::ports::creation_times::DatedImage;
use image_sync_shared::run::job::Remote;
use serde::Deserialize;
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::{Discovery, source_of};

/// The largest configuration that is read, in bytes; a larger one counts as one without a creation time.
const MAX_CONFIG: usize = 4 * 1024 * 1024;
/// How deep indexes may list indexes.
const MAX_DEPTH: usize = 4;
/// Nobody made images of containers in a registry before.
const FIRST: OffsetDateTime = datetime!(2013-01-01 00:00 UTC);
/// How far the clock of who created an image may be ahead.
const SKEW: Duration = Duration::hours(1);

/// A stated creation time, if it can be one: builds that are to be reproducible state the beginning of 1970 or of 1980.
pub(super) fn believable(stated: OffsetDateTime, now: OffsetDateTime) -> Option<OffsetDateTime> {
    (FIRST..=now + SKEW).contains(&stated).then_some(stated)
}

/// The configuration of an image (OCI image spec, config.md), as far as it matters here.
#[derive(Deserialize)]
struct Config {
    created: Option<String>,
}

/// What a configuration states; where that is no time, the beginning of 1970, which nobody believes.
fn stated(config: &[u8]) -> OffsetDateTime {
    let config: Option<Config> = serde_json::from_slice(config).ok();
    let created = config.and_then(|config| config.created);
    let created = created.and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok());
    let whole_seconds = |time: OffsetDateTime| {
        let seconds = time.unix_timestamp();
        OffsetDateTime::from_unix_timestamp(seconds).ok()
    };
    created
        .and_then(whole_seconds)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

impl Discovery<'_> {
    /// When the image with this tag of the source of `sample` was created, by its own word; none if there is none any more.
    pub(super) async fn created(
        &self,
        sample: &ImageSpec,
        tag: &str,
    ) -> Result<Option<OffsetDateTime>, Failure> {
        let at = &source_of(sample);
        let Some(resolved) = self.resolved(sample, tag).await? else {
            tracing::warn!(repository = %at.repository, tag, "left out, as it has gone since the tags were listed");
            return Ok(None);
        };
        let may_be_index = media_type::kind(&resolved.media_type) != Some(Kind::Manifest);
        let image = DatedImage {
            digest: resolved.digest,
            platforms: may_be_index.then(|| sample.platforms.clone()),
        };
        let find_out = async || self.find_out(at, &image, &sample.platforms).await;
        let created = self.created.get(image.clone(), find_out).await?;
        Ok(Some(created))
    }

    async fn find_out(
        &self,
        at: &Remote,
        image: &DatedImage,
        platforms: &Platforms,
    ) -> Result<OffsetDateTime, Failure> {
        let times = self.sources.creation_times;
        if let Some(remembered) = times.recall_created(image).await {
            return Ok(remembered);
        }
        let read = async || self.read(at, &image.digest, platforms).await;
        match self
            .retrying(at, "a creation time cannot be read", read)
            .await
        {
            Ok(created) => {
                times.remember_created(image, created).await;
                Ok(created)
            }
            // An image that is not whole or none at all is the copy's to tell of. It may be whole tomorrow.
            Err(failure) if is_of_image(&failure) => {
                tracing::warn!(repository = %at.repository, digest = %image.digest, %failure, "no creation time");
                Ok(OffsetDateTime::UNIX_EPOCH)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn read(
        &self,
        at: &Remote,
        digest: &Digest,
        platforms: &Platforms,
    ) -> Result<OffsetDateTime, Failure> {
        let mut digest = digest.clone();
        for _ in 0..MAX_DEPTH {
            let registries = self.sources.registries;
            let reference = Reference::Digest(digest);
            let manifest = registries.pull_manifest(at, &reference).await?;
            match parts(&manifest, platforms) {
                Part::Child(child) => digest = child,
                Part::Config(config) if config.size <= MAX_CONFIG as u64 => {
                    let config = registries.read_blob(MAX_CONFIG, at, &config).await?;
                    return Ok(stated(&config));
                }
                Part::Config(_) | Part::Nothing => break,
            }
        }
        Ok(OffsetDateTime::UNIX_EPOCH)
    }
}

/// Whether the registry is well, and the image is not.
fn is_of_image(failure: &Failure) -> bool {
    matches!(
        failure.class,
        FailureClass::NotFound | FailureClass::Invalid
    )
}

/// Where the creation time of a manifest or index is to be looked for.
enum Part {
    Child(Digest),
    Config(Box<Descriptor>),
    Nothing,
}

fn parts(manifest: &RawManifest, platforms: &Platforms) -> Part {
    match manifest.parse() {
        Ok(Manifest::Index { children }) => match chosen(&children, platforms) {
            Some(child) => Part::Child(child.digest.clone()),
            None => Part::Nothing,
        },
        // The configuration comes first, where there is one.
        Ok(Manifest::Image { blobs, .. }) => match blobs.into_iter().next() {
            Some(config) => Part::Config(Box::new(config)),
            None => Part::Nothing,
        },
        Err(_) => Part::Nothing,
    }
}

/// The child for the first wanted platform that there is one for, in the order in which they are wanted; else, and of all
/// platforms, the first that is for a platform.
fn chosen<'c>(children: &'c [Descriptor], platforms: &Platforms) -> Option<&'c Descriptor> {
    let wanted: &[Platform] = match platforms {
        Platforms::All => &[],
        Platforms::One(platform) => std::slice::from_ref(platform),
        Platforms::Several(platforms) => platforms,
    };
    let stated: Vec<(Platform, &Descriptor)> = children
        .iter()
        .filter_map(|child| Some((child.platform.as_ref()?.normal(), child)))
        .filter(|(platform, _)| platform.os() != "unknown")
        .collect();
    let for_wanted = wanted.iter().find_map(|wanted| {
        let mut builds = stated.iter();
        builds.find(|(platform, _)| platform.is_build_of(wanted))
    });
    for_wanted
        .or(stated.first())
        .map(|(_, child)| *child)
        .or(children.first())
}

#[cfg(test)]
mod tests {
    use image_sync_shared::image::manifest::StatedPlatform;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    #[test]
    fn a_created_that_lies_or_is_missing_is_not_believed() {
        let believed = |config: &str| believable(stated(config.as_bytes()), NOW);
        let at = |text: &str| believed(&format!("{{\"created\": {text}, \"os\": \"linux\"}}"));
        let good = datetime!(2026-11-19 10:00:01 UTC);
        assert_eq!(at("\"2026-11-19T10:00:01Z\""), Some(good));
        assert_eq!(at("\"2026-11-19T12:00:01.987654321+02:00\""), Some(good));
        for lie in [
            "\"1970-01-01T00:00:00Z\"",
            "\"1980-01-01T00:00:01Z\"",
            "\"0001-01-01T00:00:00Z\"",
            "\"2026-11-20T13:00:01Z\"",
            "\"9999-12-31T23:59:59Z\"",
            "\"yesterday\"",
            "\"\"",
            "null",
            "17",
        ] {
            assert_eq!(at(lie), None, "{lie}");
        }
        for config in ["{}", "", "[]", "null", "\u{1f980}"] {
            assert_eq!(believed(config), None, "{config}");
        }
        assert!(
            at("\"2026-11-20T12:59:00Z\"").is_some(),
            "of a clock that is ahead"
        );
    }

    fn child(platform: Option<(&str, &str)>) -> Descriptor {
        let name = format!("{platform:?}");
        let platform = platform.map(|(os, architecture)| StatedPlatform {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: None,
        });
        Descriptor {
            media_type: media_type::OCI_MANIFEST.to_owned(),
            digest: Digest::of(name.as_bytes()),
            size: 1,
            urls: Vec::new(),
            annotations: std::collections::BTreeMap::new(),
            platform,
            artifact_type: None,
            data: None,
        }
    }

    #[test]
    fn of_an_index_the_child_for_the_first_wanted_platform_that_is_there_counts() {
        let attestation = child(Some(("unknown", "unknown")));
        let (arm, amd) = (
            child(Some(("linux", "arm64"))),
            child(Some(("linux", "amd64"))),
        );
        let index = [attestation.clone(), arm.clone(), amd.clone()];
        let chosen = |wanted: &str| chosen(&index, &wanted.parse().unwrap()).unwrap().clone();
        assert_eq!(chosen("linux/amd64"), amd);
        assert_eq!(chosen("linux/s390x,linux/amd64"), amd);
        assert_eq!(chosen("all"), arm);
        assert_eq!(chosen("linux/riscv64"), arm);
        assert_eq!(
            super::chosen(std::slice::from_ref(&attestation), &Platforms::All),
            Some(&attestation)
        );
        assert_eq!(super::chosen(&[], &Platforms::All), None);
    }
}
