//! A collector of traces (OTLP over HTTP, binary protobuf) on a free port of 127.0.0.1. It keeps what it gets.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1 as otlp;
pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::sync::lock::locked;

/// An empty answer: every span was taken.
const TAKEN: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";

/// A span, as far as tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its name.
    pub name: String,
    /// The trace it is in.
    pub trace: Vec<u8>,
    /// Its id.
    pub id: Vec<u8>,
    /// The id of its parent; empty at the root.
    pub parent: Vec<u8>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Whether it ended in an error.
    pub failed: bool,
    /// What it is to other programs.
    pub kind: SpanKind,
    /// The ids of the spans of other traces that it leads to.
    pub links: Vec<Vec<u8>>,
}

/// What came, in the order in which it came.
#[derive(Debug, Default)]
struct Received {
    /// Heads of requests, in lower case.
    heads: Vec<String>,
    requests: Vec<ExportTraceServiceRequest>,
}

/// A running collector. Dropping it ends it.
#[derive(Debug)]
pub struct Collector {
    endpoint: String,
    received: Arc<Mutex<Received>>,
    _server: JoinSet<()>,
}

impl Collector {
    /// Starts one.
    ///
    /// # Errors
    /// If there is no free port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let received = Arc::<Mutex<Received>>::default();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&received)));
        Ok(Self {
            endpoint,
            received,
            _server: server,
        })
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` has to be.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// All spans that came.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let received = locked(&self.received);
        let resources = received.requests.iter().flat_map(|r| &r.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes
            .flat_map(|scope| &scope.spans)
            .map(Span::from)
            .collect()
    }

    /// The attributes of the services that sent spans.
    #[must_use]
    pub fn services(&self) -> Vec<BTreeMap<String, String>> {
        let received = locked(&self.received);
        let resources = received.requests.iter().flat_map(|r| &r.resource_spans);
        let resources = resources.filter_map(|spans| spans.resource.as_ref());
        resources
            .map(|resource| texts(&resource.attributes))
            .collect()
    }

    /// The heads of the requests that came, in lower case.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        locked(&self.received).heads.clone()
    }

    /// All that came in one text, to search for what must not be in it.
    #[must_use]
    pub fn everything(&self) -> String {
        format!("{:?}", locked(&self.received).requests)
    }
}

impl From<&otlp::Span> for Span {
    fn from(span: &otlp::Span) -> Self {
        let failed = otlp::status::StatusCode::Error;
        let code = span.status.as_ref().map(otlp::Status::code);
        Self {
            name: span.name.clone(),
            trace: span.trace_id.clone(),
            id: span.span_id.clone(),
            parent: span.parent_span_id.clone(),
            attributes: texts(&span.attributes),
            failed: code == Some(failed),
            kind: span.kind(),
            links: span.links.iter().map(|link| link.span_id.clone()).collect(),
        }
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|v| v.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes
        .iter()
        .map(|pair| (pair.key.clone(), text(&pair.value)))
        .collect()
}

async fn serve(listener: TcpListener, received: Arc<Mutex<Received>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let received = Arc::clone(&received);
                connections.spawn(async move { drop(converse(stream, &received).await) });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Takes requests until the client goes away, or sends what is no request.
async fn converse(stream: TcpStream, received: &Mutex<Received>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let head = read_head(&mut stream).await?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.and_then(|length| length.parse().ok());
        let mut body = vec![0; length.unwrap_or_default()];
        stream.read_exact(&mut body).await?;
        let request = ExportTraceServiceRequest::decode(&*body).map_err(io::Error::other)?;
        {
            let mut received = locked(received);
            received.heads.push(head);
            received.requests.push(request);
        }
        stream.write_all(TAKEN).await?;
    }
}

async fn read_head(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head.to_lowercase())
}
