use std::fs;
use std::time::SystemTime;

use axum::routing::get;
use axum::{Extension, Router};
use image_sync_testkit::PrivateCa;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::advance;
use tokio_rustls::TlsConnector;

use super::*;
use crate::process::exit::Exit;
use crate::server::connections::{Limits, Peer, serve};
use crate::server::{HttpServer, ListenArgs};

/// The files of a server, whose certificates are of the authorities that it is given.
struct TestFiles {
    folder: TempDir,
    files: TlsFiles,
    written: SystemTime,
}

impl TestFiles {
    fn of(ca: &PrivateCa) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name| folder.path().join(name);
        let files = TlsFiles {
            cert: file("cert.pem"),
            key: file("key.pem"),
            client_ca: None,
        };
        let mut test = Self {
            folder,
            files,
            written: SystemTime::UNIX_EPOCH,
        };
        test.replace(ca.certificate_pem(), ca.key_pem());
        test
    }

    /// Trusts the certificates of clients that are of this authority.
    fn trusting(mut self, ca: &PrivateCa) -> Self {
        let file = self.folder.path().join("client-ca.pem");
        fs::write(&file, ca.ca_pem()).unwrap();
        self.files.client_ca = Some(file);
        self
    }

    fn replace(&mut self, cert: &str, key: &str) {
        self.written += Duration::from_secs(1);
        for (path, text) in [(&self.files.cert, cert), (&self.files.key, key)] {
            fs::write(path, text).unwrap();
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(self.written).unwrap();
        }
    }
}

/// Whether a client that trusts this authority makes a connection.
async fn is_trusted(tls: &Tls, ca: &PrivateCa) -> bool {
    let (client, server) = duplex(1 << 16);
    let connector = TlsConnector::from(ca.client_config().unwrap());
    let name = ServerName::try_from("localhost").unwrap();
    let (connected, _) = tokio::join!(
        connector.connect(name, client),
        tls.acceptor().accept(server)
    );
    connected.is_ok()
}

#[tokio::test(start_paused = true)]
async fn files_that_are_replaced_make_the_next_connection() {
    let (old, new) = (PrivateCa::new().unwrap(), PrivateCa::new().unwrap());
    let mut files = TestFiles::of(&old);
    let tls = Tls::open(files.files.clone()).unwrap();
    assert!(is_trusted(&tls, &old).await);
    files.replace(new.certificate_pem(), new.key_pem());
    assert!(is_trusted(&tls, &old).await, "it is looked once a second");
    advance(LOOK).await;
    assert!(is_trusted(&tls, &new).await);
    assert!(!is_trusted(&tls, &old).await);
}

#[tokio::test(start_paused = true)]
async fn files_that_are_broken_leave_the_former_certificate_until_they_are_whole() {
    let (old, new) = (PrivateCa::new().unwrap(), PrivateCa::new().unwrap());
    let mut files = TestFiles::of(&old);
    let tls = Tls::open(files.files.clone()).unwrap();
    for (cert, key) in [
        ("", ""),
        ("no PEM", new.key_pem()),
        (new.certificate_pem(), old.key_pem()),
        (new.certificate_pem(), new.certificate_pem()),
    ] {
        files.replace(cert, key);
        advance(LOOK).await;
        assert!(is_trusted(&tls, &old).await, "{cert}");
    }
    fs::remove_file(&files.files.cert).unwrap();
    advance(LOOK).await;
    assert!(is_trusted(&tls, &old).await, "without a file");
    files.replace(new.certificate_pem(), new.key_pem());
    advance(LOOK).await;
    assert!(is_trusted(&tls, &new).await);
}

#[test]
fn files_that_are_wrong_at_the_start_are_told_by_name_with_exit_code_2() {
    let (ca, other) = (PrivateCa::new().unwrap(), PrivateCa::new().unwrap());
    let whole = || TestFiles::of(&ca).trusting(&ca);
    let told = |test: &TestFiles, name: &str| {
        let args = ListenArgs::with_tls("127.0.0.1:0", test.files.clone());
        let Err(problem) = HttpServer::listen(&args) else {
            panic!("{name} is wrong")
        };
        assert_eq!(problem.exit, Exit::Usage, "{name}");
        assert!(problem.to_string().contains(name), "{name}: {problem}");
        assert!(!problem.to_string().contains("PRIVATE KEY"), "{problem}");
    };
    for name in ["cert.pem", "key.pem", "client-ca.pem"] {
        let test = whole();
        let file = test.folder.path().join(name);
        fs::write(&file, "no PEM").unwrap();
        told(&test, name);
        fs::remove_file(&file).unwrap();
        told(&test, name);
    }
    let test = whole();
    fs::write(&test.files.key, other.key_pem()).unwrap();
    told(&test, "cert.pem");
}

/// What a server with these files answers to a client.
async fn said(files: &TestFiles, client: ClientConfig) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Router::new().route(
        "/",
        get(async |Extension(peer): Extension<Peer>| {
            format!("certificate: {}", peer.has_certificate)
        }),
    );
    let tls = Arc::new(Tls::open(files.files.clone()).unwrap());
    let mut server = JoinSet::new();
    server.spawn(serve(listener, router, Limits::default(), Some(tls)));
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(address).await?;
    let mut stream = TlsConnector::from(Arc::new(client))
        .connect(name, stream)
        .await?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// A client that trusts `ca` and shows the certificate of `own`.
fn showing(ca: &PrivateCa, own: &PrivateCa) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.ca_pem().as_bytes()).unwrap())
        .unwrap();
    let chain = vec![CertificateDer::from_pem_slice(own.certificate_pem().as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(own.key_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let client = client.unwrap().with_root_certificates(roots);
    client.with_client_auth_cert(chain, key).unwrap()
}

#[tokio::test]
async fn a_client_shows_a_certificate_of_a_trusted_authority_or_none() {
    let [ca, trusted, other] = [(); 3].map(|()| PrivateCa::new().unwrap());
    let files = TestFiles::of(&ca).trusting(&trusted);
    let without = ClientConfig::clone(&ca.client_config().unwrap());
    let answer = said(&files, without).await.unwrap();
    assert!(answer.ends_with("certificate: false"), "{answer}");
    let answer = said(&files, showing(&ca, &trusted)).await.unwrap();
    assert!(answer.ends_with("certificate: true"), "{answer}");
    let answer = said(&files, showing(&ca, &other)).await;
    assert!(
        answer.is_err() || answer.as_ref().is_ok_and(String::is_empty),
        "{answer:?}"
    );
    let nobody = TestFiles::of(&ca);
    let answer = said(&nobody, showing(&ca, &trusted)).await.unwrap();
    assert!(answer.ends_with("certificate: false"), "{answer}");
}
