//! Repositories that get one name at the target, as it keeps their last components alone.

use image_sync_shared::image::reference::{Repository, split};

use super::super::patterns::is_of_artifacts;
use crate::document::Node;
use crate::problem::{Place, Problem};
use crate::tag_rules::{Pattern, Range, TagRules};

/// Which images of a repository are wanted.
pub(super) struct Wanted {
    what: What,
    place: Place,
}

enum What {
    All,
    /// Tags and digests, each with its place.
    Named(Vec<(String, Place)>),
    /// Tags that a pattern matches.
    Matching(String, Pattern),
    /// Versions of a range.
    Versions(String, Range),
}

/// The repositories so far.
#[derive(Default)]
pub(super) struct Names {
    taken: Vec<Taken>,
}

struct Taken {
    source: String,
    repository: Repository,
    wanted: Wanted,
    place: Place,
}

/// What two repositories with one name have in common.
enum Common {
    Nothing,
    /// Nobody knows before their tags are listed.
    Perhaps,
    /// A tag, or any of all.
    Tag(Option<String>),
}

/// Another repository that has the same name at the target.
pub(super) struct Clash {
    pub(super) told: String,
    /// Whether both have tags that are the same.
    pub(super) is_sure: bool,
}

impl Wanted {
    pub(super) fn all(place: Place) -> Self {
        let what = What::All;
        Self { what, place }
    }

    pub(super) fn named(tags: Vec<(String, Place)>, place: Place) -> Self {
        let what = What::Named(tags);
        Self { what, place }
    }

    /// Those whose tags `pattern` matches.
    pub(super) fn matching(pattern: &str, place: Place) -> Result<Self, String> {
        let what = What::Matching(pattern.to_owned(), Pattern::parse(pattern)?);
        Ok(Self { what, place })
    }

    pub(super) fn versions(range: &str, place: Place) -> Result<Self, String> {
        let what = What::Versions(range.to_owned(), Range::parse(range)?);
        Ok(Self { what, place })
    }

    /// As the key `tags` of an image has it.
    pub(super) fn node(&self) -> Node {
        let text = |text: &str| Node::of_text(text).at(self.place);
        let node = match &self.what {
            What::All => text("all"),
            What::Named(tags) => {
                let tags = tags.iter();
                let tags = tags.map(|(tag, place)| Node::of_text(tag).at(*place));
                Node::of_items(tags.collect())
            }
            What::Matching(pattern, _) => Node::of_pairs(vec![("include", text(pattern))]),
            What::Versions(range, _) => Node::of_pairs(vec![("semver", text(range))]),
        };
        node.at(self.place)
    }

    /// Whether the tags of signatures are among its tags.
    pub(super) fn has_artifacts(&self) -> bool {
        match &self.what {
            What::All => true,
            What::Matching(_, pattern) => is_of_artifacts(pattern),
            What::Named(_) | What::Versions(..) => false,
        }
    }

    /// The rules that choose its tags, if they are chosen.
    fn rules(&self) -> Option<TagRules> {
        let all = TagRules::default();
        match &self.what {
            What::All => Some(all),
            What::Named(_) => None,
            What::Matching(_, pattern) => Some(TagRules {
                include: vec![pattern.clone()],
                ..all
            }),
            What::Versions(_, range) => Some(TagRules {
                semver: Some(range.clone()),
                ..all
            }),
        }
    }

    fn common(&self, other: &Self) -> Common {
        match (self.rules(), other.rules()) {
            (None, None) => {
                let tags = self
                    .tags()
                    .find(|tag| other.tags().any(|other| other == *tag));
                tags.map_or(Common::Nothing, |tag| Common::Tag(Some(tag.to_owned())))
            }
            (None, Some(rules)) => self.among(other, &rules),
            (Some(rules), None) => other.among(self, &rules),
            (Some(left), Some(right)) => {
                let is_any = left == right || self.is_all() || other.is_all();
                if is_any {
                    Common::Tag(None)
                } else {
                    Common::Perhaps
                }
            }
        }
    }

    /// What these named ones have in common with those that are chosen.
    fn among(&self, chosen: &Self, rules: &TagRules) -> Common {
        let mut tags = self.tags().filter(|tag| rules.may_choose(tag)).peekable();
        if tags.peek().is_none() {
            return Common::Nothing;
        }
        let sure = tags.find(|tag| match &chosen.what {
            What::All => true,
            What::Matching(pattern, _) => pattern.replace('\\', "") == *tag,
            What::Named(_) | What::Versions(..) => false,
        });
        sure.map_or(Common::Perhaps, |tag| Common::Tag(Some(tag.to_owned())))
    }

    fn tags(&self) -> impl Iterator<Item = &str> {
        let tags = match &self.what {
            What::Named(tags) => tags.as_slice(),
            _ => &[],
        };
        tags.iter().map(|(tag, _)| tag.as_str())
    }

    fn is_all(&self) -> bool {
        matches!(self.what, What::All)
    }
}

impl Names {
    /// Takes the name of `source`, unless another repository has it, and perhaps the same tags.
    pub(super) fn take(
        &mut self,
        source: &str,
        wanted: Wanted,
        place: Place,
    ) -> Result<Option<Clash>, Problem> {
        let (repository, _) = split(source).map_err(Problem::new)?;
        let name = last(&repository).to_owned();
        let same = self
            .taken
            .iter()
            .filter(|taken| taken.repository != repository && last(&taken.repository) == name);
        let clashes = same.filter_map(|taken| {
            let line = taken.place.line;
            let (is_sure, tags) = match wanted.common(&taken.wanted) {
                Common::Nothing => return None,
                Common::Perhaps => (false, "; a tag that both have fails".to_owned()),
                Common::Tag(None) => (true, ", and both with all tags or the same rule".to_owned()),
                Common::Tag(Some(tag)) => (true, format!(", and both with {tag}")),
            };
            let told = format!(
                "{source} becomes {name:?} at the target, as {} in line {line} does{tags}",
                taken.source
            );
            Some(Clash { told, is_sure })
        });
        // The sure ones first.
        let clash = clashes.max_by_key(|clash| clash.is_sure);
        self.taken.push(Taken {
            source: source.to_owned(),
            repository,
            wanted,
            place,
        });
        Ok(clash)
    }
}

fn last(repository: &Repository) -> &str {
    let name = repository.name();
    name.rsplit('/').next().unwrap_or(name)
}
