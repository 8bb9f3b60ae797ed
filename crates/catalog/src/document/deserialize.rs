//! Typed values from nodes, by serde.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error, Expected, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::node::{Content, Key, Node, Scalar};
use crate::problem::Problem;

impl Node {
    /// The problem that it is something else than what was expected.
    pub(crate) fn mismatch(&self, expected: &str) -> Problem {
        let text = format!("found {}, expected {expected}", self.kind());
        let problem = Problem::new(text).of_something_unknown();
        problem.at(self.locate(&[]))
    }

    fn kind(&self) -> &'static str {
        match self.content() {
            Content::Plain(text) => kind(&Scalar::of(text).unexpected()),
            Content::Text(_) | Content::Filled(_) => "a text",
            Content::Sequence(_) => "a list",
            Content::Mapping(_) => "a mapping",
            Content::Shared(_) | Content::Tagged => "a value with a YAML tag",
        }
    }
}

impl<'a> Scalar<'a> {
    fn unexpected(self) -> Unexpected<'a> {
        match self {
            Self::Nothing => Unexpected::Unit,
            Self::Bool(value) => Unexpected::Bool(value),
            Self::Unsigned(value) => Unexpected::Unsigned(value),
            Self::Signed(value) => Unexpected::Signed(value),
            Self::Float(value) => Unexpected::Float(value),
            Self::Text(value) => Unexpected::Str(value),
        }
    }
}

fn kind(unexpected: &Unexpected) -> &'static str {
    match unexpected {
        Unexpected::Str(_) => "a text",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Bool(_) => "true or false",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a mapping",
        Unexpected::Unit | Unexpected::Option => "nothing",
        _ => "a value with a YAML tag",
    }
}

/// No value is quoted: it might be a password.
impl Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }

    fn invalid_type(unexpected: Unexpected, expected: &dyn Expected) -> Self {
        let expected = match expected.to_string().as_str() {
            "a string" | "path string" => "a text".to_owned(),
            "a boolean" => "true or false".to_owned(),
            "a sequence" => "a list".to_owned(),
            own => own.to_owned(),
        };
        Self::new(format!("found {}, expected {expected}", kind(&unexpected)))
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let read = match self.content() {
            Content::Plain(text) | Content::Filled(text) => match Scalar::of(text) {
                Scalar::Nothing if !self.is_null() => visitor.visit_borrowed_str(text),
                Scalar::Nothing => visitor.visit_unit(),
                Scalar::Bool(value) => visitor.visit_bool(value),
                Scalar::Unsigned(value) => visitor.visit_u64(value),
                Scalar::Signed(value) => visitor.visit_i64(value),
                Scalar::Float(value) => visitor.visit_f64(value),
                Scalar::Text(value) => visitor.visit_borrowed_str(value),
            },
            Content::Text(text) => visitor.visit_borrowed_str(text),
            Content::Sequence(items) => visitor.visit_seq(Items::of(items)),
            Content::Mapping(entries) => visitor.visit_map(Entries::of(entries)),
            Content::Shared(_) | Content::Tagged => {
                Err(Problem::invalid_type(Unexpected::Other("tagged"), &visitor))
            }
        };
        read.map_err(|problem| problem.at(self.locate(&[])))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.content() {
            // As it stands there, whatever it looks like.
            Content::Plain(text) | Content::Filled(text) if !self.is_null() => {
                visitor.visit_borrowed_str(text)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        if self.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct enum identifier ignored_any
    }
}

/// The items of a list, one after the other.
struct Items<'de> {
    rest: &'de [Node],
    index: usize,
}

impl<'de> Items<'de> {
    fn of(rest: &'de [Node]) -> Self {
        Self { rest, index: 0 }
    }
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Problem> {
        let Some((first, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        let read = seed.deserialize(first);
        let read = read.map_err(|problem| problem.index(self.index))?;
        (self.rest, self.index) = (rest, self.index + 1);
        Ok(Some(read))
    }
}

/// The entries of a mapping, one after the other.
struct Entries<'de> {
    rest: &'de [(Key, Node)],
    value: Option<&'de (Key, Node)>,
}

impl<'de> Entries<'de> {
    fn of(rest: &'de [(Key, Node)]) -> Self {
        Self { rest, value: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Problem> {
        let Some((first, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        (self.rest, self.value) = (rest, Some(first));
        let key = serde::de::value::BorrowedStrDeserializer::<Problem>::new(&first.0.text);
        seed.deserialize(key)
            .map(Some)
            .map_err(|problem| problem.at(first.0.place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let Some((key, value)) = self.value.take() else {
            return Err(Problem::custom("a value before its key"));
        };
        seed.deserialize(value)
            .map_err(|problem| problem.key(&key.text))
    }
}
