//! What config files can be written in: each dialect turns a document into entries of the catalog and settings, and nothing
//! behind it knows which one it was.

pub(crate) mod native;
