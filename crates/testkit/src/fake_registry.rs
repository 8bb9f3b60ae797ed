//! An in-memory registry (OCI distribution spec) on a free port of 127.0.0.1. It records what it is asked and fails as
//! the test wants it to, down to the bytes on the wire.

mod auth;
mod behaviour;
mod builder;
mod faults;
mod holdings;
mod http;
mod records;
mod registry;
mod routes;
mod server;
mod shared;
mod store;

pub use crate::sync::gate::Gate;
pub use auth::Auth;
pub use auth::token_service::{TokenRequest, TokenService};
pub use auth::token_signer::TokenSigner;
pub(crate) use auth::token_signer::{ISSUER, SERVICE};
pub use behaviour::{Behaviour, ImmutableTags, Mounts, UploadLocation, Uploads};
pub use builder::Builder;
pub use faults::{Fault, Rule, Staged};
pub use http::interruption::{At, Then};
pub use records::Request;
pub(crate) use records::is_like;
pub use registry::FakeRegistry;
pub use store::content::{Content, Synthetic};
