//! Reaching a server: addresses, credentials, TLS, and what a user may do there.

mod connecting;
mod fleet;
mod permissions;
