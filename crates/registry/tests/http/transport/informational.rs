//! Informational answers (RFC 9110, section 15.2): some before the one that counts are passed over, any number of them is no
//! answer.

use std::sync::{Arc, Mutex};

use image_sync_shared::config::ProxySetting;
use image_sync_shared::failure::{Failure, FailureClass};
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_shared::secret::Secret;
use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_testkit::images::image;
use image_sync_testkit::{FakeRegistry, PrivateCa};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite,
    AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::support::{RouterBuilder, put_app, resolve_app, router, tag, target};
use crate::transport::handshakes::acceptor;

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const PROCESSING: &str = "HTTP/1.1 102 Processing\r\n\r\n";
const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n";
const UNKNOWN: &str = "HTTP/1.1 199 X\r\n\r\n";
/// That there is a manifest, or that it was stored.
const ANSWER: &str = "HTTP/1.1 201 Created\r\ncontent-length: 0\r\ndocker-content-digest: \
                      sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n\r\n";
/// How many informational answers come before another one at most.
const LIMIT: usize = 100;

/// What a host answers to each request.
#[derive(Clone, Copy)]
enum Script {
    /// This for as long as anyone reads it.
    Endless(&'static str),
    /// This so many times, and then what counts.
    Before(usize, &'static str, &'static str),
    /// This once, and then nothing.
    Then(&'static str),
}

/// A host that answers by a script. It ends when it is dropped.
struct Scripted {
    host: String,
    asked: Arc<Mutex<Vec<String>>>,
    /// Connections that have ended.
    ended: UnboundedReceiver<()>,
    _server: JoinSet<()>,
}

impl Scripted {
    async fn start(script: Script) -> Self {
        Self::secured(script, None).await
    }

    async fn secured(script: Script, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (ending, ended) = unbounded_channel();
        let mut server = JoinSet::new();
        let told = Arc::clone(&asked);
        server.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match &acceptor {
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => serve(stream, script, &told).await,
                        Err(_) => continue,
                    },
                    None => serve(stream, script, &told).await,
                }
                // The test may be over.
                ending.send(()).ok();
            }
        });
        Self {
            host,
            asked,
            ended,
            _server: server,
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Proves that `failure` says what came, of one request, and that the host was left.
    async fn assert_left(mut self, failure: &Failure, last: u16) {
        assert_eq!(failure.class, FailureClass::Invalid, "{failure}");
        let told = format!(
            "{} sent more than {LIMIT} informational (1xx) answers to one request, the last one a {last}, and none that \
             counts; expected at most {LIMIT} of them before it",
            self.host
        );
        assert_eq!(failure.answer, told);
        assert_eq!(self.asked().len(), 1);
        self.ended.recv().await.unwrap();
    }
}

