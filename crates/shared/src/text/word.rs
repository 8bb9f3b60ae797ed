//! Words of a list that another version of this program may have more of: actions, classes of failures, kinds of jobs.
//!
//! A message is not lost for one word of it that is new. An enum of [`words`] reads a name that it does not know as its
//! variant `Other`, which shows and writes the same name again. What an earlier version called a word is read as that word.

use std::fmt;
use std::sync::Mutex;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserializer, Serialize, Serializer};

use super::excerpt;
use crate::panics::lock;

/// A word that this version does not know, as it was written: as short and clean as a text of others is inside a sentence.
///
/// It is copied like the words that are known, and is no larger than they are: each different one is kept once, for as long as
/// the process lives, and this is its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnknownWord(u16);

/// How many different words a process keeps. Versions differ by a few; whoever makes up more of them must not fill memory.
const MOST_WORDS: u16 = 256;
/// What any further one is called.
const ONE_TOO_MANY: &str = "other";

static KEPT: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

impl UnknownWord {
    /// The word `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let word = excerpt(text);
        let mut kept = lock(&KEPT);
        let known = (0..MOST_WORDS).zip(kept.iter());
        if let Some((place, _)) = known.into_iter().find(|(_, known)| **known == word) {
            return Self(place);
        }
        let place = u16::try_from(kept.len()).unwrap_or(MOST_WORDS);
        if place < MOST_WORDS {
            kept.push(Box::leak(word.into_boxed_str()));
        }
        Self(place)
    }

    /// Its text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let kept = lock(&KEPT);
        kept.get(usize::from(self.0))
            .copied()
            .unwrap_or(ONE_TOO_MANY)
    }
}

impl fmt::Debug for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for UnknownWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Reads a word: a string, or the name of a variant with fields, which are passed over.
pub(crate) fn word<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: for<'a> From<&'a str>,
{
    struct Word<T>(std::marker::PhantomData<T>);

    impl<'de, T: for<'a> From<&'a str>> Visitor<'de> for Word<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a word")
        }

        fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
            Ok(T::from(word))
        }

        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<T, A::Error> {
            let word: Option<String> = fields.next_key()?;
            let word = word.ok_or_else(|| A::Error::custom("an object without a word"))?;
            fields.next_value::<IgnoredAny>()?;
            while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(T::from(&word))
        }
    }

    deserializer.deserialize_any(Word(std::marker::PhantomData))
}

/// Gives an enum of words its names, in messages and elsewhere.
macro_rules! words {
    ($words:ident { $($variant:ident = $name:literal $(| $former:literal)*),* $(,)? }) => {
        impl $words {
            /// Its name, as messages have it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(word) => word.as_str(),
                }
            }
        }

        impl From<&str> for $words {
            fn from(name: &str) -> Self {
                match name {
                    $($name $(| $former)* => Self::$variant,)*
                    other => Self::Other($crate::text::UnknownWord::new(other)),
                }
            }
        }

        impl serde::Serialize for $words {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $words {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::text::word::word(deserializer)
            }
        }
    };
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crate::run::outcome::Action;
    use crate::text::is_deceptive;

    use super::*;

    #[test]
    fn an_unknown_word_is_read_and_written_as_it_is() {
        for (json, name) in [
            (r#""quarantined""#, "quarantined"),
            (r#"{"quarantined":{"by":"policy"}}"#, "quarantined"),
        ] {
            let action: Action = serde_json::from_str(json).unwrap();
            assert_eq!(action, Action::Other(UnknownWord::new(name)));
            assert_eq!(action.name(), name);
            let written = serde_json::to_string(&action).unwrap();
            assert_eq!(serde_json::from_str::<Action>(&written).unwrap(), action);
        }
        for no_word in ["1", "null", "[]", "{}"] {
            assert!(
                serde_json::from_str::<Action>(no_word).is_err(),
                "{no_word}"
            );
        }
    }

    #[test]
    fn an_unknown_word_is_short_and_clean_and_few_are_kept() {
        let long = UnknownWord::new(&"\u{9b}\u{202e}x".repeat(500_000));
        assert!(long.as_str().len() <= 160, "{}", long.as_str().len());
        assert!(!long.as_str().chars().any(is_deceptive), "{long}");
        assert_eq!(UnknownWord::new(long.as_str()), long, "again the same");
        let mut kept = HashSet::from([long.as_str()]);
        // Not in the same process as tests that expect words of theirs to be kept.
        for number in 0..MOST_WORDS / 2 {
            kept.insert(UnknownWord::new(&format!("w{number}")).as_str());
        }
        assert_eq!(kept.len(), usize::from(MOST_WORDS / 2 + 1));
    }
}
