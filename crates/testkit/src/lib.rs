//! Test support: a fake registry whose faults are staged by the test, builders of images of every kind, and real
//! servers as child processes.

pub mod clock;
mod complete;
pub mod fake_registry;
pub mod images;
pub mod network;
pub mod ports;
pub mod samples;
pub mod servers;
mod sync;
pub mod tls;

pub use clock::TokioClock;
pub use fake_registry::FakeRegistry;
pub use images::Image;
pub use network::closed_port::ClosedPort;
pub use network::collector::{Collector, SpanKind};
pub use network::link::Link;
pub use network::proxy::Proxy;
pub use tls::PrivateCa;
