//! Where images go, shown where their names alone do not tell them apart.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// What is shown of the targets of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Nothing: all of them are at one registry, and no image is there twice.
    Nothing,
    /// Their registries, which tell them apart.
    Place,
    /// All of them, as an image goes to several repositories of one registry.
    Target,
}

impl Shown {
    /// What an image is called, with its target where it is not the only one that is called so, or others go elsewhere.
    pub(crate) fn name(self, image: &str, tag: &str, target: &str) -> String {
        match self {
            Self::Nothing => format!("{image}:{tag}"),
            Self::Place | Self::Target => format!("{image}:{tag} -> {target}"),
        }
    }
}

/// The images of a run and where they go, as far as that matters here: 8 bytes for each.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    place: Option<String>,
    has_several: bool,
    /// Hashes of images, tags and places.
    images: Vec<u64>,
}

impl Targets {
    /// Takes an image of the run into account.
    pub(crate) fn add(&mut self, image: &str, tag: &str, target: &str) {
        let place = place_of(target);
        match &self.place {
            Some(first) => self.has_several |= first != place,
            None => self.place = Some(place.to_owned()),
        }
        let mut hasher = DefaultHasher::new();
        (image, tag, place).hash(&mut hasher);
        self.images.push(hasher.finish());
    }

    /// What is to be shown of all these images.
    pub(crate) fn shown(mut self) -> Shown {
        self.images.sort_unstable();
        if self.images.windows(2).any(|pair| pair[0] == pair[1]) {
            Shown::Target
        } else if self.has_several {
            Shown::Place
        } else {
            Shown::Nothing
        }
    }
}

/// The registry of a target as reports name it; of folders, that it is one.
pub(crate) fn place_of(target: &str) -> &str {
    if target.starts_with("oci:") {
        return "folder";
    }
    target.split_once('/').map_or(target, |(host, _)| host)
}

/// The names of images that are shown together, each with its place where another is called the same.
pub(crate) fn names_apart<'a>(
    images: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> impl Iterator<Item = Cow<'a, str>> {
    let all = images.clone();
    images.map(move |(name, place)| {
        let is_same = |(other, _): &(&str, &str)| *other == name;
        match all.clone().filter(is_same).count() {
            0 | 1 => Cow::Borrowed(name),
            _ => Cow::Owned(format!("{name} -> {place}")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(targets: &[(&str, &str)]) -> Shown {
        let mut all = Targets::default();
        for (image, target) in targets {
            all.add(image, "1", target);
        }
        all.shown()
    }

    #[test]
    fn targets_are_shown_where_images_go_to_several_registries_or_one_goes_twice_to_one() {
        let (a, b) = (("a", "localhost:5000/a:1"), ("b", "localhost:5000/b:1"));
        assert_eq!(shown(&[]), Shown::Nothing);
        assert_eq!(shown(&[a, b]), Shown::Nothing);
        assert_eq!(shown(&[a, b, ("a", "eu.example/a:1")]), Shown::Place);
        assert_eq!(shown(&[a, b, ("a", "oci:cache/a:1")]), Shown::Place);
        assert_eq!(shown(&[a, b, ("c", "eu.example/c:1")]), Shown::Place);
        assert_eq!(
            shown(&[a, b, ("a", "localhost:5000/web/a:1")]),
            Shown::Target
        );
        let folders = [("a", "oci:one/a:1"), ("b", "oci:one/b:1")];
        assert_eq!(shown(&folders), Shown::Nothing);
        assert_eq!(shown(&[folders[0], ("a", "oci:two/a:1")]), Shown::Target);
        assert_eq!(place_of("localhost:5000/quay.io/a:*"), "localhost:5000");
    }
}
