//! Google Artifact Registry ("Configure Pub/Sub notifications"): a message of the topic `gcr`, pushed by Pub/Sub in an envelope or,
//! where the subscription has it unwrapped, without one.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::hint::{Hint, HintAction};
use image_sync_shared::image::reference::{Reference, Repository, split};
use image_sync_shared::image::referrers::subject_of_tag;

use super::payload::Member;
use super::{Delivery, Ignored, Unreadable, header};

pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Delivery, Unreadable> {
    let whole = Member::of_body(body)?;
    let [message] = whole.members(["message"])?;
    let (id, data) = if message.is_there() {
        let [id, data] = message.members(["messageId", "data"])?;
        let text = data.required_text("the data of the message")?;
        let decoded = STANDARD.decode(text.as_bytes());
        let decoded = decoded.map_err(|error| data.invalid(error))?;
        (id.id(), Cow::Owned(decoded))
    } else {
        let id = header(headers, "x-goog-pubsub-message-id");
        (id.map(str::to_owned), Cow::Borrowed(body))
    };
    let data = Member::of_body(&data).map_err(|Unreadable(why)| {
        let why = why.replacen("the body", "what message.data encodes", 1);
        Unreadable(why)
    })?;
    let [action, digest, tag] = data.members(["action", "digest", "tag"])?;
    let action = action.required_text("INSERT or DELETE")?;
    let action = match action.as_str() {
        "INSERT" => HintAction::Pushed,
        "DELETE" => HintAction::Deleted,
        other => return Ok(Delivery::new(id).with(Err(Ignored::event(other)))),
    };
    let (digest, tag) = (digest.text()?, tag.text()?);
    let hint = hint(action, tag.as_deref(), digest.as_deref());
    Ok(Delivery::new(id).with(hint))
}

/// What `HOST/NAME:TAG` and `HOST/NAME@DIGEST` say, of which one may be missing.
fn hint(action: HintAction, tag: Option<&str>, digest: Option<&str>) -> Result<Hint, Ignored> {
    let tagged = tag.map(split).transpose().map_err(Ignored::invalid)?;
    let pinned = match digest.map(split).transpose() {
        Ok(pinned) => pinned,
        Err(_) if tagged.is_some() => None,
        Err(error) => return Err(Ignored::invalid(error)),
    };
    let place = |of: &Option<(Repository, _)>| of.as_ref().map(|(place, _)| place.clone());
    let repository = place(&tagged).or_else(|| place(&pinned));
    let repository = repository.ok_or(Ignored::NoReference)?;
    let host = repository.host();
    let host =
        host.ok_or_else(|| Ignored::invalid(format_args!("{repository} is no registry's")))?;
    let mut hint = Hint::new(Some(host), repository.name(), action).map_err(Ignored::invalid)?;
    // A digest of another repository says nothing of the tag.
    let pinned = pinned.filter(|(of, _)| *of == repository);
    let references = tagged.into_iter().chain(pinned);
    for reference in references.filter_map(|(_, reference)| reference) {
        match reference {
            Reference::Tag(tag) => hint.tag = Some(tag),
            Reference::Digest(digest) => hint.digest = Some::<Digest>(digest),
        }
    }
    if hint.tag.is_none() && hint.digest.is_none() {
        return Err(Ignored::NoReference);
    }
    hint.subject = hint.tag.as_deref().and_then(subject_of_tag);
    Ok(hint)
}

#[cfg(test)]
mod tests {
    use image_sync_shared::config::webhooks::Sender;
    use serde_json::{Value, json};

    use crate::senders::tests::{ignored, one, read, refused};

    use super::*;

    const PLACE: &str = "us-east1-docker.pkg.dev/my-project/my-repo/hello-world";

    fn data(change: impl Fn(&mut Value)) -> Value {
        let mut data = json!({
            "action": "INSERT",
            "digest": format!("{PLACE}@{}", Digest::of(b"image")),
            "tag": format!("{PLACE}:1.1"),
        });
        change(&mut data);
        data
    }

    fn envelope(data: &str) -> Value {
        json!({
            "message": {
                "attributes": {},
                "data": STANDARD.encode(data),
                "messageId": "2070443601311540",
                "message_id": "2070443601311540",
                "publishTime": "2026-11-20T19:13:55.749Z",
            },
            "subscription": "projects/my-project/subscriptions/image-sync",
        })
    }

    fn sent(change: impl Fn(&mut Value)) -> Delivery {
        let body = envelope(&data(change).to_string());
        read(Sender::Gcp, &[], &body).unwrap()
    }

