//! GitHub ("Webhook events and payloads": `package` and `registry_package`), for its container registry.

use http::HeaderMap;
use image_sync_shared::image::hint::HintAction;

use super::payload::Member;
use super::{Delivery, Ignored, Told, Unreadable, header};

/// The registry of github.com.
const REGISTRY: &str = "ghcr.io";
const CONTAINER: &str = "CONTAINER";

pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Delivery, Unreadable> {
    let content_type = header(headers, "content-type").unwrap_or_default();
    if content_type.starts_with("application/x-www-form-urlencoded") {
        let why = "the body is a form; expected JSON: the webhook's content type has to be application/json";
        return Err(Unreadable(why.to_owned()));
    }
    let body = Member::of_body(body)?;
    let delivery = Delivery::new(header(headers, "x-github-delivery").map(str::to_owned));
    let [action, older, newer] = body.members(["action", "registry_package", "package"])?;
    let package = match header(headers, "x-github-event") {
        Some("registry_package") => older,
        Some("package") => newer,
        None if older.is_there() => older,
        None if newer.is_there() => newer,
        other => {
            let event = Ignored::event(other.unwrap_or("without a name"));
            return Ok(delivery.with(Err(event)));
        }
    };
    let action = action.required_text("published or updated")?;
    if !matches!(action.as_str(), "published" | "updated") {
        return Ok(delivery.with(Err(Ignored::event(&action))));
    }
    let package = package.required("the package")?;
    read_package(delivery, &package)
}

fn read_package(delivery: Delivery, package: &Member<'_>) -> Result<Delivery, Unreadable> {
    let [name, namespace, owner, version, registry] =
        package.members(["name", "namespace", "owner", "package_version", "registry"])?;
    if let Some(other) = other_kind(package)? {
        return Ok(delivery.with(Err(Ignored::NoContainer(other))));
    }
    let [url, version_name, metadata] =
        version.members(["package_url", "version", "container_metadata"])?;
    let [tag] = metadata.members(["tag"])?;
    let [tag, digest] = tag.members(["name", "digest"])?;
    // The tag is empty where an image is pushed by its digest, as cosign pushes artifacts.
    let (url, tag, digest) = (url.text()?, tag.text()?, digest.text()?);
    let version_name = version_name.text()?;
    let place = url.as_deref().and_then(place_of);
    let (registry, repository) = if let Some((registry, repository)) = place {
        (registry.to_owned(), repository.to_owned())
    } else {
        let ([login], [address]) = (owner.members(["login"])?, registry.members(["url"])?);
        let owner = namespace.text()?.or(login.text()?);
        let owner = owner.ok_or_else(|| namespace.is_no("the owner's name"))?;
        let name = name.required_text("the package's name")?;
        let address = address.text()?;
        let registry = address.as_deref().and_then(registry_of);
        let registry = registry.unwrap_or(REGISTRY).to_owned();
        (registry, format!("{owner}/{name}"))
    };
    let told = Told {
        registry: Some(&registry),
        // An owner may have upper-case letters, a repository has none.
        repository: &repository.to_ascii_lowercase(),
        reference: tag.as_deref(),
        digest: digest.as_deref().or(version_name.as_deref()),
        is_own: false,
    };
    Ok(delivery.with(told.hint(HintAction::Pushed)))
}

/// The kind of a package that is no container.
fn other_kind(package: &Member<'_>) -> Result<Option<String>, Unreadable> {
    let [kind, ecosystem, registry] = package.members(["package_type", "ecosystem", "registry"])?;
    let [registry_kind] = registry.members(["type"])?;
    let kinds = [kind.text()?, registry_kind.text()?, ecosystem.text()?];
    let mut kinds = kinds.into_iter().flatten().peekable();
    let first = kinds.peek().map_or("without a name", String::as_str);
    let first = image_sync_shared::text::excerpt(first);
    let is_container = kinds.any(|kind| kind.eq_ignore_ascii_case(CONTAINER));
    Ok((!is_container).then_some(first))
}

/// The registry and the repository of `HOST/OWNER/NAME:TAG`. Of other packages it is the address of a page.
fn place_of(url: &str) -> Option<(&str, &str)> {
    if url.contains("://") {
        return None;
    }
    let (host, rest) = url.split_once('/')?;
    let end = rest.find([':', '@']).unwrap_or(rest.len());
    let name = &rest[..end];
    (!host.is_empty() && name.contains('/')).then_some((host, name))
}

/// The host of a registry's address, which for github.com is one of its pages, or of its older registries.
fn registry_of(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let host = rest.split('/').next()?;
    let lower = host.to_ascii_lowercase();
    let is_page = lower == "github.com" || lower.ends_with(".github.com");
    (!host.is_empty() && !is_page).then_some(host)
}

