//! Test support: a fake registry whose faults are staged by the test, builders of images of every kind, and real
//! servers as child processes.

pub mod clock;
mod closed_port;
pub mod collector;
mod complete;
pub mod examples;
pub mod fake_registry;
pub mod images;
mod lock;
pub mod ports;
pub mod proxy;
pub mod samples;
pub mod servers;
pub mod tls;

pub use clock::TokioClock;
pub use closed_port::ClosedPort;
pub use collector::{Collector, SpanKind};
pub use fake_registry::FakeRegistry;
pub use images::Image;
pub use proxy::Proxy;
pub use tls::PrivateCa;
