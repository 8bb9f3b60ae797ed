//! Reads no more of a descriptor's lists than is of use: a hostile one of 4 MiB has a million items.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::ATTESTED_DIGEST;

/// How many texts of a list are kept.
const FEW: usize = 4;

/// The first texts of a list.
pub(super) fn texts<'de, D: Deserializer<'de>>(json: D) -> Result<Vec<String>, D::Error> {
    json.deserialize_seq(Texts)
}

/// The annotations that copying has to know.
pub(super) fn annotations<'de, D: Deserializer<'de>>(
    json: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    json.deserialize_map(Annotations)
}

struct Texts;

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < FEW {
            match items.next_element()? {
                Some(text) => kept.push(text),
                None => return Ok(kept),
            }
        }
        while items.next_element::<Text>()?.is_some() {}
        Ok(kept)
    }
}

struct Annotations;

impl<'de> Visitor<'de> for Annotations {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut kept = BTreeMap::new();
        while let Some(name) = members.next_key::<String>()? {
            if name == ATTESTED_DIGEST {
                kept.insert(name, members.next_value()?);
            } else {
                members.next_value::<Text>()?;
            }
        }
        Ok(kept)
    }
}

/// A text that is not kept.
struct Text;

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_str(Text)
    }
}

impl Visitor<'_> for Text {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ATTESTED_DIGEST, Descriptor};
    use super::FEW;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(members: &str) -> Result<Descriptor, serde_json::Error> {
        serde_json::from_str(&format!(r#"{{"digest":"{DIGEST}","size":1,{members}}}"#))
    }

    #[test]
    fn long_lists_are_not_kept() {
        let urls = r#""u","#.repeat(100_000);
        let long = read(&format!(r#""urls":[{urls}"u"]"#)).unwrap();
        assert_eq!(long.urls, ["u"; FEW]);
        assert_eq!(read(r#""urls":["u"]"#).unwrap().urls, ["u"]);
        let annotations = format!(r#""a":"b","{ATTESTED_DIGEST}":"d","c":"e""#);
        let read = read(&format!(r#""annotations":{{{annotations}}}"#)).unwrap();
        assert_eq!(
            read.annotations.into_iter().collect::<Vec<_>>(),
            [(ATTESTED_DIGEST.to_owned(), "d".to_owned())]
        );
    }

    #[test]
    fn what_is_not_kept_must_be_right_too() {
        assert!(read(r#""urls":["","","","",1]"#).is_err());
        assert!(read(r#""annotations":{"a":1}"#).is_err());
        assert!(read(r#""urls":{}"#).is_err());
    }
}
