//! An in-memory registry (OCI distribution spec) on a free port of 127.0.0.1. It records what it is asked and fails as
//! the test wants it to, down to the bytes on the wire.

mod auth;
mod behaviour;
mod body;
mod builder;
mod content;
mod faults;
mod gate;
mod headers;
mod holdings;
mod records;
mod registry;
mod response;
mod routes;
mod server;
mod shared;
mod signer;
mod store;
mod tokens;
mod upload;
mod watchdog;
mod wire;

pub use auth::Auth;
pub use behaviour::{Behaviour, ImmutableTags, Mounts, UploadLocation, Uploads};
pub use builder::Builder;
pub use content::{Content, Synthetic};
pub use faults::{At, Fault, Rule, Staged, Then};
pub use gate::Gate;
pub use records::Request;
pub(crate) use records::is_like;
pub use registry::FakeRegistry;
pub use signer::TokenSigner;
pub(crate) use signer::{ISSUER, SERVICE};
pub use tokens::{TokenRequest, TokenService};