#[cfg(test)]
mod tests {
    use image_sync_shared::config::webhooks::Sender;
    use image_sync_shared::image::digest::Digest;
    use serde_json::{Value, json};

    use crate::senders::tests::{ignored, one, read};

    use super::*;

    fn package(change: impl Fn(&mut Value)) -> Value {
        let digest = Digest::of(b"image");
        let mut package = json!({
            "id": 8_512_367,
            "name": "app",
            "namespace": "Team",
            "package_type": "CONTAINER",
            "ecosystem": "CONTAINER",
            "owner": {"login": "Team", "id": 21_031_067},
            "package_version": {
                "id": 53_422_412,
                "version": digest,
                "name": digest,
                "html_url": "https://github.com/users/Team/packages/container/app/53422412",
                "container_metadata": {"tag": {"name": "v1", "digest": digest}, "labels": {}},
                "package_url": "ghcr.io/team/app:v1",
            },
            "registry": {
                "name": "GitHub CONTAINER registry",
                "type": "CONTAINER",
                "url": "https://CONTAINER.pkg.github.com/Team",
                "vendor": "GitHub Inc",
            },
        });
        change(&mut package);
        package
    }

    fn try_sent(event: &str, body: &Value) -> Result<Delivery, Unreadable> {
        let headers = [
            ("x-github-event", event),
            ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ("content-type", "application/json"),
        ];
        read(Sender::GitHub, &headers, body)
    }

    fn sent(change: impl Fn(&mut Value)) -> Delivery {
        let body = json!({"action": "published", "registry_package": package(change)});
        try_sent("registry_package", &body).unwrap()
    }

    #[test]
    fn both_events_and_actions_are_hints_at_the_same_image() {
        let mut all = Vec::new();
        for event in ["registry_package", "package"] {
            for action in ["published", "updated"] {
                let body = json!({"action": action, event: package(|_| ()), "sender": {}});
                all.push(try_sent(event, &body).unwrap());
                all.push(Delivery {
                    id: all[0].id.clone(),
                    ..read(Sender::GitHub, &[], &body).unwrap()
                });
            }
        }
        let hint = one(&all[0]);
        assert_eq!(hint.registry.as_deref(), Some("ghcr.io"));
        assert_eq!(hint.repository, "team/app");
        assert_eq!(hint.tag.as_deref(), Some("v1"));
        assert_eq!(hint.digest, Some(Digest::of(b"image")));
        let id = all[0].id.as_deref();
        assert_eq!(id, Some("72d3162e-cc78-11e3-81ab-4c9367dc0958"));
        assert!(all.iter().all(|delivery| *delivery == all[0]), "{all:?}");
    }

    #[test]
    fn without_an_address_an_image_is_that_of_its_owner_at_ghcr() {
        for url in [
            json!(null),
            json!(""),
            json!("https://github.com/Team/app"),
            json!("app"),
        ] {
            let delivery = sent(|package| package["package_version"]["package_url"] = url.clone());
            let hint = one(&delivery);
            assert_eq!(hint.registry.as_deref(), Some("ghcr.io"), "{url}");
            assert_eq!(hint.repository, "team/app");
        }
        let of_login = sent(|package| {
            package["namespace"] = json!("");
            package["name"] = json!("deep/App");
            package["package_version"]["package_url"] = json!(null);
        });
        assert_eq!(one(&of_login).repository, "team/deep/app");
    }

    #[test]
    fn an_enterprise_server_has_a_registry_of_its_own() {
        let delivery = sent(|package| {
            package["package_version"]["package_url"] =
                json!("containers.github.example.com/Team/App:v1");
        });
        let hint = one(&delivery);
        let host = hint.registry.as_deref();
        assert_eq!(host, Some("containers.github.example.com"));
        assert_eq!(hint.repository, "team/app");
        for (address, expected) in [
            (
                "https://containers.github.example.com/Team",
                "containers.github.example.com",
            ),
            ("https://ghcr.io/Team", "ghcr.io"),
            ("https://github.com/Team", "ghcr.io"),
            ("https://CONTAINER.pkg.GitHub.com/Team", "ghcr.io"),
            ("", "ghcr.io"),
            ("Team", "ghcr.io"),
        ] {
            let delivery = sent(|package| {
                package["package_version"]["package_url"] = json!(null);
                package["registry"]["url"] = json!(address);
            });
            assert_eq!(
                one(&delivery).registry.as_deref(),
                Some(expected),
                "{address}"
            );
        }
    }

