//! Docker Hub ("Webhooks" in its documentation): one tag was pushed. It signs nothing, and has no other event.

use image_sync_shared::image::hint::HintAction;
use image_sync_shared::image::reference::DOCKER_HUB;

use super::payload::Member;
use super::{Delivery, Told, Unreadable};

pub(super) fn read(body: &[u8]) -> Result<Delivery, Unreadable> {
    let body = Member::of_body(body)?;
    let [pushed, repository] = body.members(["push_data", "repository"])?;
    let [tag] = pushed.required("what was pushed")?.members(["tag"])?;
    let [whole, namespace, name] = repository.members(["repo_name", "namespace", "name"])?;
    let whole = match (whole.text()?, namespace.text()?) {
        (Some(whole), _) => whole,
        (None, Some(namespace)) => {
            format!(
                "{namespace}/{}",
                name.required_text("the repository's name")?
            )
        }
        (None, None) => whole.required_text("NAMESPACE/NAME")?,
    };
    let tag = tag.text()?;
    let told = Told {
        registry: Some(DOCKER_HUB),
        repository: &whole,
        reference: tag.as_deref(),
        ..Told::default()
    };
    Ok(Delivery::default().with(told.hint(HintAction::Pushed)))
}

#[cfg(test)]
mod tests {
    use image_sync_shared::config::webhooks::Sender;
    use image_sync_shared::image::digest::Digest;
    use serde_json::{Value, json};

    use crate::senders::Ignored;
    use crate::senders::tests::{ignored, one, read, refused};

    use super::*;

    fn event(change: impl Fn(&mut Value)) -> Value {
        let mut event = json!({
            "callback_url": "https://registry.hub.docker.com/u/team/app/hook/2141b5/",
            "push_data": {"pushed_at": 1_417_566_161, "pusher": "ci", "tag": "v1"},
            "repository": {
                "comment_count": 0,
                "is_official": false,
                "name": "app",
                "namespace": "team",
                "owner": "team",
                "repo_name": "team/app",
                "repo_url": "https://registry.hub.docker.com/u/team/app/",
                "status": "Active",
            },
        });
        change(&mut event);
        event
    }

    fn sent(change: impl Fn(&mut Value)) -> Delivery {
        read(Sender::DockerHub, &[], &event(change)).unwrap()
    }

    #[test]
    fn a_push_is_a_hint_at_docker_hub_whatever_addresses_it_has() {
        let delivery = sent(|event| {
            event["callback_url"] = json!("http://169.254.169.254/latest/meta-data/");
            event["repository"]["repo_url"] = json!("https://evil.example/u/other/app/");
        });
        let hint = one(&delivery);
        assert_eq!(hint.registry.as_deref(), Some("docker.io"));
        assert_eq!(hint.repository, "team/app");
        assert_eq!((hint.tag.as_deref(), &hint.digest), (Some("v1"), &None));
        assert_eq!(delivery.id, None);
    }

    #[test]
    fn an_official_image_has_its_namespace() {
        for name in ["nginx", "library/nginx"] {
            let delivery = sent(|event| event["repository"]["repo_name"] = json!(name));
            assert_eq!(one(&delivery).repository, "library/nginx");
        }
        let in_parts = sent(|event| {
            event["repository"] = json!({"name": "app", "namespace": "team", "repo_name": ""});
        });
        assert_eq!(one(&in_parts).repository, "team/app");
    }

    #[test]
    fn a_push_of_no_tag_is_ignored_and_one_of_a_digest_is_not() {
        let delivery = sent(|event| event["push_data"] = json!({"images": ["27d47432a69b"]}));
        assert_eq!(ignored(&delivery), [Ignored::NoReference]);
        let digest = Digest::of(b"image");
        let delivery = sent(|event| event["push_data"]["tag"] = json!(digest));
        assert_eq!(one(&delivery).digest, Some(digest.clone()));
    }

    #[test]
    fn names_that_docker_hub_cannot_have_are_ignored() {
        for name in [
            "team/../app",
            "evil.example/team/app:v1",
            "/team/app",
            "Team/app",
        ] {
            let delivery = sent(|event| event["repository"]["repo_name"] = json!(name));
            assert!(
                matches!(ignored(&delivery), [Ignored::Invalid(_)]),
                "{name}"
            );
        }
    }

    #[test]
    fn members_that_matter_are_there_and_of_their_type() {
        for (place, value, expected) in [
            (
                "/push_data",
                json!(null),
                "push_data is missing; expected what was pushed",
            ),
            (
                "/push_data",
                json!([]),
                "push_data is a list; expected an object",
            ),
            (
                "/push_data/tag",
                json!(1.5),
                "push_data.tag is a number; expected a text",
            ),
            (
                "/repository",
                json!(null),
                "repository.repo_name is missing; expected NAMESPACE/NAME",
            ),
            (
                "/repository",
                json!({"namespace": "team"}),
                "repository.name is missing; expected the repository's name",
            ),
            (
                "/repository/repo_name",
                json!(["a"]),
                "repository.repo_name is a list; expected a text",
            ),
        ] {
            let body = event(|event| *event.pointer_mut(place).unwrap() = value.clone());
            assert_eq!(refused(Sender::DockerHub, &body), expected);
        }
    }
}
