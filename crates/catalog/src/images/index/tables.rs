//! What is said of repositories, by whom, in sorted hashes.

use std::collections::BTreeSet;

use image_sync_shared::config::ImageSpec;
use image_sync_shared::image::reference::Repository;

use super::records::{ANY, At, Records, Spot};
use crate::entry::Namespace;
use crate::images::Images;
use crate::images::entries::EntryTarget;

/// Where is said what.
#[derive(Default)]
pub(super) struct Tables {
    /// Each entry for each of its targets: its number and that of the target.
    pub(super) kept: Vec<(u32, u32)>,
    pub(super) sources: Records,
    pub(super) targets: Records,
    /// Those with artifacts, by where these are.
    pub(super) artifacts: Records,
    /// Entries for namespaces, by what is above the repositories of their sources,
    pub(super) namespaces: Records,
    /// and of their targets.
    pub(super) written: Records,
    pub(super) hosts: [BTreeSet<String>; 2],
}

impl Tables {
    /// Those of all images, lists included.
    pub(super) fn of(images: &Images) -> Self {
        let (mut tables, all) = (Self::default(), &images.entries.all);
        let (mut entry, mut last) = (0, None);
        for of in images.kept() {
            while all
                .get(entry)
                .is_some_and(|next| !std::ptr::eq(next, of.entry))
            {
                entry += 1;
            }
            let is_new = last.replace(entry) != Some(entry);
            let number = tables.kept.len();
            let numbers = [entry, of.nth].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
            tables.kept.push(numbers.into());
            tables.add(images, of, number, is_new);
        }
        let Self {
            sources,
            targets,
            artifacts,
            namespaces,
            written,
            ..
        } = &mut tables;
        for records in [sources, targets, artifacts, namespaces, written] {
            records.sort();
        }
        tables
    }

    fn add(&mut self, images: &Images, of: EntryTarget<'_>, number: usize, is_new: bool) {
        let entries = &images.entries;
        let Some(list) = &of.entry.list else {
            if let (Ok(image), Some(spot)) = (entries.image(of), Spot::new(number, 0)) {
                match &of.entry.namespace {
                    Some(namespace) => {
                        let path = entries.common_path(of, &image);
                        self.add_namespace(namespace, &image, &path, spot, is_new);
                    }
                    None => self.add_image(of, &image, spot, is_new),
                }
            }
            return;
        };
        let mut lines = list.lines();
        while let Some(line) = lines.next() {
            let image = line.and_then(|line| entries.image_of_line(of, &line));
            if let (Ok(image), Some(spot)) = (image, Spot::new(number, lines.begin())) {
                self.add_image(of, &image, spot, is_new);
            }
        }
    }

    fn add_namespace(
        &mut self,
        namespace: &Namespace,
        image: &ImageSpec,
        path: &str,
        spot: Spot,
        is_new: bool,
    ) {
        self.add_hosts(image);
        if is_new {
            self.namespaces
                .add(namespace.host(), namespace.prefix(), ANY, spot);
        }
        let host = image.target.host().unwrap_or_default();
        self.written.add(host, path, ANY, spot);
    }

    fn add_image(&mut self, of: EntryTarget<'_>, image: &ImageSpec, spot: Spot, is_new: bool) {
        self.add_hosts(image);
        let is_known = of.entry.is_named() || of.entry.list.is_some();
        if let (Some(host), true) = (image.source.host(), is_new) {
            let name = image.source.name();
            let reference = image.reference.to_string();
            let known = if is_known { &reference } else { ANY };
            self.sources.add(host, name, known, spot);
            // One that is pinned has a name beside its digest.
            if is_known && image.tag != reference {
                self.sources.add(host, name, &image.tag, spot);
            }
        }
        let artifacts = place_of_artifacts(image);
        if let (Some(at), true) = (artifacts.and_then(At::of), is_new) {
            self.artifacts.add(&at.host, &at.name, ANY, spot);
        }
        if let Some(host) = image.target.host() {
            let reference = image.target_reference.to_string();
            let known = if is_known { &reference } else { ANY };
            self.targets.add(host, image.target.name(), known, spot);
        }
    }

    fn add_hosts(&mut self, image: &ImageSpec) {
        for (repository, hosts) in [&image.source, &image.target]
            .into_iter()
            .zip(&mut self.hosts)
        {
            let host = repository.host().map(str::to_ascii_lowercase);
            hosts.extend(host.filter(|host| !hosts.contains(host)));
        }
    }
}

/// Where the artifacts of an image come from, if some come.
pub(super) fn place_of_artifacts(image: &ImageSpec) -> Option<&Repository> {
    let referrers = image.policy.referrers.as_ref()?;
    let from = referrers.from.as_ref().map(|from| &from.repository);
    Some(from.unwrap_or(&image.source))
}
