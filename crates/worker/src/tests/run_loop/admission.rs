//! Jobs that a worker is not to work.

use std::time::Duration;

use image_sync_shared::failure::{FailureClass, Side};
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::job::Trust;
use image_sync_shared::run::outcome::{Action, Work};
use image_sync_testkit::images::image;

use crate::decide::admission::{Admission, AdmissionRules};
use crate::tests::{Call, TestWorker, job};

/// Longer than anything that is waited for.
const FOREVER: Duration = Duration::from_secs(86_400);

/// A worker that takes jobs from anybody.
fn fixture() -> TestWorker {
    let mut fixture = TestWorker::new();
    fixture.settings.admission = Admission::Rules(Box::new(AdmissionRules::of_cache("cache.test")));
    fixture
}

#[tokio::test(start_paused = true)]
async fn a_refused_job_is_one_failed_result_and_a_dead_letter_and_no_request_is_made() {
    for (source, target, side, flag) in [
        (
            "source.test/app:1",
            "prod.test/app:1",
            Side::Target,
            "--allow-target prod.test/app",
        ),
        (
            "source.test/app:1",
            "oci:/etc/app:1",
            Side::Target,
            "--allow-folders and --allow-target oci:/etc/app",
        ),
        (
            "oci:/etc/app:1",
            "cache.test/app:1",
            Side::Source,
            "--allow-folders",
        ),
    ] {
        let fixture = fixture();
        let registries = &fixture.registries;
        registries.put_image("source.test/app:1", &image("app"));
        let mut refused = job(source, target);
        refused.so_far = Work {
            duration_ms: u64::MAX,
            bytes_copied: u64::MAX,
            copied: u32::MAX,
            mounted: u32::MAX,
            artifacts: u32::MAX,
            started_at: None,
        };
        let admitted = job("source.test/app:1", "cache.test/app:1");
        let ran = fixture.work([refused, admitted]).await;
        let [result, other] = &ran.results[..] else {
            panic!("one result each, not {:#?}", ran.results);
        };
        assert_eq!(
            (result.entry.action, result.class),
            (Action::Failed, Some(FailureClass::Denied))
        );
        let error = result.entry.error.as_deref().unwrap();
        assert!(error.starts_with(&format!("{side}: image ")), "{error}");
        assert!(error.contains(flag), "{error}");
        assert_eq!(other.entry.action, Action::Pulled, "other jobs go on");
        let letters = fixture.dead_letters().await;
        assert_eq!(letters.len(), 1, "{letters:#?}");
        assert_eq!(letters[0].reason, error);
        let requests = fixture.registries.requests();
        let is_refused = |request: &String| request.contains("/etc") || request.contains("prod");
        assert!(!requests.iter().any(is_refused), "{requests:#?}");
        assert_eq!(fixture.jobs_left(&ran.run).await, 0);
        assert!(
            ran.attempts.is_empty(),
            "it is refused, and not tried again"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_put_back_says_of_trust_what_it_said() {
    let fixture = fixture();
    let class = FailureClass::RateLimited {
        retry_after_ms: Some(1_000),
    };
    fixture
        .registries
        .fail(Call::Resolve, "source.test/app", Side::Source, class, 1);
    let mut insecure = job("source.test/app:1", "cache.test/app:1");
    insecure.source.trust = Trust::Insecure;
    let (run, _) = fixture.publish(Lane::Bulk, [insecure]).await;
    let running = fixture.start();
    let mut log = fixture.queue.ports().log.read(&run).await.unwrap();
    log.next(FOREVER)
        .await
        .unwrap()
        .expect("that it was put back");
    running.stop().await;
    let put_back = fixture
        .queue
        .ports()
        .jobs
        .pull(&[Lane::Retry], 1, FOREVER)
        .await;
    let put_back = put_back.unwrap().pop().unwrap().job;
    assert_eq!(
        (put_back.defers, put_back.source.trust),
        (1, Trust::Insecure)
    );
}
