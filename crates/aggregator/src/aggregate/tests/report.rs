//! The text of a report.

use image_sync_shared::run::outcome::Action;
use image_sync_testkit::samples::{chunk, result, seal};

use super::{follow, open, written};

#[tokio::test(start_paused = true)]
async fn the_report_is_that_of_the_first_release_and_more() {
    let mut finished = follow([open(), chunk(0, 1), seal(1), result(0, Action::Failed)]).await;
    assert_eq!(
        written(&mut finished),
        r#"{
  "timestamp": "2026-11-20T12:00:00.000Z",
  "cache_registry": "localhost:5000",
  "summary": {
    "pulled": 0,
    "already_cached": 0,
    "skipped": 0,
    "failed": 1,
    "missing": 0,
    "total": 1
  },
  "schema_version": 1,
  "program_version": "0.1.0",
  "run_id": "r1",
  "trigger": "schedule",
  "status": "complete",
  "dry_run": false,
  "started_at": "2026-11-20T12:00:00.000Z",
  "duration_ms": 0,
  "bytes_copied": 10,
  "results": [
    {
      "image": "quay.io/a/b",
      "tag": "v0",
      "action": "failed",
      "remote_digest": null,
      "cached_digest": null,
      "duration_ms": 7,
      "error": "source: check t: 404",
      "target": "localhost:5000/quay.io/a/b:v0",
      "platform": "linux/amd64",
      "expected_digest": null,
      "attempts": 1,
      "bytes_copied": 10,
      "blobs": {
        "copied": 0,
        "mounted": 0,
        "present": 0
      }
    }
  ],
  "missing": []
}
"#
    );
}
