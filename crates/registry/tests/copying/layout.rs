//! Folders as sources and as targets (OCI image layout).

mod folders;
mod referrers;
mod skopeo;
