//! What goes wrong around a queue: servers that die, answers that are lost, messages that cannot be received, clocks
//! that are off.

mod clocks;
mod lost_answers;
mod restarts;
mod unreadable;
