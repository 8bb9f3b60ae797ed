//! Payloads as each sender would send them, for trying out and for tests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image_sync_shared::config::webhooks::Sender;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::media_type::OCI_MANIFEST;
use image_sync_shared::image::reference::ImageRef;
use serde_json::{Value, json};

/// The name that the deliveries of samples have.
pub const ID: &str = "00000000-0000-4000-8000-000000000000";
const TIME: &str = "2026-01-01T00:00:00Z";
/// Those of an image that is none of ECR.
const ACCOUNT: &str = "123456789012";
const REGION: &str = "us-east-1";

/// A request, but for the proof of who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Names and values of its headers.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// What `sender` says when `image` was pushed, as far as it is able to say it: Docker Hub and ECR speak of their own registries alone,
/// zot names no registry, and Docker Hub and Quay tell no digest. Of an image in a folder the registry is `localhost`.
#[must_use]
pub fn sample(sender: Sender, image: &ImageRef, digest: Option<&Digest>) -> Sample {
    let host = image.repository.host().unwrap_or("localhost");
    let pushed = Pushed {
        host,
        name: image.repository.name(),
        reference: image.reference.to_string(),
        tag: image.reference.tag(),
        digest: digest.map(ToString::to_string).or_else(|| {
            let is_digest = image.reference.tag().is_none();
            is_digest.then(|| image.reference.to_string())
        }),
    };
    let (headers, body) = match sender {
        Sender::Distribution => pushed.distribution(),
        Sender::Harbor => pushed.harbor(),
        Sender::DockerHub => pushed.dockerhub(),
        Sender::Quay => pushed.quay(),
        Sender::GitHub => pushed.github(),
        Sender::Zot => pushed.zot(),
        Sender::Ecr => pushed.ecr(),
        Sender::Gcp => pushed.gcp(),
        Sender::Acr => pushed.acr(),
        Sender::Generic => pushed.generic(),
    };
    let headers = headers.into_iter();
    Sample {
        headers: headers
            .map(|(name, value)| (name, value.to_owned()))
            .collect(),
        body: body.to_string().into_bytes(),
    }
}

type Headers = Vec<(&'static str, &'static str)>;

const JSON: (&str, &str) = ("content-type", "application/json");

struct Pushed<'a> {
    host: &'a str,
    name: &'a str,
    /// The tag, or the digest in place of one.
    reference: String,
    tag: Option<&'a str>,
    digest: Option<String>,
}

