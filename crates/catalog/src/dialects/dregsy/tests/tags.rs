//! Which tags a list of them and of filters chooses.

use super::super::super::samples::{choices, warnings};
use super::{read, task};

/// The rules for the tags of one repository.
fn chosen(tags: &str, of: &[&str]) -> Vec<String> {
    let parsed = read(&task(&format!("[{{from: a, tags: {tags}}}]")));
    let told = choices(&parsed, of).into_iter();
    told.map(|line| {
        line.strip_prefix("quay.io/a -> m.io/a: ")
            .unwrap()
            .to_owned()
    })
    .collect()
}

#[test]
fn tags_and_filters_are_joined_by_or_and_keep_has_the_last_word() {
    let all = [
        "1.0.0",
        "1.1.0-rc.1",
        "1.1.0",
        "2.0.0-alpine",
        "2.1-alpine",
        "latest",
        "dev-1",
    ];
    for (tags, expected) in [
        (
            "",
            &["1.0.0 1.1.0 1.1.0-rc.1 2.0.0-alpine 2.1-alpine dev-1 latest"][..],
        ),
        ("['keep: .*alpine']", &["2.0.0-alpine 2.1-alpine"]),
        ("['semver: >=1.1.0-0']", &["2.0.0-alpine 1.1.0 1.1.0-rc.1"]),
        (
            "['semver: >1.0.0 <2.0.0']",
            &["2.0.0-alpine 1.1.0 1.1.0-rc.1"],
        ),
        (
            "['semver: 1.x', 'semver: 2.x', 'keep: latest 2']",
            &["2.0.0-alpine 1.1.0"],
        ),
        (
            "['semver: 1.x', 'regex: dev-.*', latest]",
            &["2.0.0-alpine 1.1.0 1.1.0-rc.1 1.0.0", "dev-1"],
        ),
        ("['regex: dev', 'regex: latest|2']", &["latest"]),
        (
            "['regex: !.*[0-9].*', 'regex: 1\\.0\\.0']",
            &["1.0.0", "latest"],
        ),
        (
            "['regex: !.*-.*', 'keep: !latest', 'keep: 1.*']",
            &["1.0.0 1.1.0"],
        ),
        (
            "['semver: >=1.0.0', 'keep: .*-.*', 'keep: .*1']",
            &["1.1.0-rc.1"],
        ),
        (
            "['regex: .*', 'keep: latest 1']",
            &["2.0.0-alpine", "2.1-alpine dev-1 latest"],
        ),
        ("[latest]", &[]),
    ] {
        let tags = if tags.is_empty() { "[]" } else { tags };
        assert_eq!(chosen(tags, &all), expected, "{tags}");
    }
}

#[test]
fn of_two_spellings_of_one_version_keep_latest_takes_the_later_one_by_its_name() {
    let all = ["v1.2.3", "1.2.3", "1.2.2"];
    for (latest, expected) in [
        (1, "v1.2.3"),
        (2, "v1.2.3 1.2.3"),
        (3, "v1.2.3 1.2.3 1.2.2"),
    ] {
        let tags = format!("['semver: >=1.0.0', 'keep: latest {latest}']");
        assert_eq!(chosen(&tags, &all), [expected], "{tags}");
    }
}

#[test]
fn what_keep_latest_cannot_say_is_told() {
    for (tags, why) in [
        (
            "['semver: 1.x', 'regex: dev', 'keep: latest 3']",
            "so many of each filter are kept, not 3 of all of them together",
        ),
        (
            "['1.0.0', 'semver: 1.x', 'keep: latest 3']",
            "tags that are named are copied in any case, and do not count",
        ),
        (
            "['regex: 1.*', 'keep: latest 3']",
            "so many versions are kept and what is none beside them, but where there are no versions at all, all tags, not the last 3 by their names",
        ),
    ] {
        let told = warnings(&read(&task(&format!("[{{from: a, tags: {tags}}}]"))));
        let is_told = |line: &String| {
            line.contains("tasks[0].mappings[0].tags keep: latest 3 is left out: ")
                && line.ends_with(why)
        };
        assert!(told.iter().any(is_told), "{told:#?}");
    }
}
