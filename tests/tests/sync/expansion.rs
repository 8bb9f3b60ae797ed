//! From a catalog to its images: what is listed, how often, and what comes of it.

mod chains;
mod creation_times;
mod digest_tags;
mod listings;
mod lists;
mod repositories;
mod tag_rules;
