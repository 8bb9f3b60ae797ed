//! Which artifacts come along with the images of an entry: `referrers` and what is beside it, and `digestTags`.

use super::super::options::option;
use super::super::references::Reference;
use super::{Steps, Target, What};
use crate::dialects::translation::{Kind, Mapping, Pairs};
use crate::document::Node;
use crate::problem::{Place, Problem};

/// The artifact types that rules see in the tags that are named by digests.
const OF_TAGS: &str = "application/vnd.dev.cosign.artifact.*";
/// What has an effect beside `referrers` alone.
const OF_REFERRERS: [&str; 4] = [
    "referrerFilters",
    "referrerSource",
    "referrerTarget",
    "referrerSlow",
];
const WITHOUT_REFERRERS: &str = "without referrers it has no effect";
const TAGS_TOO: &str =
    "signatures, attestations and SBOMs under tags of cosign (sha256-...) come along too";
const REFERRERS_TOO: &str = "artifacts that refer to an image come along too, and of its tags those of signatures, attestations and SBOMs (.sig, .att, .sbom)";
const TAGS_ELSEWHERE: &str = "tags of signatures, attestations and SBOMs are looked for in the repository of referrerSource, and not beside the image";
const REQUIRED: &str = "an image whose artifacts cannot be had from there has failed, and so has one without any (required: true)";
const BY_TYPE_ALONE: &str =
    "artifacts are chosen by their types alone, so that those with other annotations come too";
const BESIDE: &str = "artifacts are written beside their image, and nowhere else";
const SLOW: &str =
    "artifacts are chosen by their types alone, which are in the list of them anyway";

/// What comes along.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(in super::super) struct Artifacts {
    /// All types, where there are none.
    types: Vec<String>,
    /// Where they are, if not beside their image.
    from: Option<String>,
}

impl Artifacts {
    /// All that is beside the image.
    fn all() -> Self {
        Self {
            types: Vec::new(),
            from: None,
        }
    }

    /// As this program has them.
    pub(in super::super) fn node(&self, place: Place) -> Node {
        let text = |text: &str| Node::of_text(text).at(place);
        let mut pairs = Pairs::new();
        if !self.types.is_empty() {
            let types = self.types.iter().map(|of| text(of)).collect();
            pairs.push(("types", Node::of_items(types).at(place)));
        }
        if let Some(from) = &self.from {
            pairs.push(("required", text("true")));
            pairs.push(("from", text(from)));
        }
        if pairs.is_empty() {
            return text("true");
        }
        Node::of_pairs(pairs).at(place)
    }
}

impl What {
    /// Those that are tags among the tags that are chosen.
    fn artifacts(&self) -> Option<Artifacts> {
        match self {
            Self::Image { .. } => None,
            Self::Tags(sets) | Self::Registry(_, sets) => {
                let has_some = sets.iter().any(|rules| rules.has_artifacts);
                has_some.then(Artifacts::all)
            }
        }
    }
}

impl Steps<'_, '_> {
    /// None where none are wanted.
    pub(super) fn artifacts(
        &mut self,
        what: &What,
        source: &str,
        target: &Target,
        entry: &Mapping<'_>,
    ) -> Option<Artifacts> {
        let said = self.said(source, target, entry);
        said.or_else(|| what.artifacts())
    }

    /// What the options say.
    fn said(&mut self, source: &str, target: &Target, entry: &Mapping<'_>) -> Option<Artifacts> {
        let defaults = self.defaults;
        let tags = option("digestTags", entry, defaults);
        let Some(referrers) = option("referrers", entry, defaults) else {
            self.note(Kind::LeftOut, WITHOUT_REFERRERS, &OF_REFERRERS, entry);
            tags.as_ref()?;
            self.note(Kind::Mapped, REFERRERS_TOO, &["digestTags"], entry);
            return Some(Artifacts::all());
        };
        let from = self.other_repository("referrerSource", source, entry);
        match (&tags, &from) {
            (None, _) => {
                let place = referrers.node.place;
                self.told
                    .add(Kind::Mapped, place, "referrers", referrers.key, TAGS_TOO);
            }
            (Some(_), Some(_)) => {
                self.note(Kind::Mapped, TAGS_ELSEWHERE, &["digestTags"], entry);
            }
            (Some(_), None) => {}
        }
        if from.is_some() {
            self.note(Kind::Mapped, REQUIRED, &["referrerSource"], entry);
        }
        let to = self.other_repository("referrerTarget", source, entry);
        let own = Reference::parse(&target.text).ok();
        let is_beside = |to: &Reference| {
            own.as_ref()
                .is_some_and(|own| own.repository == to.repository)
        };
        if !to.as_ref().is_none_or(is_beside) {
            self.note(Kind::Missing, BESIDE, &["referrerTarget"], entry);
        }
        self.note(Kind::LeftOut, SLOW, &["referrerSlow"], entry);
        let mut types = self.types(entry);
        if tags.is_some() && !types.is_empty() {
            types.push(OF_TAGS.to_owned());
        }
        let from = from.map(|from| from.bare);
        Some(Artifacts { types, from })
    }

    /// The repository that an option names.
    fn other_repository(
        &mut self,
        key: &'static str,
        source: &str,
        entry: &Mapping<'_>,
    ) -> Option<Reference> {
        let said = option(key, entry, self.defaults)?;
        let place = said.node.place;
        let at = |problem: Problem| problem.key(&said.key);
        let Some(text) = said.node.text() else {
            self.to.report(at(said.node.mismatch("a text")));
            return None;
        };
        let filled = self.filled(key, text, Some(source), entry).map_err(at);
        let filled = self.to.ok(place, filled)?;
        self.to.ok(place, Reference::parse(&filled).map_err(at))
    }

    /// The types that filters leave; none where one of them leaves all.
    fn types(&mut self, entry: &Mapping<'_>) -> Vec<String> {
        let Some(said) = option("referrerFilters", entry, self.defaults) else {
            return Vec::new();
        };
        let items = said.node.items().map_err(|problem| problem.key(&said.key));
        let Some(items) = self.to.ok(said.node.place, items) else {
            return Vec::new();
        };
        let (mut types, mut leaves_all) = (Vec::new(), false);
        for (index, item) in items.iter().enumerate() {
            let path = format!("{}[{index}]", said.key);
            let filter = Mapping::of(item, &path, "a mapping with artifactType and annotations");
            let filter = filter.map_err(|problem| problem.key(&path));
            let Some(filter) = self.to.ok(item.place, filter) else {
                continue;
            };
            filter.note_unknown(&["artifactType", "annotations"], self.to);
            let annotations = filter.node("annotations");
            if let Some(node) =
                annotations.filter(|node| !node.pairs().is_some_and(<[_]>::is_empty))
            {
                let key = filter.key("annotations");
                self.told
                    .also(Kind::Missing, node.place, key, BY_TYPE_ALONE);
            }
            match filter.text("artifactType", self.to) {
                None | Some("") => leaves_all = true,
                Some(of) => types.push(of.to_owned()),
            }
        }
        if leaves_all { Vec::new() } else { types }
    }

    /// Says the same of each of these options, as far as it is there.
    fn note(&mut self, kind: Kind, why: &'static str, keys: &[&'static str], entry: &Mapping<'_>) {
        for key in keys {
            if let Some(said) = option(key, entry, self.defaults) {
                self.told.add(kind, said.node.place, key, said.key, why);
            }
        }
    }
}
