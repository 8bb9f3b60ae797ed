//! The client of a NATS server: how it is connected to, what becomes of a request, and what is known of the server.
//!
//! [`Connection`] is what all else asks. Below it are the settings and their errors, the library's client, which is made anew
//! where it died, the events of the connection, the `JetStream` API, and what requests tell of the server's clock and health.

mod api;
mod api_error;
mod connect;
mod connect_error;
mod connection;
mod events;
mod health;
mod live_client;
mod options;
mod server_time;
mod servers;
mod settings;

pub(super) use api_error::ApiError;
pub use connect_error::ConnectError;
pub use connection::Connection;
pub(super) use connection::{PAUSE, Retries};
pub(super) use server_time::ServerTime;
pub use settings::{Auth, ConnectSettings, TlsFiles};
