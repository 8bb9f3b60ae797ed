//! Places at which an exchange is cut or stands still.

use std::io;

use super::connection::Connection;
use crate::sync::gate::Gate;

/// Where in an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// After so many bytes of the request's body were read.
    RequestBody(u64),
    /// Before the first byte of the answer. What was asked is done nevertheless.
    Headers,
    /// In the middle of the answer's headers.
    MidHeaders,
    /// After so many bytes of the answer's body.
    Body(u64),
}

/// What an interruption does.
#[derive(Clone, Debug)]
pub enum Then {
    /// The connection is reset (RST).
    Reset,
    /// The connection is closed in order (FIN).
    Close,
    /// Nothing more is sent or read until the gate is released, or the client leaves.
    Stall(Gate),
}

/// An exchange that ends or stands still at a place.
#[derive(Clone, Debug)]
pub(crate) struct Interruption {
    pub(crate) at: At,
    pub(crate) then: Then,
}

impl Then {
    /// Does it; an error means that the connection is over.
    pub(crate) async fn act(&self, connection: &Connection) -> io::Result<()> {
        match self {
            Self::Stall(gate) => return hold(gate, connection.client_left()).await,
            Self::Reset => connection.end_with_reset()?,
            Self::Close => {}
        }
        Err(io::Error::other("cut as staged"))
    }
}

/// Holds an exchange at a gate; an error if `client_left` comes first.
pub(crate) async fn hold(gate: &Gate, client_left: impl Future<Output = ()>) -> io::Result<()> {
    tokio::select! {
        () = gate.pass() => Ok(()),
        () = client_left => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}
