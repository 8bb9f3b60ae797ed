//! nats-servers that are restarted, in clusters, on full disks, and clocks that are off.

mod clocks;
mod clusters;
mod full_disks;
mod restarts;
