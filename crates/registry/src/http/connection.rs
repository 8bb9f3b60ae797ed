//! Connections: made directly or through a proxy, kept in one pool for each way to make them, and what their errors mean.

mod connector;
mod errors;
mod informational;
mod pool;
mod pools;
mod profile;

pub(crate) use errors::{
    address_refused, cut, explain, explain_cut, hung_up, refused, speaks_no_tls, untrusted,
};
pub(crate) use pools::Pools;
pub(crate) use profile::Profile;
