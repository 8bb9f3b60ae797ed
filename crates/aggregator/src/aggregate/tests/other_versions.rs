//! Logs that workers of other versions wrote.

use image_sync_shared::run::report::Extent;

use super::*;

/// The result of image `idx` by a worker of another version.
fn told(idx: u32, action: &str, class: Option<&str>, error: Option<&str>) -> RunEvent {
    let mut event = serde_json::to_value(result(idx, Action::Pulled)).unwrap();
    event["entry"]["action"] = action.into();
    event["entry"]["error"] = error.into();
    event["class"] = class.into();
    serde_json::from_value(event).unwrap()
}

#[tokio::test(start_paused = true)]
async fn results_with_unknown_actions_and_classes_count_and_stand_in_the_report_in_their_words() {
    let mut finished = follow([
        open(),
        chunk(0, 4),
        seal(4),
        told(0, "signed", None, None),
        told(1, "quarantined", Some("policy_violated"), Some("CVE-1")),
        told(2, "failed", Some("quota_exceeded"), Some("403")),
        told(3, "pulled", None, None),
    ])
    .await;
    assert_eq!(finished.ending, Ending::Complete);
    assert_eq!(
        finished.head.summary,
        Summary {
            pulled: 1,
            already_cached: 0,
            skipped: 0,
            failed: 2,
            kept: 0,
            other: 1,
            total: 4,
            missing: 0,
        }
    );
    let json: serde_json::Value = serde_json::from_str(&written(&mut finished)).unwrap();
    let results = json["results"].as_array().unwrap();
    let shown: Vec<_> = results
        .iter()
        .map(|result| (result["action"].as_str().unwrap(), result["error"].as_str()))
        .collect();
    let expected = [
        ("signed", None),
        ("quarantined", Some("policy_violated: CVE-1")),
        ("failed", Some("quota_exceeded: 403")),
        ("pulled", None),
    ];
    assert_eq!(shown, expected);
    assert_eq!(json["summary"]["other"], 1);
    finished.limit_to(Extent::Troubles);
    let troubles = report(&mut finished);
    assert_eq!(troubles.results.len(), 2, "those that failed");
    let left_out = troubles.head.left_out.unwrap();
    assert_eq!((left_out.pulled, left_out.other), (1, 1));
}
