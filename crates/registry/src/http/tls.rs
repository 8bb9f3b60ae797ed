//! TLS: whom to trust, and who we are. A verifier of ours (`verifier`) says in words what is wrong with a certificate.

pub(crate) mod certificate;
mod client_config;
mod host_certificates;
mod verifier;

pub(crate) use client_config::{TlsSettings, client_config};
pub(crate) use host_certificates::{HostCertificates, is_there};
