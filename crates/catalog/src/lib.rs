//! The catalog: config files, and the images that they name.
//!
//! - [`config_file`] turns a YAML file into a checked config and its images,
//! - [`selection`] chooses images of it by a glob, [`by_name`] those that somebody names,
//! - [`identity`] is what the catalog is known by.

pub mod by_name;
pub mod config_file;
pub mod identity;
pub mod selection;

#[cfg(test)]
mod samples;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
