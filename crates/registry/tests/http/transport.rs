//! How a request reaches a server: TLS, proxies, plain HTTP, redirects, and what comes before an answer (RFC 9110).

mod certificates;
mod connections;
mod handshakes;
mod informational;
mod proxies;
mod redirects;
mod schemes;
