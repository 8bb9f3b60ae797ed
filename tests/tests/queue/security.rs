//! What users of the nats-server may do, and what comes of messages of hostile ones.

mod hostile_messages;
mod permissions;
