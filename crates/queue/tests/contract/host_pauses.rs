//! Host pauses.

use super::backend::Backend;

const HOST: &str = "registry-1.docker.io";

pub(crate) async fn a_paused_host_is_left_alone_until_its_time(backend: &dyn Backend) {
    let pauses = &backend.ports().pauses;
    assert_eq!(pauses.paused_until(HOST), None);
    let until = backend.clock().now() + backend.times().visibility;
    pauses.pause(HOST, until, "429").await.unwrap();
    assert_eq!(pauses.paused_until(HOST), Some(until));
    backend.advance(backend.times().visibility / 2).await;
    assert_eq!(pauses.paused_until(HOST), Some(until));
    backend.advance(backend.times().visibility / 2).await;
    assert_eq!(pauses.paused_until(HOST), None);
    let again = until + backend.times().visibility;
    assert!(
        pauses.pause(HOST, again, "429").await.unwrap(),
        "a new pause"
    );
}

pub(crate) async fn the_longest_pause_wins(backend: &dyn Backend) {
    let (pauses, now) = (&backend.ports().pauses, backend.clock().now());
    let step = backend.times().visibility;
    for (pause, longest) in [(2, 2), (1, 2), (3, 3)] {
        let is_new = pauses.pause(HOST, now + step * pause, "429").await.unwrap();
        assert_eq!(is_new, pause == 2, "the first");
        assert_eq!(pauses.paused_until(HOST), Some(now + step * longest));
    }
}

pub(crate) async fn pauses_of_different_hosts_are_apart(backend: &dyn Backend) {
    let pauses = &backend.ports().pauses;
    let until = backend.clock().now() + backend.times().visibility;
    pauses.pause(HOST, until, "429").await.unwrap();
    for other in ["ghcr.io", "docker.io", "localhost:5000", ""] {
        assert_eq!(pauses.paused_until(other), None, "{other}");
    }
}
