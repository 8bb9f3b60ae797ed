//! One entry of the list `sync`.

mod fields;
mod platform;
mod referrers;

use fields::field;
use platform::{LOCAL, platform};

use super::options::{self, Told};
use super::references::{self, LATEST, Reference};
use super::tags::{Checked, Reader, Rules};
use super::template::{Names, Value, no_fields};
use crate::dialects::translation::{Kind, Mapping, Translator};
use crate::problem::{Place, Problem};

const KEYS: [&str; 8] = [
    "source",
    "target",
    "type",
    "tags",
    "tagSets",
    "repos",
    "platform",
    "platforms",
];
const TYPES: &str = "image, repository or registry";
const OTHER_INDEX: &str = "an index of these platforms is made, with a digest of its own, and of one platform the image alone; the tool that it is written for copies the index as it is, without the other images";
const OWN_PLATFORM: &str =
    "local is the platform of the machine that this runs on, which is written in its place";
const OF_REFERENCES: [&str; 7] = [
    "Scheme",
    "Reference",
    "Registry",
    "Repository",
    "Tag",
    "Digest",
    "Path",
];

/// What is copied, wherever it goes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Copied {
    pub(super) what: What,
    /// Without a tag or digest.
    pub(super) source: String,
    pub(super) platforms: Platforms,
    pub(super) artifacts: Option<referrers::Artifacts>,
}

/// Which images of a source.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum What {
    Image {
        tag: String,
        digest: Option<String>,
    },
    /// What any of the sets of rules chooses.
    Tags(Vec<Rules>),
    /// The same of the repositories that are chosen.
    Registry(Rules, Vec<Rules>),
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Platforms {
    All,
    One(String),
    Several(Vec<String>),
}

/// Where it goes.
pub(super) struct Target {
    pub(super) text: String,
    /// The registry that it is in.
    pub(super) registry: String,
    pub(super) place: Place,
}

/// An entry that was understood.
pub(super) struct Step {
    pub(super) copied: Copied,
    pub(super) target: Target,
    /// Where the source stands, as it is written.
    pub(super) source: (String, Place),
    pub(super) place: Place,
}

/// Reads one entry after the other.
pub(super) struct Steps<'s, 'a> {
    pub(super) defaults: &'s Mapping<'s>,
    pub(super) checked: Checked,
    pub(super) told: Told,
    pub(super) to: &'s mut Translator<'a>,
}

