use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::RunEvent;
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::images::image;

use crate::tests::staged_faults::Call;
use crate::tests::{FOREVER, TestWorker, job};

const SOURCE: &str = "source.test/app:1";

#[tokio::test(start_paused = true)]
async fn a_target_that_does_not_answer_holds_no_image_of_another_target() {
    let mut fixture = TestWorker::new();
    fixture.settings.slots = 4;
    fixture.settings.target_hosts = 2;
    fixture.registries.put_image(SOURCE, &image("app"));
    let to = |host: &str, number: usize| job(SOURCE, &format!("{host}/app{number}:1"));
    let slow = (0..8).map(|number| to("slow.test", number));
    let others = (0..3).map(|number| to("other.test", number));
    let gates: Vec<_> = (0..8)
        .map(|_| fixture.registries.gate(Call::Resolve, "slow.test"))
        .collect();
    let (run, _) = fixture.publish(Lane::Bulk, slow.chain(others)).await;
    let worker = fixture.start();
    let mut log = fixture.queue.ports().log.read(&run).await.unwrap();
    let mut done = Vec::new();
    while done.len() < 3 {
        let event = log.next(FOREVER).await.unwrap();
        if let RunEvent::Result(result) = event.expect("a result never came") {
            done.push((result.idx, result.entry.action));
        }
    }
    done.sort_unstable_by_key(|(idx, _)| *idx);
    let expected: Vec<_> = (8..11).map(|idx| (idx, Action::Pulled)).collect();
    assert_eq!(
        done, expected,
        "while all of slow.test are held or put back"
    );
    for gate in &gates {
        gate.open();
    }
    let ran = fixture.results(&run, 11).await;
    assert!(
        ran.results
            .iter()
            .all(|result| result.entry.action == Action::Pulled)
    );
    worker.stop().await;
}
