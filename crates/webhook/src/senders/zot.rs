//! zot (`pkg/extensions/events` there): `CloudEvents`, in binary mode over HTTP and in structured mode over NATS. It does not say which
//! registry it is.

use http::HeaderMap;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::hint::HintAction;

use super::payload::Member;
use super::payload::cloud_event::CloudEvent;
use super::{Delivery, Ignored, Told, Unreadable, is_own};

pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Delivery, Unreadable> {
    let body = Member::of_body(body)?;
    let event = CloudEvent::of(headers, &body)?.ok_or_else(|| {
        let expected = "the header ce-type, or the members specversion and type";
        Unreadable(format!("the body is no CloudEvent; expected {expected}"))
    })?;
    let is_deleted = event.is("image.deleted");
    let is_updated = event.is("image.updated");
    let CloudEvent { id, kind, data } = event;
    let delivery = Delivery::new(id);
    let action = match (is_updated, is_deleted) {
        (true, _) => HintAction::Pushed,
        (_, true) => HintAction::Deleted,
        _ => return Ok(delivery.with(Err(Ignored::event(&kind)))),
    };
    let data = data.required("the data of the event")?;
    let [name, reference, digest, manifest, request] =
        data.members(["name", "reference", "digest", "manifest", "request"])?;
    let name = name.required_text("the name of the repository")?;
    let (reference, digest) = (reference.text()?, digest.text()?);
    let [user_agent] = request.members(["useragent"])?;
    let told = Told {
        registry: None,
        repository: &name,
        reference: reference.as_deref(),
        digest: digest.as_deref(),
        is_own: is_own(user_agent.text()?.as_deref()),
    };
    let subject = subject_in(&manifest)?;
    let hint = told.hint(action).map(|mut hint| {
        hint.subject = hint.subject.or(subject);
        hint
    });
    Ok(delivery.with(hint))
}

/// The subject of the manifest that an event has as a text. A manifest that cannot be read has none: the registry is asked for it.
fn subject_in(manifest: &Member<'_>) -> Result<Option<Digest>, Unreadable> {
    let Some(text) = manifest.text()? else {
        return Ok(None);
    };
    let digest = || {
        let [subject] = manifest.nested(&text)?.members(["subject"]).ok()?;
        let [digest] = subject.members(["digest"]).ok()?;
        digest.text().ok()??.parse().ok()
    };
    Ok(digest())
}

#[cfg(test)]
mod tests {
    use image_sync_shared::config::webhooks::Sender;
    use image_sync_shared::image::media_type::OCI_MANIFEST;
    use serde_json::{Value, json};

    use crate::senders::tests::{ignored, one, read};

    use super::*;

    const UPDATED: &str = "zotregistry.image.updated";

    fn data(change: impl Fn(&mut Value)) -> Value {
        let mut data = json!({
            "name": "team/app",
            "reference": "v1",
            "digest": Digest::of(b"image"),
            "mediaType": OCI_MANIFEST,
            "manifest": json!({"schemaVersion": 2, "layers": []}).to_string(),
            "actor": {"name": "ci"},
            "request": {"addr": "192.0.2.7:42961", "method": "PUT", "useragent": "skopeo/1.16"},
        });
        change(&mut data);
        data
    }

    fn try_sent(kind: &str, data: &Value) -> Result<Delivery, Unreadable> {
        let headers = [
            ("ce-type", kind),
            ("ce-id", "e5f3a1b0-6f5c-4b86-b6cb-0aab7e64cb1c"),
            ("ce-source", "zotregistry.dev"),
            ("content-type", "application/json"),
        ];
        read(Sender::Zot, &headers, data)
    }

    fn sent(change: impl Fn(&mut Value)) -> Delivery {
        try_sent(UPDATED, &data(change)).unwrap()
    }

    #[test]
    fn an_update_is_a_hint_in_binary_and_in_structured_mode() {
        let binary = sent(|_| ());
        let hint = one(&binary);
        assert_eq!(hint.registry, None);
        assert_eq!(hint.repository, "team/app");
        assert_eq!(hint.tag.as_deref(), Some("v1"));
        assert_eq!(hint.digest, Some(Digest::of(b"image")));
        assert!(!hint.is_own && hint.subject.is_none());
        let structured = json!({
            "specversion": "1.0",
            "id": "e5f3a1b0-6f5c-4b86-b6cb-0aab7e64cb1c",
            "source": "zotregistry.dev",
            "type": UPDATED,
            "datacontenttype": "application/json",
            "data": data(|_| ()),
        });
        assert_eq!(read(Sender::Zot, &[], &structured).unwrap(), binary);
    }

