//! Images whose tags at their targets have digests that only their sources know.

use image_sync_shared::config::ImageSpec;
use image_sync_shared::image::reference::{Reference, Repository};

use super::{EntryTarget, Images};

impl Images {
    /// The images that are named but for the digest in their tag at the target, which is a `*` here.
    pub fn without_digests(&self) -> impl Iterator<Item = ImageSpec> + Send {
        let named = self.kept().filter(|of| {
            let is_one = of.entry.namespace.is_none() && of.rules().is_none();
            is_one && of.entry.needs_digests()
        });
        named.filter_map(|of| self.entries.image(of).ok())
    }

    /// Whether images that rules choose, or that are in namespaces, have such tags.
    #[must_use]
    pub fn has_chosen_with_digests(&self) -> bool {
        self.kept().any(|of| {
            let is_one = of.entry.namespace.is_none() && of.rules().is_none();
            !is_one && of.entry.needs_digests()
        })
    }

    /// Whether the images of `source`, with this tag if one is said, may have such tags.
    pub(crate) fn may_have_digests(&self, source: &Repository, tag: Option<&Reference>) -> bool {
        let mut unknown = self.kept().filter(|of| of.entry.needs_digests());
        unknown.any(|of| self.may_be(of, source, tag).unwrap_or_default())
    }

    /// Whether an entry may have the image; nothing if it says nothing of images.
    fn may_be(
        &self,
        of: EntryTarget<'_>,
        source: &Repository,
        tag: Option<&Reference>,
    ) -> Option<bool> {
        let sample = self.entries.image(of).ok()?;
        let is_source = match &of.entry.namespace {
            Some(namespace) => namespace.has_of(source.host(), source.name()),
            None => sample.source == *source,
        };
        let has_tag = match (tag, of.rules()) {
            (None, _) => true,
            (Some(Reference::Tag(tag)), Some(rules)) => rules.may_choose(tag),
            (Some(Reference::Digest(_)), Some(_)) => false,
            (Some(tag), None) => sample.reference == *tag,
        };
        Some(is_source && has_tag)
    }
}
