//! Amazon ECR ("Amazon ECR events and EventBridge"): events of `EventBridge`, sent by an API destination.

use image_sync_shared::image::hint::HintAction;

use super::payload::Member;
use super::{Delivery, Ignored, Told, Unreadable};

/// The domains of the partitions of AWS, by what their regions begin with.
const DOMAINS: [(&str, &str); 6] = [
    ("cn-", "amazonaws.com.cn"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("us-iso-", "c2s.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("eusc-", "amazonaws.eu"),
];
/// That of all other regions.
const DOMAIN: &str = "amazonaws.com";

pub(super) fn read(body: &[u8]) -> Result<Delivery, Unreadable> {
    let body = Member::of_body(body)?;
    let [id, kind, account, region, detail] =
        body.members(["id", "detail-type", "account", "region", "detail"])?;
    let delivery = Delivery::new(id.id());
    let kind = kind.required_text("ECR Image Action")?;
    // A replicated image was pushed to the registry whose event it is.
    if !matches!(kind.as_str(), "ECR Image Action" | "ECR Replication Action") {
        return Ok(delivery.with(Err(Ignored::event(&kind))));
    }
    let detail = detail.required("the detail of the event")?;
    let [action, result, repository, tag, digest] = detail.members([
        "action-type",
        "result",
        "repository-name",
        "image-tag",
        "image-digest",
    ])?;
    let action = action.required_text("PUSH or DELETE")?;
    let action = match action.as_str() {
        "PUSH" | "REPLICATE" => HintAction::Pushed,
        "DELETE" => HintAction::Deleted,
        other => return Ok(delivery.with(Err(Ignored::event(other)))),
    };
    let result = result.required_text("SUCCESS")?;
    if result != "SUCCESS" {
        let result = image_sync_shared::text::excerpt(result);
        return Ok(delivery.with(Err(Ignored::Failed(result))));
    }
    let account = account.required_text("the number of the account")?;
    let region = region.required_text("the name of the region")?;
    let repository = repository.required_text("the name of the repository")?;
    let (tag, digest) = (tag.text()?, digest.text()?);
    let told = Told {
        registry: Some(&registry(&account, &region)),
        repository: &repository,
        reference: tag.as_deref(),
        digest: digest.as_deref(),
        is_own: false,
    };
    Ok(delivery.with(told.hint(action)))
}

/// The registry of an account in a region.
fn registry(account: &str, region: &str) -> String {
    let found = DOMAINS
        .iter()
        .find(|(prefix, _)| region.starts_with(prefix));
    let domain = found.map_or(DOMAIN, |(_, domain)| domain);
    format!("{account}.dkr.ecr.{region}.{domain}")
}

#[cfg(test)]
mod tests {
    use image_sync_shared::config::webhooks::Sender;
    use image_sync_shared::image::digest::Digest;
    use serde_json::{Value, json};

    use crate::senders::tests::{ignored, one, read, refused};

    use super::*;

    fn event(change: impl Fn(&mut Value)) -> Value {
        let mut event = json!({
            "version": "0",
            "id": "13cde686-328b-6117-af20-0e5566167482",
            "detail-type": "ECR Image Action",
            "source": "aws.ecr",
            "account": "123456789012",
            "time": "2026-11-20T01:54:34Z",
            "region": "us-west-2",
            "resources": [],
            "detail": {
                "result": "SUCCESS",
                "repository-name": "team/app",
                "image-digest": Digest::of(b"image"),
                "action-type": "PUSH",
                "image-tag": "v1",
            },
        });
        change(&mut event);
        event
    }

    fn sent(change: impl Fn(&mut Value)) -> Delivery {
        read(Sender::Ecr, &[], &event(change)).unwrap()
    }

    #[test]
    fn a_push_is_a_hint_at_the_registry_of_its_account() {
        let delivery = sent(|_| ());
        let hint = one(&delivery);
        let host = hint.registry.as_deref();
        assert_eq!(host, Some("123456789012.dkr.ecr.us-west-2.amazonaws.com"));
        assert_eq!(hint.repository, "team/app");
        assert_eq!(hint.tag.as_deref(), Some("v1"));
        assert_eq!(hint.digest, Some(Digest::of(b"image")));
        let id = delivery.id.as_deref();
        assert_eq!(id, Some("13cde686-328b-6117-af20-0e5566167482"));
    }

    #[test]
    fn each_partition_has_its_domain() {
        for (region, domain) in [
            ("cn-north-1", "amazonaws.com.cn"),
            ("us-gov-west-1", "amazonaws.com"),
            ("us-iso-east-1", "c2s.ic.gov"),
            ("us-isob-east-1", "sc2s.sgov.gov"),
            ("eusc-de-east-1", "amazonaws.eu"),
            ("eu-central-1", "amazonaws.com"),
        ] {
            let delivery = sent(|event| event["region"] = json!(region));
            let expected = format!("123456789012.dkr.ecr.{region}.{domain}");
            assert_eq!(one(&delivery).registry, Some(expected));
        }
    }

    #[test]
    fn pushes_deletes_and_replications_that_went_well_count() {
        let deleted = sent(|event| event["detail"]["action-type"] = json!("DELETE"));
        assert_eq!(one(&deleted).action, HintAction::Deleted);
        let replicated = sent(|event| {
            event["detail-type"] = json!("ECR Replication Action");
            event["detail"]["action-type"] = json!("REPLICATE");
        });
        assert_eq!(one(&replicated).action, HintAction::Pushed);
        let failed = sent(|event| event["detail"]["result"] = json!("FAILURE"));
        assert_eq!(ignored(&failed), [Ignored::Failed("FAILURE".to_owned())]);
        let other = sent(|event| event["detail"]["action-type"] = json!("ARCHIVE"));
        assert_eq!(ignored(&other), [Ignored::Event("ARCHIVE".to_owned())]);
        for kind in [
            "ECR Image Scan",
            "ECR Pull Through Cache Action",
            "EC2 Instance State-change",
        ] {
            let delivery = sent(|event| {
                event["detail-type"] = json!(kind);
                event["detail"] = json!(7);
            });
            assert_eq!(ignored(&delivery), [Ignored::Event(kind.to_owned())]);
        }
    }

    #[test]
    fn an_image_without_a_tag_is_a_hint_at_its_digest() {
        for none in [json!(null), json!("")] {
            let delivery = sent(|event| event["detail"]["image-tag"] = none.clone());
            let hint = one(&delivery);
            assert_eq!(
                (&hint.tag, &hint.digest),
                (&None, &Some(Digest::of(b"image")))
            );
        }
        let abbreviated = sent(|event| event["detail"]["image-digest"] = json!("sha256:7f5b26"));
        assert_eq!(one(&abbreviated).tag.as_deref(), Some("v1"));
    }

    #[test]
    fn names_that_no_registry_has_are_ignored() {
        for (place, bad) in [
            ("/account", "evil.example/x"),
            ("/account", "1@evil.example"),
            ("/region", "../x"),
            ("/detail/repository-name", "a/../b"),
            ("/detail/image-tag", "a b"),
        ] {
            let delivery = sent(|event| *event.pointer_mut(place).unwrap() = json!(bad));
            assert!(matches!(ignored(&delivery), [Ignored::Invalid(_)]), "{bad}");
        }
    }

    #[test]
    fn members_that_matter_are_there_and_of_their_type() {
        for (place, value, expected) in [
            (
                "/detail-type",
                json!(null),
                "detail-type is missing; expected ECR Image Action",
            ),
            (
                "/account",
                json!(123_456_789_012_u64),
                "account is a number; expected a text",
            ),
            (
                "/region",
                json!(null),
                "region is missing; expected the name of the region",
            ),
            (
                "/detail",
                json!("x"),
                "detail is a text; expected an object",
            ),
            (
                "/detail",
                json!(null),
                "detail is missing; expected the detail of the event",
            ),
            (
                "/detail/result",
                json!(true),
                "detail.result is true or false; expected a text",
            ),
            (
                "/detail/action-type",
                json!(null),
                "detail.action-type is missing; expected PUSH or DELETE",
            ),
            (
                "/detail/image-tag",
                json!(["v1"]),
                "detail.image-tag is a list; expected a text",
            ),
        ] {
            let body = event(|event| *event.pointer_mut(place).unwrap() = value.clone());
            assert_eq!(refused(Sender::Ecr, &body), expected);
        }
    }
}
