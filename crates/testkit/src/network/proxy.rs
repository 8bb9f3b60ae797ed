//! A TCP proxy that holds what passes through it at a place of the test's choice: there a process can be killed.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::sync::gate::Gate;
use crate::sync::lock::locked;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    /// From the client to the server.
    Server,
    /// From the server to the client.
    Client,
}

/// A proxy in front of one server. It ends, and cuts all connections, when it is dropped.
///
/// Where a hold begins, the bytes before it have been passed on and those behind it wait, the other direction of the
/// same connection and all other connections being free. The server's end of a connection ends the client's end too.
pub struct Proxy {
    host: String,
    holds: Holds,
    // Aborts the connections when dropped.
    _server: JoinSet<()>,
}

type Holds = Arc<Mutex<Vec<Arc<Hold>>>>;

struct Hold {
    toward: Toward,
    text: Vec<u8>,
    nth: usize,
    seen: AtomicUsize,
    gate: Gate,
}

impl Proxy {
    /// A proxy on a free port, in front of the server at `host`, as in `127.0.0.1:4222`.
    pub async fn start(host: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (own_host, holds) = (listener.local_addr()?.to_string(), Holds::default());
        let mut server = JoinSet::new();
        server.spawn(serve(listener, host.to_owned(), Arc::clone(&holds)));
        Ok(Self {
            host: own_host,
            holds,
            _server: server,
        })
    }

    /// Its address: `127.0.0.1:4711`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Holds the connection that brings `text` for the `nth` time, counted from 1 over all connections, where `text`
    /// begins. If `text` came in pieces, its first ones have been passed on.
    #[must_use]
    pub fn hold(&self, toward: Toward, text: &str, nth: usize) -> Gate {
        let gate = Gate::new();
        locked(&self.holds).push(Arc::new(Hold {
            toward,
            text: text.as_bytes().to_vec(),
            nth,
            seen: AtomicUsize::new(0),
            gate: gate.clone(),
        }));
        gate
    }
}

async fn serve(listener: TcpListener, server: String, holds: Holds) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (server, holds) = (server.clone(), Arc::clone(&holds));
        connections.spawn(async move {
            // A connection that fails at either end fails at both: whoever is still there sees it closed.
            drop(connect(client, &server, &holds).await);
        });
    }
}

async fn connect(client: TcpStream, server: &str, holds: &Holds) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        ended = pass(Toward::Server, from_client, to_server, holds) => ended,
        ended = pass(Toward::Client, from_server, to_client, holds) => ended,
    }
}

async fn pass(
    toward: Toward,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    holds: &Holds,
) -> io::Result<()> {
    // What was passed on lately: a text may come in pieces.
    let mut passed = Vec::new();
    let mut new = Vec::new();
    loop {
        if new.is_empty() && from.read_buf(&mut new).await? == 0 {
            return Ok(());
        }
        let here: Vec<Arc<Hold>> = locked(holds).clone();
        let (mut done, mut later) = (0, Vec::new());
        for (at, gate) in stops(toward, &here, &passed, &new) {
            to.write_all(&new[done..at]).await?;
            done = at;
            tokio::select! {
                () = gate.pass() => {}
                ended = read_on(&mut from, &mut later) => return ended,
            }
        }
        to.write_all(&new[done..]).await?;
        passed.append(&mut new);
        let longest = here.iter().map(|hold| hold.text.len()).max();
        let kept = longest.unwrap_or(0).saturating_sub(1).min(passed.len());
        passed.drain(..passed.len() - kept);
        new = later;
    }
}

/// Reads until the end of the connection.
async fn read_on(from: &mut OwnedReadHalf, later: &mut Vec<u8>) -> io::Result<()> {
    while from.read_buf(later).await? > 0 {}
    Ok(())
}

