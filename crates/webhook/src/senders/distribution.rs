//! CNCF distribution (`docs/content/about/notifications.md` there): an envelope with events, which it sends again until it is answered
//! with a 2xx or 3xx.

use image_sync_shared::image::hint::{Hint, HintAction};
use image_sync_shared::image::media_type;
use image_sync_shared::image::reference::Location;

use super::payload::Member;
use super::{Delivery, Ignored, Told, Unreadable, is_own};

pub(super) fn read(body: &[u8]) -> Result<Delivery, Unreadable> {
    let body = Member::of_body(body)?;
    let [events] = body.members(["events"])?;
    let events = events.required("a list of events")?.items()?;
    let first = events.kept.first();
    let id = first.and_then(|event| event.members(["id"]).ok());
    let mut delivery = Delivery::new(id.and_then(|[id]| id.id()));
    for event in &events.kept {
        delivery.add(read_event(event)?);
    }
    delivery.leave_out(events.left_out);
    Ok(delivery)
}

/// What one event says.
pub(super) fn read_event(event: &Member<'_>) -> Result<Result<Hint, Ignored>, Unreadable> {
    let [action, target, request] = event.members(["action", "target", "request"])?;
    let action = action.required_text("push, pull, mount or delete")?;
    let action = match action.as_str() {
        "push" => HintAction::Pushed,
        "delete" => HintAction::Deleted,
        other => return Ok(Err(Ignored::event(other))),
    };
    let target = target.required("the target of the event")?;
    let [media_type, digest, repository, url, tag] =
        target.members(["mediaType", "digest", "repository", "url", "tag"])?;
    let (tag, digest) = (tag.text()?, digest.text()?);
    let media_type = media_type.text()?;
    if action == HintAction::Pushed && tag.is_none() && !is_manifest(media_type.as_deref()) {
        return Ok(Err(Ignored::Blob));
    }
    let repository = repository.required_text("the name of the repository")?;
    let [host, user_agent] = request.members(["host", "useragent"])?;
    let (url, host) = (url.text()?, host.text()?);
    let told = Told {
        registry: url.as_deref().and_then(host_of).or(host.as_deref()),
        repository: &repository,
        reference: tag.as_deref(),
        digest: digest.as_deref(),
        is_own: is_own(user_agent.text()?.as_deref()),
    };
    Ok(told.hint(action))
}

fn is_manifest(media_type: Option<&str>) -> bool {
    media_type.is_some_and(|of| media_type::kind(of).is_some() || media_type::is_schema1(of))
}

/// The host of the URL under which a registry says that its manifest is: the one that it is configured with, or that a proxy says
/// it was asked by (`X-Forwarded-Host`), whereas the request's is what the proxy calls it. None where it has a path only.
fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://");
    let (host, _) = rest
        .or_else(|| url.strip_prefix("http://"))?
        .split_once('/')?;
    let is_host = host.parse::<Location>().is_ok_and(|of| of.host().is_some());
    is_host.then_some(host)
}

#[cfg(test)]
mod tests {
    use image_sync_shared::config::webhooks::Sender;
    use image_sync_shared::image::digest::Digest;
    use image_sync_shared::image::media_type::{DOCKER_SCHEMA1_SIGNED, OCI_INDEX, OCI_MANIFEST};
    use serde_json::{Value, json};

    use crate::senders::tests::{ignored, one, read, refused};

    use super::*;

    fn event(change: impl Fn(&mut Value)) -> Value {
        let mut event = json!({
            "id": "320678d8-ca14-430f-8bb6-4ca139cd83f7",
            "timestamp": "2026-11-20T12:00:00.1Z",
            "action": "push",
            "target": {
                "mediaType": OCI_MANIFEST,
                "digest": Digest::of(b"image"),
                "size": 708,
                "length": 708,
                "repository": "team/app",
                "url": "https://registry.example.com:5000/v2/team/app/manifests/sha256:0",
                "tag": "v1",
            },
            "request": {
                "id": "6df24a34-0959-4923-81ca-14f09767db19",
                "addr": "192.0.2.7:42961",
                "host": "registry:5000",
                "method": "PUT",
                "useragent": "containers/5.36.2 (github.com/containers/image)",
            },
            "actor": {"name": "ci"},
            "source": {"addr": "xtal.local:5000", "instanceID": "a53db899-3b4b-4a62-a067-8dd013beaca4"},
        });
        change(&mut event);
        json!({"events": [event]})
    }

