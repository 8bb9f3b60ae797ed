//! Several targets of an image.

use image_sync_shared::image::manifest::RawManifest;
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::fake_registry::{At, Fault, Gate, Rule};
use image_sync_testkit::images::{Blob, image, index};
use image_sync_testkit::{ClosedPort, FakeRegistry};

use crate::support::{TAG, TestSync};

const IMAGES: usize = 6;

#[tokio::test]
async fn each_image_comes_to_every_target_that_it_names() {
    let fixture = TestSync::start().await;
    let second = FakeRegistry::start().await.unwrap();
    fixture.source.put_image("team/app", TAG, &image("app"));
    let entry = fixture.entry("team/app", TAG);
    let in_full = format!("{}/backup/app", second.host());
    let catalog = fixture
        .empty_catalog()
        .target("second", &format!("{}/mirror", second.host()))
        .image(entry.with(&format!("targets: [cache, second, {in_full}]")));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let report = ended.report();
    let targets: Vec<&str> = report
        .results
        .iter()
        .map(|result| result.target.as_str())
        .collect();
    let expected = [
        format!("{}/team/app:{TAG}", fixture.target.host()),
        format!("{}/mirror/team/app:{TAG}", second.host()),
        format!("{in_full}:{TAG}"),
    ];
    assert_eq!(targets, expected);
    assert_eq!(report.head.cache_registry, fixture.target.host());
    for (registry, repository) in [
        (&fixture.target, "team/app"),
        (&second, "mirror/team/app"),
        (&second, "backup/app"),
    ] {
        let digest = registry.digest(repository, TAG);
        assert_eq!(digest.as_ref(), Some(image("app").digest()), "{repository}");
    }
    let again = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(again.report().head.summary.already_cached, 3);
}

#[tokio::test]
async fn a_dead_and_a_slow_target_hold_no_image_of_a_third_one() {
    let fixture = TestSync::start().await;
    let slow = FakeRegistry::start().await.unwrap();
    let closed = ClosedPort::new().unwrap();
    let dead = closed.host();
    // Held until all that can be done without it is done.
    let gate = Gate::new();
    slow.stage(
        Rule::new("PUT", "/v2/*/manifests/*"),
        Fault::stall(At::RequestBody(1), &gate),
    );
    let mut catalog = fixture
        .empty_catalog()
        .setting("concurrency: 4")
        .target("slow", slow.host())
        .target("dead", &dead);
    for number in 0..IMAGES {
        let repository = format!("team/app{number}");
        fixture
            .source
            .put_image(&repository, TAG, &image(&repository));
        let entry = fixture.entry(&repository, TAG);
        catalog = catalog.image(entry.with("targets: [dead, slow, cache]"));
    }
    let running = fixture.program.start_sync(&catalog, &[]);
    for number in 0..IMAGES {
        let path = format!("/v2/team/app{number}/manifests/{TAG}");
        fixture
            .target
            .wait_for(|request| request.is("PUT", &path))
            .await;
    }
    assert_eq!(slow.tags("team/app0"), Vec::<String>::new());
    gate.release();
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let report = ended.report();
    let summary = report.head.summary;
    assert_eq!((summary.pulled, summary.failed), (12, 6), "{report:#?}");
    for result in &report.results {
        let is_dead = result.target.starts_with(&dead);
        assert_eq!(result.action == Action::Failed, is_dead, "{result:#?}");
        if let Some(error) = &result.error {
            assert!(error.contains(&dead), "{error}");
        }
    }
}

/// Whether one process works the jobs at the same time or one soon after the other: blobs as small as these are kept for a while.
#[tokio::test]
async fn the_source_is_read_once_for_three_targets_of_one_process() {
    let fixture = TestSync::start().await;
    let others = [
        FakeRegistry::start().await.unwrap(),
        FakeRegistry::start().await.unwrap(),
    ];
    let app = index("app", &["linux/amd64", "linux/arm64"]);
    fixture.source.put_image("team/app", TAG, &app);
    let catalog = fixture
        .empty_catalog()
        .target("second", others[0].host())
        .target("third", others[1].host())
        .image(
            fixture
                .entry("team/app", TAG)
                .with("targets: [cache, second, third]"),
        );
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.report().head.summary.pulled, 3);
    for target in [&fixture.target, &others[0], &others[1]] {
        assert_eq!(target.digest("team/app", TAG).as_ref(), Some(app.digest()));
        target.assert_every_tag_is_complete();
    }
    let requests = fixture.source.requests();
    let heads = requests.iter().filter(|request| request.method == "HEAD");
    assert_eq!(heads.count(), 3, "each job asks what the tag is now");
    let gets = requests.iter().filter(|request| request.method == "GET");
    let mut paths: Vec<&str> = gets.map(|get| get.path.as_str()).collect();
    paths.sort_unstable();
    let of_blob = |blob: &&Blob| format!("/v2/team/app/blobs/{}", blob.digest);
    let of_manifest =
        |manifest: &&RawManifest| format!("/v2/team/app/manifests/{}", manifest.digest);
    let mut expected: Vec<String> = app.all_blobs().iter().map(of_blob).collect();
    expected.extend(app.manifests().iter().map(of_manifest));
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(paths, expected);
}
