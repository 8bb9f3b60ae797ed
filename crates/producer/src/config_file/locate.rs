//! Where in a text a value stands.
//!
//! The YAML library tells lines and columns in its errors only. So the text is read once more by a reader that fails at
//! the value on purpose. This happens once per program, when there is an error to be told.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::Position;
use super::problem::Step;

/// The position of the value at `place`, or of the innermost value around it that the text has.
pub(super) fn locate(text: &str, place: &[Step]) -> Option<Position> {
    let error = Finder(place)
        .deserialize(serde_yaml_ng::Deserializer::from_str(text))
        .err()?;
    position(&error)
}

/// The position that an error of the YAML library tells.
pub(super) fn position(error: &serde_yaml_ng::Error) -> Option<Position> {
    error.location().map(|location| Position {
        line: location.line(),
        column: location.column(),
    })
}

/// Fails at the value, which the library then adds the position to.
struct Finder<'a>(&'a [Step]);

impl<'de> DeserializeSeed<'de> for Finder<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Finder<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if let Some((Step::Key(wanted), inner)) = self.0.split_first() {
            while let Some(key) = map.next_key::<String>()? {
                if key == *wanted {
                    map.next_value_seed(Finder(inner))?;
                }
                map.next_value::<IgnoredAny>()?;
            }
        }
        Err(de::Error::custom("here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if let Some((Step::Index(wanted), inner)) = self.0.split_first() {
            for _ in 0..*wanted {
                seq.next_element::<IgnoredAny>()?;
            }
            seq.next_element_seed(Finder(inner))?;
        }
        Err(de::Error::custom("here"))
    }
}