impl Pushed<'_> {
    /// `HOST/NAME:TAG`, or with a digest.
    fn image(&self) -> String {
        let sign = if self.tag.is_some() { ':' } else { '@' };
        format!("{}/{}{sign}{}", self.host, self.name, self.reference)
    }

    fn event(&self) -> Value {
        json!({
            "id": ID,
            "timestamp": TIME,
            "action": "push",
            "target": {
                "mediaType": OCI_MANIFEST,
                "digest": self.digest,
                "repository": self.name,
                "url": format!("https://{}/v2/{}/manifests/{}", self.host, self.name, self.reference),
                "tag": self.tag,
            },
            "request": {"id": ID, "host": self.host, "method": "PUT", "useragent": "sample"},
        })
    }

    fn distribution(&self) -> (Headers, Value) {
        let events = "application/vnd.docker.distribution.events.v2+json";
        let headers = vec![("content-type", events)];
        (headers, json!({"events": [self.event()]}))
    }

    fn acr(&self) -> (Headers, Value) {
        (vec![JSON], self.event())
    }

    fn harbor(&self) -> (Headers, Value) {
        let (namespace, name) = self.name.split_once('/').unwrap_or(("library", self.name));
        let body = json!({
            "type": "PUSH_ARTIFACT",
            "occur_at": 1_767_225_600,
            "operator": "sample",
            "event_data": {
                "resources": [{
                    "digest": self.digest,
                    "tag": self.reference,
                    "resource_url": self.image(),
                }],
                "repository": {
                    "name": name,
                    "namespace": namespace,
                    "repo_full_name": self.name,
                    "repo_type": "private",
                },
            },
        });
        (vec![JSON], body)
    }

    fn dockerhub(&self) -> (Headers, Value) {
        let (namespace, name) = self.name.split_once('/').unwrap_or(("library", self.name));
        let body = json!({
            "push_data": {"pushed_at": 1_767_225_600, "pusher": "sample", "tag": self.reference},
            "repository": {"name": name, "namespace": namespace, "repo_name": self.name},
        });
        (vec![JSON], body)
    }

    fn quay(&self) -> (Headers, Value) {
        let (namespace, name) = self.name.split_once('/').unwrap_or(("library", self.name));
        let body = json!({
            "repository": self.name,
            "namespace": namespace,
            "name": name,
            "docker_url": format!("{}/{}", self.host, self.name),
            "updated_tags": [self.reference],
        });
        (vec![JSON], body)
    }

    fn github(&self) -> (Headers, Value) {
        let (namespace, name) = self.name.split_once('/').unwrap_or(("sample", self.name));
        let url = format!(
            "{}/{}:{}",
            self.host,
            self.name,
            self.tag.unwrap_or_default()
        );
        let body = json!({
            "action": "published",
            "registry_package": {
                "name": name,
                "namespace": namespace,
                "package_type": "CONTAINER",
                "package_version": {
                    "version": self.digest,
                    "container_metadata": {
                        "tag": {"name": self.tag.unwrap_or_default(), "digest": self.digest},
                    },
                    "package_url": url,
                },
                "registry": {"type": "CONTAINER"},
            },
        });
        let event = ("x-github-event", "registry_package");
        (vec![JSON, event, ("x-github-delivery", ID)], body)
    }

    fn zot(&self) -> (Headers, Value) {
        let headers = vec![
            JSON,
            ("ce-specversion", "1.0"),
            ("ce-type", "zotregistry.image.updated"),
            ("ce-id", ID),
            ("ce-source", "zotregistry.dev"),
        ];
        let body = json!({
            "name": self.name,
            "reference": self.reference,
            "digest": self.digest,
            "mediaType": OCI_MANIFEST,
        });
        (headers, body)
    }

    fn ecr(&self) -> (Headers, Value) {
        let parts = self.host.split_once(".dkr.ecr.");
        let parts = parts.and_then(|(account, rest)| Some((account, rest.split_once('.')?.0)));
        let (account, region) = parts.unwrap_or((ACCOUNT, REGION));
        let body = json!({
            "version": "0",
            "id": ID,
            "detail-type": "ECR Image Action",
            "source": "aws.ecr",
            "account": account,
            "time": TIME,
            "region": region,
            "resources": [],
            "detail": {
                "result": "SUCCESS",
                "repository-name": self.name,
                "image-digest": self.digest,
                "action-type": "PUSH",
                "image-tag": self.tag,
            },
        });
        (vec![JSON], body)
    }

    fn gcp(&self) -> (Headers, Value) {
        let place = |reference: String| format!("{}/{}{reference}", self.host, self.name);
        let digest = self.digest.as_ref();
        let data = json!({
            "action": "INSERT",
            "digest": digest.map(|digest| place(format!("@{digest}"))),
            "tag": self.tag.map(|tag| place(format!(":{tag}"))),
        });
        let data = STANDARD.encode(data.to_string());
        let message = json!({"data": data, "messageId": ID, "publishTime": TIME});
        let subscription = "projects/sample/subscriptions/sample";
        let body = json!({"message": message, "subscription": subscription});
        (vec![JSON], body)
    }

    fn generic(&self) -> (Headers, Value) {
        let body = json!({
            "id": ID,
            "action": "push",
            "registry": self.host,
            "repository": self.name,
            "tag": self.tag,
            "digest": self.digest,
        });
        (vec![JSON], body)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use image_sync_shared::image::hint::HintAction;
    use image_sync_shared::image::reference::split;

    use crate::senders::{Delivery, read};

    use super::*;

    fn image(text: &str) -> ImageRef {
        let (repository, reference) = split(text).unwrap();
        repository.image(reference.unwrap())
    }

    fn delivery(sender: Sender, image: &ImageRef, digest: Option<&Digest>) -> Delivery {
        let sample = sample(sender, image, digest);
        let header = |(name, value): &(&'static str, String)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        };
        let headers: HeaderMap = sample.headers.iter().map(header).collect();
        read(sender, &headers, &sample.body).unwrap()
    }

    fn images_of(sender: Sender) -> [&'static str; 2] {
        match sender {
            Sender::DockerHub => ["nginx:1.27", "docker.io/team/app:v1"],
            Sender::Ecr => [
                "210987654321.dkr.ecr.eu-central-1.amazonaws.com/app:v1",
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/team/deep/app:v1",
            ],
            Sender::Quay | Sender::Harbor | Sender::GitHub => {
                ["quay.io/team/app:v1", "localhost:5000/a/b/c:latest"]
            }
            _ => ["registry.example.com/app:v1", "[::1]:5000/a/b/c:latest"],
        }
    }

    #[test]
    fn a_sample_of_each_sender_is_a_hint_at_its_image() {
        let digest = Digest::of(b"image");
        for sender in Sender::ALL {
            for image in images_of(sender).map(image) {
                let delivery = delivery(sender, &image, Some(&digest));
                assert!(delivery.ignored.is_empty(), "{sender}: {delivery:?}");
                let [hint] = &delivery.hints[..] else {
                    panic!("{sender}: {delivery:?}");
                };
                let host = image.repository.host().filter(|_| sender != Sender::Zot);
                assert_eq!(hint.registry.as_deref(), host, "{sender}");
                assert_eq!(hint.repository, image.repository.name(), "{sender}");
                assert_eq!(hint.tag.as_deref(), image.reference.tag(), "{sender}");
                let tells = !matches!(sender, Sender::DockerHub | Sender::Quay);
                assert_eq!(hint.digest, tells.then(|| digest.clone()), "{sender}");
                assert_eq!(hint.action, HintAction::Pushed);
                assert!(!hint.is_own && hint.subject.is_none());
            }
        }
    }

    #[test]
    fn a_sample_needs_no_digest_and_may_be_of_one() {
        let digest = Digest::of(b"image");
        for sender in Sender::ALL {
            let [tagged, _] = images_of(sender).map(image);
            let hints = delivery(sender, &tagged, None).hints;
            assert_eq!(hints[0].tag.as_deref(), tagged.reference.tag(), "{sender}");
            assert_eq!(hints[0].digest, None, "{sender}");
            let pinned = tagged.repository.to_string();
            let pinned = image(&format!("{pinned}@{digest}"));
            let hints = delivery(sender, &pinned, None).hints;
            assert_eq!(hints[0].tag, None, "{sender}");
            assert_eq!(hints[0].digest, Some(digest.clone()), "{sender}");
        }
    }

    #[test]
    fn a_sample_of_any_image_is_a_hint_at_some_registry() {
        for sender in Sender::ALL {
            for text in ["oci:./cache/app:v1", "ghcr.io/a:v1", "nginx:1"] {
                let delivery = delivery(sender, &image(text), None);
                assert_eq!(delivery.ignored, [], "{sender}: {text}");
            }
        }
    }
}
