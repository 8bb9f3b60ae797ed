//! This program's own form, for scripts and for registries that are none of the others. Who writes it reads what is wrong with it, so
//! that a name that no registry has is an error here.

use image_sync_shared::image::digest::{Digest, InvalidDigest};
use image_sync_shared::image::hint::{Hint, HintAction};
use image_sync_shared::image::reference::split;

use super::payload::Member;
use super::{Delivery, Ignored, Unreadable};

const IMAGE: &str = "HOST/NAME:TAG, HOST/NAME@DIGEST or HOST/NAME:TAG@DIGEST";

pub(super) fn read(body: &[u8]) -> Result<Delivery, Unreadable> {
    let body = Member::of_any_body(body)?;
    if body.is_list() {
        let images = body.items()?;
        let mut delivery = Delivery::default();
        for image in images.kept {
            delivery.add(read_image(&image.required("an object")?)?);
        }
        delivery.leave_out(images.left_out);
        return Ok(delivery);
    }
    let body = body.required("an object, or a list of objects")?;
    if !body.is_object() {
        return Err(body.is_no("an object, or a list of objects"));
    }
    let [id] = body.members(["id"])?;
    Ok(Delivery::new(id.id()).with(read_image(&body)?))
}

fn read_image(body: &Member<'_>) -> Result<Result<Hint, Ignored>, Unreadable> {
    let [action, image, subject] = body.members(["action", "image", "subject"])?;
    let action = match action.text()?.as_deref() {
        None | Some("push") => HintAction::Pushed,
        Some("delete") => HintAction::Deleted,
        Some(other) => return Err(action.unexpected(other, "push or delete")),
    };
    let mut hint = if image.is_there() {
        of_image(&image, action)?
    } else {
        of_parts(body, action)?
    };
    if hint.tag.is_none() && hint.digest.is_none() {
        return Ok(Err(Ignored::NoReference));
    }
    if let Some(text) = subject.text()? {
        hint.subject = Some(digest(&subject, &text)?);
    } else {
        hint.subject = hint.tag.as_deref().and_then(super::subject_of_tag);
    }
    Ok(Ok(hint))
}

/// `HOST/NAME:TAG@DIGEST`, of which a part behind the name may be missing.
fn of_image(image: &Member<'_>, action: HintAction) -> Result<Hint, Unreadable> {
    let text = image.required_text(IMAGE)?;
    let invalid = |error| image.invalid(error);
    let (repository, _) = split(&text).map_err(invalid)?;
    let host = repository.host();
    let host = host.ok_or_else(|| image.unexpected(&text, IMAGE))?;
    let hint = Hint::new(Some(host), repository.name(), action).map_err(invalid)?;
    // A digest is stronger than a tag beside it, which is to be seen here all the same.
    let (tagged, pinned) = match text.split_once('@') {
        Some((tagged, digest)) => (tagged, Some(digest)),
        None => (text.as_str(), None),
    };
    let (_, tag) = split(tagged).map_err(invalid)?;
    let tag = tag.map(|tag| tag.to_string());
    let references = tag.iter().map(String::as_str).chain(pinned);
    references.into_iter().try_fold(hint, |hint, reference| {
        hint.with_reference(reference).map_err(invalid)
    })
}

/// The parts of an image, each in a member of its own.
fn of_parts(body: &Member<'_>, action: HintAction) -> Result<Hint, Unreadable> {
    let [host, repository, tag, pinned] =
        body.members(["registry", "repository", "tag", "digest"])?;
    let (registry, name) = (
        host.text()?,
        repository.required_text("image, or repository")?,
    );
    let mut hint = Hint::new(registry.as_deref(), &name, action).map_err(|error| {
        let text = image_sync_shared::text::bounded(error);
        Unreadable(text)
    })?;
    if let Some(text) = tag.text()? {
        let tagged = hint.with_reference(&text);
        hint = tagged.map_err(|error| tag.invalid(error))?;
    }
    if let Some(text) = pinned.text()? {
        hint.digest = Some(digest(&pinned, &text)?);
    }
    Ok(hint)
}

fn digest(member: &Member<'_>, text: &str) -> Result<Digest, Unreadable> {
    let parsed = text.parse();
    parsed.map_err(|error: InvalidDigest| member.invalid(error))
}

#[cfg(test)]
mod tests {
    use image_sync_shared::config::webhooks::Sender;
    use serde_json::{Value, json};

    use crate::senders::tests::{ignored, one, read, refused};

    use super::*;

    fn sent(body: &Value) -> Delivery {
        read(Sender::Generic, &[], body).unwrap()
    }

