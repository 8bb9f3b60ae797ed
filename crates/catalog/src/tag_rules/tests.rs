//! Which tags rules choose.

use std::collections::HashMap;

use time::macros::datetime;

use super::*;
use crate::samples;

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts
        .iter()
        .map(|text| Pattern::parse(text).unwrap())
        .collect()
}

const TAGS: [&str; 14] = [
    "latest",
    "v1.29.0",
    "v1.30.0-rc.1",
    "v1.30.0",
    "v1.30.1",
    "1.31",
    "v2.0.0",
    "nightly",
    "20260101",
    "20251231",
    "1.30.1-debian",
    "v1.30.1+build.7",
    "v1.28.9",
    "2.0.0-alpha",
];

fn chosen(rules: &TagRules) -> Vec<&'static str> {
    choose(rules, TAGS)
}

/// What is chosen without knowing when anything was created.
fn choose<'t>(rules: &TagRules, tags: impl IntoIterator<Item = &'t str>) -> Vec<&'t str> {
    rules.choose(rules.candidates(tags), NOW)
}

#[test]
fn without_rules_all_tags_are_chosen_but_those_of_artifacts() {
    let hex = "a".repeat(64);
    let artifacts = ["", ".sig", ".att", ".sbom"].map(|suffix| format!("sha256-{hex}{suffix}"));
    let all = TAGS.into_iter().chain(artifacts.iter().map(String::as_str));
    let mut expected = TAGS.to_vec();
    expected.sort_unstable();
    assert_eq!(choose(&TagRules::default(), all), expected);
    assert_eq!(
        choose(&TagRules::default(), ["sha256-abc", "sha256-"]),
        ["sha256-", "sha256-abc"]
    );
}

#[test]
fn patterns_match_whole_tags() {
    let rules = TagRules {
        include: patterns(&["v1", "lat.*"]),
        ..TagRules::default()
    };
    assert_eq!(chosen(&rules), ["latest"]);
    let rules = TagRules {
        include: patterns(&["v1.*", "v2.*"]),
        exclude: patterns(&[".*-rc.*", "v1.2.*"]),
        ..TagRules::default()
    };
    assert_eq!(
        chosen(&rules),
        ["v1.30.0", "v1.30.1", "v1.30.1+build.7", "v2.0.0"]
    );
    let either = TagRules {
        include: patterns(&["a|b"]),
        ..TagRules::default()
    };
    assert_eq!(choose(&either, ["a", "b", "ab", "ax"]), ["a", "b"]);
}

#[test]
fn a_range_leaves_out_what_is_no_version_and_puts_the_highest_first() {
    let semver = Some(Range::parse(">=1.29, <2").unwrap());
    let rules = TagRules {
        semver,
        ..TagRules::default()
    };
    assert_eq!(
        chosen(&rules),
        ["1.31", "v1.30.1+build.7", "v1.30.1", "v1.30.0", "v1.29.0"]
    );
    let latest = TagRules {
        latest: Some(2),
        ..rules
    };
    assert_eq!(chosen(&latest), ["1.31", "v1.30.1+build.7"]);
}

#[test]
fn what_is_extracted_is_what_ranges_and_orders_see() {
    let rules = TagRules {
        extract: Some(Pattern::parse("(.*)-debian").unwrap()),
        semver: Some(Range::parse("1.x").unwrap()),
        ..TagRules::default()
    };
    assert_eq!(chosen(&rules), ["1.30.1-debian"]);
}

#[test]
fn numbers_are_put_in_order_as_numbers_and_names_as_names() {
    let sorted = |sort, latest| {
        let rules = TagRules {
            sort: Some(sort),
            latest: Some(latest),
            ..TagRules::default()
        };
        choose(&rules, ["9", "10", "b", "a", "008"])
    };
    assert_eq!(sorted(Sort::Numerical, 5), ["10", "9", "008"]);
    assert_eq!(sorted(Sort::Alphabetical, 2), ["b", "a"]);
}

#[test]
fn the_order_of_the_registrys_answer_does_not_matter() {
    let range = |text| Some(Range::parse(text).unwrap());
    for rules in [
        TagRules::default(),
        TagRules {
            semver: range("*"),
            latest: Some(3),
            ..TagRules::default()
        },
        TagRules {
            sort: Some(Sort::Semver),
            ..TagRules::default()
        },
        TagRules {
            sort: Some(Sort::Alphabetical),
            latest: Some(4),
            ..TagRules::default()
        },
        TagRules {
            exclude: patterns(&["v.*"]),
            ..TagRules::default()
        },
    ] {
        let expected = chosen(&rules);
        // 3, 5, 9, 11 and 13 have no divisor in common with 14: each step visits all tags, in another order.
        for (start, step) in
            (0..TAGS.len()).flat_map(|start| [3, 5, 9, 11, 13].map(|step| (start, step)))
        {
            let places = (0..TAGS.len() + 3).map(|place| (start + place * step) % TAGS.len());
            let tags: Vec<&str> = places.map(|place| TAGS[place]).collect();
            assert_eq!(choose(&rules, tags), expected);
        }
    }
}

