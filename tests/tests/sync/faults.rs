//! What goes wrong: at sources, at targets, in content, with credentials; and that other images go on.

mod content;
mod credentials;
mod failing_images;
mod full_disks;
mod sources;
mod targets;