    #[test]
    fn an_image_without_a_tag_is_a_hint_at_its_digest() {
        let digest = Digest::of(b"image");
        for metadata in [
            json!({"tag": {"name": "", "digest": digest}}),
            json!({"tag": {"name": "", "digest": ""}}),
            json!({"tag": {}}),
            json!(null),
        ] {
            let delivery = sent(|package| {
                package["package_version"]["container_metadata"] = metadata.clone();
                package["package_version"]["package_url"] = json!("ghcr.io/team/app:");
            });
            let hint = one(&delivery);
            assert_eq!(
                (&hint.tag, &hint.digest),
                (&None, &Some(digest.clone())),
                "{metadata}"
            );
            assert_eq!(hint.repository, "team/app");
        }
        let neither = sent(|package| package["package_version"] = json!(null));
        assert_eq!(ignored(&neither), [Ignored::NoReference]);
    }

    #[test]
    fn a_signature_names_its_subject() {
        let subject = Digest::of(b"subject");
        let delivery = sent(|package| {
            let tag = format!("sha256-{}.sig", subject.hex());
            package["package_version"]["container_metadata"]["tag"]["name"] = json!(tag);
        });
        assert_eq!(one(&delivery).subject, Some(subject.clone()));
    }

    #[test]
    fn containers_are_told_from_other_packages() {
        for kind in ["container", "Container"] {
            let delivery = sent(|package| {
                package["package_type"] = json!(kind);
                package["ecosystem"] = json!(null);
                package["registry"] = json!(null);
            });
            one(&delivery);
        }
        for kind in ["npm", "docker"] {
            let delivery = sent(|package| {
                package["package_type"] = json!(kind);
                package["ecosystem"] = json!(kind);
                package["registry"]["type"] = json!(kind);
                package["package_version"] = json!("1.0.0");
            });
            assert_eq!(ignored(&delivery), [Ignored::NoContainer(kind.to_owned())]);
        }
    }

    #[test]
    fn other_events_and_actions_are_ignored_whatever_they_have() {
        for event in ["ping", "push", "workflow_run"] {
            let body = json!({"zen": "Keep it logically awesome.", "package": 7, "action": 1});
            let delivery = try_sent(event, &body).unwrap();
            assert_eq!(ignored(&delivery), [Ignored::Event(event.to_owned())]);
        }
        let body = json!({"action": "deleted", "package": 7});
        let delivery = try_sent("package", &body).unwrap();
        assert_eq!(ignored(&delivery), [Ignored::Event("deleted".to_owned())]);
        let nameless = read(Sender::GitHub, &[], &json!({"zen": "x"})).unwrap();
        assert!(matches!(ignored(&nameless), [Ignored::Event(_)]));
    }

    #[test]
    fn names_that_no_registry_has_are_ignored() {
        for url in [
            "ghcr.io/team/../app:v1",
            "u:p@evil.example/a/b",
            "ghcr.io/team//app",
            "x y/a/b",
        ] {
            let delivery = sent(|package| package["package_version"]["package_url"] = json!(url));
            assert!(matches!(ignored(&delivery), [Ignored::Invalid(_)]), "{url}");
        }
        let delivery = sent(|package| {
            package["package_version"]["container_metadata"]["tag"]["name"] = json!("a/../b");
        });
        assert!(matches!(ignored(&delivery), [Ignored::Invalid(_)]));
    }

    #[test]
    fn members_that_matter_are_there_and_of_their_type() {
        let refused = |body: &Value| try_sent("package", body).unwrap_err().to_string();
        let missing = refused(&json!({"action": "published"}));
        assert_eq!(missing, "package is missing; expected the package");
        let missing = refused(&json!({"package": package(|_| ())}));
        assert_eq!(missing, "action is missing; expected published or updated");
        for (place, value, expected) in [
            (
                "/package_type",
                json!(1),
                "package.package_type is a number; expected a text",
            ),
            (
                "/package_version",
                json!([]),
                "package.package_version is a list; expected an object",
            ),
            (
                "/package_version/package_url",
                json!({}),
                "package.package_version.package_url is an object; expected a text",
            ),
            (
                "/package_version/container_metadata/tag/name",
                json!(1),
                "package.package_version.container_metadata.tag.name is a number; expected a text",
            ),
        ] {
            let package = package(|package| *package.pointer_mut(place).unwrap() = value.clone());
            let error = refused(&json!({"action": "published", "package": package}));
            assert_eq!(error, expected);
        }
        let nobody = package(|package| {
            package["namespace"] = json!(null);
            package["owner"] = json!(null);
            package["package_version"]["package_url"] = json!(null);
        });
        let error = refused(&json!({"action": "published", "package": nobody}));
        assert_eq!(
            error,
            "package.namespace is missing; expected the owner's name"
        );
    }

    #[test]
    fn a_form_is_refused_with_what_has_to_be_chosen() {
        let headers = [
            ("x-github-event", "package"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let error = read(Sender::GitHub, &headers, &json!({})).unwrap_err();
        assert!(
            error.to_string().ends_with("has to be application/json"),
            "{error}"
        );
    }
}