/// Where in `new`, which follows `passed`, connections are to be held, in their order.
fn stops(toward: Toward, holds: &[Arc<Hold>], passed: &[u8], new: &[u8]) -> Vec<(usize, Gate)> {
    let all = [passed, new].concat();
    let mut stops = Vec::new();
    for hold in holds.iter().filter(|hold| hold.toward == toward) {
        let ends_in_new = |start: &usize| start + hold.text.len() > passed.len();
        let starts = all.windows(hold.text.len().max(1)).enumerate();
        let starts = starts.filter(|(_, window)| *window == hold.text);
        for start in starts.map(|(start, _)| start).filter(ends_in_new) {
            if hold.seen.fetch_add(1, Ordering::SeqCst) + 1 == hold.nth {
                stops.push((start.saturating_sub(passed.len()), hold.gate.clone()));
            }
        }
    }
    stops.sort_by_key(|(at, _)| *at);
    stops
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(toward: Toward, text: &str, nth: usize) -> Arc<Hold> {
        Arc::new(Hold {
            toward,
            text: text.as_bytes().to_vec(),
            nth,
            seen: AtomicUsize::new(0),
            gate: Gate::new(),
        })
    }

    fn places(holds: &[Arc<Hold>], passed: &str, new: &str) -> Vec<usize> {
        let stops = stops(Toward::Server, holds, passed.as_bytes(), new.as_bytes());
        stops.into_iter().map(|(at, _)| at).collect()
    }

    #[test]
    fn a_text_is_counted_once_also_where_it_comes_in_pieces() {
        let holds = [hold(Toward::Server, "+ACK", 3)];
        assert_eq!(places(&holds, "", "x+ACK +A"), [0; 0]);
        assert_eq!(places(&holds, " +A", "CK +ACK"), [3]);
        assert_eq!(places(&holds, "ACK", "+ACK"), [0; 0]);
        let in_pieces = [hold(Toward::Server, "+ACK", 1)];
        assert_eq!(places(&in_pieces, " +A", "CK"), [0]);
    }

    #[test]
    fn holds_of_the_other_direction_are_passed_over_and_the_rest_is_in_order() {
        let holds = [
            hold(Toward::Client, "a", 1),
            hold(Toward::Server, "c", 1),
            hold(Toward::Server, "b", 2),
        ];
        assert_eq!(places(&holds, "", "abbc"), [2, 3]);
    }

    #[tokio::test]
    async fn what_comes_before_a_hold_is_passed_on_and_the_rest_waits() {
        let server = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let host = server.local_addr().unwrap().to_string();
        let proxy = Proxy::start(&host).await.unwrap();
        let gate = proxy.hold(Toward::Server, "stop", 2);
        let mut client = TcpStream::connect(proxy.host()).await.unwrap();
        client.write_all(b"stop go stop now").await.unwrap();
        let (mut accepted, _) = server.accept().await.unwrap();
        gate.reached().await;
        let mut before = [0; 8];
        accepted.read_exact(&mut before).await.unwrap();
        assert_eq!(&before, b"stop go ");
        // The other direction is free.
        accepted.write_all(b"!").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'!');
        gate.release();
        let mut behind = [0; 8];
        accepted.read_exact(&mut behind).await.unwrap();
        assert_eq!(&behind, b"stop now");
    }

    #[tokio::test]
    async fn the_end_of_a_server_ends_a_connection_that_is_held() {
        let server = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let host = server.local_addr().unwrap().to_string();
        let proxy = Proxy::start(&host).await.unwrap();
        let gate = proxy.hold(Toward::Client, "stop", 1);
        let mut client = TcpStream::connect(proxy.host()).await.unwrap();
        let (mut accepted, _) = server.accept().await.unwrap();
        accepted.write_all(b"go stop").await.unwrap();
        gate.reached().await;
        drop(accepted);
        let mut before = Vec::new();
        client.read_to_end(&mut before).await.unwrap();
        assert_eq!(before, b"go ");
    }
}