    #[test]
    fn an_insert_is_a_hint_with_and_without_an_envelope() {
        let wrapped = sent(|_| ());
        let hint = one(&wrapped);
        assert_eq!(hint.registry.as_deref(), Some("us-east1-docker.pkg.dev"));
        assert_eq!(hint.repository, "my-project/my-repo/hello-world");
        assert_eq!(hint.tag.as_deref(), Some("1.1"));
        assert_eq!(hint.digest, Some(Digest::of(b"image")));
        assert_eq!(wrapped.id.as_deref(), Some("2070443601311540"));
        let headers = [("x-goog-pubsub-message-id", "2070443601311540")];
        let unwrapped = read(Sender::Gcp, &headers, &data(|_| ())).unwrap();
        assert_eq!(unwrapped, wrapped);
    }

    #[test]
    fn either_of_tag_and_digest_may_be_missing() {
        let pushed = sent(|data| data["tag"] = json!(null));
        let hint = one(&pushed);
        assert_eq!(
            (&hint.tag, &hint.digest),
            (&None, &Some(Digest::of(b"image")))
        );
        let untagged = sent(|data| {
            data["action"] = json!("DELETE");
            data["digest"] = json!("");
        });
        let hint = one(&untagged);
        assert_eq!((hint.tag.as_deref(), &hint.digest), (Some("1.1"), &None));
        assert_eq!(hint.action, HintAction::Deleted);
        for neither in [json!(null), json!("")] {
            let delivery = sent(|data| {
                data["tag"] = neither.clone();
                data["digest"] = json!(PLACE);
            });
            assert_eq!(ignored(&delivery), [Ignored::NoReference]);
            let delivery = sent(|data| {
                data["tag"] = neither.clone();
                data["digest"] = neither.clone();
            });
            assert_eq!(ignored(&delivery), [Ignored::NoReference]);
        }
    }

    #[test]
    fn a_digest_of_another_repository_says_nothing_of_the_tag() {
        for digest in [
            format!("gcr.io/other/app@{}", Digest::of(b"image")),
            format!("{PLACE}@sha256:0"),
        ] {
            let delivery = sent(|data| data["digest"] = json!(digest));
            let hint = one(&delivery);
            assert_eq!((hint.tag.as_deref(), &hint.digest), (Some("1.1"), &None));
        }
    }

    #[test]
    fn a_tag_of_a_digest_names_its_subject() {
        let subject = Digest::of(b"subject");
        let tag = format!("{PLACE}:sha256-{}.att", subject.hex());
        let delivery = sent(|data| data["tag"] = json!(tag));
        assert_eq!(one(&delivery).subject, Some(subject.clone()));
    }

    #[test]
    fn names_that_no_registry_has_are_ignored() {
        for tag in [
            "us-east1-docker.pkg.dev/a/../b:1",
            "https://evil.example/a:1",
            "oci:/etc/passwd:1",
            "u:p@evil.example/a:1",
        ] {
            let delivery = sent(|data| data["tag"] = json!(tag));
            assert!(matches!(ignored(&delivery), [Ignored::Invalid(_)]), "{tag}");
        }
    }

    #[test]
    fn other_actions_are_ignored() {
        let delivery = sent(|data| *data = json!({"action": "UPDATE", "digest": 7}));
        assert_eq!(ignored(&delivery), [Ignored::Event("UPDATE".to_owned())]);
    }

    #[test]
    fn members_that_matter_are_there_and_of_their_type() {
        for (data, expected) in [
            (
                json!(null),
                "message.data is missing; expected the data of the message",
            ),
            (json!(7), "message.data is a number; expected a text"),
            (json!("%%%"), "message.data: Invalid symbol 37, offset 0."),
            (
                json!(STANDARD.encode("secret")),
                "what message.data encodes is no JSON from line 1, column 1 on; expected JSON",
            ),
            (
                json!(STANDARD.encode(b"\xff")),
                "what message.data encodes is no UTF-8; expected JSON",
            ),
            (
                json!(STANDARD.encode("[]")),
                "what message.data encodes is a list; expected an object",
            ),
            (
                json!(STANDARD.encode("{}")),
                "action is missing; expected INSERT or DELETE",
            ),
            (
                json!(STANDARD.encode(r#"{"action": "INSERT", "tag": 7}"#)),
                "tag is a number; expected a text",
            ),
        ] {
            let body = json!({"message": {"data": data}});
            assert_eq!(refused(Sender::Gcp, &body), expected);
        }
        let error = refused(Sender::Gcp, &json!({"message": "x"}));
        assert_eq!(error, "message is a text; expected an object");
    }
}
