//! What no client can be faster than: a bare loop of HEAD pairs over one warm HTTP/2 connection to each registry.
//!
//! The first pair goes alone, so that the connections are warm when the others come.

use std::fs;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::{SendRequest, handshake};
use http::Request;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::tools::{Described, Task};

pub(crate) const COMMAND: &str = "head-pairs";

/// Pairs under way at the same time, each a stream of both connections.
const IN_FLIGHT: usize = 128;

const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json, \
                      application/vnd.docker.distribution.manifest.v2+json";

pub(crate) fn describe(task: &Task) -> Described {
    let authority = task.authority.as_ref();
    let authority = authority.map(|file| file.display().to_string());
    let images = task.images.to_string();
    let authority = authority.unwrap_or_default();
    let arguments = [COMMAND, &task.source, &task.target, &images, &authority];
    Described::new(&arguments, &[])
}

pub(crate) async fn main(arguments: &[String]) -> io::Result<()> {
    let [source, target, images, authority] = arguments else {
        return Err(io::Error::other(
            "head-pairs SOURCE TARGET IMAGES AUTHORITY",
        ));
    };
    let images: usize = images.parse().map_err(io::Error::other)?;
    let tls = TlsConnector::from(Arc::new(trusting(authority)?));
    let mut connections = JoinSet::new();
    let source = Host::connect(source, &tls, &mut connections).await?;
    let target = Host::connect(target, &tls, &mut connections).await?;
    let mut pairs = JoinSet::new();
    for number in 0..images {
        let under_way = if number == 1 { 1 } else { IN_FLIGHT };
        while pairs.len() >= under_way {
            joined(pairs.join_next().await)?;
        }
        pairs.spawn(pair(source.clone(), target.clone(), number));
    }
    while !pairs.is_empty() {
        joined(pairs.join_next().await)?;
    }
    Ok(())
}

fn joined(ended: Option<Result<io::Result<()>, tokio::task::JoinError>>) -> io::Result<()> {
    match ended {
        Some(ended) => ended.map_err(io::Error::other)?,
        None => Ok(()),
    }
}

async fn pair(source: Host, target: Host, number: usize) -> io::Result<()> {
    let (wanted, present) = tokio::try_join!(source.head(number), target.head(number))?;
    if wanted == present {
        Ok(())
    } else {
        let problem = format!("image {number} is not in place: {wanted} and {present}");
        Err(io::Error::other(problem))
    }
}

#[derive(Clone)]
struct Host {
    requests: SendRequest<Bytes>,
    base: String,
}

impl Host {
    async fn connect(
        host: &str,
        tls: &TlsConnector,
        connections: &mut JoinSet<()>,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let name = host.split(':').next().unwrap_or_default().to_owned();
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        let stream = tls.connect(name, stream).await?;
        let (requests, connection) = handshake(stream).await.map_err(io::Error::other)?;
        // Its error is that of the request which waits for it.
        connections.spawn(async move { drop(connection.await) });
        Ok(Self {
            requests,
            base: format!("https://{host}"),
        })
    }

    /// The digest of an image.
    async fn head(&self, number: usize) -> io::Result<String> {
        let request = Request::head(format!("{}/v2/images/{number}/manifests/1", self.base));
        let request = request.header("accept", ACCEPT).body(());
        let request = request.map_err(io::Error::other)?;
        let requests = self.requests.clone().ready().await;
        let (answer, _) = requests
            .and_then(|mut requests| requests.send_request(request, true))
            .map_err(io::Error::other)?;
        let answer = answer.await.map_err(io::Error::other)?;
        let digest = answer.headers().get("docker-content-digest");
        let digest = digest.and_then(|digest| digest.to_str().ok());
        let status = answer.status();
        digest
            .map(str::to_owned)
            .ok_or_else(|| io::Error::other(format!("image {number}: {status}, no digest")))
    }
}

fn trusting(authority: &str) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&fs::read(authority)?) {
        let certificate = certificate.map_err(io::Error::other)?;
        roots.add(certificate).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
