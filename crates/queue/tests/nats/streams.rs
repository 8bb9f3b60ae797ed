//! Streams as such: reading one to its end, messages as large as can be, and how much there is room for.

mod capacity;
mod following;
mod message_sizes;
