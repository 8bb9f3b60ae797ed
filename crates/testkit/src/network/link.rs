//! A TCP proxy that makes a server as far away as its round trip is long, and counts what passes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How much is read at once, and how many such pieces may be under way in one direction of a connection: more than a
/// fast network carries within a long round trip, so that only a reader that is slow itself holds its sender.
const PIECE: usize = 64 * 1024;
const PIECES: usize = 1024;

/// A link to one server. It ends, and its connections with it, when it is dropped.
///
/// Each direction takes half of the round trip, whatever its bandwidth. A connection itself is made at once: the round
/// trip of TCP's own handshake is not there.
pub struct Link {
    host: String,
    carried: Arc<Carried>,
    // Aborts the connections when dropped.
    _server: JoinSet<()>,
}

#[derive(Default)]
struct Carried {
    to_server: AtomicU64,
    to_client: AtomicU64,
    connections: AtomicU64,
}

/// What a link has carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes from clients to the server, those of TLS included.
    pub to_server: u64,
    /// Bytes from the server to clients.
    pub to_client: u64,
    /// Connections that clients have made.
    pub connections: u64,
}

impl Link {
    /// A link on a free port to the server at `host`, as in `127.0.0.1:5000`.
    pub async fn start(host: &str, round_trip: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (own_host, carried) = (listener.local_addr()?.to_string(), Arc::default());
        let mut server = JoinSet::new();
        let (to, count) = (host.to_owned(), Arc::clone(&carried));
        server.spawn(serve(listener, to, round_trip / 2, count));
        Ok(Self {
            host: own_host,
            carried,
            _server: server,
        })
    }

    /// Its address: `127.0.0.1:4711`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What it has carried so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        Traffic {
            to_server: self.carried.to_server.load(Ordering::Relaxed),
            to_client: self.carried.to_client.load(Ordering::Relaxed),
            connections: self.carried.connections.load(Ordering::Relaxed),
        }
    }
}

async fn serve(listener: TcpListener, server: String, way: Duration, carried: Arc<Carried>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        carried.connections.fetch_add(1, Ordering::Relaxed);
        let (server, carried) = (server.clone(), Arc::clone(&carried));
        connections.spawn(async move {
            // A connection that fails at either end fails at both: whoever is still there sees it closed.
            drop(connect(client, &server, way, &carried).await);
        });
    }
}

async fn connect(
    client: TcpStream,
    server: &str,
    way: Duration,
    carried: &Carried,
) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(
        carry(from_client, to_server, way, &carried.to_server),
        carry(from_server, to_client, way, &carried.to_client),
    )
    .map(drop)
}

/// Carries one direction to its end, which comes as late as the bytes do.
async fn carry(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    way: Duration,
    count: &AtomicU64,
) -> io::Result<()> {
    let (under_way, arriving) = mpsc::channel(PIECES);
    tokio::try_join!(depart(from, under_way, way, count), arrive(arriving, to)).map(drop)
}

async fn depart(
    mut from: OwnedReadHalf,
    under_way: mpsc::Sender<(Instant, Bytes)>,
    way: Duration,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(PIECE);
        let length = from.read_buf(&mut buffer).await?;
        let piece = (Instant::now() + way, buffer.split().freeze());
        // The last piece is empty: it is the end.
        if under_way.send(piece).await.is_err() || length == 0 {
            return Ok(());
        }
        count.fetch_add(length as u64, Ordering::Relaxed);
    }
}

async fn arrive(
    mut arriving: mpsc::Receiver<(Instant, Bytes)>,
    mut to: OwnedWriteHalf,
) -> io::Result<()> {
    while let Some((due, piece)) = arriving.recv().await {
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        if piece.is_empty() {
            return to.shutdown().await;
        }
        to.write_all(&piece).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(40);

    /// A client's end and a server's end of one connection over a link.
    async fn connected() -> io::Result<(Link, TcpStream, TcpStream)> {
        let server = TcpListener::bind(("127.0.0.1", 0)).await?;
        let link = Link::start(&server.local_addr()?.to_string(), ROUND_TRIP).await?;
        let client = TcpStream::connect(link.host()).await?;
        Ok((link, client, server.accept().await?.0))
    }

    #[tokio::test]
    async fn an_answer_takes_a_round_trip_and_what_passes_is_counted() {
        let (link, mut client, mut server) = connected().await.unwrap();
        let started = Instant::now();
        client.write_all(b"ping").await.unwrap();
        server.read_exact(&mut [0; 4]).await.unwrap();
        let arrived = started.elapsed();
        server.write_all(b"pong!").await.unwrap();
        client.read_exact(&mut [0; 5]).await.unwrap();
        assert!(arrived >= ROUND_TRIP / 2, "{arrived:?}");
        assert!(started.elapsed() >= ROUND_TRIP);
        let traffic = Traffic {
            to_server: 4,
            to_client: 5,
            connections: 1,
        };
        assert_eq!(link.traffic(), traffic);
    }

    #[tokio::test]
    async fn the_end_of_one_direction_leaves_the_other() {
        let (_link, mut client, mut server) = connected().await.unwrap();
        client.write_all(b"all").await.unwrap();
        client.shutdown().await.unwrap();
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"all");
        server.write_all(b"thanks").await.unwrap();
        drop(server);
        received.clear();
        client.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"thanks");
    }
}
