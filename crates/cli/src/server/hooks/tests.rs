use std::sync::Mutex;

use axum::http::{HeaderName, HeaderValue, Method};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use image_sync_shared::config::ImageSpec;
use image_sync_shared::config::webhooks::{
    OidcKeys, OidcProof, SecretProof, WebhookProof, WebhookSettings, Webhooks,
};
use image_sync_shared::image::hint::Hint;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_testkit::{TokioClock, samples};
use image_sync_webhook::intake::{DueCheck, Intake, Jobs};
use image_sync_webhook::proof::{IdentityKeys, JwkSet, Proof};
use image_sync_webhook::receive::{Catalog, Concerned, EventMeasures};
use image_sync_webhook::samples::sample;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;

mod answers;
mod bodies;
mod connections;
mod proofs;

/// That of scripts.
const API: &str = "the-secret-of-scripts";

/// All that is told of is an image that goes to `cache.test`.
struct AllThereIs;

impl Catalog for AllThereIs {
    fn concerned(&self, hint: &Hint, _: &[String]) -> Concerned {
        let tag = hint.tag.as_deref().unwrap_or("t").parse();
        let image = ImageSpec {
            target: format!("cache.test/{}", hint.repository).parse().unwrap(),
            target_reference: tag.unwrap(),
            ..samples::image()
        };
        Concerned {
            at_source: vec![image],
            ..Concerned::default()
        }
    }
}

/// Takes all jobs, or none.
struct Queue {
    is_away: bool,
    stored: Mutex<Vec<String>>,
}

#[async_trait]
impl Jobs for Queue {
    async fn store(&self, checks: &[DueCheck]) -> Result<RunId, QueueError> {
        if self.is_away {
            return Err(QueueError::Unreachable("no server".to_owned()));
        }
        let at_once = checks.iter().filter(|check| check.not_before.is_none());
        lock(&self.stored).extend(at_once.map(|check| check.image.target_name()));
        Ok(RunId::new("r1"))
    }
}

#[async_trait]
impl Scripts for Queue {
    async fn enqueue(&self, images: Vec<String>) -> Result<(RunId, u32), NotEnqueued> {
        if self.is_away {
            return Err(NotEnqueued::Queue("no server".to_owned()));
        }
        if images.iter().any(|image| image == "nobody/has") {
            return Err(NotEnqueued::Names(
                "config.yaml has no nobody/has".to_owned(),
            ));
        }
        let count = u32::try_from(images.len()).unwrap();
        lock(&self.stored).extend(images);
        Ok((RunId::new("r2"), count))
    }
}

impl EventMeasures for Queue {
    fn event_ended(&self, _: Sender, _: Outcome) {}

    fn jobs_stored(&self, _: Duration) {}
}

/// The paths, with a secret for each sender that can have one. All of it ends when it is dropped.
struct TestHooks {
    slot: Slot,
    webhooks: Webhooks,
    queue: Arc<Queue>,
    /// Whether who asks shows a certificate that is trusted.
    has_certificate: bool,
    _folder: tempfile::TempDir,
    _tasks: JoinSet<()>,
}

impl TestHooks {
    fn new() -> Self {
        Self::with(false, |_| {})
    }

    /// Those whose queue may be away, of a config that is changed so.
    fn with(is_away: bool, change: impl FnOnce(&mut Webhooks)) -> Self {
        Self::of(is_away, false, change)
    }

