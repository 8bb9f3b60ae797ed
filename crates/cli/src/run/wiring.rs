//! The roles on the ports of a queue, the same for all of them in one process and for each in its own.

use std::sync::Arc;

use image_sync_aggregator::aggregate::Aggregator;
use image_sync_aggregator::janitor::Janitor;
use image_sync_catalog::config_file::Images;
use image_sync_catalog::identity::config_hash;
use image_sync_producer::jobs;
use image_sync_producer::produce::{Producer, RunPlan, SIGN_OF_LIFE};
use image_sync_producer::run_id::new_run_id;
use image_sync_queue::Ports as QueuePorts;
use image_sync_shared::config::Config;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::memo::Memo;
use image_sync_shared::ports::telemetry::measures::Measures;
use image_sync_shared::ports::telemetry::progress::Progress;
use image_sync_shared::ports::transfer::registries::Registries;
use image_sync_shared::run::Trigger;
use image_sync_shared::run::job::Policy;
use image_sync_worker::{BlobIndex, LocalSingleFlight, WorkerPorts};

use crate::telemetry::traces;

/// What a worker reaches the outside through, beside its queue.
pub(crate) struct Outside {
    pub(crate) registries: Arc<dyn Registries>,
    pub(crate) memo: Arc<dyn Memo>,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) measures: Arc<dyn Measures>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A new run of `images`, which are the whole catalog or a part of it.
pub(crate) fn plan(
    config: &Config,
    images: &Images,
    trigger: Trigger,
    dry_run: bool,
    clock: &dyn Clock,
) -> RunPlan {
    let by_itself = plan_by_itself(config, images.len(), dry_run, clock);
    RunPlan {
        trigger,
        config_hash: config_hash(images),
        // What rules choose is not known before their repositories are listed.
        images: (!images.has_rules()).then_some(by_itself.images).flatten(),
        ..by_itself
    }
}

/// A new run by hand, which no run of the catalog keeps from starting.
pub(crate) fn plan_by_itself(
    config: &Config,
    images: usize,
    dry_run: bool,
    clock: &dyn Clock,
) -> RunPlan {
    let (settings, run_id) = (&config.settings, new_run_id(clock.now()));
    RunPlan {
        trigger: Trigger::Enqueue,
        cache_registry: config.cache_registry.to_string(),
        config_hash: run_id.own_catalog(),
        run_id,
        images: u32::try_from(images).ok(),
        skip_on_error: settings.skip_on_error,
        timeout: settings.run_timeout,
        sign_of_life: SIGN_OF_LIFE,
        policy: Policy {
            confirms_source: !config.webhooks.senders.is_empty(),
            ..jobs::policy(settings, dry_run)
        },
    }
}

pub(crate) fn producer(queue: &QueuePorts, clock: &Arc<dyn Clock>) -> Producer {
    Producer {
        queue: Arc::clone(&queue.jobs),
        log: Arc::clone(&queue.log),
        control: Arc::clone(&queue.runs),
        clock: Arc::clone(clock),
        traces: traces::propagator(),
    }
}

pub(crate) fn aggregator(
    queue: &QueuePorts,
    clock: &Arc<dyn Clock>,
    measures: &Arc<dyn Measures>,
) -> Aggregator {
    Aggregator {
        log: Arc::clone(&queue.log),
        clock: Arc::clone(clock),
        traces: traces::propagator(),
        measures: Arc::clone(measures),
    }
}

pub(crate) fn janitor(
    queue: &QueuePorts,
    clock: &Arc<dyn Clock>,
    measures: &Arc<dyn Measures>,
) -> Janitor {
    Janitor {
        queue: Arc::clone(&queue.jobs),
        log: Arc::clone(&queue.log),
        clock: Arc::clone(clock),
        measures: Arc::clone(measures),
    }
}

pub(crate) fn worker_ports(queue: &QueuePorts, outside: Outside) -> WorkerPorts {
    WorkerPorts {
        registries: outside.registries,
        queue: Arc::clone(&queue.jobs),
        run_log: Arc::clone(&queue.log),
        leases: Arc::clone(&queue.leases),
        pauses: Arc::clone(&queue.pauses),
        runs: Arc::clone(&queue.runs),
        memo: outside.memo,
        known_blobs: Arc::new(BlobIndex::default()),
        single_flight: Arc::new(LocalSingleFlight::default()),
        clock: outside.clock,
        progress: outside.progress,
        measures: outside.measures,
        traces: traces::propagator(),
    }
}