/// Answers the requests of one connection, until the client leaves.
async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    script: Script,
    asked: &Mutex<Vec<String>>,
) {
    let mut stream = BufReader::new(stream);
    while let Some(head) = read_request(&mut stream).await {
        asked.lock().unwrap().push(head);
        let sent = match script {
            Script::Endless(informational) => loop {
                if let Err(error) = stream.write_all(informational.as_bytes()).await {
                    break Err(error);
                }
            },
            Script::Before(count, informational, answer) => {
                let all = informational.repeat(count) + answer;
                stream.write_all(all.as_bytes()).await
            }
            Script::Then(text) => stream.write_all(text.as_bytes()).await,
        };
        // With TLS it is only handed over by now.
        if sent.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// The head of a request, once its body is read too.
async fn read_request(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(head)
}

fn plain(host: &str) -> RouterBuilder {
    RouterBuilder::new().with(host, |settings| settings.plain_http = true)
}

async fn push_app(setup: RouterBuilder, host: &str) -> Result<(), Failure> {
    let manifest = image("app").manifest;
    let at = target(host, "app");
    setup
        .router()
        .push_manifest(&at, &tag("v1"), &manifest)
        .await
        .map(drop)
}

#[tokio::test]
async fn a_host_that_sends_nothing_but_1xx_answers_is_left_after_a_hundred() {
    for (informational, last) in [
        (CONTINUE, 100),
        (PROCESSING, 102),
        (HINTS, 103),
        (UNKNOWN, 199),
    ] {
        let host = Scripted::start(Script::Endless(informational)).await;
        let failure = resolve_app(&plain(&host.host).router(), &host.host).await;
        host.assert_left(&failure.unwrap_err(), last).await;
    }
}

#[tokio::test]
async fn a_put_that_is_answered_by_nothing_but_1xx_is_given_up_too() {
    let host = Scripted::start(Script::Endless(CONTINUE)).await;
    let failure = push_app(plain(&host.host), &host.host).await.unwrap_err();
    assert!(host.asked()[0].starts_with("PUT "));
    host.assert_left(&failure, 100).await;
}

#[tokio::test]
async fn behind_tls_1xx_answers_are_counted_as_well() {
    let (ca, folder) = (PrivateCa::new().unwrap(), tempfile::tempdir().unwrap());
    let acceptor = || Some(acceptor(ca.certificate_pem(), ca.key_pem(), None));
    let host = Scripted::secured(Script::Endless(HINTS), acceptor()).await;
    let setup = RouterBuilder::new().trusting(&host.host, &ca, folder.path());
    let failure = resolve_app(&setup.router(), &host.host).await.unwrap_err();
    host.assert_left(&failure, 103).await;
    let host = Scripted::secured(Script::Before(LIMIT, HINTS, ANSWER), acceptor()).await;
    let setup = RouterBuilder::new().trusting(&host.host, &ca, folder.path());
    assert!(matches!(
        resolve_app(&setup.router(), &host.host).await,
        Ok(Some(_))
    ));
}

#[tokio::test]
async fn a_hundred_1xx_answers_to_each_request_are_passed_over_and_one_more_is_not() {
    let host = Scripted::start(Script::Before(LIMIT, PROCESSING, ANSWER)).await;
    let router = plain(&host.host).router();
    for _ in 0..3 {
        let resolved = resolve_app(&router, &host.host).await;
        assert!(matches!(resolved, Ok(Some(_))), "{resolved:?}");
    }
    let host = Scripted::start(Script::Before(LIMIT + 1, PROCESSING, ANSWER)).await;
    let failure = resolve_app(&plain(&host.host).router(), &host.host).await;
    host.assert_left(&failure.unwrap_err(), 102).await;
}

#[tokio::test]
async fn a_put_whose_answer_comes_after_some_1xx_is_done() {
    let answer = "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n";
    let host = Scripted::start(Script::Before(3, CONTINUE, answer)).await;
    assert_eq!(push_app(plain(&host.host), &host.host).await, Ok(()));
    assert_eq!(host.asked().len(), 1);
}

#[tokio::test]
async fn a_host_that_sends_a_1xx_answer_and_nothing_more_is_left_when_its_time_is_up() {
    let mut host = Scripted::start(Script::Then(PROCESSING)).await;
    let router = plain(&host.host).impatient().router();
    let failure = resolve_app(&router, &host.host).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Timeout, "{failure}");
    let told = format!("no answer of {} within 1 s", host.host);
    assert_eq!(failure.answer, told);
    host.ended.recv().await.unwrap();
}

#[tokio::test]
async fn switching_protocols_unasked_is_an_answer_that_is_none() {
    let switching = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    let host = Scripted::start(Script::Before(3, CONTINUE, switching)).await;
    let failure = resolve_app(&plain(&host.host).router(), &host.host).await;
    let failure = failure.unwrap_err();
    assert_eq!(failure.class, FailureClass::Invalid, "{failure}");
    assert_eq!(failure.answer, "101 Switching Protocols");
}

#[tokio::test]
async fn where_a_redirect_leads_1xx_answers_are_counted_and_the_host_there_is_named() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let host = Scripted::start(Script::Endless(HINTS)).await;
    let elsewhere = format!("http://{}", host.host);
    registry.stage(Rule::new("*", "*"), Fault::redirect(&elsewhere, ""));
    let failure = resolve_app(&router(), registry.host()).await.unwrap_err();
    host.assert_left(&failure, 103).await;
}

#[tokio::test]
async fn what_a_proxy_sends_before_it_passes_on_an_answer_is_counted_too() {
    let through = |proxy: &Scripted| {
        let proxy = ProxySetting::Server(Secret::new(format!("http://{}", proxy.host)));
        plain("registry.invalid").with("registry.invalid", |settings| settings.proxy = Some(proxy))
    };
    let proxy = Scripted::start(Script::Before(LIMIT, HINTS, ANSWER)).await;
    let resolved = resolve_app(&through(&proxy).router(), "registry.invalid").await;
    assert!(matches!(resolved, Ok(Some(_))), "{resolved:?}");
    let mut proxy = Scripted::start(Script::Endless(HINTS)).await;
    let failure = resolve_app(&through(&proxy).router(), "registry.invalid").await;
    let failure = failure.unwrap_err();
    assert_eq!(failure.class, FailureClass::Invalid, "{failure}");
    let told = format!("(through the proxy {})", proxy.host);
    assert!(
        failure
            .answer
            .starts_with("registry.invalid sent more than 100 ")
    );
    assert!(failure.answer.ends_with(&told), "{failure}");
    assert_eq!(proxy.asked().len(), 1);
    proxy.ended.recv().await.unwrap();
}

#[tokio::test]
async fn a_proxy_that_answers_connect_with_1xx_opens_no_tunnel() {
    let mut proxy = Scripted::start(Script::Endless(CONTINUE)).await;
    let url = Secret::new(format!("http://{}", proxy.host));
    let setup = RouterBuilder::new().with("registry.invalid", |settings| {
        settings.proxy = Some(ProxySetting::Server(url));
    });
    let failure = resolve_app(&setup.router(), "registry.invalid").await;
    let failure = failure.unwrap_err();
    assert_eq!(failure.class, FailureClass::Connection, "{failure}");
    let told = format!(
        "connection to registry.invalid failed: tunnel error: unsuccessful (through the proxy {})",
        proxy.host
    );
    assert_eq!(failure.answer, told);
    let asked = proxy.asked();
    assert!(
        asked[0].starts_with("CONNECT registry.invalid:443 "),
        "{asked:?}"
    );
    assert_eq!(asked.len(), 1);
    proxy.ended.recv().await.unwrap();
}