#[test]
fn include_and_exclude_may_be_asked_before_or_after_the_listing() {
    let rules = TagRules {
        include: patterns(&["v.*", "1.*"]),
        exclude: patterns(&[".*rc.*"]),
        ..TagRules::default()
    };
    let before: Vec<&str> = TAGS.into_iter().filter(|tag| rules.is_named(tag)).collect();
    assert_eq!(choose(&rules, before), chosen(&rules));
}

#[test]
fn what_is_no_pattern_is_told_as_it_was_written() {
    assert_eq!(Pattern::parse("a(").unwrap_err(), "unclosed group");
    assert_eq!(Pattern::parse("a)|(b").unwrap_err(), "unopened group");
}

/// What is chosen of tags that were created so many days ago, or at no believable time.
fn chosen_by_age<'t>(rules: &TagRules, days: &[(&'t str, Option<i64>)]) -> Vec<&'t str> {
    let mut candidates = rules.candidates(days.iter().map(|(tag, _)| *tag));
    for candidate in &mut candidates {
        let (_, days) = days.iter().find(|(tag, _)| *tag == candidate.tag).unwrap();
        candidate.created = days.map(|days| NOW - Duration::days(days));
    }
    rules.choose(candidates, NOW)
}

#[test]
fn min_age_leaves_out_what_is_younger_and_what_has_no_believable_creation_time() {
    let rules = TagRules {
        min_age: Some(Duration::days(7)),
        ..TagRules::default()
    };
    let ages = [("a", Some(8)), ("b", Some(7)), ("c", Some(6)), ("d", None)];
    assert_eq!(chosen_by_age(&rules, &ages), ["a", "b"]);
}

#[test]
fn created_puts_the_youngest_first_and_what_has_no_believable_creation_time_last() {
    let rules = TagRules {
        sort: Some(Sort::Created),
        ..TagRules::default()
    };
    let ages = [
        ("a", Some(8)),
        ("x", None),
        ("b", Some(2)),
        ("y", None),
        ("c", Some(8)),
    ];
    assert_eq!(chosen_by_age(&rules, &ages), ["b", "c", "a", "y", "x"]);
    let latest = TagRules {
        latest: Some(2),
        ..rules
    };
    assert_eq!(chosen_by_age(&latest, &ages), ["b", "c"]);
}

#[test]
fn min_age_comes_before_latest_whatever_the_sort() {
    let rules = TagRules {
        semver: Some(Range::parse("1.x").unwrap()),
        min_age: Some(Duration::days(7)),
        latest: Some(1),
        ..TagRules::default()
    };
    let ages = [
        ("1.2", Some(1)),
        ("1.1", Some(9)),
        ("1.0", Some(20)),
        ("2.0", Some(20)),
    ];
    assert_eq!(chosen_by_age(&rules, &ages), ["1.1"]);
}

#[test]
fn rules_without_min_age_are_known_by_what_they_were_known_by_before_there_was_one() {
    let rules = TagRules {
        include: patterns(&["v1"]),
        sort: Some(Sort::Semver),
        ..TagRules::default()
    };
    assert_eq!(
        format!("{rules:?}"),
        r#"TagRules { include: ["v1"], exclude: [], extract: None, semver: None, sort: Some(Semver), latest: None, require: None }"#
    );
}

/// The rules that a config states so.
fn stated(text: &str) -> TagRules {
    let images = samples::config(&[&format!("{{source: a/b, tags: {text}}}")]).images;
    images.said().find_map(|said| said.rules.cloned()).unwrap()
}

/// Each stage with what it leaves, and each tag with the stage that leaves it out.
fn explained(rules: &TagRules, tags: &[&str]) -> (Vec<String>, Vec<String>) {
    let explained = rules.explain(tags, &HashMap::new(), NOW);
    let stages = explained.stages.iter();
    let stages = stages.map(|stage| format!("{} {}", stage.name, stage.left));
    let tags = explained.tags.iter().map(|fate| match &fate.out {
        None => fate.tag.clone(),
        Some(out) => format!("{}: {}: {}", fate.tag, out.stage, out.why),
    });
    (stages.collect(), tags.collect())
}