    #[test]
    fn an_image_is_one_text_or_its_parts() {
        let digest = Digest::of(b"image");
        let whole = sent(&json!({
            "id": "build-7", "image": format!("registry.example.com:5000/team/app:v1@{digest}"),
        }));
        let parts = sent(&json!({
            "id": "build-7", "registry": "registry.example.com:5000", "repository": "team/app",
            "tag": "v1", "digest": digest, "action": "push", "extra": {"a": 1},
        }));
        assert_eq!(whole, parts);
        let hint = one(&whole);
        assert_eq!(hint.registry.as_deref(), Some("registry.example.com:5000"));
        assert_eq!(hint.repository, "team/app");
        assert_eq!(
            (hint.tag.as_deref(), &hint.digest),
            (Some("v1"), &Some(digest))
        );
        assert_eq!(whole.id.as_deref(), Some("build-7"));
    }

    #[test]
    fn a_short_name_is_docker_hubs_and_a_repository_may_be_of_any_registry() {
        let delivery = sent(&json!({"image": "nginx:1.27"}));
        let hint = one(&delivery);
        assert_eq!(hint.registry.as_deref(), Some("docker.io"));
        assert_eq!(hint.repository, "library/nginx");
        let delivery = sent(&json!({"repository": "team/app", "tag": "v1"}));
        assert_eq!(one(&delivery).registry, None);
    }

    #[test]
    fn a_digest_alone_a_delete_and_a_subject_are_told() {
        let (digest, subject) = (Digest::of(b"image"), Digest::of(b"subject"));
        let image = format!("a.example/b@{digest}");
        let delivery = sent(&json!({"image": image, "action": "delete", "subject": subject}));
        let hint = one(&delivery);
        assert_eq!((&hint.tag, &hint.digest), (&None, &Some(digest.clone())));
        assert_eq!(hint.action, HintAction::Deleted);
        assert_eq!(hint.subject, Some(subject.clone()));
        let delivery = sent(&json!({"repository": "a/b", "tag": digest}));
        assert_eq!(one(&delivery).digest, Some(digest));
        let tag = format!("a.example/b:sha256-{}", subject.hex());
        assert_eq!(one(&sent(&json!({"image": tag}))).subject, Some(subject));
    }

    #[test]
    fn a_list_has_several_images() {
        let delivery = sent(&json!([{"image": "a.example/b:1"}, {"image": "a.example/b"}]));
        assert_eq!(delivery.hints.len(), 1);
        assert_eq!(ignored(&delivery), [Ignored::NoReference]);
        let many = sent(&json!(vec![json!({"image": "a.example/b:1"}); 1_001]));
        assert_eq!(many.hints.len(), 1_000);
        assert_eq!(ignored(&many), [Ignored::TooMany(1)]);
        assert_eq!(sent(&json!([])), Delivery::default());
    }

    #[test]
    fn what_is_no_image_is_an_error_with_what_was_expected() {
        for (body, expected) in [
            (
                json!({}),
                "repository is missing; expected image, or repository",
            ),
            (
                json!("a.example/b:1"),
                "the body is a text; expected an object, or a list of objects",
            ),
            (json!([7]), "[0] is a number; expected an object"),
            (json!([null]), "[0] is missing; expected an object"),
            (json!({"image": 7}), "image is a number; expected a text"),
            (
                json!({"image": "oci:./a:1"}),
                "image is \"oci:./a:1\"; expected HOST/NAME:TAG, HOST/NAME@DIGEST or HOST/NAME:TAG@DIGEST",
            ),
            (
                json!({"image": "a.example/b:1", "action": "pull"}),
                "action is \"pull\"; expected push or delete",
            ),
        ] {
            assert_eq!(refused(Sender::Generic, &body), expected);
        }
        for (body, expected) in [
            (
                json!({"image": "a.example/../b:1"}),
                "image: \"a.example/../b:1\" is not a valid repository: ",
            ),
            (
                json!({"image": "a.example/b:1@sha256:0"}),
                "image: \"a.example/b:1@sha256:0\" is not a valid repository: ",
            ),
            (
                json!({"repository": "a/b", "tag": "a b"}),
                "tag: \"a b\" is not a valid tag or digest: ",
            ),
            (
                json!({"repository": "a/b", "digest": "sha256:0"}),
                "digest: \"sha256:0\" is not a digest: ",
            ),
            (
                json!({"image": "a.example/b:1", "subject": "x"}),
                "subject: \"x\" is not a digest: ",
            ),
        ] {
            let error = refused(Sender::Generic, &body);
            assert!(
                error.starts_with(expected) && error.contains("expected "),
                "{error}"
            );
        }
        for (registry, repository) in [
            ("u:p@evil.example", "a"),
            ("a.example", "../b"),
            ("http://a", "b"),
        ] {
            let body = json!({"registry": registry, "repository": repository, "tag": "v1"});
            let error = refused(Sender::Generic, &body);
            assert!(error.contains("is not a valid"), "{error}");
        }
    }
}
