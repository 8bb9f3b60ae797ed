//! HTTP/1.1 down to the bytes on the wire (RFC 9112), so that an exchange can be cut anywhere.

pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod interruption;
pub(crate) mod request_head;
pub(crate) mod response;
