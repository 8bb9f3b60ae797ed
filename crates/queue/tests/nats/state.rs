//! What roles share in buckets: pauses of hosts, and reports.

mod host_pauses;
mod report_store;
