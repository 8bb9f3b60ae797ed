//! Which images an event of a registry is about.
//!
//! A hint is looked up in tables of hashes, so that it costs a few binary searches and the images that are found, however many
//! the catalog has. One whose registry is not told costs as much for each host of the catalog.

mod aliases;
mod why_not;

use image_sync_shared::config::{Config, ImageSpec};
use image_sync_shared::image::hint::{Hint, HintAction};
use image_sync_shared::image::reference::{DOCKER_HUB, canonical_host};

use crate::config_file::Images;
use crate::images::{At, Index, Look, Side};
use aliases::Aliases;
pub use why_not::WhyNot;

/// The images of a catalog, by what events say of them.
///
/// It takes 16 bytes for the source of each entry, 16 for each of its targets and 16 more where it has artifacts, and the same for
/// each line of a list: 32 MB for a million lines that go to one target.
pub struct HintIndex {
    index: Index,
    aliases: Aliases,
}

/// The images that an event is about, each target once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concerned {
    /// Those whose sources may have changed.
    pub at_source: Vec<ImageSpec>,
    /// Those whose targets may have changed.
    pub at_target: Vec<ImageSpec>,
    /// Why there are none, if so.
    pub why_not: Option<WhyNot>,
}

impl HintIndex {
    /// Goes through all images once; lists are read once more.
    #[must_use]
    pub fn new(images: Images, config: &Config) -> Self {
        Self {
            index: Index::new(images),
            aliases: Aliases::of(config),
        }
    }

    /// The images that `hint` is about. `remembered_tags` are those of which earlier events said that they had the digest that it
    /// names, or that its manifest refers to.
    #[must_use]
    pub fn concerned(&self, hint: &Hint, remembered_tags: &[String]) -> Concerned {
        self.look_up(hint, remembered_tags).0
    }

    /// The same, and how many images were looked at for it.
    fn look_up(&self, hint: &Hint, remembered_tags: &[String]) -> (Concerned, usize) {
        let mut look = Look::default();
        let sources = self.repositories(hint, Side::Source);
        let at_source = match hint.action {
            HintAction::Pushed => {
                for at in &sources {
                    self.pushed(at, hint, remembered_tags, &mut look);
                }
                self.index.settle(&mut look)
            }
            HintAction::Deleted => Vec::new(),
        };
        let targets = self.repositories(hint, Side::Target);
        for at in &targets {
            self.written(at, hint, remembered_tags, &mut look);
        }
        let at_target = self.index.settle(&mut look);
        let is_about_some = !at_source.is_empty() || !at_target.is_empty();
        let is_source = || sources.iter().any(|at| self.index.knows(at, Side::Source));
        let is_target = || targets.iter().any(|at| self.index.knows(at, Side::Target));
        let why_not = (!is_about_some).then(|| {
            if look.lacks_digest {
                WhyNot::DigestNotTold
            } else {
                WhyNot::of(hint, is_source(), is_target())
            }
        });
        let concerned = Concerned {
            at_source,
            at_target,
            why_not,
        };
        (concerned, look.looked_at)
    }

    /// What was pushed to `at`, as a source.
    fn pushed(&self, at: &At, hint: &Hint, remembered_tags: &[String], look: &mut Look) {
        let digest = hint.digest.as_ref();
        if let Some(digest) = digest {
            self.index
                .named_at_source(at, digest.as_str(), digest.into(), look);
        }
        if let Some(tag) = &hint.tag {
            self.index.named_at_source(at, tag, digest, look);
            self.index.chosen_at_source(at, tag, digest, look);
        }
        // A manifest without a tag may be an artifact, whether its subject is told or not.
        if hint.subject.is_some() || hint.tag.is_none() && digest.is_some() {
            self.index.with_artifacts_at(at, remembered_tags, look);
        }
    }

    /// What was pushed to `at`, or deleted there, as a target.
    fn written(&self, at: &At, hint: &Hint, remembered_tags: &[String], look: &mut Look) {
        let digest = hint.digest.as_ref();
        if let Some(digest) = digest {
            self.index.named_at_target(at, digest.as_str(), look);
        }
        if let Some(tag) = &hint.tag {
            self.index.named_at_target(at, tag, look);
            self.index.chosen_at_target(at, tag, digest, look);
        }
        let is_of_artifact = hint.subject.is_some();
        let is_deleted = hint.action == HintAction::Deleted && hint.tag.is_none();
        if is_of_artifact || is_deleted && digest.is_some() {
            self.index.all_named_at_target(at, is_of_artifact, look);
            for tag in remembered_tags {
                self.index.chosen_at_target(at, tag, None, look);
            }
        }
    }

    /// The repositories that a hint may mean on this side, by the names that the catalog has for them.
    fn repositories(&self, hint: &Hint, side: Side) -> Vec<At> {
        let name = &hint.repository;
        let mut all: Vec<At> = if let Some(host) = &hint.registry {
            let host = canonical_host(host).to_ascii_lowercase();
            let without_port = host.strip_suffix(":443").map(str::to_owned);
            let hosts = std::iter::once(host).chain(without_port);
            hosts.map(|host| repository(&host, name)).collect()
        } else {
            let hosts = self.index.hosts(side);
            hosts.map(|host| repository(host, name)).collect()
        };
        let others = self.aliases.meant_by(hint.registry.as_deref(), name, side);
        for (host, name) in others {
            let other = repository(host, name);
            if !all.contains(&other) {
                all.push(other);
            }
        }
        all
    }
}

/// Docker Hub's own images have two names.
fn repository(host: &str, name: &str) -> At {
    let is_short = host == DOCKER_HUB && !name.contains('/');
    At {
        host: host.to_owned(),
        name: if is_short {
            format!("library/{name}")
        } else {
            name.to_owned()
        },
    }
}

#[cfg(test)]
mod tests;