    #[test]
    fn the_prefix_of_a_type_is_of_no_importance() {
        for kind in ["image.updated", "com.example.image.updated", UPDATED] {
            let delivery = try_sent(kind, &data(|_| ())).unwrap();
            assert_eq!(one(&delivery).action, HintAction::Pushed, "{kind}");
        }
        let delivery = try_sent("zotregistry.image.deleted", &data(|_| ())).unwrap();
        assert_eq!(one(&delivery).action, HintAction::Deleted);
        for kind in [
            "zotregistry.repository.created",
            "zotregistry.image.lint_failed",
            "zotregistry.image.scanned",
            "notimage.updated",
        ] {
            let delivery = try_sent(kind, &json!({"name": 7})).unwrap();
            assert_eq!(ignored(&delivery), [Ignored::Event(kind.to_owned())]);
        }
    }

    #[test]
    fn a_reference_may_be_a_digest() {
        let digest = Digest::of(b"image");
        let delivery = sent(|data| data["reference"] = json!(digest));
        let hint = one(&delivery);
        assert_eq!((&hint.tag, &hint.digest), (&None, &Some(digest.clone())));
        let neither = sent(|data| {
            data["reference"] = json!("");
            data["digest"] = json!(null);
        });
        assert_eq!(ignored(&neither), [Ignored::NoReference]);
    }

    #[test]
    fn a_manifest_with_a_subject_names_it() {
        let subject = Digest::of(b"subject");
        let manifest = json!({"subject": {"digest": subject, "size": 7}}).to_string();
        let delivery = sent(|data| {
            data["reference"] = json!(Digest::of(b"image"));
            data["manifest"] = json!(manifest);
        });
        assert_eq!(one(&delivery).subject, Some(subject.clone()));
        let of_tag = sent(|data| data["reference"] = json!(format!("sha256-{}", subject.hex())));
        assert_eq!(one(&of_tag).subject, Some(subject.clone()));
        for odd in [
            "",
            "{",
            "[]",
            r#"{"subject": 7}"#,
            r#"{"subject": {"digest": "x"}}"#,
            &"[".repeat(100_000),
        ] {
            let delivery = sent(|data| data["manifest"] = json!(odd));
            assert_eq!(one(&delivery).subject, None);
        }
    }

    #[test]
    fn what_this_program_has_pushed_is_told_from_other_pushes() {
        let delivery = sent(|data| data["request"]["useragent"] = json!("image-sync/0.1.0"));
        assert!(one(&delivery).is_own);
        let nobody = sent(|data| data["request"] = json!(null));
        assert!(!one(&nobody).is_own);
    }

    #[test]
    fn names_that_no_registry_has_are_ignored() {
        for name in ["team/../app", "/app", "App", "a:v1"] {
            let delivery = sent(|data| data["name"] = json!(name));
            assert!(
                matches!(ignored(&delivery), [Ignored::Invalid(_)]),
                "{name}"
            );
        }
    }

    #[test]
    fn members_that_matter_are_there_and_of_their_type() {
        for (member, value, expected) in [
            (
                "name",
                json!(null),
                "name is missing; expected the name of the repository",
            ),
            ("name", json!(1), "name is a number; expected a text"),
            (
                "reference",
                json!([]),
                "reference is a list; expected a text",
            ),
            (
                "manifest",
                json!({}),
                "manifest is an object; expected a text",
            ),
        ] {
            let error = try_sent(UPDATED, &data(|data| data[member] = value.clone()));
            assert_eq!(error.unwrap_err().to_string(), expected);
        }
        let structured = json!({"specversion": "1.0", "type": UPDATED, "data": "x"});
        let error = read(Sender::Zot, &[], &structured).unwrap_err().to_string();
        assert_eq!(error, "data is a text; expected an object");
        let untyped = read(Sender::Zot, &[], &data(|_| ())).unwrap_err();
        assert!(untyped.to_string().contains("expected the header ce-type"));
    }
}
