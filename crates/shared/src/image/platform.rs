//! Platforms (OCI image spec, image-index.md, `platform`), in their normal form.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::text::excerpt;
use crate::text::nearest::nearest;

/// An operating system and an architecture, as Go names them; or a pattern, in which `*` stands for any of a part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
    /// Of Windows alone, whose images are each for one build of it.
    os_version: Option<String>,
}

/// What stands for any operating system, architecture, variant or version of one.
const ANY: &str = "*";

/// Which children of an index are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Platforms {
    /// The index as it is.
    All,
    /// One child, in place of the index.
    One(Platform),
    /// An index of several children, but not of all; or of those that patterns match, however many.
    Several(Vec<Platform>),
}

/// Why a text does not name a platform.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidPlatform {
    /// The text does not have the form OS/ARCH.
    #[error(
        "platform {0:?} is not of the form OS/ARCH or OS/ARCH/VARIANT, as in linux/amd64, nor the word all"
    )]
    Form(String),
    /// What follows the colon is no version, or not one of Windows.
    #[error(
        "platform {0:?}: only Windows has versions that tell its images apart, as in windows/amd64:10.0.20348"
    )]
    Version(String),
    /// More platforms than may be chosen.
    #[error("more than {MAX_CHOSEN} platforms")]
    TooMany,
    /// An operating system or architecture that does not exist.
    #[error("platform {platform:?}: unknown {part} {found:?}{hint}")]
    Unknown {
        /// The whole text.
        platform: String,
        /// Which part of it is unknown.
        part: &'static str,
        /// That part.
        found: String,
        /// The nearest known name, as a question, or nothing.
        hint: String,
    },
}

/// The longest platform, in bytes: far more than any has.
const MAX_LENGTH: usize = 128;
/// As many platforms may be chosen, repetitions included: far more than any index has.
const MAX_CHOSEN: usize = 64;

const OPERATING_SYSTEMS: [&str; 15] = [
    "linux",
    "windows",
    "darwin",
    "freebsd",
    "netbsd",
    "openbsd",
    "dragonfly",
    "solaris",
    "illumos",
    "aix",
    "android",
    "ios",
    "plan9",
    "wasip1",
    // Not one of Go's, but the one of Wasm images.
    "wasi",
];
const ARCHITECTURES: [&str; 17] = [
    "amd64", "arm64", "arm", "386", "ppc64le", "ppc64", "s390x", "riscv64", "loong64", "mips",
    "mipsle", "mips64", "mips64le", "wasm", "sparc64", "armbe", "arm64be",
];

impl Platform {
    /// A platform as a registry states it, in its normal form; nothing is refused.
    #[must_use]
    pub fn stated(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let (os, architecture) = (os.to_ascii_lowercase(), architecture.to_ascii_lowercase());
        let variant = variant
            .filter(|v| !v.is_empty())
            .map(str::to_ascii_lowercase);
        let (architecture, variant) = normal(&architecture, variant.as_deref());
        let (architecture, variant) = (architecture.to_owned(), variant.map(str::to_owned));
        let os = if os == "macos" {
            "darwin".to_owned()
        } else {
            os
        };
        Self {
            os,
            architecture,
            variant,
            os_version: None,
        }
    }

    /// The same for a version of the operating system (`os.version`), where that tells its images apart: on Windows.
    #[must_use]
    pub fn for_os_version(mut self, version: Option<&str>) -> Self {
        let is_of_windows = self.os == "windows";
        let version =
            version.filter(|version| *version == ANY || is_version(version) && is_of_windows);
        self.os_version = version.map(str::to_owned);
        self
    }

    /// Whether this is `wanted`, whatever the variant: of the version that it names, or of a more exact one.
    #[must_use]
    pub fn is_build_of(&self, wanted: &Self) -> bool {
        let is = |own: &str, wanted: &str| wanted == ANY || wanted == own;
        let parts = self.version_parts();
        is(&self.os, &wanted.os)
            && is(&self.architecture, &wanted.architecture)
            && parts.starts_with(&wanted.version_parts())
    }

