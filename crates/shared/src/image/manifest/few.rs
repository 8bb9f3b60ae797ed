//! Reads no more of a descriptor's lists than is of use: a hostile one of 4 MiB has a million items. What is null, or the
//! zero value that Go writes for what is not there, is absent.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use serde_json::value::RawValue;

use super::{ATTESTED_DIGEST, Descriptor, StatedPlatform};

/// How many texts of a list are kept.
const FEW: usize = 4;

/// A text; empty where there is none.
pub(super) fn text<'de, D: Deserializer<'de>>(json: D) -> Result<String, D::Error> {
    Option::deserialize(json).map(Option::unwrap_or_default)
}

/// A platform, unless it lacks a part that it has to have.
pub(super) fn platform<'de, D: Deserializer<'de>>(
    json: D,
) -> Result<Option<StatedPlatform>, D::Error> {
    let stated: Option<StatedPlatform> = Option::deserialize(json)?;
    Ok(stated.filter(|stated| !stated.os.is_empty() && !stated.architecture.is_empty()))
}

/// A descriptor, unless it is the zero value.
pub(super) fn descriptor<'de, D: Deserializer<'de>>(
    json: D,
) -> Result<Option<Descriptor>, D::Error> {
    #[derive(Deserialize)]
    struct Zero {
        digest: Option<String>,
        size: Option<i64>,
    }
    let Some(json) = <Option<&RawValue>>::deserialize(json)? else {
        return Ok(None);
    };
    match serde_json::from_str(json.get()) {
        Ok(Zero {
            digest: None,
            size: None | Some(0),
        }) => return Ok(None),
        Ok(Zero {
            digest: Some(digest),
            size: None | Some(0),
        }) if digest.is_empty() => return Ok(None),
        _ => {}
    }
    // Read a second time, so that the error is about what a descriptor lacks.
    serde_json::from_str(json.get())
        .map(Some)
        .map_err(D::Error::custom)
}

/// The first texts of a list.
pub(super) fn texts<'de, D: Deserializer<'de>>(json: D) -> Result<Vec<String>, D::Error> {
    json.deserialize_option(Texts)
}

/// The annotations that copying has to know.
pub(super) fn annotations<'de, D: Deserializer<'de>>(
    json: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    json.deserialize_option(Annotations)
}

struct Texts;

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < FEW {
            match items.next_element::<Option<String>>()? {
                Some(text) => kept.extend(text),
                None => return Ok(kept),
            }
        }
        // The others are not kept, but have to be texts as well: what is refused does not depend on where it stands.
        while items.next_element::<Option<Text>>()?.is_some() {}
        Ok(kept)
    }
}

struct Annotations;

impl<'de> Visitor<'de> for Annotations {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut kept = BTreeMap::new();
        while let Some(name) = members.next_key::<String>()? {
            if name == ATTESTED_DIGEST {
                let value: Option<String> = members.next_value()?;
                kept.extend(value.map(|value| (name, value)));
            } else {
                members.next_value::<Option<Text>>()?;
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
    fn what_is_null_or_half_there_is_absent() {
        for members in [
            r#""annotations":null,"urls":null,"mediaType":null,"platform":null,"artifactType":null,"data":null"#,
            r#""annotations":{},"urls":[],"mediaType":"","platform":{}"#,
            r#""annotations":{"a":null},"urls":[null],"platform":{"os":"linux"}"#,
            r#""platform":{"architecture":"amd64","os":null,"os.features":null}"#,
        ] {
            let read = read(members).unwrap();
            let nothing = read.annotations.is_empty()
                && read.urls.is_empty()
                && read.media_type.is_empty()
                && read.platform.is_none();
            assert!(nothing, "{members}: {read:?}");
        }
        let platform = r#"{"architecture":"a","os":"o","os.features":null,"variant":null}"#;
        let read = read(&format!(r#""platform":{platform}"#)).unwrap();
        assert!(read.platform.unwrap().os_features.is_empty());
    }

    #[test]
    fn what_is_not_kept_must_be_right_too() {
        assert!(read(r#""urls":["","","","",1]"#).is_err());
        assert!(read(r#""annotations":{"a":1}"#).is_err());
        assert!(read(r#""urls":{}"#).is_err());
    }
}
