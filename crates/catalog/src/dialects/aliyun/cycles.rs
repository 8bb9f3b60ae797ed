//! Rules that read what others write.

use std::collections::{HashMap, HashSet};

use image_sync_shared::image::reference::Repository;
use regex::Regex;

use super::super::translation::{Kind, Translator};
use super::rule::{Rule, Which};
use crate::problem::Problem;

/// An image that a rule is for. Where a rule is for many, one that no rule names stands for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Tag<'r> {
    Named(&'r str),
    /// Some tag that the regular expression of the rule with this number finds.
    FoundBy(usize),
    /// Some other one.
    Other,
}

type Image<'r> = (&'r Repository, Tag<'r>);

/// What a rule copies where.
struct Edge<'r> {
    /// The number of the rule.
    rule: usize,
    to: &'r Repository,
    /// The tag there, if it is another one.
    tag: Option<&'r str>,
}

/// What the rules copy, by what they read.
#[derive(Default)]
struct Graph<'r> {
    named: HashMap<Image<'r>, Vec<Edge<'r>>>,
    /// Those that choose among all tags of a repository.
    choosing: HashMap<&'r Repository, Vec<(Option<Regex>, Edge<'r>)>>,
}

/// Refuses rules that lead back to what they read, and tells of those that read what another one writes.
pub(super) fn check(rules: &[Rule], to: &mut Translator<'_>) {
    let written = rules.iter().flat_map(|rule| &rule.targets);
    let written: HashSet<&Repository> = written.map(|target| &target.repository).collect();
    // Nobody else can be in a chain.
    if !rules.iter().any(|rule| written.contains(&rule.repository)) {
        return;
    }
    let graph = Graph::of(rules);
    let mut done = HashSet::new();
    let mut told = HashSet::new();
    for (number, rule) in rules.iter().enumerate() {
        for start in images(number, rule) {
            let Some(cycle) = graph.cycle(start, &mut done) else {
                continue;
            };
            let cycle = from_the_first(cycle);
            if !told.contains(&cycle) {
                to.report(problem(&cycle, rules));
                told.insert(cycle);
            }
        }
    }
    if told.is_empty() {
        tell_of_chains(rules, to);
    }
}

/// The same cycle, told from its first rule on.
fn from_the_first(mut cycle: Vec<usize>) -> Vec<usize> {
    let first = (0..cycle.len()).min_by_key(|at| cycle[*at]);
    cycle.rotate_left(first.unwrap_or(0));
    cycle
}

fn problem(cycle: &[usize], rules: &[Rule]) -> Problem {
    let of_cycle: Vec<&Rule> = cycle
        .iter()
        .filter_map(|number| rules.get(*number))
        .collect();
    let text = match of_cycle.as_slice() {
        [rule] => {
            let repository = &rule.repository;
            format!("found {repository} as its own target, expected another one")
        }
        several => {
            let lines = several.iter().map(|rule| rule.place.line.to_string());
            let lines: Vec<String> = lines.collect();
            let lines = lines.join(" -> ");
            let first = lines.split(' ').next().unwrap_or_default();
            format!(
                "found rules that lead back to what they read: lines {lines} -> {first}, expected an end"
            )
        }
    };
    let problem = Problem::new(text);
    match of_cycle.first() {
        Some(rule) => problem.key(&rule.key).at(rule.place),
        None => problem,
    }
}

fn tell_of_chains(rules: &[Rule], to: &mut Translator<'_>) {
    let mut writers: HashMap<&Repository, u32> = HashMap::new();
    for rule in rules {
        for target in &rule.targets {
            writers.entry(&target.repository).or_insert(rule.place.line);
        }
    }
    for rule in rules {
        if let Some(line) = writers.get(&rule.repository) {
            let why = format!("it reads what line {line} writes, and is worked after that");
            to.note(Kind::Mapped, rule.place, &rule.key, why);
        }
    }
}

/// What a rule reads.
fn images(number: usize, rule: &Rule) -> Vec<Image<'_>> {
    let repository = &rule.repository;
    match &rule.which {
        Which::All => vec![(repository, Tag::Other)],
        Which::Matching(_) => vec![(repository, Tag::FoundBy(number))],
        Which::Tags(tags) => {
            let tags = tags.iter().map(|tag| (repository, Tag::Named(tag)));
            tags.collect()
        }
        Which::Digest(digest) => vec![(repository, Tag::Named(digest))],
    }
}

impl<'r> Graph<'r> {
    fn of(rules: &'r [Rule]) -> Self {
        let mut graph = Self::default();
        for (rule, read) in rules.iter().enumerate() {
            for target in &read.targets {
                let edge = |nth: usize| Edge {
                    rule,
                    to: &target.repository,
                    tag: target.tags.get(nth).map(String::as_str),
                };
                let regex = match &read.which {
                    Which::All => None,
                    Which::Matching(regex) => Regex::new(regex).ok(),
                    Which::Tags(_) | Which::Digest(_) => {
                        for (nth, image) in images(rule, read).into_iter().enumerate() {
                            graph.named.entry(image).or_default().push(edge(nth));
                        }
                        continue;
                    }
                };
                let choosing = graph.choosing.entry(&read.repository).or_default();
                choosing.push((regex, edge(0)));
            }
        }
        graph
    }

    /// Where an image is copied to, and by which rules.
    fn next(&self, image: Image<'r>) -> Vec<(usize, Image<'r>)> {
        let (repository, tag) = image;
        let named = self.named.get(&image).into_iter().flatten();
        let choosing = self.choosing.get(repository).into_iter().flatten();
        let choosing = choosing.filter(|(regex, edge)| match (tag, regex) {
            (_, None) => true,
            (Tag::Named(tag), Some(regex)) => regex.is_match(tag),
            (Tag::FoundBy(rule), Some(_)) => rule == edge.rule,
            (Tag::Other, Some(_)) => false,
        });
        let edges = named.chain(choosing.map(|(_, edge)| edge));
        let next = edges.map(|edge| (edge.rule, (edge.to, edge.tag.map_or(tag, Tag::Named))));
        next.collect()
    }

    /// The rules by which one comes back to an image that was read before, beginning at `start`. Images in `done` lead to
    /// nothing new.
    fn cycle(&self, start: Image<'r>, done: &mut HashSet<Image<'r>>) -> Option<Vec<usize>> {
        if done.contains(&start) {
            return None;
        }
        // The images on the way, each with what is left to be followed from it, and the rules between them.
        let mut way = vec![(start, self.next(start))];
        let mut rules: Vec<usize> = Vec::new();
        let mut on_way = HashMap::from([(start, 0)]);
        while let Some((image, next)) = way.last_mut() {
            let Some((rule, following)) = next.pop() else {
                done.insert(*image);
                on_way.remove(image);
                way.pop();
                rules.pop();
                continue;
            };
            if let Some(at) = on_way.get(&following) {
                rules.push(rule);
                done.extend(on_way.keys());
                return Some(rules.split_off(*at));
            }
            if done.contains(&following) {
                continue;
            }
            rules.push(rule);
            on_way.insert(following, way.len());
            way.push((following, self.next(following)));
        }
        None
    }
}
