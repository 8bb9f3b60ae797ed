//! Which server of a registry is asked, how many requests at once, and how a refusal is reported.

mod failures;
mod mirrors;
mod request_limits;
