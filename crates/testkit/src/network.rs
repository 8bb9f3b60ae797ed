//! What a client meets on the way: a port where nobody listens, a proxy that cuts, a link that is long, a collector of traces.

pub(crate) mod closed_port;
pub mod collector;
pub mod link;
pub mod proxy;
