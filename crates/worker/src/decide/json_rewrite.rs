//! Rewrites JSON as it is read, member by member: what a hostile manifest holds beside the members that matter never becomes
//! values in memory. What is written has no white space, and the order of what was read.

use std::fmt;

use serde::de::{Deserializer as _, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Deserializer, Error, Serializer};

/// A member's name, and its new value as JSON.
pub(crate) type Member<'a> = (&'a str, String);

/// Appends `json` as it is.
pub(crate) fn unchanged(json: &RawValue, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut from = Deserializer::from_str(json.get());
    serde_transcode::transcode(&mut from, &mut Serializer::new(out))
}

/// Appends the object `json`: the members `set` have their new values, those that it lacks come at the end, and `rewrite`
/// appends the values of all others. What is no object stays as it is.
pub(crate) fn object(
    json: &RawValue,
    out: &mut Vec<u8>,
    set: &[Member<'_>],
    rewrite: impl FnMut(&str, &RawValue, &mut Vec<u8>) -> Result<(), Error>,
) -> Result<(), Error> {
    if !json.get().starts_with('{') {
        return unchanged(json, out);
    }
    let visitor = Object { out, set, rewrite };
    Deserializer::from_str(json.get()).deserialize_map(visitor)
}

/// Appends the list `json`: `rewrite` appends each item, or says that it is left out. What is no list stays as it is.
pub(crate) fn list(
    json: &RawValue,
    out: &mut Vec<u8>,
    rewrite: impl FnMut(usize, &RawValue, &mut Vec<u8>) -> Result<Item, Error>,
) -> Result<(), Error> {
    if !json.get().starts_with('[') {
        return unchanged(json, out);
    }
    let visitor = List { out, rewrite };
    Deserializer::from_str(json.get()).deserialize_seq(visitor)
}

/// What became of an item of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// It was appended.
    Kept,
    /// It was left out, and nothing was appended.
    LeftOut,
}

/// A text as JSON.
pub(crate) fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

struct Object<'a, F> {
    out: &'a mut Vec<u8>,
    set: &'a [Member<'a>],
    rewrite: F,
}

impl<'de, F> Visitor<'de> for Object<'_, F>
where
    F: FnMut(&str, &RawValue, &mut Vec<u8>) -> Result<(), Error>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let mut first = true;
        let mut is_set = vec![false; self.set.len()];
        while let Some(name) = members.next_key::<String>()? {
            let value: &RawValue = members.next_value()?;
            begin(self.out, &mut first, b'{');
            name_of(&name, self.out);
            if let Some(at) = self.set.iter().position(|(set, _)| *set == name) {
                is_set[at] = true;
                self.out.extend_from_slice(self.set[at].1.as_bytes());
            } else {
                (self.rewrite)(&name, value, self.out).map_err(A::Error::custom)?;
            }
        }
        let lacking = self.set.iter().zip(is_set).filter(|(_, is_set)| !is_set);
        for ((name, value), _) in lacking {
            begin(self.out, &mut first, b'{');
            name_of(name, self.out);
            self.out.extend_from_slice(value.as_bytes());
        }
        end(self.out, first, *b"{}");
        Ok(())
    }
}

struct List<'a, F> {
    out: &'a mut Vec<u8>,
    rewrite: F,
}

impl<'de, F> Visitor<'de> for List<'_, F>
where
    F: FnMut(usize, &RawValue, &mut Vec<u8>) -> Result<Item, Error>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let mut first = true;
        let mut place = 0;
        while let Some(item) = items.next_element::<&RawValue>()? {
            // The comma is written before it is known whether the item stays, and is taken back with it.
            let (before, was_first) = (self.out.len(), first);
            begin(self.out, &mut first, b'[');
            let rewritten = (self.rewrite)(place, item, self.out).map_err(A::Error::custom)?;
            if rewritten == Item::LeftOut {
                self.out.truncate(before);
                first = was_first;
            }
            place += 1;
        }
        end(self.out, first, *b"[]");
        Ok(())
    }
}

fn begin(out: &mut Vec<u8>, first: &mut bool, bracket: u8) {
    out.push(if *first { bracket } else { b',' });
    *first = false;
}

fn end(out: &mut Vec<u8>, empty: bool, [opening, closing]: [u8; 2]) {
    if empty {
        out.push(opening);
    }
    out.push(closing);
}

fn name_of(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text(name).as_bytes());
    out.push(b':');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).unwrap()
    }

    fn rewritten(rewrite: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>) -> String {
        let mut out = Vec::new();
        rewrite(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_unchanged_is_written_as_a_value_would_be() {
        let json = r#" { "b" : [ 1 , -2, 1.50, 1e3, true, null, "\u003ca\/\u00e9\n" ], "a":{}, "c" : [] } "#;
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        let written = rewritten(|out| unchanged(raw(json), out));
        assert_eq!(written, value.to_string());
        let written =
            rewritten(|out| object(raw(json), out, &[], |_, value, out| unchanged(value, out)));
        assert_eq!(written, value.to_string());
    }

    #[test]
    fn members_are_set_in_their_place_or_at_the_end() {
        let set = [("b", "2".to_owned()), ("z", text("\"new\""))];
        let written = |json| {
            rewritten(|out| object(raw(json), out, &set, |_, value, out| unchanged(value, out)))
        };
        assert_eq!(
            written(r#"{"a": 1, "b": [1], "c": 3}"#),
            r#"{"a":1,"b":2,"c":3,"z":"\"new\""}"#
        );
        assert_eq!(written("{}"), r#"{"b":2,"z":"\"new\""}"#);
        assert_eq!(written("null"), "null");
    }

    #[test]
    fn items_are_left_out_wherever_they_are() {
        let odd = |json| {
            rewritten(|out| {
                list(raw(json), out, |place, item, out| {
                    if place % 2 == 0 {
                        return Ok(Item::LeftOut);
                    }
                    unchanged(item, out).map(|()| Item::Kept)
                })
            })
        };
        assert_eq!(odd("[0, 1, 2, 3, 4]"), "[1,3]");
        assert_eq!(odd("[0]"), "[]");
        assert_eq!(odd("[]"), "[]");
        assert_eq!(odd("null"), "null");
    }
}
