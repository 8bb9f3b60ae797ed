//! Real servers as child processes on free ports. They end when they are dropped.

mod access_log;
mod docker_registry;
mod http;
mod nats_cluster;
mod nats_server;
mod process;
mod push;
mod raw_nats;
mod skopeo;

pub use access_log::LoggedRequest;
pub use docker_registry::{DockerRegistry, DockerRegistryBuilder};
pub use nats_cluster::NatsCluster;
pub use nats_server::NatsServer;
pub use raw_nats::{RawNats, UNREADABLE_HEADERS};
pub use skopeo::{skopeo, skopeo_copy, skopeo_inspect};
