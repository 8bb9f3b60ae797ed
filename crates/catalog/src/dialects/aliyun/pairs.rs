//! The keys of a mapping as the tool reads them.

use std::collections::HashMap;

use image_sync_shared::text::excerpt;

use super::super::translation::{Kind, Translator};
use crate::document::{Node, all_keys};
use crate::problem::{Place, Problem, Problems};

/// A key with its value.
pub(super) struct Pair<'n> {
    pub(super) place: Place,
    pub(super) key: &'n str,
    pub(super) value: &'n Node,
}

/// Each key once: of one that is there several times the last, which is told. Those of merged mappings too.
pub(super) fn last_of_each<'n>(
    node: &'n Node,
    expected: &'static str,
    to: &mut Translator<'_>,
) -> Result<Vec<Pair<'n>>, Problem> {
    let own = node.pairs().ok_or_else(|| node.mismatch(expected))?;
    let mut pairs: Vec<Pair<'n>> = Vec::with_capacity(own.len());
    let mut known: HashMap<&str, usize> = HashMap::with_capacity(own.len());
    for (key, value) in own {
        if &*key.text == "<<" {
            continue;
        }
        let pair = Pair {
            place: key.place,
            key: &key.text,
            value,
        };
        match known.get(&*key.text) {
            None => {
                known.insert(&key.text, pairs.len());
                pairs.push(pair);
            }
            Some(at) => {
                let first = pairs[*at].place;
                let why = repeated(first, pair.place);
                to.note(Kind::Mapped, pair.place, excerpt(pair.key), why);
                pairs[*at] = pair;
            }
        }
    }
    if own.iter().any(|(key, _)| &*key.text == "<<") {
        // What is given twice is told above.
        let merged = all_keys(node, expected, &mut Problems::default())?;
        let others = merged
            .into_iter()
            .filter(|(key, _)| !known.contains_key(key));
        let place = node.place;
        pairs.extend(others.map(|(key, value)| Pair { place, key, value }));
    }
    Ok(pairs)
}

fn repeated(first: Place, last: Place) -> String {
    let (at, holds) = if first.line == last.line {
        let of = |place: Place| format!("column {}", place.column);
        (of(first), of(last))
    } else {
        let of = |place: Place| format!("line {}", place.line);
        (of(first), of(last))
    };
    format!(
        "given in {at} and in {holds}, the last one holds, as in the tool that it is written for"
    )
}
