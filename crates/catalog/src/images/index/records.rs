//! Sorted hashes of repositories and references, each with where it is said.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use image_sync_shared::image::reference::Repository;

/// In which bits of a place the line of a list begins.
const OFFSET_BITS: u32 = 40;
/// What stands for all references that are not known before.
pub(super) const ANY: &str = "*";

/// A repository of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At {
    /// Its host, in lower case.
    pub(crate) host: String,
    /// Its name.
    pub(crate) name: String,
}

/// Where an image is said: the number of an entry for one of its targets, and in a list where its line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot(u64);

/// References and where they are said. 16 bytes each.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<(u64, Spot)>);

impl At {
    /// None for a folder.
    pub(super) fn of(repository: &Repository) -> Option<Self> {
        Some(Self {
            host: repository.host()?.to_ascii_lowercase(),
            name: repository.name().to_owned(),
        })
    }

    /// Whether `repository` is the one that is here.
    pub(super) fn is(&self, repository: &Repository) -> bool {
        let host = repository.host();
        let is_host = host.is_some_and(|host| host.eq_ignore_ascii_case(&self.host));
        is_host && repository.name() == self.name
    }
}

impl Spot {
    /// None for what is beyond 16 million entries, or beyond one terabyte of a list.
    pub(super) fn new(number: usize, offset: u64) -> Option<Self> {
        let number = u64::try_from(number).ok()?;
        let fits = number < 1 << (u64::BITS - OFFSET_BITS) && offset < 1 << OFFSET_BITS;
        fits.then_some(Self(number << OFFSET_BITS | offset))
    }

    pub(super) fn number(self) -> usize {
        usize::try_from(self.0 >> OFFSET_BITS).unwrap_or(usize::MAX)
    }

    pub(super) fn offset(self) -> u64 {
        self.0 & ((1 << OFFSET_BITS) - 1)
    }
}

impl Records {
    pub(super) fn add(&mut self, host: &str, name: &str, reference: &str, spot: Spot) {
        self.0.push((key(host, name, reference), spot));
    }

    /// To be called once all are added, before any is looked for.
    pub(super) fn sort(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
        self.0.shrink_to_fit();
    }

    /// Where this reference of a repository is said, and seldom that of another one.
    pub(super) fn of(&self, at: &At, reference: &str) -> impl Iterator<Item = Spot> {
        let key = key(&at.host, &at.name, reference);
        self.between(key, key)
    }

    /// Where any reference of a repository is said, and seldom one of another one.
    pub(super) fn of_repository(&self, at: &At) -> impl Iterator<Item = Spot> {
        let begin = key(&at.host, &at.name, ANY) & !u64::from(u32::MAX);
        self.between(begin, begin | u64::from(u32::MAX))
    }

    /// Where anything is said of the paths that a repository is below.
    pub(super) fn above<'a>(&'a self, at: &'a At) -> impl Iterator<Item = Spot> + 'a {
        let ends = at.name.match_indices('/').map(|(end, _)| &at.name[..end]);
        std::iter::once("").chain(ends).flat_map(|path| {
            let key = key(&at.host, path, ANY);
            self.between(key, key)
        })
    }

    fn between(&self, first: u64, last: u64) -> impl Iterator<Item = Spot> {
        let begin = self.0.partition_point(|(key, _)| *key < first);
        let rest = self.0.get(begin..).unwrap_or_default().iter();
        rest.take_while(move |(key, _)| *key <= last)
            .map(|(_, spot)| *spot)
    }
}

/// The references of one repository stand together.
fn key(host: &str, name: &str, reference: &str) -> u64 {
    let half = |hash: u64| hash & u64::from(u32::MAX);
    let repository = hash(&(host.to_ascii_lowercase(), name));
    half(repository) << u32::BITS | half(hash(&reference))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
