//! Which tags rules choose.

use time::macros::datetime;

use super::*;

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
