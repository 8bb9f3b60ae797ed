//! What is under deploy/kubernetes, read as it is written there. `scripts/check-deploy` builds it, has it validated, and compares
//! the chart with it.

mod alerts;
mod cluster;
mod manifests;
mod policy;
mod readme;
mod references;
mod roles;
mod runs;
mod seed;
