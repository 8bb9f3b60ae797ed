//! Refuses documents that readers of different habits read differently (CVE-2021-41190): those in Go take a member under a
//! name that is written otherwise, and of two under one name the last.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use serde::Deserializer;
use serde::de::{
    Deserialize as _, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// The members of manifests and indexes (OCI image spec, manifest.md and image-index.md).
const OF_MANIFESTS: [&str; 9] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "blobs",
    "manifests",
    "subject",
    "annotations",
];
/// The members of descriptors (OCI image spec, descriptor.md).
const OF_DESCRIPTORS: [&str; 8] = [
    "mediaType",
    "digest",
    "size",
    "urls",
    "annotations",
    "platform",
    "artifactType",
    "data",
];
/// The members of platforms (OCI image spec, image-index.md).
const OF_PLATFORMS: [&str; 6] = [
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "features",
];
/// How much of a name a message shows, in characters.
const SHOWN: usize = 40;

/// Looks through a manifest. What the members hold is not looked at otherwise.
pub(super) fn check(manifest: &[u8]) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(manifest);
    Part::Manifest.deserialize(&mut json)?;
    json.end()
}

/// A part of a manifest, as far as it has names of its own.
#[derive(Clone, Copy)]
enum Part {
    Manifest,
    Descriptor,
    Descriptors,
    Platform,
    Other,
}

impl Part {
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Manifest => &OF_MANIFESTS,
            Self::Descriptor => &OF_DESCRIPTORS,
            Self::Platform => &OF_PLATFORMS,
            Self::Descriptors | Self::Other => &[],
        }
    }

    fn member(self, name: &str) -> Self {
        match (self, name) {
            (Self::Manifest, "config") => Self::Descriptor,
            (Self::Manifest, "layers" | "blobs" | "manifests") => Self::Descriptors,
            (Self::Descriptor, "platform") => Self::Platform,
            _ => Self::Other,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Part {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match self {
            Self::Other => IgnoredAny::deserialize(json).map(drop),
            _ => json.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Part {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manifest => "a manifest, which is an object",
            Self::Descriptor => "a descriptor, which is an object",
            Self::Descriptors => "a list of descriptors",
            Self::Platform => "a platform, which is an object",
            Self::Other => "anything",
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = Names::new(self.names());
        while let Some(name) = members.next_key::<String>()? {
            names.add(&name).map_err(Error::custom)?;
            members.next_value_seed(self.member(&name))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self::Descriptors = self else {
            return Err(Error::invalid_type(serde::de::Unexpected::Seq, &self));
        };
        while items.next_element_seed(Self::Descriptor)?.is_some() {}
        Ok(())
    }

    // A null is absent (see `few`), whatever should stand there.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The names of one object's members so far. Their hashes alone are kept: an object may have hundreds of thousands.
struct Names {
    known: &'static [&'static str],
    hasher: RandomState,
    seen: HashSet<u64>,
}

impl Names {
    fn new(known: &'static [&'static str]) -> Self {
        Self {
            known,
            hasher: RandomState::new(),
            seen: HashSet::new(),
        }
    }

    fn add(&mut self, name: &str) -> Result<(), String> {
        let folded = fold(name);
        let known = self
            .known
            .iter()
            .find(|known| known.eq_ignore_ascii_case(&folded));
        if let Some(known) = known.filter(|known| **known != name) {
            let name = shown(name);
            return Err(format!(
                "the member {name} is \"{known}\" but for its case, and is read as that by some; expected \"{known}\""
            ));
        }
        // Two names of one hash would refuse a sound manifest: hardly ever by chance, and nobody can bring it about, as
        // the hasher's keys are random.
        if self.seen.insert(self.hasher.hash_one(folded)) {
            Ok(())
        } else {
            let name = shown(name);
            Err(format!(
                "the member {name} is there twice, or again in another case; expected it once"
            ))
        }
    }
}

/// The name as Go compares it: without case, the long s and the sign of the kelvin being letters of the alphabet.
fn fold(name: &str) -> String {
    let folded = name.chars().map(|letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    folded.collect()
}

fn shown(name: &str) -> String {
    let start: String = name.chars().take(SHOWN).collect();
    if start.len() < name.len() {
        format!("{start:?}...")
    } else {
        format!("{start:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(manifest: &str) -> String {
        check(manifest.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_member_that_is_written_in_another_case_is_refused() {
        for manifest in [
            r#"{"Layers":[]}"#,
            r#"{"layers":[],"LAYERS":[]}"#,
            r#"{"mediatype":"x"}"#,
            r#"{"l\u0041yers":[]}"#,
            r#"{"layer\u017f":[]}"#,
            "{\"manife\u{17f}ts\":[]}",
            r#"{"Subject":null}"#,
            r#"{"config":{"Digest":"x"}}"#,
            r#"{"layers":[{},{"siZe":1}]}"#,
            r#"{"blobs":[{"URLs":[]}]}"#,
            r#"{"manifests":[{"platform":{"OS":"linux"}}]}"#,
        ] {
            let problem = problem(manifest);
            assert!(
                problem.contains("but for its case"),
                "{manifest}: {problem}"
            );
        }
        assert_eq!(
            problem(r#"{"schemaVersion":2,"Layers":[]}"#),
            r#"the member "Layers" is "layers" but for its case, and is read as that by some; expected "layers" at line 1 column 27"#
        );
    }

    #[test]
    fn a_member_that_is_repeated_is_refused() {
        for manifest in [
            r#"{"layers":[],"layers":[]}"#,
            r#"{"layers":[],"l\u0061yers":[]}"#,
            r#"{"config":{"digest":"a","digest":"b"}}"#,
            r#"{"manifests":[{"platform":{"os":"a","os":"b"}}]}"#,
            r#"{"x":1,"x":1}"#,
            r#"{"x":1,"X":1}"#,
        ] {
            let problem = problem(manifest);
            assert!(problem.contains("is there twice"), "{manifest}: {problem}");
        }
        let long = "n".repeat(1 << 20);
        let problem = problem(&format!(r#"{{"{long}":1,"{long}":2}}"#));
        assert!(problem.len() < 200, "{}", problem.len());
    }

    #[test]
    fn a_list_in_the_place_of_an_object_is_refused() {
        for manifest in [
            "[2,null,null,null,[]]",
            r#"{"config":["m","sha256:0",1]}"#,
            r#"{"layers":[["m","sha256:0",1]]}"#,
        ] {
            let problem = problem(manifest);
            assert!(problem.contains("which is an object"), "{problem}");
        }
    }

    #[test]
    fn what_nobody_knows_is_left_alone() {
        for manifest in [
            r#"{"annotations":{"A":"1","a":"2"},"config":null,"layers":null,"manifests":[null]}"#,
            r#"{"acme":{"Layers":1,"layers":2},"config":{"acme":[{"size":1,"Size":2}]}}"#,
            r#"{"subject":{"Digest":1}}"#,
        ] {
            check(manifest.as_bytes()).unwrap();
        }
    }
}
