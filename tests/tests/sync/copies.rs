//! What a copy makes of an image: its bytes, the order of what is pushed, its platforms, how many requests that takes,
//! and which images are copied.

mod archives;
mod bytes_and_order;
mod one_off;
mod only_failed;
mod overwriting;
mod platforms;
mod report_fields;
mod report_queries;
mod request_floor;
mod targets;
