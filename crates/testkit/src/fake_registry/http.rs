//! HTTP/1.1 down to the bytes on the wire (RFC 9112), so that an exchange can be cut anywhere, and what of it HTTP/2 has too.

pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod interruption;
pub(crate) mod message_body;
pub(crate) mod request_head;
pub(crate) mod response;
