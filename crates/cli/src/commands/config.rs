//! `config`: what a config means, and what its rules make of what is there.

pub(crate) mod check;
pub(crate) mod convert;
pub(crate) mod tags;
