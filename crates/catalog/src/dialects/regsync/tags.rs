//! Which tags and repositories are wanted: `allow`, `deny` and `semverRange`.

mod patterns;
mod ranges;

use std::collections::HashMap;

use super::options::Told;
use crate::dialects::patterns::is_of_artifacts;
use crate::dialects::translation::{Kind, Mapping, Pairs, Translator};
use crate::document::Node;
use crate::problem::{Place, Problem};
use crate::tag_rules::{Pattern, Range};

const KEYS: [&str; 3] = ["allow", "deny", "semverRange"];
const KEYS_OF_REPOS: [&str; 2] = ["allow", "deny"];
const EXPECTED: &str = "a mapping with allow, deny and semverRange";
const WIDE: &str = "a | outside of brackets divides the whole expression, so that it matches more than whole tags, as in the tool that it is written for; brackets around it would mend that";
const VERSIONS: &str = "pre-releases in the range count, as in the tool that it is written for; tags of more than three numbers, and those that are else no versions by Semantic Versioning 2.0.0, do not";
const ARTIFACTS: &str = "signatures, attestations and SBOMs are tags of their own there (sha256-...), which are not among all tags here: they come with the images that they belong to (referrers: true), and those of no image do not";

/// What one set of rules chooses.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Rules {
    pub(super) include: Vec<String>,
    pub(super) exclude: Vec<String>,
    semver: Option<String>,
    /// Whether tags of signatures are among what it chooses.
    pub(super) has_artifacts: bool,
}

/// Expressions and ranges that were looked at already.
#[derive(Default)]
pub(super) struct Checked {
    patterns: HashMap<String, Result<Whole, String>>,
}

/// An expression for whole texts.
struct Whole {
    text: String,
    /// Whether it matches more than whole texts.
    is_wide: bool,
    has_artifacts: bool,
}

/// Reads rules.
pub(super) struct Reader<'r, 'a> {
    pub(super) checked: &'r mut Checked,
    pub(super) told: &'r mut Told,
    pub(super) to: &'r mut Translator<'a>,
}

impl Rules {
    fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty() && self.semver.is_none()
    }

    /// Whether it has nothing but what is allowed.
    fn is_list(&self) -> bool {
        !self.include.is_empty() && self.exclude.is_empty() && self.semver.is_none()
    }

    /// As this program has it.
    pub(super) fn node(&self, place: Place) -> Node {
        if self.is_empty() {
            return Node::of_text("all").at(place);
        }
        let mut pairs = lists(&self.include, &self.exclude, place);
        if let Some(range) = &self.semver {
            pairs.push(("semver", Node::of_text(range).at(place)));
        }
        Node::of_pairs(pairs).at(place)
    }
}

/// `include` and `exclude`, where they have something.
pub(super) fn lists(include: &[String], exclude: &[String], place: Place) -> Pairs {
    let list = |texts: &[String]| {
        let items = texts.iter().map(|text| Node::of_text(text).at(place));
        Node::of_items(items.collect()).at(place)
    };
    let both = [("include", include), ("exclude", exclude)];
    let said = both.into_iter().filter(|(_, texts)| !texts.is_empty());
    said.map(|(key, texts)| (key, list(texts))).collect()
}

impl Reader<'_, '_> {
    /// The sets of rules of an entry, of which what any chooses is wanted.
    pub(super) fn tags(&mut self, entry: &Mapping<'_>) -> Vec<Rules> {
        let mut sets = Vec::new();
        for (index, item) in entry.items("tagSets", self.to).iter().enumerate() {
            let path = format!("{}[{index}]", entry.key("tagSets"));
            sets.extend(self.set(item, &path));
        }
        if let Some(node) = entry.node("tags") {
            let own = self.set(node, &entry.key("tags"));
            sets.extend(own.filter(|own| !own.is_empty()));
        }
        if sets.is_empty() || sets.iter().any(Rules::is_empty) {
            sets = vec![Rules {
                has_artifacts: true,
                ..Rules::default()
            }];
        }
        if sets.iter().any(|rules| rules.has_artifacts) {
            let node = entry.node("tags").or(entry.node("tagSets"));
            let (place, key) = match node {
                Some(node) => (node.place, "tags"),
                None => (entry.place(), "type"),
            };
            self.told
                .also(Kind::Mapped, place, entry.key(key), ARTIFACTS);
        }
        let (of_lists, mut others): (Vec<Rules>, Vec<Rules>) =
            sets.into_iter().partition(Rules::is_list);
        let has_artifacts = of_lists.iter().any(|rules| rules.has_artifacts);
        let include: Vec<String> = of_lists
            .into_iter()
            .flat_map(|rules| rules.include)
            .collect();
        if !include.is_empty() {
            others.push(Rules {
                include,
                has_artifacts,
                ..Rules::default()
            });
        }
        others
    }

