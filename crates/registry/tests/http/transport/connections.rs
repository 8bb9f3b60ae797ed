//! How connections are made: through tunnels, in time, and once for many requests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use image_sync_shared::config::ProxySetting;
use image_sync_shared::failure::FailureClass;
use image_sync_shared::secret::Secret;
use image_sync_testkit::{FakeRegistry, PrivateCa};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, copy_bidirectional,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::support::{RouterBuilder, put_app, resolve_app};
use crate::transport::handshakes::acceptor;

/// A proxy that opens one tunnel after the other. It ends when it is dropped.
struct Proxy {
    host: String,
    heads: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

impl Proxy {
    async fn start(acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let mut server = JoinSet::new();
        let told = Arc::clone(&heads);
        server.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match &acceptor {
                    Some(acceptor) => tunnel(acceptor.accept(stream).await.unwrap(), &told).await,
                    None => tunnel(stream, &told).await,
                }
            }
        });
        Self {
            host,
            heads,
            _server: server,
        }
    }
}

/// Does as a CONNECT says.
async fn tunnel(stream: impl AsyncRead + AsyncWrite + Unpin, told: &Mutex<Vec<String>>) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).await.unwrap() > 0);
    }
    let to = head.split(' ').nth(1).unwrap().to_owned();
    told.lock().unwrap().push(head);
    let mut registry = TcpStream::connect(to).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    stream.flush().await.unwrap();
    // Either side may hang up.
    copy_bidirectional(&mut stream, &mut registry).await.ok();
}

#[tokio::test]
async fn one_connect_opens_a_tunnel_for_all_requests_and_the_login_stays_outside_of_it() {
    for scheme in ["http", "https"] {
        let (ca, folder) = (PrivateCa::new().unwrap(), tempfile::tempdir().unwrap());
        let registry = FakeRegistry::builder().tls(&ca).start().await.unwrap();
        put_app(&registry);
        let with_tls = acceptor(ca.certificate_pem(), ca.key_pem(), None);
        let proxy = Proxy::start((scheme == "https").then_some(with_tls)).await;
        let url = Secret::new(format!("{scheme}://me:p@{}", proxy.host));
        let setup = RouterBuilder::new().trusting(registry.host(), &ca, folder.path());
        let router = setup
            .with(registry.host(), |settings| {
                settings.proxy = Some(ProxySetting::Server(url));
            })
            .router();
        for _ in 0..2 {
            let resolved = resolve_app(&router, registry.host()).await;
            assert!(matches!(resolved, Ok(Some(_))), "{resolved:?}");
        }
        let [head]: [String; 1] = proxy.heads.lock().unwrap().clone().try_into().unwrap();
        let head = head.to_ascii_lowercase();
        let host = registry.host();
        for told in [
            format!("connect {host} http/1.1\r\nhost: {host}\r\n"),
            "\r\nproxy-authorization: basic bwu6ca==\r\n".to_owned(),
            format!(
                "\r\nuser-agent: image-sync/{}\r\n",
                env!("CARGO_PKG_VERSION")
            ),
        ] {
            assert!(head.contains(&told), "{head} {told}");
        }
        let requests = registry.requests();
        assert_eq!(requests.len(), 2);
        for request in requests {
            assert_eq!(request.header("proxy-authorization"), None);
        }
    }
}

#[tokio::test]
async fn a_host_that_takes_a_connection_and_speaks_no_tls_on_it_is_left_when_its_time_is_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let router = RouterBuilder::new().connect_within(Duration::from_millis(200));
    let failure = resolve_app(&router.router(), &host).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Timeout, "{failure}");
    assert_eq!(failure.answer, format!("no connection to {host} in time"));
}