    fn sent(change: impl Fn(&mut Value)) -> Delivery {
        read(Sender::Distribution, &[], &event(change)).unwrap()
    }

    #[test]
    fn a_push_of_a_tag_is_a_hint_at_it() {
        let delivery = sent(|_| ());
        let hint = one(&delivery);
        assert_eq!(hint.registry.as_deref(), Some("registry.example.com:5000"));
        assert_eq!(hint.repository, "team/app");
        assert_eq!(hint.tag.as_deref(), Some("v1"));
        assert_eq!(hint.digest, Some(Digest::of(b"image")));
        assert_eq!(hint.action, HintAction::Pushed);
        assert!(!hint.is_own && hint.subject.is_none());
        let id = delivery.id.as_deref();
        assert_eq!(id, Some("320678d8-ca14-430f-8bb6-4ca139cd83f7"));
    }

    #[test]
    fn the_host_is_that_of_the_url_or_else_that_of_the_request() {
        for (url, host) in [
            (json!("http://[::1]:5000/v2/"), Some("[::1]:5000")),
            (
                json!("/v2/team/app/manifests/sha256:0"),
                Some("registry:5000"),
            ),
            (json!(""), Some("registry:5000")),
            (json!(null), Some("registry:5000")),
            (
                json!("https://user:password@evil.example/v2/"),
                Some("registry:5000"),
            ),
            (json!("https://no host/v2/"), Some("registry:5000")),
            (json!("file:///etc/passwd"), Some("registry:5000")),
        ] {
            let delivery = sent(|event| event["target"]["url"] = url.clone());
            assert_eq!(one(&delivery).registry.as_deref(), host, "{url}");
        }
        let unknown = sent(|event| {
            event["target"]["url"] = json!(null);
            event["request"] = json!(null);
        });
        assert_eq!(one(&unknown).registry, None);
    }

    #[test]
    fn a_manifest_without_a_tag_is_a_hint_at_its_digest() {
        for media_type in [OCI_MANIFEST, OCI_INDEX, DOCKER_SCHEMA1_SIGNED] {
            for none in [json!(null), json!("")] {
                let delivery = sent(|event| {
                    event["target"]["tag"] = none.clone();
                    event["target"]["mediaType"] = json!(media_type);
                });
                let hint = one(&delivery);
                assert_eq!(
                    (&hint.tag, &hint.digest),
                    (&None, &Some(Digest::of(b"image")))
                );
            }
        }
    }

    #[test]
    fn blobs_pulls_and_mounts_are_ignored() {
        for media_type in [json!("application/octet-stream"), json!(""), json!(null)] {
            let delivery = sent(|event| {
                event["target"]["tag"] = json!(null);
                event["target"]["mediaType"] = media_type.clone();
            });
            assert_eq!(ignored(&delivery), [Ignored::Blob], "{media_type}");
        }
        for action in ["pull", "mount", "a-new-one"] {
            // What such an event has is not looked at.
            let delivery = sent(|event| *event = json!({"action": action, "target": 7}));
            assert_eq!(ignored(&delivery), [Ignored::Event(action.to_owned())]);
        }
    }

    #[test]
    fn a_delete_is_that_of_a_tag_or_of_a_manifest() {
        // A registry leaves out what it does not know of what was deleted, or has it empty.
        let of_tag = sent(|event| {
            event["action"] = json!("delete");
            event["target"] = json!({"mediaType": "", "digest": "", "size": 0, "repository": "team/app", "tag": "v1"});
        });
        let hint = one(&of_tag);
        assert_eq!(hint.action, HintAction::Deleted);
        assert_eq!((hint.tag.as_deref(), &hint.digest), (Some("v1"), &None));
        assert_eq!(hint.registry.as_deref(), Some("registry:5000"));
        let digest = Digest::of(b"x");
        let of_digest = sent(|event| {
            event["action"] = json!("delete");
            event["target"] = json!({"repository": "team/app", "digest": digest});
        });
        assert_eq!(one(&of_digest).digest, Some(digest.clone()));
        let of_repository = sent(|event| {
            event["action"] = json!("delete");
            event["target"] = json!({"repository": "team/app", "digest": ""});
        });
        assert_eq!(ignored(&of_repository), [Ignored::NoReference]);
    }

