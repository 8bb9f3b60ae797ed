//! What must hold of rules and tags of any kind.

use image_sync_fuzzkit::Random;
use semver::Version;
use time::macros::datetime;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
const ROUNDS: u64 = 300;

/// A tag as people make them: a version with or without `v`, zeros, a pre-release and a build suffix, or none.
fn tag(random: &mut Random) -> String {
    let number = |random: &mut Random| random.below(4).to_string();
    let any = |random: &mut Random, of: &[&'static str]| *random.choose(of).unwrap();
    match random.below(8) {
        0 => any(
            random,
            &["latest", "nightly", "stable-alpine", "main", "v", "1.x"],
        )
        .to_owned(),
        1 => format!("2026{:02}{:02}", random.below(12), random.below(28)),
        2 => format!(
            "sha256-{}{}",
            "ab".repeat(32),
            any(random, &["", ".sig", ".att"])
        ),
        _ => {
            let prefix = any(random, &["", "v", "V"]);
            let numbers: Vec<String> = (0..=random.below(4)).map(|_| number(random)).collect();
            let pre = any(
                random,
                &["", "", "", "-rc.1", "-alpha", "-alpine3.20", "-0"],
            );
            let build = any(random, &["", "", "", "+build.7", "_1"]);
            format!("{prefix}{}{pre}{build}", numbers.join("."))
        }
    }
}

fn rules(random: &mut Random) -> TagRules {
    let of = |random: &mut Random, texts: &[&str]| {
        let patterns = texts.iter().filter(|_| random.below(3) == 0);
        patterns.map(|text| Pattern::parse(text).unwrap()).collect()
    };
    let range = random.choose(&["", "", "*", "1.x", ">=1.1, <3", ">=0.0.0-0", "~2.1 || 0.x"]);
    let range = range.filter(|range| !range.is_empty());
    let sort = random.choose(&[
        None,
        Some(Sort::Semver),
        Some(Sort::Created),
        Some(Sort::Alphabetical),
        Some(Sort::Numerical),
    ]);
    TagRules {
        include: of(random, &["v.*", "[0-9].*", ".*"]),
        exclude: of(random, &[".*-(alpha|rc).*", "latest", ".*\\+.*"]),
        extract: (random.below(4) == 0).then(|| Pattern::parse("[vV]?(.*)").unwrap()),
        semver: range.map(|range| Range::parse(range).unwrap()),
        min_age: (random.below(4) == 0).then(|| Duration::days(5)),
        sort: *sort.unwrap(),
        latest: (random.below(2) == 0).then(|| 1 + random.below(6)),
        require: None,
    }
}

/// Of some images the creation time is not known, and of many it is the same.
fn created(tag: &str) -> Option<OffsetDateTime> {
    let days = tag.bytes().map(i64::from).sum::<i64>() % 12;
    (days > 1).then(|| NOW - Duration::days(days))
}

fn choose<'t>(rules: &TagRules, tags: impl IntoIterator<Item = &'t str>) -> Vec<&'t str> {
    let candidates = rules.candidates(tags).into_iter();
    let dated = candidates.map(|candidate| {
        let created = created(candidate.tag);
        candidate.created_at(created)
    });
    rules.choose(dated.collect(), NOW)
}

/// Some rules and some tags, the same ones every time.
fn each(mut check: impl FnMut(&TagRules, &[&str], &mut Random)) {
    for seed in 1..ROUNDS {
        let mut random = Random::new(seed * 2_654_435_761);
        let tags: Vec<String> = (0..random.below(40)).map(|_| tag(&mut random)).collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        check(&rules(&mut random), &tags, &mut random);
    }
}

#[test]
fn what_is_chosen_does_not_depend_on_the_order_and_the_repeats_of_the_registrys_answer() {
    let mut chosen = 0;
    each(|rules, tags, random| {
        let expected = choose(rules, tags.iter().copied());
        chosen += usize::from(!expected.is_empty());
        let repeated = (0..5).filter_map(|_| random.choose(tags).copied());
        let mut other: Vec<&str> = tags.iter().copied().chain(repeated).collect();
        random.shuffle(&mut other);
        assert_eq!(choose(rules, other), expected, "{rules:?} of {tags:?}");
    });
    assert!(chosen > 100, "most choose something: {chosen}");
}

#[test]
fn include_and_exclude_commute_with_the_listing() {
    each(|rules, tags, _| {
        let before = tags.iter().copied().filter(|tag| rules.is_named(tag));
        let expected = choose(rules, tags.iter().copied());
        assert_eq!(choose(rules, before), expected, "{rules:?} of {tags:?}");
    });
}

#[test]
fn latest_is_the_beginning_of_what_is_chosen_without_it() {
    each(|rules, tags, _| {
        let all = TagRules {
            latest: None,
            ..rules.clone()
        };
        let mut expected = choose(&all, tags.iter().copied());
        expected.truncate(rules.latest.unwrap_or(usize::MAX));
        assert_eq!(
            choose(rules, tags.iter().copied()),
            expected,
            "{rules:?} of {tags:?}"
        );
    });
}

#[test]
fn latest_by_semver_is_of_versions_the_highest_first_and_pre_releases_are_where_the_range_names_one()
 {
    each(|rules, tags, _| {
        let rules = TagRules {
            sort: Some(Sort::Semver),
            extract: None,
            min_age: None,
            ..rules.clone()
        };
        let chosen = choose(&rules, tags.iter().copied());
        let versions: Vec<Version> = chosen
            .iter()
            .map(|tag| version::parse(tag).unwrap())
            .collect();
        assert!(
            versions.is_sorted_by(|left, right| left.cmp_precedence(right).is_ge()),
            "{chosen:?}"
        );
        let names_pre = rules
            .semver
            .as_ref()
            .is_none_or(|range| format!("{range:?}").contains("pre: Prerelease(\"0\")"));
        let has_pre = versions.iter().any(|version| !version.pre.is_empty());
        assert!(names_pre || !has_pre, "{rules:?} chose {chosen:?}");
        // None that was left out because of the number is higher than one that was not.
        let all = TagRules {
            latest: None,
            ..rules.clone()
        };
        let left_out = choose(&all, tags.iter().copied()).split_off(chosen.len());
        for tag in left_out {
            let version = version::parse(tag).unwrap();
            let is_lower = |chosen: &Version| chosen.cmp_precedence(&version).is_ge();
            assert!(versions.iter().all(is_lower), "{tag} and {chosen:?}");
        }
    });
}
