//! A mapping of another tool, read key by key.

use std::collections::HashMap;

use super::{Kind, Translator};
use crate::document::Node;
use crate::problem::{Place, Problem};

/// A text, or the texts of a list, as messages name it `key`.
pub(in crate::dialects) fn text_or_texts<'n>(
    node: &'n Node,
    key: &str,
    translator: &mut Translator<'_>,
) -> Vec<&'n str> {
    if let Some(text) = node.text() {
        return vec![text];
    }
    if let Ok(items) = node.items() {
        return texts(items, key, translator);
    }
    translator.report(node.mismatch("a text or a list of texts").key(key));
    Vec::new()
}

fn texts<'n>(items: &'n [Node], key: &str, translator: &mut Translator<'_>) -> Vec<&'n str> {
    let items = items.iter().enumerate();
    let texts = items.filter_map(|(index, item)| {
        let text = item.text();
        if text.is_none() {
            translator.report(item.mismatch("a text").key(&format!("{key}[{index}]")));
        }
        text
    });
    texts.collect()
}

/// A mapping of another tool, read key by key. Those tools pass over keys that they do not know.
pub(in crate::dialects) struct Mapping<'n> {
    node: &'n Node,
    /// As messages name its values: `images[3]`, or empty.
    path: String,
}

impl<'n> Mapping<'n> {
    /// Fails where `node` is none. `expected` says what it should be.
    pub(in crate::dialects) fn of(
        node: &'n Node,
        path: &str,
        expected: &str,
    ) -> Result<Self, Problem> {
        match node.pairs() {
            Some(_) => Ok(Self {
                node,
                path: path.to_owned(),
            }),
            None => Err(node.mismatch(expected)),
        }
    }

    /// The value of `key`, the last one where it is there several times; of merged mappings too.
    pub(in crate::dialects) fn node(&self, key: &str) -> Option<&'n Node> {
        let own = self.node.pairs()?.iter().rev();
        let mut own = own.filter(|(own, _)| &*own.text == key);
        let found = own.next().map(|(_, value)| value);
        found
            .or_else(|| self.node.merged(key))
            .filter(|value| !value.is_null())
    }

    /// Where it stands.
    pub(in crate::dialects) fn place(&self) -> Place {
        self.node.place
    }

    /// The text of `key`. A problem is one of `translator`.
    pub(in crate::dialects) fn text(
        &self,
        key: &str,
        translator: &mut Translator<'_>,
    ) -> Option<&'n str> {
        let node = self.node(key)?;
        let text = node.text();
        if text.is_none() {
            translator.report(node.mismatch("a text").key(&self.key(key)));
        }
        text
    }

    /// The truth value of `key`.
    pub(in crate::dialects) fn flag(
        &self,
        key: &str,
        translator: &mut Translator<'_>,
    ) -> Option<bool> {
        let node = self.node(key)?;
        let text = node.text().unwrap_or_default();
        match text.to_ascii_lowercase().as_str() {
            // As in YAML 1.1, which tools that are written in Go read.
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => {
                translator.report(node.mismatch("true or false").key(&self.key(key)));
                None
            }
        }
    }

    /// The items of the list `key`, none where it is not there.
    pub(in crate::dialects) fn items(
        &self,
        key: &str,
        translator: &mut Translator<'_>,
    ) -> &'n [Node] {
        let items = self.node(key).map(Node::items);
        match items {
            Some(Ok(items)) => items,
            Some(Err(problem)) => {
                translator.report(problem.key(&self.key(key)));
                &[]
            }
            None => &[],
        }
    }

    /// The items of the list `key`, which has to be there.
    pub(in crate::dialects) fn needed_items(
        &self,
        key: &str,
        expected: &str,
        translator: &mut Translator<'_>,
    ) -> &'n [Node] {
        if self.node(key).is_none() {
            let missing = Problem::new(format!("missing, expected {expected}"));
            translator.report(missing.key(&self.key(key)));
        }
        self.items(key, translator)
    }

    /// The texts of the list `key`.
    pub(in crate::dialects) fn texts(
        &self,
        key: &str,
        translator: &mut Translator<'_>,
    ) -> Vec<&'n str> {
        texts(self.items(key, translator), &self.key(key), translator)
    }

    /// How messages name the value of `key`.
    pub(in crate::dialects) fn key(&self, key: &str) -> String {
        match &*self.path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    /// Tells of keys that are there several times, of which the tool takes the last one.
    pub(in crate::dialects) fn note_repeated(&self, translator: &mut Translator<'_>) {
        let pairs = self.node.pairs().unwrap_or_default();
        let mut seen = HashMap::with_capacity(pairs.len());
        for (key, _) in pairs {
            if let Some(earlier) = seen.insert(&key.text, key.place) {
                let why = format!(
                    "it is in line {} too, and the last one holds, as in the tool that it is written for",
                    earlier.line
                );
                translator.note(Kind::Mapped, key.place, self.key(&key.text), why);
            }
        }
    }

    /// Tells of keys that are none of `known`, as the tool passes over them.
    pub(in crate::dialects) fn note_unknown(
        &self,
        known: &[&str],
        translator: &mut Translator<'_>,
    ) {
        for (key, value) in self.node.pairs().unwrap_or_default() {
            let is_known = known.contains(&&*key.text) || &*key.text == "<<";
            if !is_known && !key.text.starts_with("x-") && !value.is_null() {
                let why = "the tool that it is written for does not know it either";
                translator.note(Kind::LeftOut, key.place, self.key(&key.text), why);
            }
        }
    }
}
