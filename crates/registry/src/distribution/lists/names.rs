//! The names of a page, without texts that are none by the grammar of the spec: nothing can be asked for by such a name.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use image_sync_shared::image::reference::{Reference, Repository};
use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};

/// What is listed. All of it is held in memory.
pub(super) trait Kind {
    /// Names, at most.
    const MAX: usize;
    /// How more are called.
    const TOO_MANY: &'static str;

    /// Whether it can be one.
    fn is_name(text: &str) -> bool;
}

/// The tags of one repository.
pub(super) struct Tags;

impl Kind for Tags {
    const MAX: usize = 1_000_000;
    const TOO_MANY: &'static str = "more than 1,000,000 tags";

    fn is_name(text: &str) -> bool {
        matches!(text.parse(), Ok(Reference::Tag(_)))
    }
}

/// The repositories of a registry.
pub(super) struct RepositoryNames;

impl Kind for RepositoryNames {
    const MAX: usize = 100_000;
    const TOO_MANY: &'static str = "more than 100,000 repositories";

    fn is_name(text: &str) -> bool {
        format!("localhost/{text}").parse::<Repository>().is_ok()
    }
}

/// Names of one kind.
pub(super) struct Names<K>(Vec<String>, PhantomData<K>);

impl<K> Names<K> {
    pub(super) fn into_texts(self) -> Vec<String> {
        self.0
    }
}

impl<'de, K: Kind> Deserialize<'de> for Names<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = deserializer.deserialize_seq(NamesVisitor::<K>(PhantomData))?;
        Ok(Self(names, PhantomData))
    }
}

struct NamesVisitor<K>(PhantomData<K>);

impl<'de, K: Kind> Visitor<'de> for NamesVisitor<K> {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<String>, A::Error> {
        let mut names = Vec::new();
        while let Some(text) = seq.next_element::<Cow<'_, str>>()? {
            if K::is_name(&text) {
                names.push(text.into_owned());
            }
            if names.len() > K::MAX {
                return Err(A::Error::custom(K::TOO_MANY));
            }
        }
        Ok(names)
    }
}
