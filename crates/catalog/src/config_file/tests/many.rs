//! Many images.

use globset::Glob;

use crate::config_file::{Parsed, parse};
use crate::images::Only;

const MANY: usize = 1_234;

fn item(number: usize) -> String {
    format!("{{source: quay.io/a/app-{number}, tag: '1.{number}'}}")
}

/// A config whose images stand in a list in YAML's block style.
fn in_block_style(items: &[String]) -> String {
    let list = items.join("\n  # more\n\n  - ");
    format!("cache_registry: localhost:5000\nimages:\n  - {list}\nsettings: {{concurrency: 3}}\n")
}

fn in_flow_style(items: &[String]) -> String {
    let items = items.join(", ");
    format!("{{cache_registry: localhost:5000, images: [{items}], settings: {{concurrency: 3}}}}")
}

fn many() -> Vec<String> {
    (0..MANY).map(item).collect()
}

/// The images and warnings, for comparing.
fn said(text: &str) -> (usize, Vec<String>, Vec<String>) {
    let Parsed {
        images,
        warnings,
        config,
        ..
    } = parse(text, "c.yaml").unwrap();
    assert_eq!(config.settings.concurrency, 3);
    let targets = images.iter().map(|image| {
        let target = image.target.image(image.target_reference);
        format!("{} {} {target}", image.image, image.tag)
    });
    (images.len(), targets.collect(), warnings)
}

#[test]
fn many_images_mean_the_same_in_either_style() {
    let block = said(&in_block_style(&many()));
    assert_eq!(block.0, MANY);
    assert_eq!(block, said(&in_flow_style(&many())));
    let last = &block.1[MANY - 1];
    assert_eq!(
        last,
        "quay.io/a/app-1233 1.1233 localhost:5000/quay.io/a/app-1233:1.1233"
    );
}

#[test]
fn an_image_that_is_named_again_far_away_is_worked_once() {
    let mut items = many();
    items.insert(700, item(3));
    items.push(item(1_000));
    let block = said(&in_block_style(&items));
    assert_eq!((block.0, block.1.len()), (MANY, MANY));
    assert_eq!(
        block.2,
        [
            "c.yaml: images[700]: quay.io/a/app-3:1.3 is images[3] again, it is worked once",
            "c.yaml: images[1235]: quay.io/a/app-1000:1.1000 is images[1001] again, it is worked once",
        ]
    );
    assert_eq!(block, said(&in_flow_style(&items)));
}

#[test]
fn two_images_for_one_target_that_are_far_apart_are_refused() {
    let mut items = many();
    items.push("{source: docker.io/other, tag: '1.3', cache_as: quay.io/a/app-3}".to_owned());
    let error = parse(&in_block_style(&items), "c.yaml").unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("c.yaml:3705:5: images[1234]: found docker.io/library/other:1.3"),
        "{text}"
    );
    assert!(text.contains("images[3] has quay.io/a/app-3:1.3"), "{text}");
    let message = text.lines().next().unwrap();
    assert!(message.ends_with("(the other one is in line 12)"), "{text}");
}

#[test]
fn what_is_wrong_far_away_is_told_with_its_place() {
    let mut items = many();
    items[1_100] = "{source: quay.io/a/b, tga: '1'}".to_owned();
    let error = parse(&in_block_style(&items), "c.yaml").unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("c.yaml:3303:"), "{text}");
    assert!(text.contains("tga"), "{text}");
}

#[test]
fn an_anchor_may_be_far_from_its_alias() {
    let mut items = many();
    items[0] = "&first {source: quay.io/a/app-0, tag: '1.0'}".to_owned();
    items.push("{<<: *first, tag: '2.0'}".to_owned());
    let (count, images, _) = said(&in_block_style(&items));
    assert_eq!(count, MANY + 1);
    let expected = "quay.io/a/app-0 2.0 localhost:5000/quay.io/a/app-0:2.0";
    assert_eq!(images[MANY], expected);
}

#[test]
fn images_are_left_out_for_good() {
    let only = |glob: &str| Only::Glob(Glob::new(glob).unwrap().compile_matcher());
    for text in [in_block_style(&many()), in_flow_style(&many())] {
        let mut images = parse(&text, "c.yaml").unwrap().images;
        images.retain(only("*7"));
        images.retain(only("*:1.12*"));
        let tags: Vec<String> = images.iter().map(|image| image.tag).collect();
        assert_eq!(tags, ["1.127", "1.1207", "1.1217", "1.1227"]);
        assert_eq!((images.len(), images.is_empty()), (4, false));
        images.retain(only("nothing"));
        assert!(images.is_empty());
    }
}
