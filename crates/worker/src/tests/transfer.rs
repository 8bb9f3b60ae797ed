//! What is requested and written for one image.

mod artifacts;
mod blobs;
mod conversion;
mod copying;
mod dry_run;
mod hostile_manifests;
mod missing_at_source;
mod newest;
mod overwriting;
mod platform_choice;
