//! The rules that choose among the tags of a source.

use std::collections::HashMap;

use image_sync_shared::config::{ImageSpec, Settings};
use image_sync_shared::failure::Failure;
use image_sync_shared::image::reference::Repository;

use super::Images;
use super::discovery::{Discovery, Sources};
use super::entries::EntryTarget;
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
    /// The rules for the tags of `repository`: those of each entry for it, and of each for a namespace that has it, whether
    /// it is in the registry's catalog or not.
    pub fn rules_for<'a>(
        &'a self,
        repository: &'a Repository,
    ) -> impl Iterator<Item = SourceRules> + 'a {
        let once = self.kept().filter(|of| of.nth == 0);
        once.filter_map(move |of| match &of.entry.namespace {
            None => self.rules_of(of, "images", repository),
            Some(namespace) if namespace.has_of(repository.host(), repository.name()) => {
                let entry = &of.entry.of_repository(namespace, repository.name());
                let found = EntryTarget { entry, nth: of.nth };
                self.rules_of(found, "repositories", repository)
            }
            Some(_) => None,
        })
    }

    /// Whose repositories are looked up in the catalogs of registries, as `HOST/NAMESPACE/*`, and whether the tags of these are
    /// listed then.
    pub fn namespaces(&self) -> impl Iterator<Item = (String, bool)> {
        self.kept().filter_map(|of| {
            let namespace = of.entry.namespace.as_ref()?;
            Some((namespace.to_string(), of.rules().is_some()))
        })
    }

    /// The rules of an entry that stands in `list`, if it has some and is for `repository`.
    fn rules_of(
        &self,
        of: EntryTarget<'_>,
        list: &str,
        repository: &Repository,
    ) -> Option<SourceRules> {
        let (rules, origin) = (of.rules()?, of.entry.origin);
        let file = self.entries.files.get(usize::from(origin.file))?;
        let sample = self.entries.image(of).ok()?;
        (sample.source == *repository).then(|| SourceRules {
            place: format!("{list}[{}] of {}", origin.index, file.name),
            sample,
            rules: rules.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config_file;

    #[test]
    fn rules_for_a_repository_are_those_of_its_entries_and_of_the_namespaces_that_have_it() {
        let text = "{cache_registry: 'localhost:5000', images: [
            {source: quay.io/team/a, tags: {semver: 1.x}}, {source: quay.io/team/a, tag: '7', cache_as: x}], repositories: [
            {source: quay.io/team, exclude: '.*/scratch', tags: {semver: 2.x}},
            {source: quay.io, include: 'team/[ab]', tags: all},
            {source: quay.io/team, tags: ['1'], targets: [cache]},
            {source: other.example/team, tags: all}]}";
        let images = config_file::parse(text, "c.yaml").unwrap().images;
        let places = |repository: &str| -> Vec<String> {
            let repository = repository.parse().unwrap();
            let rules = images.rules_for(&repository);
            let told = rules.map(|rules| {
                assert_eq!(*rules.source(), repository, "{}", rules.place);
                rules.place
            });
            told.collect()
        };
        let namespaces = ["repositories[0] of c.yaml", "repositories[1] of c.yaml"];
        let all = ["images[0] of c.yaml", namespaces[0], namespaces[1]];
        assert_eq!(places("quay.io/team/a"), all);
        assert_eq!(places("quay.io/team/b"), namespaces);
        assert_eq!(places("quay.io/team/c"), [namespaces[0]]);
        assert_eq!(
            places("other.example/team/a"),
            ["repositories[3] of c.yaml"]
        );
        for none in [
            "quay.io/team/scratch",
            "quay.io/teams/a",
            "quay.io/team",
            "team/a",
        ] {
            assert_eq!(places(none), [""; 0], "{none}");
        }
    }
}