#[test]
fn each_stage_is_told_with_what_it_leaves_and_each_tag_with_why_it_is_out() {
    let signature = format!("sha256-{}.sig", "0".repeat(64));
    let tags = [
        "v1.28.9",
        "v1.29.0",
        "v1.30.0-rc.1",
        "v1.30.0",
        "v1.31.0",
        "v1.31.0",
        "v1.32.0-debug",
        "v2.0.0",
        "vnext",
        "latest",
        &signature,
    ];
    let rules = stated("{include: 'v.*', exclude: '.*-debug', semver: '>=1.29, <2', latest: 2}");
    let (stages, told) = explained(&rules, &tags);
    assert_eq!(
        stages,
        [
            "artifacts 9",
            "include 8",
            "exclude 7",
            "semver 3",
            "latest 2"
        ]
    );
    let expected = [
        "v1.31.0".to_owned(),
        "v1.30.0".to_owned(),
        "latest: include: matches none of the patterns".to_owned(),
        format!("{signature}: artifacts: belongs to an image, and comes with that"),
        "v1.28.9: semver: \"v1.28.9\" is not in the range".to_owned(),
        "v1.29.0: latest: is behind those".to_owned(),
        "v1.30.0-rc.1: semver: \"v1.30.0-rc.1\" is a pre-release, and the range has none of its version".to_owned(),
        "v1.32.0-debug: exclude: matches \".*-debug\"".to_owned(),
        "v2.0.0: semver: \"v2.0.0\" is not in the range".to_owned(),
        "vnext: semver: \"vnext\" is no version".to_owned(),
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_is_explained_as_chosen_is_what_the_rules_choose() {
    let tags = [
        "1", "2", "10", "1.0", "v1.2", "1.2.0", "2.0-rc.1", "2.0", "app-7", "app-12", "x", "",
    ];
    for text in [
        "all",
        "{include: '[0-9].*'}",
        "{extract: 'app-(.*)', sort: numerical, latest: 1}",
        "{semver: '<2 || >=2.0.0-rc', latest: 3}",
        "{exclude: ['v.*', 'x'], sort: alphabetical}",
        "{sort: numerical}",
        "{sort: semver, latest: 4}",
    ] {
        let rules = stated(text);
        let told = rules.explain(&tags, &HashMap::new(), NOW);
        let chosen = told.tags.iter().filter(|fate| fate.out.is_none());
        let chosen: Vec<&str> = chosen.map(|fate| fate.tag.as_str()).collect();
        assert_eq!(chosen, rules.choose(rules.candidates(tags), NOW), "{text}");
        assert_eq!(told.tags.len(), tags.len(), "{text}: each is told");
    }
}

#[test]
fn rules_that_can_choose_nothing_are_known_by_their_texts() {
    for text in [
        "{exclude: '.*'}",
        "{include: ['v.*', 'w.*'], exclude: ['w.*', 'v.*']}",
        "{semver: '>2 <1'}",
        "{semver: '>=1.2.4, <1.2.4 || =1.0.0 !=1.0.0'}",
        "{semver: '>1.2.3 <1.2.4'}",
    ] {
        assert!(stated(text).choose_nothing().is_some(), "{text}");
    }
    for text in [
        "all",
        "{include: ['v.*', 'w.*'], exclude: 'w.*'}",
        "{semver: '<1'}",
        "{semver: '>1.2.3 <1.3'}",
        "{semver: '>2 <1 || 3.x'}",
        "{semver: '>1.0.0-rc.1 <1.0.0'}",
        "{semver: '!=1.0.0'}",
        "{semver: '*'}",
    ] {
        assert_eq!(stated(text).choose_nothing(), None, "{text}");
    }
}

#[test]
fn an_entry_whose_rules_can_choose_nothing_is_a_warning_with_its_place() {
    let warnings = samples::config(&["{source: a/b, tags: {semver: '>2 <1'}}"]).warnings;
    let expected =
        "images[0].tags: the rules can choose no tag, as no version is in the range of semver";
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains(expected), "{warnings:?}");
}

#[test]
fn a_tag_that_is_too_young_is_told_with_when_its_image_was_created() {
    let rules = stated("{min_age: {created: 7d}, sort: created, latest: 1}");
    let created = [("a", 30), ("b", 2), ("c", 9)];
    let created = created.map(|(tag, days)| (tag, NOW - Duration::days(days)));
    let told = rules.explain(&["a", "b", "c", "d"], &HashMap::from(created), NOW);
    let stages: Vec<_> = told
        .stages
        .iter()
        .map(|stage| (stage.name, stage.left))
        .collect();
    let expected = [("artifacts", 4), ("min_age", 2), ("sort", 2), ("latest", 1)];
    assert_eq!(stages, expected);
    let why = |tag: &str| {
        let fate = told.tags.iter().find(|fate| fate.tag == tag).unwrap();
        fate.out.as_ref().map(|out| out.why.as_str())
    };
    assert_eq!(why("c"), None);
    assert_eq!(why("a"), Some("is behind those"));
    assert_eq!(why("b"), Some("was created on 2026-11-18"));
    assert_eq!(why("d"), Some("has no creation time that can be believed"));
}
