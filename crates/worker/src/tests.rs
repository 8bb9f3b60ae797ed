//! Scenarios: a worker over a queue and registries in memory.

mod admission;
mod blobs;
mod conversion;
mod copying;
mod dry_run;
mod ending;
mod failures;
mod hostile_manifests;
mod leases;
mod pauses;
mod platform_choice;
mod queue;
mod unserved;
