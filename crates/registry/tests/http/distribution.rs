//! The operations of the OCI distribution API: what is at a tag, manifests, lists of tags.

mod heads;
mod manifests;
mod referrers;
mod repositories;
mod tags;
