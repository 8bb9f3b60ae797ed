//! Quay ("Repository notifications" in its documentation): the event "Push to Repository". Nothing names the event but what it has.

use image_sync_shared::image::hint::HintAction;

use super::payload::Member;
use super::{Delivery, Ignored, Told, Unreadable};

pub(super) fn read(body: &[u8]) -> Result<Delivery, Unreadable> {
    let body = Member::of_body(body)?;
    let [tags, repository, address] = body.members(["updated_tags", "repository", "docker_url"])?;
    let mut delivery = Delivery::default();
    if !tags.is_there() {
        let event = Ignored::event("without updated_tags");
        return Ok(delivery.with(Err(event)));
    }
    let repository = repository.required_text("NAMESPACE/NAME")?;
    let address = address.text()?;
    let (tags, left_out) = tags_of(&tags)?;
    for tag in &tags {
        let told = Told {
            registry: address.as_deref().and_then(host_of),
            repository: &repository,
            reference: Some(tag).filter(|tag| !tag.is_empty()).map(String::as_str),
            ..Told::default()
        };
        delivery.add(told.hint(HintAction::Pushed));
    }
    if tags.is_empty() {
        delivery.add(Err(Ignored::NoReference));
    }
    delivery.leave_out(left_out);
    Ok(delivery)
}

/// A list of tags; once it was an object of tags with ids of images, which are no digests.
fn tags_of(tags: &Member<'_>) -> Result<(Vec<String>, usize), Unreadable> {
    if tags.is_object() {
        let keys = tags.keys()?;
        return Ok((keys.kept, keys.left_out));
    }
    if !tags.is_list() {
        return Err(tags.is_no("a list of tags"));
    }
    let items = tags.items()?;
    let texts = items
        .kept
        .iter()
        .map(|tag| tag.text().map(Option::unwrap_or_default));
    Ok((texts.collect::<Result<_, _>>()?, items.left_out))
}

/// The host of `HOST/NAMESPACE/NAME`.
fn host_of(address: &str) -> Option<&str> {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    Some(address.split_once('/')?.0)
}

#[cfg(test)]
mod tests {
    use image_sync_shared::config::webhooks::Sender;
    use serde_json::{Value, json};

    use crate::senders::tests::{ignored, one, read, refused};

    use super::*;

    fn event(change: impl Fn(&mut Value)) -> Value {
        let mut event = json!({
            "repository": "team/app",
            "namespace": "team",
            "name": "app",
            "docker_url": "quay.io/team/app",
            "homepage": "https://quay.io/repository/team/app",
            "updated_tags": ["v1", "latest"],
        });
        change(&mut event);
        event
    }

    fn sent(change: impl Fn(&mut Value)) -> Delivery {
        read(Sender::Quay, &[], &event(change)).unwrap()
    }

    fn tags(delivery: &Delivery) -> Vec<&str> {
        let tags = delivery.hints.iter().map(|hint| hint.tag.as_deref());
        tags.map(Option::unwrap_or_default).collect()
    }

    #[test]
    fn each_tag_of_a_push_is_a_hint() {
        let delivery = sent(|_| ());
        assert_eq!(tags(&delivery), ["v1", "latest"]);
        for hint in &delivery.hints {
            assert_eq!(hint.registry.as_deref(), Some("quay.io"));
            assert_eq!(
                (hint.repository.as_str(), &hint.digest),
                ("team/app", &None)
            );
        }
    }

    #[test]
    fn tags_may_be_the_names_of_an_object() {
        let image = "b750fe79269d2ec9a3c593ef05b4332b1d1a02a62b4accb2c21d589ff2f5f2dc";
        let delivery = sent(|event| event["updated_tags"] = json!({"a": image, "b": null, "c": 3}));
        assert_eq!(tags(&delivery), ["a", "b", "c"]);
        assert_eq!(ignored(&delivery), []);
    }

    #[test]
    fn the_host_is_that_of_the_address_of_the_image() {
        for (address, host) in [
            (
                json!("quay.example.com:8443/team/app"),
                Some("quay.example.com:8443"),
            ),
            (
                json!("https://quay.example.com/team/app"),
                Some("quay.example.com"),
            ),
            (json!(""), None),
            (json!(null), None),
        ] {
            let delivery = sent(|event| {
                event["docker_url"] = address.clone();
                event["updated_tags"] = json!(["v1"]);
            });
            assert_eq!(one(&delivery).registry.as_deref(), host, "{address}");
        }
    }

    #[test]
    fn other_events_and_pushes_of_nothing_are_ignored() {
        let other = json!({
            "repository": "team/app",
            "docker_url": "quay.io/team/app",
            "tags": ["latest"],
            "vulnerability": {"id": "CVE-1", "priority": "Low"},
        });
        let delivery = read(Sender::Quay, &[], &other).unwrap();
        assert!(
            matches!(ignored(&delivery), [Ignored::Event(_)]),
            "{delivery:?}"
        );
        for none in [json!([]), json!({})] {
            let delivery = sent(|event| event["updated_tags"] = none.clone());
            assert_eq!(ignored(&delivery), [Ignored::NoReference]);
        }
    }

    #[test]
    fn names_that_no_registry_has_are_ignored_and_the_others_are_not() {
        let delivery = sent(|event| event["updated_tags"] = json!(["v1", "../x", "", "a b"]));
        assert_eq!(tags(&delivery), ["v1"]);
        assert_eq!(ignored(&delivery).len(), 3, "{delivery:?}");
        let delivery = sent(|event| event["docker_url"] = json!("u:p@quay.io/team/app"));
        assert_eq!(ignored(&delivery).len(), 2, "{delivery:?}");
        let delivery = sent(|event| event["repository"] = json!("team/../../app"));
        assert_eq!(ignored(&delivery).len(), 2, "{delivery:?}");
    }

    #[test]
    fn members_that_matter_are_there_and_of_their_type() {
        for (member, value, expected) in [
            (
                "repository",
                json!(null),
                "repository is missing; expected NAMESPACE/NAME",
            ),
            (
                "repository",
                json!(3),
                "repository is a number; expected a text",
            ),
            (
                "docker_url",
                json!([]),
                "docker_url is a list; expected a text",
            ),
            (
                "updated_tags",
                json!("v1"),
                "updated_tags is a text; expected a list of tags",
            ),
            (
                "updated_tags",
                json!([1]),
                "updated_tags[0] is a number; expected a text",
            ),
        ] {
            let body = event(|event| event[member] = value.clone());
            assert_eq!(refused(Sender::Quay, &body), expected);
        }
    }

    #[test]
    fn thousands_of_tags_are_cut_in_both_forms() {
        let list: Vec<String> = (0..2_500).map(|number| format!("v{number}")).collect();
        let map: Value = list.iter().map(|tag| (tag.clone(), json!("x"))).collect();
        for tags in [json!(list), map] {
            let delivery = sent(|event| event["updated_tags"] = tags.clone());
            assert_eq!(delivery.hints.len(), 1_000);
            assert_eq!(ignored(&delivery), [Ignored::TooMany(1_500)]);
        }
    }
}