    /// Whether it stands for all platforms that are like it, as `linux/*`.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        let optional = [self.variant(), self.os_version.as_deref()];
        [self.os(), self.architecture()].contains(&ANY) || optional.contains(&Some(ANY))
    }

    /// Whether this is one of those that `pattern` stands for; of any variant, where that names none.
    #[must_use]
    pub fn matches(&self, pattern: &Self) -> bool {
        let variant = pattern.variant().filter(|variant| *variant != ANY);
        self.is_build_of(pattern) && variant.is_none_or(|variant| self.variant() == Some(variant))
    }

    /// The numbers of the version of the operating system, by which versions are in order.
    #[must_use]
    pub fn version_parts(&self) -> Vec<u64> {
        let version = self
            .os_version
            .iter()
            .flat_map(|version| version.split('.'));
        version.map_while(|part| part.parse().ok()).collect()
    }

    /// The operating system.
    #[must_use]
    pub fn os(&self) -> &str {
        &self.os
    }

    /// The architecture.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The variant of the architecture, where it has one.
    #[must_use]
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_LENGTH {
            return Err(InvalidPlatform::Form(excerpt(text)));
        }
        let (platform, version) = text
            .split_once(':')
            .map_or((text, None), |(platform, version)| {
                (platform, Some(version))
            });
        let parts: Vec<&str> = platform.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] if !variant.is_empty() => (os, architecture, Some(variant)),
            _ => return Err(InvalidPlatform::Form(excerpt(text))),
        };
        let platform = Self::stated(os, architecture, variant).for_os_version(version);
        // What `for_os_version` did not take is not passed over in silence.
        if version != platform.os_version.as_deref() {
            return Err(InvalidPlatform::Version(excerpt(text)));
        }
        known(text, "operating system", &platform.os, &OPERATING_SYSTEMS)?;
        known(text, "architecture", &platform.architecture, &ARCHITECTURES)?;
        Ok(platform)
    }
}

/// An architecture and its variant as containerd's package `platforms` has them: names of the kernel and of Debian become
/// Go's, and the variant that is meant where none is told goes away. For arm, where every variant is told, v7 is meant.
fn normal<'a>(architecture: &'a str, variant: Option<&'a str>) -> (&'a str, Option<&'a str>) {
    match (architecture, variant) {
        ("x86_64" | "x86-64" | "amd64", variant) => {
            ("amd64", variant.filter(|variant| *variant != "v1"))
        }
        ("aarch64" | "arm64", variant) => {
            let variant = variant.filter(|variant| !matches!(*variant, "8" | "v8"));
            ("arm64", variant)
        }
        ("i386", variant) => ("386", variant.filter(|variant| *variant == ANY)),
        ("armhf", _) | ("arm", None | Some("7")) => ("arm", Some("v7")),
        ("armel", _) | ("arm", Some("6")) => ("arm", Some("v6")),
        ("arm", Some("5")) => ("arm", Some("v5")),
        ("arm", Some("8")) => ("arm", Some("v8")),
        unchanged => unchanged,
    }
}

/// Whether a text is numbers with dots between them.
fn is_version(text: &str) -> bool {
    text.split('.').all(|part| part.parse::<u64>().is_ok())
}

fn known(
    platform: &str,
    part: &'static str,
    found: &str,
    names: &[&str],
) -> Result<(), InvalidPlatform> {
    if found == ANY || names.contains(&found) {
        return Ok(());
    }
    let hint = nearest(found, names.iter().copied())
        .map_or_else(String::new, |name| format!(", did you mean {name}?"));
    Err(InvalidPlatform::Unknown {
        platform: excerpt(platform),
        part,
        found: excerpt(found),
        hint,
    })
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant
            .iter()
            .try_for_each(|variant| write!(f, "/{variant}"))?;
        self.os_version
            .iter()
            .try_for_each(|version| write!(f, ":{version}"))
    }
}

impl FromStr for Platforms {
    type Err = InvalidPlatform;

    /// `all`, one platform, or several with commas between them, 64 at most.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "all" {
            return Ok(Self::All);
        }
        let mut platforms = Vec::new();
        for part in text.split(',') {
            if platforms.len() == MAX_CHOSEN {
                return Err(InvalidPlatform::TooMany);
            }
            platforms.push(part.trim().parse()?);
        }
        Ok(Self::of(platforms))
    }
}

