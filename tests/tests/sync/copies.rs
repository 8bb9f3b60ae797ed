//! What a copy makes of an image: its bytes, the order of what is pushed, its platforms, and how many requests that takes.

mod bytes_and_order;
mod overwriting;
mod platforms;
mod request_floor;
mod targets;
