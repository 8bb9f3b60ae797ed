//! Catalog, runs and reports