impl Platforms {
    /// The choice of these platforms; their order and repetitions do not matter.
    #[must_use]
    pub fn of(mut platforms: Vec<Platform>) -> Self {
        platforms.sort();
        platforms.dedup();
        match <[Platform; 1]>::try_from(platforms) {
            Ok([pattern]) if pattern.is_pattern() => Self::Several(vec![pattern]),
            Ok([platform]) => Self::One(platform),
            Err(platforms) if platforms.is_empty() => Self::All,
            Err(platforms) => Self::Several(platforms),
        }
    }
}

impl fmt::Display for Platforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::One(platform) => platform.fmt(f),
            Self::Several(platforms) => {
                let texts: Vec<String> = platforms.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join(","))
            }
        }
    }
}

impl Serialize for Platforms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Platforms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlatformsVisitor)
    }
}

struct PlatformsVisitor;

impl<'de> Visitor<'de> for PlatformsVisitor {
    type Value = Platforms;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all, a platform as in linux/amd64, or a list of platforms")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut platforms = Vec::new();
        while let Some(text) = seq.next_element::<String>()? {
            if platforms.len() == MAX_CHOSEN {
                return Err(de::Error::custom(InvalidPlatform::TooMany));
            }
            platforms.push(text.parse().map_err(de::Error::custom)?);
        }
        if platforms.is_empty() {
            return Err(de::Error::custom(
                "an empty list of platforms: expected at least one, or the word all",
            ));
        }
        Ok(Platforms::of(platforms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_forms_are_equal() {
        for (left, right) in [
            ("linux/arm64", "linux/arm64/v8"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/arm", "linux/arm/v7"),
            ("Linux/AMD64", "linux/amd64"),
            ("linux/x86_64/v1", "linux/amd64"),
            ("linux/x86-64/V1", "linux/amd64/v1"),
            ("linux/x86_64/v2", "linux/amd64/v2"),
            ("linux/aarch64/8", "linux/arm64"),
            ("linux/aarch64/v9", "linux/arm64/v9"),
            ("linux/i386", "linux/386"),
            ("linux/armhf", "linux/arm/7"),
            ("linux/armel", "linux/arm/6"),
            ("linux/arm/5", "linux/arm/v5"),
            ("linux/arm/8", "linux/arm/v8"),
            ("macOS/arm64/v8", "darwin/arm64"),
        ] {
            assert_eq!(
                left.parse::<Platform>(),
                right.parse::<Platform>(),
                "{left} {right}"
            );
        }
        assert_ne!(
            "linux/arm/v6".parse::<Platform>(),
            "linux/arm/v7".parse::<Platform>()
        );
    }

    #[test]
    fn neither_a_platform_nor_a_choice_of_them_is_endless() {
        let long = "\u{7f}".repeat(1_000_000);
        for text in [
            long.clone(),
            format!("linux/amd64/{long}"),
            vec!["linux/amd64"; 1_000].join(","),
        ] {
            let error = text.parse::<Platforms>().unwrap_err().to_string();
            assert!(error.len() < 2_500, "{}", error.len());
        }
        let list = serde_json::json!(vec!["linux/amd64"; 1_000]);
        let error = serde_json::from_value::<Platforms>(list).unwrap_err();
        assert!(error.to_string().contains("more than 64"), "{error}");
    }

    #[test]
    fn as_many_platforms_may_be_chosen_in_a_text_as_in_a_list() {
        let chosen = |count| {
            let many = vec!["linux/amd64"; count];
            let read = |json| serde_json::from_value::<Platforms>(json);
            let forms = [serde_json::json!(many.join(",")), serde_json::json!(many)];
            forms.map(|form| read(form).map_err(|error| error.to_string()))
        };
        let amd64 = "linux/amd64".parse::<Platforms>().unwrap();
        assert_eq!(chosen(64), [Ok(amd64.clone()), Ok(amd64)]);
        let too_many = || Err("more than 64 platforms".to_owned());
        assert_eq!(chosen(65), [too_many(), too_many()]);
    }

    #[test]
    fn unknown_platforms_name_the_nearest() {
        let error = "linux/amd46".parse::<Platform>().unwrap_err().to_string();
        assert_eq!(
            error,
            "platform \"linux/amd46\": unknown architecture \"amd46\", did you mean amd64?"
        );
        let error = "linus/amd64".parse::<Platform>().unwrap_err().to_string();
        assert!(error.contains("did you mean linux?"), "{error}");
        for text in ["", "linux", "linux/amd64/", "a/b/c/d", "amd64"] {
            assert!(
                matches!(text.parse::<Platform>(), Err(InvalidPlatform::Form(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn windows_has_versions_and_wasi_is_an_operating_system() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        for text in [
            "windows/amd64:10.0.20348",
            "wasi/wasm",
            "windows/arm64/v9:10",
        ] {
            assert_eq!(platform(text).to_string(), text);
        }
        for text in [
            "linux/amd64:5",
            "windows/amd64:",
            "windows/amd64:latest",
            "windows/amd64:10..1",
            "windows/amd64:10:1",
        ] {
            let parsed = text.parse::<Platform>();
            assert_eq!(parsed, Err(InvalidPlatform::Version(text.to_owned())));
        }
        let (exact, other) = (
            platform("windows/amd64:10.0.20348.7"),
            platform("windows/amd64:10.0.203"),
        );
        assert!(exact.is_build_of(&platform("windows/amd64:10.0.20348")));
        assert!(exact.is_build_of(&platform("windows/amd64")));
        assert!(!exact.is_build_of(&other) && !other.is_build_of(&exact));
    }

    #[test]
    fn a_pattern_stands_for_all_platforms_that_are_like_it() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        for (pattern, is_matched, is_not) in [
            ("linux/*", "linux/arm/v6", "windows/amd64"),
            ("*/amd64", "linux/amd64/v3", "linux/arm64"),
            ("linux/arm/*", "linux/arm/v6", "linux/arm64"),
            ("*/*/v7", "linux/arm/v7", "linux/arm/v6"),
            ("linux/arm:*", "linux/arm/v7", "linux/arm/v6"),
            ("linux/i386/*", "linux/386", "linux/amd64"),
            (
                "windows/*:10.0.17763",
                "windows/amd64:10.0.17763.5",
                "windows/amd64:10.0.20348",
            ),
            ("*/*", "freebsd/riscv64", ""),
        ] {
            let parsed = platform(pattern);
            assert!(parsed.is_pattern(), "{pattern}");
            assert_eq!(parsed.to_string().parse(), Ok(parsed.clone()), "{pattern}");
            assert!(platform(is_matched).matches(&parsed), "{pattern}");
            assert!(
                is_not.is_empty() || !platform(is_not).matches(&parsed),
                "{pattern}"
            );
        }
        assert!(!platform("windows/amd64:10.0.1").is_pattern());
        assert_eq!(
            "linux/am*".parse::<Platform>().unwrap_err().to_string(),
            "platform \"linux/am*\": unknown architecture \"am*\", did you mean arm?"
        );
        let one = "linux/*".parse::<Platforms>().unwrap();
        assert_eq!(one, Platforms::Several(vec![platform("linux/*")]));
    }

    #[test]
    fn choices_do_not_depend_on_order() {
        assert_eq!(
            "linux/arm64, linux/amd64".parse::<Platforms>(),
            "linux/amd64,linux/arm64,linux/amd64".parse()
        );
        assert_eq!("all".parse(), Ok(Platforms::All));
        assert!(matches!("linux/amd64".parse(), Ok(Platforms::One(_))));
    }

    #[test]
    fn a_choice_is_a_text_or_a_list() {
        let list: Platforms = serde_json::from_str(r#"["linux/arm64","linux/amd64"]"#).unwrap();
        let text: Platforms = serde_json::from_str(r#""linux/amd64,linux/arm64""#).unwrap();
        assert_eq!(list, text);
        assert_eq!(
            serde_json::to_string(&list).unwrap(),
            r#""linux/amd64,linux/arm64""#
        );
        assert!(serde_json::from_str::<Platforms>("[]").is_err());
    }
}
