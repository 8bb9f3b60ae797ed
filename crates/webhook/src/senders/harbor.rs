//! Harbor (`src/pkg/notifier/formats` there): its own form, or `CloudEvents` with the same data.

use http::HeaderMap;
use image_sync_shared::image::hint::HintAction;

use super::payload::Member;
use super::payload::cloud_event::CloudEvent;
use super::{Delivery, Ignored, Told, Unreadable};

pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Delivery, Unreadable> {
    let body = Member::of_body(body)?;
    let (id, kind, data) = if let Some(event) = CloudEvent::of(headers, &body)? {
        (event.id, event.kind, event.data)
    } else {
        let [kind, data] = body.members(["type", "event_data"])?;
        let kind = kind.required_text("the type of the event")?;
        (None, kind, data)
    };
    let delivery = Delivery::new(id);
    let action = match kind.as_str() {
        "PUSH_ARTIFACT" | "harbor.artifact.pushed" => HintAction::Pushed,
        "DELETE_ARTIFACT" | "harbor.artifact.deleted" => HintAction::Deleted,
        other => return Ok(delivery.with(Err(Ignored::event(other)))),
    };
    let data = data.required("the data of the event")?;
    resources(delivery, &data, action)
}

fn resources(
    mut delivery: Delivery,
    data: &Member<'_>,
    action: HintAction,
) -> Result<Delivery, Unreadable> {
    let [resources, repository] = data.members(["resources", "repository"])?;
    let [name] = repository.members(["repo_full_name"])?;
    let name = name.required_text("PROJECT/NAME")?;
    let resources = resources.required("a list of artifacts")?.items()?;
    for resource in &resources.kept {
        let [tag, digest, url] = resource.members(["tag", "digest", "resource_url"])?;
        let (tag, digest, url) = (tag.text()?, digest.text()?, url.text()?);
        let told = Told {
            registry: url.as_deref().and_then(host_of),
            repository: &name,
            // A digest stands in place of the tag of an artifact that has none.
            reference: tag.as_deref(),
            digest: digest.as_deref(),
            is_own: false,
        };
        delivery.add(told.hint(action));
    }
    delivery.leave_out(resources.left_out);
    Ok(delivery)
}

/// The host of Harbor's own address (`EXT_ENDPOINT`), with which the name of a resource begins.
fn host_of(url: &str) -> Option<&str> {
    let url = url.split_once("://").map_or(url, |(_, rest)| rest);
    Some(url.split_once('/')?.0)
}

#[cfg(test)]
mod tests {
    use image_sync_shared::config::webhooks::Sender;
    use image_sync_shared::image::digest::Digest;
    use serde_json::{Value, json};

    use crate::senders::tests::{ignored, one, read, refused};

    use super::*;

    fn data() -> Value {
        json!({
            "resources": [{
                "digest": Digest::of(b"image"),
                "tag": "v1",
                "resource_url": "harbor.example.com:8443/library/app:v1",
            }],
            "repository": {
                "date_created": 1_586_922_308,
                "name": "app",
                "namespace": "library",
                "repo_full_name": "library/app",
                "repo_type": "public",
            },
        })
    }

    fn event(kind: &str, change: impl Fn(&mut Value)) -> Value {
        let mut data = data();
        change(&mut data);
        json!({"type": kind, "occur_at": 1_586_922_308, "operator": "admin", "event_data": data})
    }

    fn sent(change: impl Fn(&mut Value)) -> Delivery {
        read(Sender::Harbor, &[], &event("PUSH_ARTIFACT", change)).unwrap()
    }

    #[test]
    fn a_push_is_a_hint_at_its_resource() {
        let delivery = sent(|_| ());
        let hint = one(&delivery);
        assert_eq!(hint.registry.as_deref(), Some("harbor.example.com:8443"));
        assert_eq!(hint.repository, "library/app");
        assert_eq!(hint.tag.as_deref(), Some("v1"));
        assert_eq!(hint.digest, Some(Digest::of(b"image")));
        assert_eq!(hint.action, HintAction::Pushed);
        assert_eq!(delivery.id, None);
    }

    #[test]
    fn cloud_events_say_the_same_in_both_modes() {
        let structured = json!({
            "specversion": "1.0",
            "requestid": "2eedfab8-61d3-4f3c-8ec3-8f82d1ec4c84",
            "id": "4b2f89a6-548d-4c12-9993-a1f5790b97d2",
            "source": "/projects/1/webhook/policies/3",
            "type": "harbor.artifact.pushed",
            "datacontenttype": "application/json",
            "time": "2026-11-20T06:08:43Z",
            "data": data(),
            "operator": "robot$library+ci",
        });
        let structured = read(Sender::Harbor, &[], &structured).unwrap();
        let headers = [
            ("ce-type", "harbor.artifact.pushed"),
            ("ce-id", "4b2f89a6-548d-4c12-9993-a1f5790b97d2"),
            ("ce-specversion", "1.0"),
        ];
        let binary = read(Sender::Harbor, &headers, &data()).unwrap();
        assert_eq!(structured, binary);
        assert_eq!(one(&binary), one(&sent(|_| ())));
        let id = binary.id.as_deref();
        assert_eq!(id, Some("4b2f89a6-548d-4c12-9993-a1f5790b97d2"));
    }

