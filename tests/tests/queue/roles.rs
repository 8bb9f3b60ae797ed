//! Workers and aggregators that are killed, stand still or are told to stop.

mod aggregators;
mod shutdown;
mod workers;
