//! Referrers at mirrors.

use image_sync_registry::Router;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Rule};

use super::{PATH, json_answer, listed, page, registry_with};
use crate::support::RouterBuilder;

fn mirrored(registry: &FakeRegistry, mirror: &FakeRegistry) -> Router {
    let mirrors = vec![mirror.url().to_owned()];
    let builder = RouterBuilder::new();
    builder
        .with(registry.host(), |settings| settings.mirrors = mirrors)
        .router()
}

#[tokio::test]
async fn a_mirror_that_lists_referrers_spares_the_registry() {
    let (registry, app) = registry_with(0).await;
    let (mirror, _) = registry_with(3).await;
    mirror.behave(|b| b.page_size = 2);
    let found = listed(&mirrored(&registry, &mirror), registry.host(), &app).await;
    assert_eq!(found.unwrap().unwrap().len(), 3);
    assert_eq!((registry.count("*", "*"), mirror.count("*", "*")), (0, 2));
}

#[tokio::test]
async fn that_there_is_nothing_is_believed_of_no_mirror() {
    let second_page = Rule::new("GET", PATH).nth(2);
    for (what, rule, fault) in [
        ("no API", Rule::new("GET", PATH), Fault::status(404)),
        (
            "an empty list",
            Rule::new("GET", PATH),
            json_answer(r#"{"manifests": []}"#),
        ),
        ("a page for people", Rule::new("GET", PATH), page("<html>")),
        ("no index", Rule::new("GET", PATH), json_answer("7")),
        ("the first page alone", second_page, Fault::status(404)),
    ] {
        let (registry, app) = registry_with(2).await;
        let (mirror, _) = registry_with(3).await;
        mirror.behave(|b| b.page_size = 2);
        mirror.stage(rule, fault);
        let router = mirrored(&registry, &mirror);
        let found = listed(&router, registry.host(), &app).await;
        assert_eq!(found.unwrap().unwrap().len(), 2, "{what}");
        assert!(registry.count("GET", PATH) >= 1, "{what}");
    }
}
