//! Is the target equal to the source? The verdict on what both have for their tag, and on what is remembered of it.

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::media_type;
use image_sync_shared::image::platform::Platforms;
use image_sync_shared::ports::transfer::registries::Resolved;

/// What both ends have for their tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResolvedTags {
    /// The source's.
    pub(crate) source: Resolved,
    /// The target's, if it has one.
    pub(crate) target: Option<Resolved>,
}

/// What is remembered of the source's digest. Nothing is ever written on its word, and nothing is up to date on it for longer
/// than its proof holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// What stands for the wanted platforms of it.
    pub(crate) chosen: Option<Digest>,
    /// What the target's registry got in its place, having refused it as it was.
    pub(crate) converted: Option<Digest>,
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing: the target has this digest, and that is the right one.
    UpToDate(Digest),
    /// The source may be an index, and platforms of it have to be chosen.
    NeedsManifest,
    /// The manifest of this digest has to be copied.
    Copy(Digest),
}

/// The verdict on what was found.
pub(crate) fn verdict(
    tags: &ResolvedTags,
    platforms: &Platforms,
    remembered: &Remembered,
) -> Verdict {
    let choice = needs_choice(&tags.source, platforms);
    // Without a choice that is remembered nothing at the target proves anything: the index has to be read.
    let expected = if choice {
        remembered.chosen.as_ref()
    } else {
        Some(&tags.source.digest)
    };
    let at_target = tags.target.as_ref().map(|target| &target.digest);
    if let (Some(expected), Some(at_target)) = (expected, at_target)
        && is_up_to_date(at_target, expected, remembered.converted.as_ref())
    {
        return Verdict::UpToDate(at_target.clone());
    }
    if choice {
        Verdict::NeedsManifest
    } else {
        Verdict::Copy(tags.source.digest.clone())
    }
}

/// Whether the target, having `at_target`, has what is expected, or what it was converted to.
pub(crate) fn is_up_to_date(
    at_target: &Digest,
    expected: &Digest,
    converted: Option<&Digest>,
) -> bool {
    at_target == expected || Some(at_target) == converted
}

/// Whether platforms have to be chosen. A type that the registry does not state may be an index.
pub(crate) fn needs_choice(source: &Resolved, platforms: &Platforms) -> bool {
    let media_type = &source.media_type;
    // Docker's list has `.manifest.` in its type as well, and so is asked for first.
    *platforms != Platforms::All
        && (media_type::is_index(media_type) || !media_type.contains(".manifest."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn tags(media_type: &str, source: &str, target: Option<&str>) -> ResolvedTags {
        let resolved = |text: &str| Resolved {
            digest: digest(text),
            media_type: media_type.to_owned(),
        };
        ResolvedTags {
            source: resolved(source),
            target: target.map(resolved),
        }
    }

    fn amd64() -> Platforms {
        "linux/amd64".parse().unwrap()
    }

    fn chosen(text: &str) -> Remembered {
        Remembered {
            chosen: Some(digest(text)),
            converted: None,
        }
    }

    #[test]
    fn all_platforms_compare_the_digests_themselves() {
        let nothing = Remembered::default();
        let same = tags(media_type::OCI_INDEX, "a", Some("a"));
        let up_to_date = Verdict::UpToDate(digest("a"));
        assert_eq!(verdict(&same, &Platforms::All, &nothing), up_to_date);
        let copy = Verdict::Copy(digest("a"));
        for target in [None, Some("b")] {
            let other = tags(media_type::OCI_INDEX, "a", target);
            assert_eq!(verdict(&other, &Platforms::All, &nothing), copy);
        }
    }

    #[test]
    fn one_platform_of_an_index_compares_the_remembered_child() {
        let at_child = tags(media_type::OCI_INDEX, "index", Some("child"));
        let up_to_date = Verdict::UpToDate(digest("child"));
        assert_eq!(verdict(&at_child, &amd64(), &chosen("child")), up_to_date);
        for remembered in [Remembered::default(), chosen("other child")] {
            let verdict = verdict(&at_child, &amd64(), &remembered);
            assert_eq!(verdict, Verdict::NeedsManifest, "memory alone never copies");
        }
        let at_index = tags(media_type::OCI_INDEX, "index", Some("index"));
        assert_eq!(
            verdict(&at_index, &amd64(), &chosen("child")),
            Verdict::NeedsManifest,
            "the index is not the wanted platform of it"
        );
    }

    #[test]
    fn a_single_manifest_is_expected_as_it_is() {
        for media_type in [media_type::OCI_MANIFEST, media_type::DOCKER_MANIFEST] {
            let same = tags(media_type, "a", Some("a"));
            let nothing = Remembered::default();
            assert_eq!(
                verdict(&same, &amd64(), &nothing),
                Verdict::UpToDate(digest("a"))
            );
            let other = tags(media_type, "a", None);
            assert_eq!(
                verdict(&other, &amd64(), &nothing),
                Verdict::Copy(digest("a"))
            );
        }
        let unstated = tags("", "a", None);
        assert_eq!(
            verdict(&unstated, &amd64(), &Remembered::default()),
            Verdict::NeedsManifest,
            "it may be an index"
        );
    }

    #[test]
    fn what_it_was_converted_to_counts_as_up_to_date() {
        let converted = Remembered {
            chosen: Some(digest("child")),
            converted: Some(digest("oci")),
        };
        let all = tags(media_type::DOCKER_MANIFEST, "docker", Some("oci"));
        assert_eq!(
            verdict(&all, &Platforms::All, &converted),
            Verdict::UpToDate(digest("oci"))
        );
        let one = tags(media_type::DOCKER_LIST, "list", Some("oci"));
        assert_eq!(
            verdict(&one, &amd64(), &converted),
            Verdict::UpToDate(digest("oci"))
        );
        let elsewhere = tags(media_type::DOCKER_MANIFEST, "docker", Some("stale"));
        assert_eq!(
            verdict(&elsewhere, &Platforms::All, &converted),
            Verdict::Copy(digest("docker"))
        );
    }
}
