//! What rules make of the tags of a repository, stage by stage.

use std::collections::{HashMap, HashSet};

use time::OffsetDateTime;

use super::{Sort, TagRules, version};

/// What becomes of the tags of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The stages that say something, in their order.
    pub stages: Vec<Stage>,
    /// The tags that are chosen, in the order of the rules, and then those that are left out, by their names.
    pub tags: Vec<Fate>,
}

/// A stage of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its key; `artifacts` is that which leaves out the tags of signatures and the like.
    pub name: &'static str,
    /// How many tags it leaves.
    pub left: usize,
}

/// What becomes of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The tag.
    pub tag: String,
    /// Why it is not chosen.
    pub out: Option<Out>,
}

/// Why a tag is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Out {
    /// The stage that leaves it out.
    pub stage: &'static str,
    /// Why it does.
    pub why: String,
}

/// A stage: its key, whether rules have it, and how it is added to those before it.
type Step = (
    &'static str,
    fn(&TagRules) -> bool,
    fn(&mut TagRules, &TagRules),
);

const STEPS: [Step; 8] = [
    ("artifacts", |_| true, |_, _| ()),
    (
        "include",
        |rules| !rules.include.is_empty(),
        |some, all| some.include.clone_from(&all.include),
    ),
    (
        "exclude",
        |rules| !rules.exclude.is_empty(),
        |some, all| some.exclude.clone_from(&all.exclude),
    ),
    (
        "extract",
        |rules| rules.extract.is_some(),
        |some, all| some.extract.clone_from(&all.extract),
    ),
    (
        "semver",
        |rules| rules.semver.is_some(),
        |some, all| some.semver.clone_from(&all.semver),
    ),
    (
        "min_age",
        |rules| rules.min_age.is_some(),
        |some, all| some.min_age = all.min_age,
    ),
    (
        "sort",
        |rules| rules.sort.is_some(),
        |some, all| some.sort = all.sort,
    ),
    (
        "latest",
        |rules| rules.latest.is_some(),
        |some, all| some.latest = all.latest,
    ),
];

impl TagRules {
    /// What becomes of each of these tags now, and at which stage. `created` has when their images were created, where that
    /// matters and can be believed.
    pub(crate) fn explain(
        &self,
        tags: &[&str],
        created: &HashMap<&str, OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Explained {
        let tags: HashSet<&str> = tags.iter().copied().collect();
        let mut left: Vec<&str> = tags.into_iter().collect();
        let (mut stages, mut out, mut so_far) = (Vec::new(), Vec::new(), Self::default());
        for (name, is_said, add) in STEPS {
            if !is_said(self) {
                continue;
            }
            add(&mut so_far, self);
            // The rules up to this stage choose themselves, so that this cannot differ from what a run does.
            let candidates = so_far.candidates(left.iter().copied()).into_iter();
            let dated = candidates.map(|candidate| {
                let created = created.get(candidate.tag).copied();
                candidate.created_at(created)
            });
            let chosen = so_far.choose(dated.collect(), now);
            let kept: HashSet<&str> = chosen.iter().copied().collect();
            let gone = left.iter().filter(|tag| !kept.contains(**tag));
            out.extend(gone.map(|tag| (*tag, name, self.why(name, tag, created.get(*tag)))));
            stages.push(Stage {
                name,
                left: chosen.len(),
            });
            left = chosen;
        }
        out.sort_unstable();
        let chosen = left.into_iter().map(|tag| Fate {
            tag: tag.to_owned(),
            out: None,
        });
        let out = out.into_iter().map(|(tag, stage, why)| Fate {
            tag: tag.to_owned(),
            out: Some(Out { stage, why }),
        });
        Explained {
            stages,
            tags: chosen.chain(out).collect(),
        }
    }

    fn why(&self, stage: &str, tag: &str, created: Option<&OffsetDateTime>) -> String {
        let seen = self.extracted(tag).unwrap_or(tag);
        match stage {
            "artifacts" => "belongs to an image, and comes with that".to_owned(),
            "include" => "matches none of the patterns".to_owned(),
            "exclude" => {
                let pattern = self.exclude.iter().find(|pattern| pattern.matches(tag));
                pattern.map_or_else(String::new, |pattern| format!("matches {pattern:?}"))
            }
            "extract" => "does not match the pattern".to_owned(),
            "semver" => self.why_not_in_range(seen),
            "min_age" => match created {
                Some(created) => format!("was created on {}", created.date()),
                None => "has no creation time that can be believed".to_owned(),
            },
            "sort" if self.sort == Some(Sort::Numerical) => format!("{seen:?} is no whole number"),
            "sort" => format!("{seen:?} is no version"),
            _ => "is behind those".to_owned(),
        }
    }

    fn why_not_in_range(&self, seen: &str) -> String {
        let Some(mut version) = version::parse(seen) else {
            return format!("{seen:?} is no version");
        };
        let is_pre_release = !version.pre.is_empty();
        version.pre = semver::Prerelease::EMPTY;
        let has_release = self
            .semver
            .as_ref()
            .is_some_and(|range| range.has(&version));
        if is_pre_release && has_release {
            return format!("{seen:?} is a pre-release, and the range has none of its version");
        }
        format!("{seen:?} is not in the range")
    }
}
