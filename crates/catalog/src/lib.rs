//! The catalog: config files, and the images that they name.
//!
//! - [`config_file`] turns a file into a checked config and its images: `document` reads it into values with their places,
//!   one of the `dialects` makes entries of them, and `images` are made of the entries,
//! - [`selection`] chooses images of it by a glob, or those that somebody names,
//! - [`identity`] is what the catalog is known by.

pub mod config_file;
mod dialects;
mod document;
mod entry;
pub mod identity;
mod images;
mod problem;
pub mod selection;
mod tag_rules;

#[cfg(test)]
mod samples;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
