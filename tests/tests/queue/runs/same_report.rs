//! A catalog over the queue comes to the report that it comes to in one process.

use image_sync_shared::run::report::{Report, RunStatus, Summary};
use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_testkit::images::index;
use image_sync_testkit::servers::DockerRegistry;
use image_sync_tests::{Catalog, Ended, Entry};

use crate::support::{TAG, TestPipeline, app, repository};

const IMAGES: usize = 200;

/// What is special about image `number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Missing,
    Forbidden,
    InPlace,
    Index,
    OnePlatform,
    TwoPlatforms,
    Plain,
}

fn kind(number: usize) -> Kind {
    match number % 20 {
        3 => Kind::Missing,
        7 => Kind::Forbidden,
        0 | 5 | 10 => Kind::InPlace,
        12 => Kind::Index,
        14 | 16 => Kind::OnePlatform,
        18 => Kind::TwoPlatforms,
        _ => Kind::Plain,
    }
}

/// Fills the source, and these targets with what is in place.
async fn fill(pipeline: &TestPipeline, targets: [&DockerRegistry; 2]) {
    let source = &pipeline.source;
    for number in 1..=IMAGES {
        let (repository, plain) = (repository(number), app(number));
        let platforms = || index(&repository, &["linux/amd64", "linux/arm64", "linux/s390x"]);
        match kind(number) {
            Kind::Missing => {}
            Kind::Forbidden => {
                source.put_image(&repository, TAG, &plain);
                let manifests = Rule::new("GET", format!("/v2/{repository}/manifests/*"));
                source.stage(manifests, Fault::status(403));
            }
            Kind::InPlace => {
                source.put_image(&repository, TAG, &plain);
                for target in targets {
                    target.push(&repository, TAG, &plain).await.unwrap();
                }
            }
            Kind::Index | Kind::OnePlatform | Kind::TwoPlatforms => {
                source.put_image(&repository, TAG, &platforms());
            }
            Kind::Plain => source.put_image(&repository, TAG, &plain),
        }
    }
}

fn catalog(pipeline: &TestPipeline, target: &DockerRegistry) -> Catalog {
    (1..=IMAGES).fold(Catalog::new(target.host()), |catalog, number| {
        let entry: Entry = pipeline.entry(&repository(number));
        catalog.image(match kind(number) {
            Kind::OnePlatform => entry.platform("linux/arm64"),
            Kind::TwoPlatforms => entry.platform("linux/amd64,linux/arm64"),
            _ => entry,
        })
    })
}

/// All of a report but what differs from run to run.
fn comparable(ended: &Ended, target: &DockerRegistry) -> Report {
    let text = ended.stdout.replace(target.host(), "TARGET");
    let mut report: Report = serde_json::from_str(&text).unwrap();
    let head = &mut report.head;
    head.timestamp = head.started_at;
    head.duration_ms = 0;
    for result in &mut report.results {
        result.duration_ms = 0;
        (result.started_at, result.ended_at) = (None, None);
    }
    report
}

/// Takes over what tells two runs apart.
fn as_of(one: &Report, mut other: Report) -> Report {
    other.head.run_id.clone_from(&one.head.run_id);
    other.head.trigger = one.head.trigger;
    other.head.started_at = one.head.started_at;
    other.head.timestamp = one.head.timestamp;
    other
}

fn counts(pulled: u32, already_cached: u32, skipped: u32, failed: u32) -> Summary {
    Summary {
        pulled,
        already_cached,
        skipped,
        failed,
        kept: 0,
        other: 0,
        total: u32::try_from(IMAGES).unwrap(),
        missing: 0,
    }
}

/// Dry at first, then in earnest, and then again.
#[tokio::test]
async fn the_report_over_the_queue_is_that_of_sync() {
    let pipeline = TestPipeline::start().await;
    let start = || DockerRegistry::builder().in_memory().start();
    let (target, other_target) = (start().await.unwrap(), start().await.unwrap());
    fill(&pipeline, [&target, &other_target]).await;
    pipeline.write(&catalog(&pipeline, &target));
    let of_sync = catalog(&pipeline, &other_target).yaml();
    pipeline.program.write("sync.yaml", &of_sync);
    let aggregator = pipeline.aggregator();
    let workers = ["a", "b", "c"].map(|name| pipeline.worker(name));
    for (dry, expected) in [
        ("--dry-run", counts(0, 30, 150, 20)),
        ("", counts(150, 30, 0, 20)),
        ("", counts(0, 180, 0, 20)),
    ] {
        let producer = format!("producer -c config.yaml --wait {dry}");
        let over_queue = pipeline.role(&producer).ended().await;
        let synced = pipeline
            .role(&format!("sync -c sync.yaml {dry}"))
            .ended()
            .await;
        assert_eq!(
            (over_queue.code, synced.code),
            (Some(1), Some(1)),
            "{over_queue:#?}"
        );
        let report = comparable(&over_queue, &target);
        assert_eq!(report.head.status, RunStatus::Complete);
        assert_eq!(report.head.summary, expected);
        let of_sync = as_of(&report, comparable(&synced, &other_target));
        for (ours, theirs) in report.results.iter().zip(&of_sync.results) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(report, of_sync);
    }
    let tags = format!("/v2/*/manifests/{TAG}");
    for target in [&target, &other_target] {
        let written = target.count("PUT", &tags).await.unwrap();
        assert_eq!(written, 180, "30 were there, and 150 were copied once");
    }
    for role in workers.into_iter().chain([aggregator]) {
        role.stop().await;
    }
}
