//! Images and their parts, as the OCI specifications have them: references, digests, platforms, manifests.

pub mod digest;
pub mod hint;
pub mod manifest;
pub mod media_type;
pub mod platform;
pub mod reference;
pub mod referrers;