    /// What the repositories of a registry are chosen by.
    pub(super) fn repositories(&mut self, entry: &Mapping<'_>) -> Rules {
        let Some(node) = entry.node("repos") else {
            return Rules::default();
        };
        let path = entry.key("repos");
        let repos = Mapping::of(node, &path, "a mapping with allow and deny");
        let Some(repos) = self
            .to
            .ok(node.place, repos.map_err(|problem| problem.key(&path)))
        else {
            return Rules::default();
        };
        repos.note_unknown(&KEYS_OF_REPOS, self.to);
        Rules {
            include: self.patterns(&repos, "allow").0,
            exclude: self.patterns(&repos, "deny").0,
            ..Rules::default()
        }
    }

    fn set(&mut self, node: &Node, path: &str) -> Option<Rules> {
        let set = Mapping::of(node, path, EXPECTED).map_err(|problem| problem.key(path));
        let set = self.to.ok(node.place, set)?;
        set.note_unknown(&KEYS, self.to);
        set.note_repeated(self.to);
        let (include, includes) = self.patterns(&set, "allow");
        let (exclude, excludes) = self.patterns(&set, "deny");
        let semver = self.ranges(&set);
        Some(Rules {
            has_artifacts: semver.is_none() && !excludes && (includes || include.is_empty()),
            include,
            exclude,
            semver,
        })
    }

    /// The expressions of a list, and whether one of them matches the tags of signatures.
    fn patterns(&mut self, set: &Mapping<'_>, key: &str) -> (Vec<String>, bool) {
        set.texts(key, self.to);
        let mut texts = Vec::new();
        let mut has_artifacts = false;
        for (index, item) in set.items(key, self.to).iter().enumerate() {
            let Some(text) = item.text() else { continue };
            let key = format!("{}[{index}]", set.key(key));
            match self.checked.pattern(text) {
                Ok(whole) => {
                    if whole.is_wide {
                        self.told.also(Kind::Mapped, item.place, key, WIDE);
                    }
                    has_artifacts |= whole.has_artifacts;
                    texts.push(whole.text.clone());
                }
                Err(reason) => {
                    let told = format!("{text:?} cannot be used: {reason}");
                    self.to.report(Problem::new(told).key(&key).at(item.place));
                }
            }
        }
        (texts, has_artifacts)
    }

    fn ranges(&mut self, set: &Mapping<'_>) -> Option<String> {
        set.texts("semverRange", self.to);
        let mut any = Vec::new();
        for (index, item) in set.items("semverRange", self.to).iter().enumerate() {
            let Some(text) = item.text().filter(|text| !text.is_empty()) else {
                continue;
            };
            let key = format!("{}[{index}]", set.key("semverRange"));
            let range = ranges::range(text).and_then(|range| Range::parse(&range).map(|_| range));
            match range {
                Ok(range) => {
                    self.told.also(Kind::Mapped, item.place, key, VERSIONS);
                    any.push(range);
                }
                Err(reason) => {
                    let told = format!("{text:?} cannot be used: {reason}");
                    self.to.report(Problem::new(told).key(&key).at(item.place));
                }
            }
        }
        (!any.is_empty()).then(|| any.join(" || "))
    }
}

impl Checked {
    fn pattern(&mut self, text: &str) -> &Result<Whole, String> {
        if !self.patterns.contains_key(text) {
            self.patterns.insert(text.to_owned(), Whole::parse(text));
        }
        &self.patterns[text]
    }
}

impl Whole {
    fn parse(text: &str) -> Result<Self, String> {
        // By itself first: its error is told as the author wrote it.
        let alone = Pattern::parse(text)?;
        let (whole, is_wide) = patterns::whole(text);
        let pattern = if whole == text {
            alone
        } else {
            Pattern::parse(&whole)?
        };
        Ok(Self {
            text: whole,
            is_wide,
            has_artifacts: is_of_artifacts(&pattern),
        })
    }
}
