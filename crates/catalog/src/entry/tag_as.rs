//! The tag that an image gets at its targets.

use image_sync_shared::image::reference::Reference;

use super::naming::fill;
use super::source::Named;
use crate::problem::Problem;

/// How much of a digest stands for it.
const DIGITS: usize = 8;

/// What `template` makes of the image `named`, of whose tag rules see `version`.
pub(super) fn tag(
    template: &str,
    named: &Named,
    version: Option<&str>,
) -> Result<Reference, Problem> {
    let tag = match &named.target_reference {
        Reference::Tag(tag) => Some(tag.as_str()),
        Reference::Digest(_) => None,
    };
    let filled = fill(template, |part| match part {
        "tag" => tag.map(str::to_owned),
        "version" => version.or(tag).map(|version| bare(version).to_owned()),
        "digest8" => match &named.reference {
            Reference::Digest(digest) => digest.hex().get(..DIGITS).map(str::to_owned),
            Reference::Tag(_) => None,
        },
        _ => None,
    });
    let filled = filled.and_then(|filled| filled.parse().map_err(Problem::new));
    match filled.map_err(|problem: Problem| problem.key("tag_as"))? {
        Reference::Tag(tag) => Ok(Reference::Tag(tag)),
        Reference::Digest(_) => Err(Problem::new("found a digest, expected a tag").key("tag_as")),
    }
}

/// A version without the `v` that many write before it.
fn bare(version: &str) -> &str {
    match version.strip_prefix('v') {
        Some(rest) if rest.starts_with(|first: char| first.is_ascii_digit()) => rest,
        _ => version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::source;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn made(template: &str, source: &str, version: Option<&str>) -> Result<String, String> {
        let named = source::parse(source).unwrap().with_tag(None).unwrap();
        let tag = tag(template, &named, version);
        tag.map(|tag| tag.to_string())
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_tag_is_made_of_the_tag_its_version_and_the_digest() {
        let of = |template, source: &str, version| made(template, source, version).unwrap();
        assert_eq!(of("{tag}-k8s", "a:v1.2", None), "v1.2-k8s");
        assert_eq!(of("{version}", "a:v1.2", Some("1.2")), "1.2");
        assert_eq!(of("{version}-x", "a:v1.2", None), "1.2-x");
        assert_eq!(of("{version}", "a:vim", None), "vim");
        assert_eq!(of("fixed", "a:v1.2", None), "fixed");
        let pinned = format!("a:v1@{DIGEST}");
        assert_eq!(of("{tag}-{digest8}", &pinned, None), "v1-e3b0c442");
        assert_eq!(
            of("by-{digest8}", &format!("a@{DIGEST}"), None),
            "by-e3b0c442"
        );
    }

    #[test]
    fn what_makes_no_tag_is_told() {
        let told = |template, source: &str| made(template, source, None).unwrap_err();
        assert!(told("{digest8}", "a:v1").contains("{digest8}"));
        assert!(told("{tga}", "a:v1").contains("{tga} in \"{tga}\", which is not known here"));
        assert!(told("{tag}", &format!("a@{DIGEST}")).contains("{tag}"));
        assert!(told("{tag}/x", "a:v1").contains("is not a valid"));
    }
}
