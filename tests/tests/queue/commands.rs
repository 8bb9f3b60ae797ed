//! Commands of an operator, and what is wrong with them.

mod bad_input;
mod dead_letters;
mod enqueue;
mod hosts;
mod provision;
mod why;
mod workers;
