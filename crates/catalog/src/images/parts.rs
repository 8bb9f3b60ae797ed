//! Entries in parts: what is made of each at once.

use std::iter;

use image_sync_shared::config::Expanded;

use super::entries::EntryTarget;
use crate::entry::{Entry, ImageList, Line, Namespace};
use crate::problem::Problem;

/// How many named images, or lines of a list, are handed on together.
const NAMED_TOGETHER: usize = 500;

pub(super) enum Part<'a> {
    Named(Vec<EntryTarget<'a>>),
    /// One list for all of its targets.
    List(Vec<EntryTarget<'a>>, &'a ImageList),
    /// Some lines of it.
    Lines(
        Vec<EntryTarget<'a>>,
        &'a ImageList,
        Vec<Result<Line, Problem>>,
    ),
    /// One entry for all of its targets, of whose source something is to be found out.
    Asked(Vec<EntryTarget<'a>>),
    /// The same whose repositories are not known yet.
    Namespace(Vec<EntryTarget<'a>>, &'a Namespace),
    /// The entry of one repository of a namespace, and the places that it goes to.
    Found(Box<Entry>, Vec<usize>),
    /// Repositories that are not known.
    Failed(Box<Expanded>),
}

impl<'a> Part<'a> {
    /// A list some lines at a time, read as they are asked for; all else as it is.
    pub(super) fn pages(self) -> Box<dyn Iterator<Item = Self> + Send + 'a> {
        let Self::List(targets, list) = self else {
            return Box::new(iter::once(self));
        };
        let mut lines = list.lines();
        Box::new(iter::from_fn(move || {
            let page: Vec<_> = lines.by_ref().take(NAMED_TOGETHER).collect();
            (!page.is_empty()).then(|| Self::Lines(targets.clone(), list, page))
        }))
    }
}

pub(super) fn parts<'a>(entries: &[EntryTarget<'a>]) -> Vec<Part<'a>> {
    let mut parts: Vec<Part<'a>> = Vec::new();
    for of in entries {
        if let Some(namespace) = of.entry.namespace.as_deref() {
            match parts.last_mut() {
                Some(Part::Namespace(same, _)) if is_of(same, of.entry) => same.push(*of),
                _ => parts.push(Part::Namespace(vec![*of], namespace)),
            }
            continue;
        }
        if let Some(list) = of.entry.list.as_deref() {
            match parts.last_mut() {
                Some(Part::List(same, _)) if is_of(same, of.entry) => same.push(*of),
                _ => parts.push(Part::List(vec![*of], list)),
            }
            continue;
        }
        match (of.entry.is_named(), parts.last_mut()) {
            (false, Some(Part::Asked(same))) if is_of(same, of.entry) => same.push(*of),
            (false, _) => parts.push(Part::Asked(vec![*of])),
            (true, Some(Part::Named(named))) if named.len() < NAMED_TOGETHER => named.push(*of),
            (true, _) => parts.push(Part::Named(vec![*of])),
        }
    }
    parts
}

fn is_of(targets: &[EntryTarget<'_>], entry: &Entry) -> bool {
    let first = targets.first();
    first.is_some_and(|first| std::ptr::eq(first.entry, entry))
}