impl<'a> Steps<'_, 'a> {
    /// None where there is a problem with it.
    pub(super) fn read(&mut self, entry: &Mapping<'_>) -> Option<Step> {
        let known = [&KEYS[..], &options::OF_EACH, &options::WHEN].concat();
        entry.note_unknown(&known, self.to);
        entry.note_repeated(self.to);
        self.told.of_entry(entry, self.defaults);
        self.backup(entry);
        let kind = self.required("type", entry, TYPES);
        let kind = kind.and_then(|(kind, place)| self.kind(&kind, place, entry));
        let source = self.required(
            "source",
            entry,
            "HOST/NAME as in docker.io/library/busybox:1.36",
        );
        let source = source.and_then(|(text, place)| {
            let filled = self.filled("source", &text, None, entry);
            Some((self.located("source", place, filled, entry)?, place))
        });
        let target = self.required(
            "target",
            entry,
            "HOST/NAME as in registry.example.com/busybox:1.36",
        );
        let target = target.and_then(|(text, place)| {
            let source = source.as_ref().map(|(source, _)| source.as_str());
            let filled = self.filled("target", &text, source, entry);
            Some((self.located("target", place, filled, entry)?, place))
        });
        let platforms = self.platforms(entry);
        let (kind, source, target) = (kind?, source?, target?);
        let read = match kind {
            "image" => self.image(&source, &target, entry),
            "repository" => self.repository(&source, &target, entry),
            _ => self.registry(&source, &target, entry),
        };
        let (what, bare, target) = read?;
        Some(Step {
            copied: Copied {
                artifacts: self.artifacts(&what, &source.0, &target, entry),
                what,
                source: bare,
                platforms: platforms?,
            },
            target,
            source,
            place: entry.place(),
        })
    }

    fn image(
        &mut self,
        source: &(String, Place),
        target: &(String, Place),
        entry: &Mapping<'_>,
    ) -> Option<(What, String, Target)> {
        self.without_effect(entry, &["tags", "tagSets", "repos"]);
        let of = self.located("source", source.1, Reference::parse(&source.0), entry);
        let to = self.located("target", target.1, Reference::parse(&target.0), entry);
        let (of, to) = (of?, to?);
        if let Some(digest) = &to.digest {
            let told = format!("found the digest {digest}, expected HOST/NAME or HOST/NAME:TAG");
            self.problem("target", target.1, told, entry);
            return None;
        }
        // Without a tag it is this one, whatever that of the source is.
        let own_tag = to.tag.as_deref().unwrap_or(LATEST);
        let tag = match (of.tag, &of.digest) {
            (Some(tag), _) => tag,
            (None, None) => LATEST.to_owned(),
            (None, Some(_)) => own_tag.to_owned(),
        };
        let text = if tag == own_tag {
            to.as_target()
        } else {
            format!("{}:{own_tag}", to.as_target())
        };
        let registry = to.place();
        let target = Target {
            text,
            registry,
            place: target.1,
        };
        let what = What::Image {
            tag,
            digest: of.digest,
        };
        Some((what, of.repository.to_string(), target))
    }

    fn repository(
        &mut self,
        source: &(String, Place),
        target: &(String, Place),
        entry: &Mapping<'_>,
    ) -> Option<(What, String, Target)> {
        self.without_effect(entry, &["repos"]);
        let of = self.located(
            "source",
            source.1,
            Reference::of_repository(&source.0),
            entry,
        );
        let to = self.located(
            "target",
            target.1,
            Reference::of_repository(&target.0),
            entry,
        );
        let tags = self.reader().tags(entry);
        let (of, to) = (of?, to?);
        let (text, registry) = (to.as_target(), to.place());
        let target = Target {
            text,
            registry,
            place: target.1,
        };
        Some((What::Tags(tags), of.repository.to_string(), target))
    }

    fn registry(
        &mut self,
        source: &(String, Place),
        target: &(String, Place),
        entry: &Mapping<'_>,
    ) -> Option<(What, String, Target)> {
        let of = self.located("source", source.1, references::registry(&source.0), entry);
        let to = self.located(
            "target",
            target.1,
            references::place_of_all(&target.0),
            entry,
        );
        let repositories = self.reader().repositories(entry);
        let tags = self.reader().tags(entry);
        let (of, text) = (of?, to?);
        let target = Target {
            registry: text.clone(),
            text,
            place: target.1,
        };
        Some((What::Registry(repositories, tags), of, target))
    }

    fn reader(&mut self) -> Reader<'_, 'a> {
        Reader {
            checked: &mut self.checked,
            told: &mut self.told,
            to: self.to,
        }
    }

    /// The text of a key that has to be there, and where it stands.
    fn required(
        &mut self,
        key: &str,
        entry: &Mapping<'_>,
        expected: &str,
    ) -> Option<(String, Place)> {
        let Some(node) = entry.node(key) else {
            self.problem(
                key,
                entry.place(),
                format!("missing, expected {expected}"),
                entry,
            );
            return None;
        };
        Some((entry.text(key, self.to)?.to_owned(), node.place))
    }

    fn kind(&mut self, kind: &str, place: Place, entry: &Mapping<'_>) -> Option<&'static str> {
        let known = ["image", "repository", "registry"]
            .into_iter()
            .find(|known| *known == kind);
        if known.is_none() {
            self.problem(
                "type",
                place,
                format!("found {kind:?}, expected {TYPES}"),
                entry,
            );
        }
        known
    }

    /// One platform of an index, or several.
    fn platforms(&mut self, entry: &Mapping<'_>) -> Option<Platforms> {
        let one = entry
            .text("platform", self.to)
            .filter(|text| !text.is_empty());
        let several = entry.texts("platforms", self.to);
        if let (Some(text), Some(node)) = (one, entry.node("platform")) {
            if !several.is_empty() {
                self.without_effect(entry, &["platforms"]);
            }
            if text == LOCAL {
                self.told.also(
                    Kind::Mapped,
                    node.place,
                    entry.key("platform"),
                    OWN_PLATFORM,
                );
            }
            let platform = self.located("platform", node.place, platform(text), entry);
            return platform.map(Platforms::One);
        }
        let Some(node) = entry.node("platforms").filter(|_| !several.is_empty()) else {
            return Some(Platforms::All);
        };
        self.told.also(
            Kind::Mapped,
            node.place,
            entry.key("platforms"),
            OTHER_INDEX,
        );
        let mut platforms = Vec::with_capacity(several.len());
        for (index, text) in several.iter().enumerate() {
            let key = format!("platforms[{index}]");
            platforms.push(self.located(&key, node.place, platform(text), entry)?);
        }
        Some(Platforms::Several(platforms))
    }

    /// Checks the template of `backup`, although nothing comes of it.
    fn backup(&mut self, entry: &Mapping<'_>) {
        let of = if entry.node("backup").is_some() {
            entry
        } else {
            self.defaults
        };
        let Some(node) = of.node("backup") else {
            return;
        };
        let Some(text) = of.text("backup", self.to) else {
            return;
        };
        let field = |path: &[&str]| match path {
            ["Ref", name] if OF_REFERENCES.contains(name) => Some(Value::Text(LATEST.to_owned())),
            ["Sync" | "Step", rest @ ..] => field(rest, None, entry),
            _ => None,
        };
        let mut names = Names {
            to: self.to,
            key: "backup",
            fields: &field,
            is_for_later: true,
        };
        let filled = names
            .fill(text)
            .map_err(|problem| problem.key(&of.key("backup")));
        self.to.ok(node.place, filled);
    }

    fn filled(
        &mut self,
        key: &str,
        text: &str,
        source: Option<&str>,
        entry: &Mapping<'_>,
    ) -> Result<String, Problem> {
        if !text.contains("{{") {
            return Ok(text.to_owned());
        }
        let field = |path: &[&str]| match path {
            ["Sync", rest @ ..] => field(rest, source, entry),
            _ => no_fields(path),
        };
        Names {
            to: self.to,
            key,
            fields: &field,
            is_for_later: false,
        }
        .fill(text)
    }

    fn located<T>(
        &mut self,
        key: &str,
        place: Place,
        result: Result<T, Problem>,
        entry: &Mapping<'_>,
    ) -> Option<T> {
        self.to.ok(
            place,
            result.map_err(|problem| problem.key(&entry.key(key))),
        )
    }

    fn problem(&mut self, key: &str, place: Place, told: String, entry: &Mapping<'_>) {
        let problem = Problem::new(told).key(&entry.key(key)).at(place);
        self.to.report(problem);
    }

    fn without_effect(&mut self, entry: &Mapping<'_>, keys: &[&str]) {
        for key in keys {
            if let Some(node) = entry.node(key) {
                let why = "it has no effect beside the other keys, in the tool that it is written for too";
                self.told
                    .also(Kind::LeftOut, node.place, entry.key(key), why);
            }
        }
    }
}
