//! A job by hand asks a paused host all the same, as a circuit breaker that is half open lets one request through: with a good
//! answer the pause is over, for all workers.

use std::sync::atomic::{AtomicBool, Ordering};

use image_sync_shared::failure::Side;
use tracing::{info, warn};

use crate::context::WorkerPorts;
use crate::context::retry::retry_queue;
use crate::decide::settlement::PausedHost;

/// The paused hosts that an attempt asks.
pub(crate) struct HalfOpen<'a> {
    ports: &'a WorkerPorts,
    hosts: Vec<HalfOpenHost<'a>>,
}

struct HalfOpenHost<'a> {
    paused: PausedHost<'a>,
    has_answered: AtomicBool,
}

impl<'a> HalfOpen<'a> {
    /// Of these hosts, perhaps none.
    pub(crate) fn new(ports: &'a WorkerPorts, hosts: Vec<PausedHost<'a>>) -> Self {
        let half_open = |paused| HalfOpenHost {
            paused,
            has_answered: AtomicBool::new(false),
        };
        Self {
            ports,
            hosts: hosts.into_iter().map(half_open).collect(),
        }
    }

    /// The host of this side has given what was asked for.
    pub(crate) async fn answered(&self, side: Side) {
        for host in &self.hosts {
            // Taken before the request: of several blobs that arrive at the same time, one ends the pause.
            let is_first = || !host.has_answered.swap(true, Ordering::Relaxed);
            if host.paused.side == side && is_first() {
                self.resume(host.paused.host).await;
            }
        }
    }

    async fn resume(&self, host: &str) {
        match retry_queue(|| self.ports.pauses.resume(host)).await {
            Ok(_) => {
                let measures = &self.ports.measures;
                measures.host_paused(host, self.ports.clock.now());
                info!(
                    host,
                    "a paused host was asked by hand and answers: its pause is over"
                );
            }
            // No reason to fail the image: the pause ends by itself.
            Err(error) => warn!(%error, host, "could not end the pause of a host that answers"),
        }
    }
}