    fn of(is_away: bool, is_open: bool, change: impl FnOnce(&mut Webhooks)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, secret: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, format!("{secret}\n")).unwrap();
            file
        };
        let settings = |sender: Sender| WebhookSettings {
            registry: None,
            proof: match sender {
                Sender::Gcp => oidc(),
                _ => WebhookProof::Secret(SecretProof {
                    file: file(sender.name(), &secret_of(sender)),
                    username: None,
                    header: (sender == Sender::Ecr).then(|| "X-Api-Key".to_owned()),
                }),
            },
        };
        let mut webhooks = Webhooks {
            senders: Sender::ALL
                .map(|sender| (sender, vec![settings(sender)]))
                .into(),
            api_secret_file: Some(file("api", API)),
        };
        change(&mut webhooks);
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::default());
        let queue = Arc::new(Queue {
            is_away,
            stored: Mutex::default(),
        });
        let intake = Arc::new(Intake::new(Arc::clone(&clock)));
        let mut tasks = JoinSet::new();
        let (runs, jobs) = (Arc::clone(&intake), Arc::clone(&queue));
        tasks.spawn(async move { runs.run(&*jobs, &CancellationToken::new()).await });
        let measures = Arc::<Queue>::clone(&queue);
        let guards = Guards::open(&webhooks, is_open, &no_keys, Arc::clone(&clock)).unwrap();
        let receiver = Receiver::new(Arc::new(AllThereIs), intake, measures, clock);
        let scripts = Arc::<Queue>::clone(&queue);
        let hooks = Hooks::new(guards, Arc::new(receiver), scripts);
        Self {
            slot: Arc::new(OnceLock::from(Arc::new(hooks))),
            webhooks,
            queue,
            has_certificate: false,
            _folder: folder,
            _tasks: tasks,
        }
    }

    /// A sample of a push, as `sender` would send it.
    fn event(&self, sender: Sender) -> Asked {
        let host = match sender {
            Sender::DockerHub => "docker.io",
            Sender::Ecr => "123456789012.dkr.ecr.us-east-1.amazonaws.com",
            _ => "registry.test",
        };
        let (repository, reference) =
            image_sync_shared::image::reference::split(&format!("{host}/team/app:v1")).unwrap();
        let sample = sample(sender, &repository.image(reference.unwrap()), None);
        let header = |(name, value): (&'static str, String)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(&value).unwrap(),
            )
        };
        let event = Asked {
            method: Method::POST,
            path: format!("/v1/hooks/{sender}"),
            headers: sample.headers.into_iter().map(header).collect(),
            body: sample.body.clone(),
        };
        self.proven(sender, event)
    }

    /// The same with what proves its sender, where that is a secret.
    fn proven(&self, sender: Sender, mut event: Asked) -> Asked {
        let settings = self.webhooks.senders.get(&sender).map(|all| &all[0]);
        let Some(settings) = settings else {
            return event;
        };
        let proof = Proof::new(sender, &settings.proof, &no_keys).unwrap();
        if let Some(credentials) = proof.credentials(&event.body, samples::now()) {
            if let Some((name, value)) = credentials.header {
                let value = HeaderValue::from_str(value.reveal()).unwrap();
                event.headers.insert(name, value);
            }
            if let Some(secret) = credentials.path_secret {
                event.path = format!("/v1/hooks/{sender}/{}", secret.reveal());
            }
        }
        event
    }

    async fn ask(&self, asked: Asked) -> Answered {
        let body = Body::from(asked.body.clone());
        self.ask_with(asked, body).await
    }

    /// Asks with another body.
    async fn ask_with(&self, asked: Asked, body: Body) -> Answered {
        let mut request = Request::builder().method(asked.method).uri(&asked.path);
        request.headers_mut().unwrap().extend(asked.headers);
        let mut peer = Peer::new(([127, 0, 0, 1], 1).into());
        peer.has_certificate = self.has_certificate;
        let request = request.extension(peer).body(body).unwrap();
        let service = TowerToHyperService::new(router(Arc::clone(&self.slot)));
        let answer = service.call(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answered {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    fn stored(&self) -> Vec<String> {
        lock(&self.queue.stored).clone()
    }
}

#[derive(Clone)]
struct Asked {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Answered {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

fn secret_of(sender: Sender) -> String {
    format!("the-secret-of-{sender}")
}

fn oidc() -> WebhookProof {
    WebhookProof::Oidc(OidcProof {
        issuer: "https://accounts.google.com".to_owned(),
        audience: "https://sync.example.com/v1/hooks/gcp".to_owned(),
        email: "push@project.iam.gserviceaccount.com".to_owned(),
        keys: OidcKeys::Url("https://keys.test".to_owned()),
    })
}

/// What a script asks for.
fn script(method: Method, path: &str, body: &str) -> Asked {
    let value = HeaderValue::from_str(&format!("Bearer {API}")).unwrap();
    Asked {
        method,
        path: path.to_owned(),
        headers: HeaderMap::from_iter([(axum::http::header::AUTHORIZATION, value)]),
        body: body.as_bytes().to_vec(),
    }
}

/// A provider that is away.
struct NoKeys;

#[async_trait]
impl IdentityKeys for NoKeys {
    async fn keys(&self, _: bool, _: OffsetDateTime) -> Result<Arc<JwkSet>, String> {
        Err("it is away".to_owned())
    }
}

fn no_keys(_: &str) -> Arc<dyn IdentityKeys> {
    Arc::new(NoKeys)
}

/// Those that a secret proves.
fn with_secret() -> impl Iterator<Item = Sender> {
    Sender::ALL
        .into_iter()
        .filter(|sender| *sender != Sender::Gcp)
}