    #[test]
    fn what_this_program_has_pushed_is_told_from_other_pushes() {
        for (agent, own) in [
            ("image-sync/0.1.0", true),
            ("image-sync", true),
            ("image-synchronizer/1", false),
            ("docker/27 image-sync/0.1.0", false),
            ("", false),
        ] {
            let delivery = sent(|event| event["request"]["useragent"] = json!(agent));
            assert_eq!(one(&delivery).is_own, own, "{agent:?}");
        }
    }

    #[test]
    fn a_tag_that_stands_for_a_digest_names_its_subject() {
        let subject = Digest::of(b"subject");
        for suffix in ["", ".sig", ".att", ".sbom"] {
            let tag = format!("sha256-{}{suffix}", subject.hex());
            let delivery = sent(|event| event["target"]["tag"] = json!(tag));
            let hint = one(&delivery);
            assert_eq!(hint.tag.as_deref(), Some(tag.as_str()));
            assert_eq!(hint.subject, Some(subject.clone()));
        }
    }

    #[test]
    fn names_that_no_registry_has_are_ignored_and_the_others_are_not() {
        for (member, bad) in [
            ("repository", "../etc/passwd"),
            ("repository", "team//app"),
            ("repository", "Team/app"),
            ("repository", "team/app:v1"),
            ("repository", "team/app\u{202e}"),
            ("tag", "../v1"),
            ("tag", "v1 v2"),
            ("tag", "sha256:0"),
        ] {
            let mut both = event(|event| event["target"][member] = json!(bad));
            let good = event(|_| ())["events"][0].clone();
            both["events"].as_array_mut().unwrap().push(good);
            let delivery = read(Sender::Distribution, &[], &both).unwrap();
            assert_eq!(delivery.hints.len(), 1, "{bad}");
            assert!(
                matches!(&delivery.ignored[..], [Ignored::Invalid(_)]),
                "{bad}"
            );
        }
        let broken = sent(|event| event["target"]["digest"] = json!("sha256:abbreviated"));
        let hint = one(&broken);
        assert_eq!((hint.tag.as_deref(), &hint.digest), (Some("v1"), &None));
    }

    #[test]
    fn members_that_matter_are_of_their_type_and_others_of_any() {
        let cases: [(&str, Value, &str); 6] = [
            (
                "/action",
                json!(1),
                "events[0].action is a number; expected a text",
            ),
            (
                "/action",
                json!(null),
                "events[0].action is missing; expected push, pull, mount or delete",
            ),
            (
                "/target",
                json!([]),
                "events[0].target is a list; expected an object",
            ),
            (
                "/target/repository",
                json!({}),
                "events[0].target.repository is an object; expected a text",
            ),
            (
                "/target/tag",
                json!(true),
                "events[0].target.tag is true or false; expected a text",
            ),
            (
                "/request",
                json!("x"),
                "events[0].request is a text; expected an object",
            ),
        ];
        for (place, value, expected) in cases {
            let body = event(|event| *event.pointer_mut(place).unwrap() = value.clone());
            assert_eq!(refused(Sender::Distribution, &body), expected);
        }
        let odd = sent(|event| {
            event["timestamp"] = json!({});
            event["actor"] = json!(7);
            event["callback_url"] = json!("http://169.254.169.254/");
            event["target"]["references"] = json!("x");
        });
        assert_eq!(one(&odd).tag.as_deref(), Some("v1"));
        let none = refused(Sender::Distribution, &json!({"event": []}));
        assert_eq!(none, "events is missing; expected a list of events");
    }

    #[test]
    fn a_thousand_events_are_taken_and_the_others_counted() {
        let one = event(|_| ())["events"][0].clone();
        let body = json!({"events": vec![one; 1_234]});
        let delivery = read(Sender::Distribution, &[], &body).unwrap();
        assert_eq!(delivery.hints.len(), 1_000);
        assert_eq!(ignored(&delivery), [Ignored::TooMany(234)]);
        let pulls = json!({"events": vec![json!({"action": "pull"}); 1_234]});
        let delivery = read(Sender::Distribution, &[], &pulls).unwrap();
        assert_eq!(delivery.ignored.len(), 1_000);
        assert_eq!(delivery.ignored.last(), Some(&Ignored::TooMany(234)));
        let empty = read(Sender::Distribution, &[], &json!({"events": []})).unwrap();
        assert_eq!(empty, Delivery::default());
    }
}
