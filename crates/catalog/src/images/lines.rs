//! The images of the lines of lists: each is made when it is asked for, and what is held of it is at most a hash.

use std::collections::{HashMap, HashSet};

use image_sync_shared::config::ImageSpec;

use super::entries::{Entries, EntryTarget, hash_of_target, hash_of_work};
use super::{Images, Only};
use crate::entry::Line;
use crate::problem::{Origin, Problem, Problems};

/// Which targets of lines are those of others too, by their hashes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RepeatedLines {
    /// An entry that is no list has this image.
    named: HashSet<u64>,
    /// Several lines have it.
    several: HashSet<u64>,
    /// How many lines are others again.
    pub(super) count: usize,
}

/// Whether a line is the first one with its image, as lines come.
pub(super) struct Once<'a> {
    repeated: &'a RepeatedLines,
    seen: HashSet<u64>,
}

/// Who had a target first.
enum First {
    Entry(Origin),
    /// A line of the list of this name.
    Line(Box<str>, u32),
}

impl Entries {
    pub(super) fn image_of_line(
        &self,
        of: EntryTarget<'_>,
        line: &Line,
    ) -> Result<ImageSpec, Problem> {
        let defaults = self.defaults(of.entry)?;
        let entry = of.entry.of_line(line)?;
        entry.image(of.nth, &self.targets, defaults)
    }

    /// The images of its list, if it has one.
    pub(super) fn images_of_lines(
        &self,
        of: EntryTarget<'_>,
    ) -> impl Iterator<Item = Result<ImageSpec, Problem>> + Send {
        let lists = of.entry.list.iter();
        let lines = lists.flat_map(|list| list.lines());
        lines.map(move |line| self.image_of_line(of, &line?))
    }
}

impl Images {
    /// Whether an image of its list is wanted. All lines are compared with what is named, as that remembers what it found.
    pub(super) fn any_line_matches(&self, of: EntryTarget<'_>, only: &Only) -> bool {
        let images = self.entries.images_of_lines(of).filter_map(Result::ok);
        let mut matches = images.map(|image| only.matches(&image));
        match only {
            Only::Glob(_) => matches.any(|matches| matches),
            Only::Listed(_) => matches.fold(false, |any, matches| any | matches),
        }
    }
}

impl RepeatedLines {
    /// Finds repetitions among lines, of whose targets these are the hashes, and refuses different images for one target.
    pub(super) fn settle(
        entries: &Entries,
        mut of_lines: Vec<u64>,
    ) -> Result<(Self, Vec<Problem>), Problems> {
        of_lines.sort_unstable();
        let mut known = HashMap::new();
        for of in entries.each() {
            if of_lines.is_empty() || !of.entry.is_named() || of.entry.list.is_some() {
                continue;
            }
            let image = entries.image(of)?;
            let target = hash_of_target(&image);
            if of_lines.binary_search(&target).is_ok() {
                known.insert(
                    target,
                    (hash_of_work(&image), First::Entry(of.entry.origin)),
                );
            }
        }
        let same = of_lines.chunk_by(|left, right| left == right);
        let several = same.filter(|same| same.len() > 1).map(|same| same[0]);
        let mut repeated = Self {
            named: known.keys().copied().collect(),
            several: several.collect(),
            count: 0,
        };
        drop(of_lines);
        if repeated.named.is_empty() && repeated.several.is_empty() {
            return Ok((repeated, Vec::new()));
        }
        let warnings = repeated.compare(entries, known)?;
        Ok((repeated, warnings))
    }

    /// Reads the lists once more, for those lines that others may be again.
    fn compare(
        &mut self,
        entries: &Entries,
        mut known: HashMap<u64, (u64, First)>,
    ) -> Result<Vec<Problem>, Problems> {
        let (mut warnings, mut conflicts) = (Vec::new(), Problems::default());
        for of in entries.each() {
            let Some(list) = &of.entry.list else { continue };
            let (mut first_again, mut again) = (None, 0_usize);
            for line in list.lines() {
                let line = line?;
                let image = entries.image_of_line(of, &line)?;
                let target = hash_of_target(&image);
                match known.get(&target) {
                    None if self.several.contains(&target) => {
                        let first = First::Line(list.name.clone(), line.number);
                        known.insert(target, (hash_of_work(&image), first));
                    }
                    None => {}
                    Some((work, first)) if *work == hash_of_work(&image) => {
                        again += 1;
                        first_again.get_or_insert_with(|| {
                            let earlier = first.described(entries);
                            let text = format!("{} is {earlier} again", line.source);
                            (line.number, text)
                        });
                    }
                    Some((_, first)) => {
                        let earlier = first.described(entries);
                        let target = image.target_name();
                        let text = format!(
                            "found {} for {target}, for which {earlier} has another image, expected one image per target",
                            line.source
                        );
                        conflicts.push(list.at(line.number, Problem::new(text)));
                    }
                }
            }
            self.count += again;
            warnings.extend(first_again.map(|(number, text)| {
                let more = match again {
                    1 => ", it is worked once".to_owned(),
                    _ => format!(
                        ", as {} more lines are others, each is worked once",
                        again - 1
                    ),
                };
                list.at(number, Problem::new(text + &more))
            }));
        }
        if conflicts.is_empty() {
            Ok(warnings)
        } else {
            Err(conflicts)
        }
    }
}

impl First {
    fn described(&self, entries: &Entries) -> String {
        match self {
            Self::Entry(origin) => {
                let file = entries.files.get(usize::from(origin.file));
                let name = file.map_or("", |file| &file.name);
                format!("images[{}] of {name}", origin.index)
            }
            Self::Line(list, number) => format!("{list}:{number}"),
        }
    }
}

impl<'a> Once<'a> {
    pub(super) fn new(repeated: &'a RepeatedLines) -> Self {
        Self {
            repeated,
            seen: HashSet::new(),
        }
    }

    /// Whether no other one had the target of the image of a line before.
    pub(super) fn is_first(&mut self, image: &ImageSpec) -> bool {
        let Self { repeated, seen } = self;
        if repeated.named.is_empty() && repeated.several.is_empty() {
            return true;
        }
        let target = hash_of_target(image);
        let is_named = repeated.named.contains(&target);
        !is_named && (!repeated.several.contains(&target) || seen.insert(target))
    }
}
