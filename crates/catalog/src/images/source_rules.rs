//! The rules that choose among the tags of a source.

use std::collections::HashMap;

use image_sync_shared::config::{ImageSpec, Settings};
use image_sync_shared::failure::Failure;
use image_sync_shared::image::reference::Repository;

use super::discovery::{Discovery, Sources};
use super::{EntryTarget, Images};
use crate::tag_rules::{Explained, TagRules};

/// The rules of one entry.
#[derive(Clone, Debug)]
pub struct SourceRules {
    /// Where they stand, as messages name it.
    pub place: String,
    /// An image of the repository among whose tags they choose.
    sample: ImageSpec,
    rules: TagRules,
}

impl SourceRules {
    /// The repository among whose tags they choose.
    #[must_use]
    pub fn source(&self) -> &Repository {
        &self.sample.source
    }

    /// Lists its source, and says what becomes of each tag. What is known from before is not asked for again.
    async fn explain(&self, discovery: &Discovery<'_>) -> Result<Explained, Failure> {
        let tags = discovery.tags(&self.sample).await?;
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let mut created = HashMap::new();
        if self.rules.need_creation_times() {
            let candidates = self.rules.candidates(tags.iter().copied());
            let dated = discovery.dated(&self.sample, candidates).await?;
            created.extend(
                dated
                    .iter()
                    .filter_map(|candidate| Some((candidate.tag, candidate.created()?))),
            );
        }
        Ok(self.rules.explain(&tags, &created, discovery.sources.now))
    }
}

/// What becomes of the tags of the source of each of these by their rules. Each source is listed once.
pub async fn explain(
    rules: &[SourceRules],
    sources: Sources<'_>,
    settings: &Settings,
) -> Result<Vec<Explained>, Failure> {
    let discovery = Discovery::new(sources, settings);
    let mut explained = Vec::with_capacity(rules.len());
    for rules in rules {
        explained.push(rules.explain(&discovery).await?);
    }
    Ok(explained)
}

impl Images {
    /// The rules of each entry for one repository that has some.
    pub fn rules(&self) -> impl Iterator<Item = SourceRules> {
        let once = self
            .kept()
            .filter(|of| of.nth == 0 && of.entry.namespace.is_none());
        once.filter_map(|of| self.rules_of(of))
    }

    fn rules_of(&self, of: EntryTarget<'_>) -> Option<SourceRules> {
        let (rules, origin) = (of.rules()?, of.entry.origin);
        let file = self.entries.files.get(usize::from(origin.file))?;
        Some(SourceRules {
            place: format!("images[{}] of {}", origin.index, file.name),
            sample: self.entries.image(of).ok()?,
            rules: rules.clone(),
        })
    }
}
