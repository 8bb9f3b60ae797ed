//! What all streams have in common: reading their messages one by one or in order, acknowledging what a consumer delivered,
//! how much more they take, and the time by their server's clock.

mod capacity;
mod delivered_message;
mod ephemeral_consumer;
mod info;
mod ordered_consumer;
pub(super) mod parsable;
mod pull_status;
pub(super) mod server_clock;
mod stored_message;
mod subscription;

pub(super) use capacity::Capacity;
pub(super) use delivered_message::{AckKind, Acker, DeliveredMessage};
pub(super) use info::{
    Described, StreamInfo, consumer_config, consumer_object, describe, stream_config, stream_info,
    stream_info_with_subjects, stream_object,
};
#[cfg(test)]
pub(super) use info::{StreamLimits, StreamState};
pub(super) use ordered_consumer::OrderedConsumer;
pub(super) use server_clock::ServerClock;
pub(super) use stored_message::{
    StoredMessage, delete_message, last_message, last_message_within, next_message,
};
pub use subscription::Subscription;
