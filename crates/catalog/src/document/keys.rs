//! Reading a mapping key by key.

use std::cell::RefCell;
use std::collections::HashSet;

use image_sync_shared::text::nearest::nearest;
use serde::Deserialize;

use super::node::{Content, Key, MAX_MERGED, MERGE, Node, find, is_the_users};
use super::parse::endless;
use crate::problem::{Problem, Problems, without_secrets};

/// A mapping that is read key by key, with what its merge keys add. What is wrong with one key hides nothing of the others:
/// all problems are kept, told from this mapping on.
pub(crate) struct Keys<'a> {
    node: &'a Node,
    /// The mapping itself, and those that are merged into it, the strongest first.
    layers: Vec<&'a [(Key, Node)]>,
    problems: RefCell<Problems>,
}

impl<'a> Keys<'a> {
    /// Fails where `node` is no mapping. `expected` says what it should be, `known` which keys there are.
    pub(crate) fn of(
        node: &'a Node,
        expected: &'static str,
        known: &[&'static str],
    ) -> Result<Self, Problem> {
        let mut merging = Merging {
            expected,
            known: Some(known),
            layers: Vec::with_capacity(1),
            problems: Problems::default(),
        };
        merging.add(node)?;
        Ok(Self {
            node,
            layers: merging.layers,
            problems: RefCell::new(merging.problems),
        })
    }

    /// The value of `key`, unless that is nothing.
    pub(crate) fn node(&self, key: &str) -> Option<&'a Node> {
        let mut values = self.layers.iter().filter_map(|layer| find(layer, key));
        values.find(|value| !value.is_null())
    }

    /// The value of `key` as a `T`, if it is there and is one.
    pub(crate) fn get<T: Deserialize<'a>>(&self, key: &str) -> Option<T> {
        let read = T::deserialize(self.node(key)?);
        self.ok(read.map_err(|problem| problem.key(key)))
    }

    /// What it is unless there is a problem, which is kept.
    pub(crate) fn ok<T>(&self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.report(problem)).ok()
    }

    /// Keeps a problem of a value of this mapping.
    pub(crate) fn report(&self, problem: Problem) {
        let place = self.node.locate(&problem.path());
        self.problems.borrow_mut().push(problem.at(place));
    }

    /// What `read` makes of the value of `key`, if it is there. Its problems are kept.
    pub(crate) fn nested<T>(
        &self,
        key: &str,
        read: impl FnOnce(&'a Node) -> Result<T, Problems>,
    ) -> Option<T> {
        match read(self.node(key)?) {
            Ok(read) => Some(read),
            Err(problems) => {
                let seen = problems.map(|problem| problem.key(key));
                self.problems.borrow_mut().append(seen);
                None
            }
        }
    }

    /// All that is wrong.
    pub(crate) fn into_problems(self) -> Problems {
        self.problems.into_inner()
    }

    /// What `read` is, unless there was a problem with any key.
    pub(crate) fn finish<T>(self, read: Option<T>) -> Result<T, Problems> {
        let problems = self.problems.into_inner();
        match read {
            Some(read) if problems.is_empty() => Ok(read),
            _ => Err(problems),
        }
    }
}

/// The keys of a mapping in which any is allowed, with their values, those of its merge keys too. One that is there twice
/// is among the problems.
pub(crate) fn all_keys<'a>(
    node: &'a Node,
    expected: &'static str,
    problems: &mut Problems,
) -> Result<Vec<(&'a str, &'a Node)>, Problem> {
    let pairs = all_pairs(node, expected, problems)?.into_iter();
    let ours = pairs.filter(|(key, _)| !is_the_users(&key.text));
    Ok(ours.map(|(key, value)| (&*key.text, value)).collect())
}

/// The same with the places of the keys, and with those that begin with x-.
pub(crate) fn all_pairs<'a>(
    node: &'a Node,
    expected: &'static str,
    problems: &mut Problems,
) -> Result<Vec<(&'a Key, &'a Node)>, Problem> {
    let mut merging = Merging {
        expected,
        known: None,
        layers: Vec::with_capacity(1),
        problems: Problems::default(),
    };
    merging.add(node)?;
    problems.append(merging.problems);
    let entries = merging.layers.into_iter().flatten();
    let entries = entries.filter(|(key, _)| &*key.text != MERGE);
    let mut seen = HashSet::new();
    let firsts = entries.filter(|(key, _)| seen.insert(&key.text));
    Ok(firsts.map(|(key, value)| (key, value)).collect())
}

struct Merging<'a, 'k> {
    expected: &'static str,
    /// None where any key is allowed.
    known: Option<&'k [&'static str]>,
    layers: Vec<&'a [(Key, Node)]>,
    problems: Problems,
}

impl<'a> Merging<'a, '_> {
    fn add(&mut self, node: &'a Node) -> Result<(), Problem> {
        let entries = mapping(node, self.expected)?;
        if self.layers.len() == MAX_MERGED {
            return Err(endless(node.place));
        }
        self.layers.push(entries);
        let mut seen = HashSet::with_capacity(entries.len());
        for (key, value) in entries {
            if !seen.insert(&key.text) {
                self.problems.push(given_twice(key));
            } else if &*key.text == MERGE {
                let own = std::mem::take(&mut self.problems);
                let merged = self.merge(value);
                let of_merged = std::mem::replace(&mut self.problems, own);
                self.problems
                    .append(of_merged.map(|problem| problem.key(MERGE)));
                merged.map_err(|problem| problem.key(MERGE))?;
            } else if let Some(known) = self.known
                && !known.contains(&&*key.text)
                && !is_the_users(&key.text)
            {
                self.problems.push(unknown(key, known));
            }
        }
        Ok(())
    }

    fn merge(&mut self, value: &'a Node) -> Result<(), Problem> {
        match value.content() {
            Content::Sequence(bases) => bases.iter().enumerate().try_for_each(|(index, base)| {
                self.add(base).map_err(|problem| problem.index(index))
            }),
            Content::Mapping(_) => self.add(value),
            _ => Err(value.mismatch("a mapping to merge, or a list of them")),
        }
    }
}

fn mapping<'a>(node: &'a Node, expected: &str) -> Result<&'a [(Key, Node)], Problem> {
    match node.content() {
        Content::Mapping(entries) => Ok(entries),
        _ => Err(node.mismatch(expected)),
    }
}

fn given_twice(key: &Key) -> Problem {
    let name = without_secrets(&key.text).unwrap_or("of a user name and password");
    Problem::new(format!("the key {name} is given twice, expected once")).at(key.place)
}

fn unknown(key: &Key, known: &[&str]) -> Problem {
    let hint = nearest(&key.text, known.iter().copied())
        .map_or_else(String::new, |name| format!(" (did you mean {name}?)"));
    let (key_text, known) = (&key.text, known.join(", "));
    let text = format!("unknown key {key_text:?}{hint}, expected one of {known}");
    Problem::new(text).at(key.place)
}
