//! What a person sees: the progress display, tables, and values as texts.

mod failures;
pub(crate) mod progress;
pub(crate) mod report_source;
pub(crate) mod report_table;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod targets;
pub(crate) mod text;
pub(crate) mod units;