    #[test]
    fn a_tag_may_be_a_digest() {
        let digest = Digest::of(b"image");
        let delivery = sent(|data| data["resources"][0]["tag"] = json!(digest));
        let hint = one(&delivery);
        assert_eq!((&hint.tag, &hint.digest), (&None, &Some(digest.clone())));
        let neither = sent(|data| data["resources"][0] = json!({"tag": "", "digest": ""}));
        assert_eq!(ignored(&neither), [Ignored::NoReference]);
    }

    #[test]
    fn a_delete_has_all_that_was_deleted() {
        let body = event("DELETE_ARTIFACT", |data| {
            data["resources"] = json!([{"tag": "v1"}, {"tag": "v2"}]);
        });
        let delivery = read(Sender::Harbor, &[], &body).unwrap();
        let tags = delivery.hints.iter().map(|hint| hint.tag.as_deref());
        assert_eq!(tags.collect::<Vec<_>>(), [Some("v1"), Some("v2")]);
        let deleted = |hint: &image_sync_shared::image::hint::Hint| {
            hint.action == HintAction::Deleted && hint.registry.is_none()
        };
        assert!(delivery.hints.iter().all(deleted), "{delivery:?}");
    }

    #[test]
    fn other_events_are_ignored_whatever_they_have() {
        for kind in [
            "PULL_ARTIFACT",
            "SCANNING_COMPLETED",
            "SCANNING_FAILED",
            "QUOTA_EXCEED",
            "REPLICATION",
            "TAG_RETENTION",
            "harbor.scan.completed",
        ] {
            let body = json!({"type": kind, "event_data": {"replication": {}, "resources": 7}});
            let delivery = read(Sender::Harbor, &[], &body).unwrap();
            assert_eq!(ignored(&delivery), [Ignored::Event(kind.to_owned())]);
        }
    }

    #[test]
    fn names_that_no_registry_has_are_ignored() {
        for name in ["library/../app", "/app", "library/App", "a b"] {
            let delivery = sent(|data| data["repository"]["repo_full_name"] = json!(name));
            assert!(
                matches!(ignored(&delivery), [Ignored::Invalid(_)]),
                "{name}"
            );
        }
        let delivery =
            sent(|data| data["resources"][0]["resource_url"] = json!("u:p@evil.example/a:v1"));
        assert!(matches!(ignored(&delivery), [Ignored::Invalid(_)]));
        let delivery =
            sent(|data| data["resources"][0]["resource_url"] = json!("https://h.example/a/b:v1"));
        assert_eq!(one(&delivery).registry.as_deref(), Some("h.example"));
    }

    #[test]
    fn members_that_matter_are_there_and_of_their_type() {
        for (place, value, expected) in [
            (
                "/type",
                json!(null),
                "type is missing; expected the type of the event",
            ),
            (
                "/event_data",
                json!(null),
                "event_data is missing; expected the data of the event",
            ),
            (
                "/event_data/resources",
                json!({}),
                "event_data.resources is an object; expected a list",
            ),
            (
                "/event_data/resources",
                json!(null),
                "event_data.resources is missing; expected a list of artifacts",
            ),
            (
                "/event_data/resources/0/tag",
                json!(1),
                "event_data.resources[0].tag is a number; expected a text",
            ),
            (
                "/event_data/repository",
                json!("x"),
                "event_data.repository is a text; expected an object",
            ),
            (
                "/event_data/repository",
                json!({}),
                "event_data.repository.repo_full_name is missing; expected PROJECT/NAME",
            ),
        ] {
            let mut body = event("PUSH_ARTIFACT", |_| ());
            *body.pointer_mut(place).unwrap() = value;
            assert_eq!(refused(Sender::Harbor, &body), expected);
        }
        let data = json!({"specversion": "1.0", "type": "harbor.artifact.pushed"});
        let error = refused(Sender::Harbor, &data);
        assert_eq!(error, "data is missing; expected the data of the event");
    }

    #[test]
    fn a_list_of_thousands_is_cut() {
        let delivery = sent(|data| data["resources"] = json!(vec![json!({"tag": "v1"}); 3_000]));
        assert_eq!(delivery.hints.len(), 1_000);
        assert_eq!(ignored(&delivery), [Ignored::TooMany(2_000)]);
    }
}
