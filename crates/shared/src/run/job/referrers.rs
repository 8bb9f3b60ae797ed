//! Which of the artifacts that belong to an image come with it.

use serde::{Deserialize, Serialize};

use crate::failure::Side;
use crate::image::reference::Repository;
use crate::run::job::{Access, Remote, Trust};

/// Which artifacts come along: signatures, attestations, SBOMs and whatever else refers to an image by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Referrers {
    /// The artifact types that come, each with `*` for any part of it; all of them where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// The artifact types that do not come, though `types` may have them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Whether an image without any of them, or with one that cannot be copied, has failed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Where they are, if not in the repository of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<ReferrersFrom>,
    /// How far artifacts of artifacts are followed: 1 is those of the image alone.
    pub depth: u8,
}

/// Another repository that has the artifacts of an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReferrersFrom {
    /// The repository.
    pub repository: Repository,
    /// How far the identity of its host must be proven.
    #[serde(flatten)]
    pub trust: Trust,
}

impl Referrers {
    /// How far artifacts of artifacts are followed where nothing is said: a signature on an SBOM, and what attests that.
    pub const DEFAULT_DEPTH: u8 = 3;
    /// The farthest that they may be followed.
    pub const MAX_DEPTH: u8 = 8;

    /// Whether an artifact of this type comes along.
    #[must_use]
    pub fn selects(&self, artifact_type: &str) -> bool {
        let is_any_of = |patterns: &[String]| {
            let mut patterns = patterns.iter();
            patterns.any(|pattern| matches(pattern, artifact_type))
        };
        (self.types.is_empty() || is_any_of(&self.types)) && !is_any_of(&self.exclude)
    }

    /// The one type that comes, where that is no pattern: a registry can be asked for it alone.
    #[must_use]
    pub fn only_type(&self) -> Option<&str> {
        match self.types.as_slice() {
            [only] if !only.contains('*') => Some(only),
            _ => None,
        }
    }
}

impl Default for Referrers {
    fn default() -> Self {
        Self {
            types: Vec::new(),
            exclude: Vec::new(),
            required: false,
            from: None,
            depth: Self::DEFAULT_DEPTH,
        }
    }
}

impl ReferrersFrom {
    /// As the source of artifacts.
    #[must_use]
    pub fn remote(&self) -> Remote {
        Remote {
            side: Side::Source,
            repository: self.repository.clone(),
            trust: self.trust,
            access: Access::Pull,
        }
    }
}

/// Whether `text` is as `pattern` says, in which `*` stands for any part.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let (inner, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    // Each at its first place: that leaves the most for those after it.
    for part in inner.split('*') {
        let Some((_, after)) = text.split_once(part) else {
            return false;
        };
        text = after;
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
    const SPDX: &str = "application/spdx+json";

    fn of(types: &[&str], exclude: &[&str]) -> Referrers {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Referrers {
            types: texts(types),
            exclude: texts(exclude),
            ..Referrers::default()
        }
    }

    #[test]
    fn all_types_come_unless_some_are_named_or_excluded() {
        let all = of(&[], &[]);
        assert!(all.selects(SIGNATURE) && all.selects(SPDX) && all.selects(""));
        let signatures = of(
            &[
                "application/vnd.dev.cosign.*",
                "application/vnd.cncf.notary.signature",
            ],
            &[],
        );
        assert!(signatures.selects(SIGNATURE) && !signatures.selects(SPDX));
        let no_spdx = of(&[], &["*spdx*"]);
        assert!(no_spdx.selects(SIGNATURE) && !no_spdx.selects(SPDX));
        let both = of(&["application/*+json"], &["*.sig.*"]);
        assert!(!both.selects(SIGNATURE) && both.selects(SPDX));
    }

    #[test]
    fn a_star_stands_for_any_part_of_a_type() {
        for (pattern, text, expected) in [
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("*", "", true),
            ("*", "a", true),
            ("a*", "a", true),
            ("a*c", "abbc", true),
            ("a*c", "acb", false),
            ("ab*bc", "abc", false),
            ("a*b*c", "axbxbxc", true),
            ("a*b*c", "axcxb", false),
            ("*b*", "abc", true),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn only_one_type_that_is_no_pattern_can_be_asked_for() {
        assert_eq!(of(&[SPDX], &[]).only_type(), Some(SPDX));
        assert_eq!(of(&["a*"], &[]).only_type(), None);
        assert_eq!(of(&[SPDX, SIGNATURE], &[]).only_type(), None);
        assert_eq!(of(&[], &[]).only_type(), None);
    }

    #[test]
    fn a_message_says_no_more_than_what_is_unusual() {
        let text = serde_json::to_string(&Referrers::default()).unwrap();
        assert_eq!(text, r#"{"depth":3}"#);
        let from = Referrers {
            required: true,
            from: Some(ReferrersFrom {
                repository: "quay.io/acme/signatures".parse().unwrap(),
                trust: Trust::Verified,
            }),
            ..of(&[SPDX], &["x"])
        };
        let text = serde_json::to_string(&from).unwrap();
        assert_eq!(serde_json::from_str::<Referrers>(&text).unwrap(), from);
        let remote = from.from.unwrap().remote();
        assert_eq!((remote.side, remote.access), (Side::Source, Access::Pull));
    }
}
