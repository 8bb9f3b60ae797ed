//! Azure Container Registry ("Azure Container Registry webhook reference"): one event of the form that distribution has, without an
//! envelope.

use super::distribution::read_event;
use super::payload::Member;
use super::{Delivery, Unreadable};

pub(super) fn read(body: &[u8]) -> Result<Delivery, Unreadable> {
    let event = Member::of_body(body)?;
    let [id] = event.members(["id"])?;
    Ok(Delivery::new(id.id()).with(read_event(&event)?))
}

#[cfg(test)]
mod tests {
    use image_sync_shared::config::webhooks::Sender;
    use image_sync_shared::image::digest::Digest;
    use image_sync_shared::image::hint::HintAction;
    use image_sync_shared::image::media_type::DOCKER_MANIFEST;
    use serde_json::{Value, json};

    use crate::senders::Ignored;
    use crate::senders::tests::{ignored, one, read, refused};

    use super::*;

    fn event(change: impl Fn(&mut Value)) -> Value {
        let mut event = json!({
            "id": "cb8c3971-9adc-488b-bdd8-43cbb4974ff5",
            "timestamp": "2026-11-20T16:52:01.343145347Z",
            "action": "push",
            "target": {
                "mediaType": DOCKER_MANIFEST,
                "size": 524,
                "digest": Digest::of(b"image"),
                "length": 524,
                "repository": "hello-world",
                "tag": "v1",
            },
            "request": {
                "id": "3cbb6949-7549-4fa1-86cd-a6d5451dffc7",
                "host": "myregistry.azurecr.io",
                "method": "PUT",
                "useragent": "docker/27.3.1",
            },
        });
        change(&mut event);
        event
    }

    fn sent(change: impl Fn(&mut Value)) -> Delivery {
        read(Sender::Acr, &[], &event(change)).unwrap()
    }

    #[test]
    fn a_push_is_a_hint_at_the_registry_that_was_asked() {
        let delivery = sent(|_| ());
        let hint = one(&delivery);
        assert_eq!(hint.registry.as_deref(), Some("myregistry.azurecr.io"));
        assert_eq!(hint.repository, "hello-world");
        assert_eq!(hint.tag.as_deref(), Some("v1"));
        assert_eq!(hint.digest, Some(Digest::of(b"image")));
        let id = delivery.id.as_deref();
        assert_eq!(id, Some("cb8c3971-9adc-488b-bdd8-43cbb4974ff5"));
    }

    #[test]
    fn a_delete_is_one_of_a_manifest() {
        let delivery = sent(|event| {
            event["action"] = json!("delete");
            event["target"].as_object_mut().unwrap().remove("tag");
        });
        let hint = one(&delivery);
        assert_eq!((hint.action, &hint.tag), (HintAction::Deleted, &None));
    }

    #[test]
    fn charts_quarantine_and_pings_are_ignored() {
        for action in ["chart_push", "chart_delete", "quarantine", "ping"] {
            let delivery = sent(|event| event["action"] = json!(action));
            assert_eq!(ignored(&delivery), [Ignored::Event(action.to_owned())]);
        }
    }

    #[test]
    fn an_event_without_what_matters_is_refused() {
        let body = event(|event| event["target"] = json!(null));
        let error = refused(Sender::Acr, &body);
        assert_eq!(error, "target is missing; expected the target of the event");
        let body = event(|event| event["target"]["repository"] = json!(5));
        let error = refused(Sender::Acr, &body);
        assert_eq!(error, "target.repository is a number; expected a text");
        let listed = refused(Sender::Acr, &json!([event(|_| ())]));
        assert_eq!(listed, "the body is a list; expected an object");
    }
}
