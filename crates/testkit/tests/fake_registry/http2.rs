//! HTTP/2 by ALPN.

use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, Response};
use image_sync_testkit::fake_registry::{At, Fault, Gate, Rule};
use image_sync_testkit::{FakeRegistry, PrivateCa, images};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

struct Client {
    requests: SendRequest<Bytes>,
    base: String,
    _connection: JoinSet<()>,
}

async fn connect(registry: &FakeRegistry, ca: &PrivateCa) -> Client {
    let mut config = (*ca.client_config().unwrap()).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(registry.host()).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let (requests, connection) = h2::client::handshake(stream.await.unwrap()).await.unwrap();
    let mut task = JoinSet::new();
    task.spawn(async move { drop(connection.await) });
    Client {
        requests,
        base: registry.url().to_owned(),
        _connection: task,
    }
}

impl Client {
    async fn ask(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Response<Vec<u8>>, h2::Error> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("content-length", body.len());
        let request = request.body(()).unwrap();
        let mut requests = self.requests.clone().ready().await?;
        let (answer, mut stream) = requests.send_request(request, body.is_empty())?;
        if !body.is_empty() {
            stream.send_data(Bytes::copy_from_slice(body), true)?;
        }
        let (head, mut content) = answer.await?.into_parts();
        let mut bytes = Vec::new();
        while let Some(piece) = content.data().await {
            let piece = piece?;
            content.flow_control().release_capacity(piece.len())?;
            bytes.extend_from_slice(&piece);
        }
        Ok(Response::from_parts(head, bytes))
    }
}

#[tokio::test]
async fn images_are_pushed_and_pulled_over_one_connection() {
    let ca = PrivateCa::new().unwrap();
    let registry = FakeRegistry::builder().http2(&ca).start().await.unwrap();
    let client = connect(&registry, &ca).await;
    let image = images::image("app");
    for blob in &image.blobs {
        let begun = client.ask("POST", "/v2/app/blobs/uploads/", b"").await;
        let begun = begun.unwrap();
        let upload = begun.headers()["location"].to_str().unwrap();
        let path = format!("{upload}?digest={}", blob.digest);
        let put = client.ask("PUT", &path, &blob.bytes).await.unwrap();
        assert_eq!(put.status(), 201);
    }
    registry.put_image("app", "1", &image);
    let head = client
        .ask("HEAD", "/v2/app/manifests/1", b"")
        .await
        .unwrap();
    assert_eq!(
        head.headers()["docker-content-digest"],
        image.digest().as_str()
    );
    for blob in &image.blobs {
        let path = format!("/v2/app/blobs/{}", blob.digest);
        let got = client.ask("GET", &path, b"").await.unwrap();
        assert_eq!(got.body(), &blob.bytes);
    }
    let blobs = image.blobs.len() as u64;
    let expected = [("GET", blobs), ("HEAD", 1), ("POST", blobs), ("PUT", blobs)];
    let expected = expected.map(|(method, count)| (method.to_owned(), count));
    assert_eq!(registry.requests_by_method(), expected.into());
    assert!(registry.requests().iter().all(|r| r.connection == 0));
}

#[tokio::test]
async fn a_held_stream_holds_no_other_and_a_cut_one_is_reset() {
    let ca = PrivateCa::new().unwrap();
    let registry = FakeRegistry::builder().http2(&ca).start().await.unwrap();
    let client = connect(&registry, &ca).await;
    let gate = Gate::new();
    registry.stage(Rule::new("GET", "/v2/held"), Fault::hold(&gate));
    registry.stage(Rule::new("GET", "/v2/cut"), Fault::reset(At::Headers));
    let held = client.ask("GET", "/v2/held", b"");
    let others = async {
        gate.reached().await;
        assert_eq!(client.ask("GET", "/v2/", b"").await.unwrap().status(), 200);
        let cut = client.ask("GET", "/v2/cut", b"").await.unwrap_err();
        assert!(cut.is_reset(), "{cut}");
        gate.release();
    };
    let (held, ()) = tokio::join!(held, others);
    assert_eq!(held.unwrap().status(), 404);
}
