//! One value of a document.

use std::rc::Rc;

use crate::problem::{Place, Problem, Step};

/// The merge key (YAML 1.1 type repository, `merge`): a mapping, or a list of them, the first one strongest.
pub(super) const MERGE: &str = "<<";
/// How many mappings may be merged into one.
pub(super) const MAX_MERGED: usize = 1_000;

/// The place of a value that stands in no document.
const NOWHERE: Place = Place { line: 1, column: 1 };

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) content: Content,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// A scalar that is not quoted and has no tag: a text, a number, a truth value or nothing (10.3.2, core schema).
    Plain(Box<str>),
    /// A scalar that is a text whatever it looks like.
    Text(Box<str>),
    /// A scalar in which variables were filled in: a number or a truth value where one is asked for, else a text, also an
    /// empty one.
    Filled(Box<str>),
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping, with its keys in the order of the file.
    Mapping(Vec<(Key, Node)>),
    /// What an anchor names, at the anchor and at its aliases.
    Shared(Rc<Node>),
    /// A value with a tag that means nothing here.
    Tagged,
}

/// A key and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) text: Box<str>,
}

/// What a plain scalar stands for.
pub(crate) enum Scalar<'a> {
    Nothing,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
}

impl Node {
    /// A mapping that says nothing.
    pub(crate) fn empty_mapping() -> Self {
        Self::of(Content::Mapping(Vec::new()))
    }

    /// A text that stands in no document; a number or a truth value where one is asked for.
    pub(crate) fn of_text(text: &str) -> Self {
        Self::of(Content::Filled(text.into()))
    }

    /// A list that stands in no document.
    pub(crate) fn of_items(items: Vec<Self>) -> Self {
        Self::of(Content::Sequence(items))
    }

    /// A mapping that stands in no document.
    pub(crate) fn of_pairs(pairs: Vec<(&str, Self)>) -> Self {
        let key = |text: &str| Key {
            place: NOWHERE,
            text: text.into(),
        };
        let pairs = pairs.into_iter().map(|(text, value)| (key(text), value));
        Self::of(Content::Mapping(pairs.collect()))
    }

    fn of(content: Content) -> Self {
        Self {
            place: NOWHERE,
            content,
        }
    }

    /// The same, at a place.
    pub(crate) fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// The keys of a mapping with their values, without those of its merge keys.
    pub(crate) fn pairs(&self) -> Option<&[(Key, Self)]> {
        match self.content() {
            Content::Mapping(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// What the merge keys of a mapping add as `key`.
    pub(crate) fn merged(&self, key: &str) -> Option<&Self> {
        let bases = find(self.pairs()?, MERGE)?;
        bases.value(key, &mut { MAX_MERGED })
    }

    /// A scalar's text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self.content() {
            Content::Plain(text) | Content::Text(text) | Content::Filled(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> Result<&[Self], Problem> {
        match self.content() {
            Content::Sequence(items) => Ok(items),
            _ => Err(self.mismatch("a list")),
        }
    }

    /// The content, that of the anchor where this is an alias.
    pub(crate) fn content(&self) -> &Content {
        match &self.content {
            Content::Shared(node) => node.content(),
            content => content,
        }
    }

    /// Whether there is nothing where a value may be.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.content(), Content::Plain(text) if matches!(Scalar::of(text), Scalar::Nothing))
    }

    /// Where the value at `steps` stands, or the innermost value around it that is there.
    pub(crate) fn locate(&self, steps: &[Step]) -> Place {
        let Some((step, rest)) = steps.split_first() else {
            return self.place();
        };
        match self.child(step) {
            Some(child) => child.locate(rest),
            None => self.place(),
        }
    }

    /// An alias stands where its anchor does: that is what can be mended.
    fn place(&self) -> Place {
        match &self.content {
            Content::Shared(node) => node.place(),
            _ => self.place,
        }
    }

    /// The value that a mapping has of `key`, itself or by merging at most as many others as are left.
    fn value(&self, key: &str, left: &mut usize) -> Option<&Self> {
        *left = left.checked_sub(1)?;
        match self.content() {
            Content::Mapping(entries) => find(entries, key)
                .or_else(|| find(entries, MERGE).and_then(|bases| bases.value(key, left))),
            Content::Sequence(bases) => bases.iter().find_map(|base| base.value(key, left)),
            _ => None,
        }
    }

    fn child(&self, step: &Step) -> Option<&Self> {
        match (self.content(), step) {
            (Content::Mapping(_), Step::Key(key)) => self.value(key, &mut { MAX_MERGED }),
            (Content::Sequence(items), Step::Index(index)) => items.get(*index),
            _ => None,
        }
    }
}

/// The first value of `wanted`.
pub(super) fn find<'a>(entries: &'a [(Key, Node)], wanted: &str) -> Option<&'a Node> {
    let mut found = entries.iter().filter(|(key, _)| &*key.text == wanted);
    found.next().map(|(_, value)| value)
}

/// Whether the key is the user's own, as a place for anchors and notes. A host may begin so too.
pub(super) fn is_the_users(key: &str) -> bool {
    key.starts_with("x-") && !key.contains(['.', ':', '/'])
}

impl<'a> Scalar<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Nothing,
            "true" | "True" | "TRUE" => Self::Bool(true),
            "false" | "False" | "FALSE" => Self::Bool(false),
            _ => Self::number(text).unwrap_or(Self::Text(text)),
        }
    }

    fn number(text: &str) -> Option<Self> {
        let radix = |prefix, radix| {
            let digits = text.strip_prefix(prefix)?;
            u64::from_str_radix(digits, radix).ok()
        };
        if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)) {
            return Some(Self::Unsigned(number));
        }
        // Rust reads words as numbers, such as infinity, that are texts here.
        let is_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        if !text.bytes().all(is_number) {
            return None;
        }
        let unsigned = text.parse().map(Self::Unsigned).ok();
        unsigned
            .or_else(|| text.parse().map(Self::Signed).ok())
            .or_else(|| text.parse().map(Self::Float).ok())
    }
}
