//! A registry full of made-up images, in a process of its own, for benchmarks.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use image_sync_shared::image::digest::Digest;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Behaviour, Synthetic};
use image_sync_testkit::images::{
    Blob, Image, ImageBuilder, MadeUp, artifact, cosign_signature, referrers_index,
};

const USAGE: &str = "\
Usage: fake-registry [OPTION VALUE]...

Serves images/0:1, images/1:1, ... over plain HTTP on 127.0.0.1 until it is killed. The same options make the same images.

  --port N           port (default: a free one, which is printed)
  --images N         how many images (default: 0)
  --blobs N          layers per image (default: 2)
  --shared-blobs N   how many of them are the same in all images (default: 0)
  --layer-bytes N    bytes per layer (default: 1024)
  --huge-gib N       also huge:1, with one layer of so many GiB that takes no memory
  --latency-ms N     how long every request waits (default: 0)
  --discard 1        hash what is pushed and throw it away
  --artifacts N      so many artifacts refer to each image, one more is its signature as of cosign (default: none at all)
  --referrers 1      have the referrers API; without it the artifacts are listed under the referrers tag
  --page N           the most tags, repositories or referrers on one page (default: 1000)
  --refuse-subjects 1, --refuse-artifact-types 1, --refuse-digest-tags 1
                     refuse manifests that have a subject, those whose configuration is not an image's, tags like sha256-*
";

#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent option"
)]
struct Options {
    port: u16,
    images: usize,
    blobs: usize,
    shared_blobs: usize,
    layer_bytes: usize,
    huge_gib: u64,
    latency_ms: u64,
    discard: bool,
    artifacts: usize,
    referrers: bool,
    page: usize,
    refuse_subjects: bool,
    refuse_artifact_types: bool,
    refuse_digest_tags: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let served = match parse(std::env::args().skip(1)) {
        Ok(options) => serve(&options).await,
        Err(error) => Err(error),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(io::stderr(), "{error}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: &Options) -> io::Result<()> {
    let registry = FakeRegistry::builder()
        .port(options.port)
        .without_records()
        .behaviour(|behaviour| behave(behaviour, options))
        .start()
        .await?;
    let made_up = MadeUp::new(options.blobs, options.shared_blobs, options.layer_bytes);
    for i in 0..options.images {
        let image = made_up.image(i);
        registry.put_image(&format!("images/{i}"), "1", &image);
        put_artifacts(&registry, &format!("images/{i}"), &image, options);
    }
    if options.huge_gib > 0 {
        put_huge(&registry, options.huge_gib);
    }
    registry.set_latency(Duration::from_millis(options.latency_ms));
    writeln!(io::stdout(), "listening on {}", registry.host())?;
    std::future::pending().await
}

fn behave(behaviour: &mut Behaviour, options: &Options) {
    behaviour.discards_blobs = options.discard;
    behaviour.referrers = options.referrers;
    behaviour.page_size = options.page;
    behaviour.refuses_subjects = options.refuse_subjects;
    behaviour.refuses_artifact_types = options.refuse_artifact_types;
    if options.refuse_digest_tags {
        behaviour.refused_tags = vec!["sha256-*".to_owned()];
    }
}

fn put_artifacts(registry: &FakeRegistry, repository: &str, image: &Image, options: &Options) {
    if options.artifacts == 0 {
        return;
    }
    let (tag, signature) = cosign_signature(image);
    registry.put_image(repository, &tag, &signature);
    let artifacts: Vec<Image> = (0..options.artifacts)
        .map(|i| {
            let content = format!("artifact {i}");
            artifact("application/spdx+json", content.as_bytes(), Some(image))
        })
        .collect();
    for artifact in &artifacts {
        registry.put_untagged(repository, artifact);
    }
    if !options.referrers {
        let (tag, index) = referrers_index(image, &artifacts.iter().collect::<Vec<_>>());
        registry.put_image(repository, &tag, &index);
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> io::Result<Options> {
    let mut options = Options {
        blobs: 2,
        layer_bytes: 1024,
        page: 1000,
        ..Options::default()
    };
    let usage = |problem: String| io::Error::other(format!("{problem}\n\n{USAGE}"));
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        let number: u32 = value
            .parse()
            .map_err(|error| usage(format!("{name} {value:?}: {error}")))?;
        let count = number as usize;
        match name.as_str() {
            "--port" => options.port = u16::try_from(number).map_err(|e| usage(e.to_string()))?,
            "--images" => options.images = count,
            "--blobs" => options.blobs = count,
            "--shared-blobs" => options.shared_blobs = count,
            "--layer-bytes" => options.layer_bytes = count,
            "--huge-gib" => options.huge_gib = u64::from(number),
            "--latency-ms" => options.latency_ms = u64::from(number),
            "--discard" => options.discard = number > 0,
            "--artifacts" => options.artifacts = count,
            "--referrers" => options.referrers = number > 0,
            "--page" => options.page = count,
            "--refuse-subjects" => options.refuse_subjects = number > 0,
            "--refuse-artifact-types" => options.refuse_artifact_types = number > 0,
            "--refuse-digest-tags" => options.refuse_digest_tags = number > 0,
            _ => return Err(usage(format!("unknown option {name}"))),
        }
    }
    Ok(options)
}

const LAYER: &str = image_sync_shared::image::media_type::OCI_LAYER_GZIP;

fn put_huge(registry: &FakeRegistry, gib: u64) {
    let blob = Synthetic::new("huge", gib << 30);
    let digest: Digest = blob.digest();
    let mut descriptor = Blob::new(LAYER, "").descriptor();
    descriptor.digest = digest.clone();
    descriptor.size = gib << 30;
    let image = ImageBuilder::new("huge")
        .described(descriptor, None)
        .build();
    registry.put_image("huge", "1", &image);
    registry.put_synthetic_blob("huge", &digest, &blob);
}
