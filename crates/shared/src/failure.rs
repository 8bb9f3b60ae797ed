//! What went wrong with an image, and what follows from it (the error table of docs/ARCHITECTURE.md).

use std::fmt;
use std::time::Duration;

use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeStructVariant as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text;
use crate::text::UnknownWord;
use crate::text::word::words;

/// Which end of the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Where the image comes from.
    Source,
    /// Where the image goes to.
    Target,
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Asking for the digest of a tag.
    Check,
    /// Reading a manifest.
    PullManifest,
    /// Choosing platforms.
    ChoosePlatform,
    /// Asking whether a blob is there.
    CheckBlob,
    /// Reading a blob.
    PullBlob,
    /// Writing a blob.
    PushBlob,
    /// Writing a manifest.
    PushManifest,
    /// Listing tags.
    ListTags,
    /// Listing the repositories of a registry.
    ListRepositories,
    /// Listing what refers to an image.
    ListReferrers,
    /// Getting a token or credentials.
    Authenticate,
    /// Holding the target's lease.
    Lease,
    /// The whole image.
    Image,
    /// What a worker of another version calls so.
    Other(UnknownWord),
}

words!(Step {
    Check = "check",
    PullManifest = "pull_manifest",
    ChoosePlatform = "choose_platform",
    CheckBlob = "check_blob",
    PullBlob = "pull_blob",
    PushBlob = "push_blob",
    PushManifest = "push_manifest",
    ListTags = "list_tags",
    ListRepositories = "list_repositories",
    ListReferrers = "list_referrers",
    Authenticate = "authenticate",
    Lease = "lease",
    Image = "image",
});

/// What kind of failure it is; the kind alone decides what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// 404, or no such platform.
    NotFound,
    /// 401 with what credentials there are.
    Unauthorized,
    /// 403.
    Denied,
    /// Content that one side refuses, or that cannot be a manifest.
    Invalid,
    /// The target's tag cannot be moved and is of another digest.
    ImmutableTag,
    /// 429; the answer's Retry-After, in milliseconds.
    RateLimited {
        /// How long the registry asked to wait, in milliseconds; none where it did not say.
        retry_after_ms: Option<u64>,
    },
    /// 5xx.
    Unavailable,
    /// 503 with Retry-After.
    Overloaded {
        /// How long the registry asked to wait, in milliseconds.
        retry_after_ms: u64,
    },
    /// The target contradicts what it was sent a moment ago, or is still at work on it: it is consistent eventually.
    Inconsistent,
    /// No answer, or no byte, in time.
    Timeout,
    /// Refused, cut or broken connection.
    Connection,
    /// Bytes that do not have the digest or size that was promised.
    DigestMismatch,
    /// The image's time is used up.
    TimeUsedUp,
    /// Another worker took the target over.
    LeaseLost,
    /// Ended by a signal.
    Interrupted,
    /// Something on this machine: a disk that is full, a file that cannot be read.
    Local,
    /// What a worker of another version calls so. Only messages have it.
    Other(UnknownWord),
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// The image fails.
    Fail,
    /// Tried again soon, then put back with exponential backoff.
    Retry,
    /// Put back without counting an attempt, the host's other jobs with it, for this long where the registry said so.
    Pause(Option<Duration>),
    /// Put back for this long, the host's other jobs with it; it counts as an attempt.
    PauseAndRetry(Duration),
    /// Put back without counting an attempt.
    PutBack,
}

/// How the end of an attempt that nobody failed is told: its worker was told to end.
pub const INTERRUPTED: &str = "interrupted while ";

/// A failure, told so that a person knows where to look: side, step, subject and the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which side.
    pub side: Side,
    /// At which step.
    pub step: Step,
    /// The blob, manifest, tag or repository it was about.
    #[serde(with = "text::field")]
    pub subject: String,
    /// Its kind.
    pub class: FailureClass,
    /// The status code of the answer, where it was an answer that refused (RFC 9110, section 15).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What was answered or found, in words; never a secret.
    #[serde(with = "text::field")]
    pub answer: String,
}

impl Failure {
    /// A failure on `side` at `step` about `subject`. Both texts may be of anybody, and are bounded and clean from here on.
    pub fn new(
        side: Side,
        step: Step,
        subject: impl fmt::Display,
        class: FailureClass,
        answer: impl fmt::Display,
    ) -> Self {
        Self {
            side,
            step,
            subject: text::bounded(subject),
            class,
            status: None,
            answer: text::bounded(answer),
        }
    }

    /// The same failure, which was an answer with this status code.
    #[must_use]
    pub fn with_status(self, status: Option<u16>) -> Self {
        Self { status, ..self }
    }
}

impl FailureClass {
    /// Its name, as messages and metrics have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Unauthorized => "unauthorized",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::ImmutableTag => "immutable_tag",
            Self::RateLimited { .. } => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Overloaded { .. } => "overloaded",
            Self::Inconsistent => "inconsistent",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::DigestMismatch => "digest_mismatch",
            Self::TimeUsedUp => "time_used_up",
            Self::LeaseLost => "lease_lost",
            Self::Interrupted => "interrupted",
            Self::Local => "local",
            Self::Other(word) => word.as_str(),
        }
    }

    /// Whether another attempt may do better with nothing changed: all that is waited for or tried again, and an image that had too
    /// little time.
    #[must_use]
    pub fn may_pass(self) -> bool {
        self.reaction() != Reaction::Fail || self == Self::TimeUsedUp
    }

    /// What follows from a failure of this kind.
    #[must_use]
    pub fn reaction(self) -> Reaction {
        match self {
            Self::NotFound
            | Self::Unauthorized
            | Self::Denied
            | Self::Invalid
            | Self::ImmutableTag
            | Self::TimeUsedUp
            | Self::Local
            | Self::Other(_) => Reaction::Fail,
            Self::Unavailable
            | Self::Inconsistent
            | Self::Timeout
            | Self::Connection
            | Self::DigestMismatch => Reaction::Retry,
            Self::Overloaded { retry_after_ms } => {
                Reaction::PauseAndRetry(Duration::from_millis(retry_after_ms))
            }
            Self::RateLimited { retry_after_ms } => {
                Reaction::Pause(retry_after_ms.map(Duration::from_millis))
            }
            Self::LeaseLost | Self::Interrupted => Reaction::PutBack,
        }
    }
}

impl FailureClass {
    /// The class of this name, with what a message tells beside it.
    fn named(name: &str, told: ToldFields) -> Self {
        match name {
            "not_found" => Self::NotFound,
            "unauthorized" => Self::Unauthorized,
            "denied" => Self::Denied,
            "invalid" => Self::Invalid,
            "immutable_tag" => Self::ImmutableTag,
            "rate_limited" => Self::RateLimited {
                retry_after_ms: told.retry_after_ms,
            },
            "unavailable" => Self::Unavailable,
            "overloaded" => match told.retry_after_ms {
                Some(retry_after_ms) => Self::Overloaded { retry_after_ms },
                // Without the time there is none to wait for: what is left of it is an unavailable registry.
                None => Self::Unavailable,
            },
            "inconsistent" => Self::Inconsistent,
            "timeout" => Self::Timeout,
            "connection" => Self::Connection,
            "digest_mismatch" => Self::DigestMismatch,
            "time_used_up" => Self::TimeUsedUp,
            "lease_lost" => Self::LeaseLost,
            "interrupted" => Self::Interrupted,
            "local" => Self::Local,
            other => Self::Other(UnknownWord::new(other)),
        }
    }
}

/// What a message tells of a failure beside its class, as far as it is known here.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct ToldFields {
    retry_after_ms: Option<u64>,
}

impl<'de> Deserialize<'de> for FailureClass {
    /// Any class: one that this version does not know by its name alone.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Fields {
            Known(ToldFields),
            Other(IgnoredAny),
        }
        struct Class;
        impl<'de> Visitor<'de> for Class {
            type Value = FailureClass;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a class of failures")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<FailureClass, E> {
                Ok(FailureClass::named(name, ToldFields::default()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FailureClass, A::Error> {
                let name: Option<String> = map.next_key()?;
                let name = name.ok_or_else(|| de::Error::custom("an object without a class"))?;
                let told = match map.next_value()? {
                    Fields::Known(told) => told,
                    // Another version may tell other things beside it; the class alone says what follows.
                    Fields::Other(_) => ToldFields::default(),
                };
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(FailureClass::named(&name, told))
            }
        }
        deserializer.deserialize_any(Class)
    }
}

impl Serialize for FailureClass {
    /// By its name; a class that older releases do not know, by that of the nearest which they do: their roles read messages of
    /// this one.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match self {
            Self::RateLimited { retry_after_ms } => {
                let mut variant =
                    serializer.serialize_struct_variant("FailureClass", 0, self.name(), 1)?;
                variant.serialize_field("retry_after_ms", retry_after_ms)?;
                return variant.end();
            }
            Self::Overloaded { .. } | Self::Inconsistent => Self::Unavailable.name(),
            other => other.name(),
        };
        serializer.serialize_unit_variant("FailureClass", 0, name)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Check => "check",
            Self::PullManifest => "pull manifest",
            Self::ChoosePlatform => "choose platform",
            Self::CheckBlob => "check blob",
            Self::PullBlob => "pull blob",
            Self::PushBlob => "push blob",
            Self::PushManifest => "push manifest",
            Self::ListTags => "list tags",
            Self::ListRepositories => "list repositories",
            Self::ListReferrers => "list referrers",
            Self::Authenticate => "authenticate",
            Self::Lease => "lease",
            Self::Image => "image",
            Self::Other(word) => word.as_str(),
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} {}: {}",
            self.side, self.step, self.subject, self.answer
        )
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_side_step_subject_and_answer() {
        let failure = Failure::new(
            Side::Source,
            Step::PullBlob,
            "sha256:ab",
            FailureClass::Unavailable,
            "503 try later",
        );
        assert_eq!(
            failure.to_string(),
            "source: pull blob sha256:ab: 503 try later"
        );
    }

    #[test]
    fn what_others_say_is_bounded_and_clean_in_a_failure_and_in_its_message() {
        let long = "\u{9b}\u{202e}".repeat(500_000);
        let failure = Failure::new(
            Side::Source,
            Step::Check,
            &long,
            FailureClass::Invalid,
            &long,
        );
        let shown = failure.to_string();
        assert!(shown.len() < 3 * text::MAX_TEXT, "{}", shown.len());
        assert!(!shown.chars().any(text::is_deceptive), "{shown:?}");
        let by_hand = Failure {
            subject: long.clone(),
            answer: long,
            ..failure.clone()
        };
        let json = serde_json::to_string(&by_hand).unwrap();
        assert_eq!(serde_json::from_str::<Failure>(&json).unwrap(), failure);
    }

    #[test]
    fn each_class_has_its_reaction() {
        use FailureClass as C;
        for class in [
            C::NotFound,
            C::Unauthorized,
            C::Denied,
            C::Invalid,
            C::ImmutableTag,
            C::TimeUsedUp,
            C::Local,
        ] {
            assert_eq!(class.reaction(), Reaction::Fail, "{class:?}");
        }
        for class in [
            C::Unavailable,
            C::Inconsistent,
            C::Timeout,
            C::Connection,
            C::DigestMismatch,
        ] {
            assert_eq!(class.reaction(), Reaction::Retry, "{class:?}");
        }
        let overloaded = C::Overloaded {
            retry_after_ms: 2000,
        };
        let pause = Reaction::PauseAndRetry(Duration::from_secs(2));
        assert_eq!(overloaded.reaction(), pause);
        for class in [C::LeaseLost, C::Interrupted] {
            assert_eq!(class.reaction(), Reaction::PutBack, "{class:?}");
        }
        let hour = Duration::from_secs(3600);
        let class = C::RateLimited {
            retry_after_ms: Some(3_600_000),
        };
        assert_eq!(
            class.reaction(),
            Reaction::Pause(Some(hour)),
            "as long as the registry says, however long"
        );
        assert_eq!(
            C::RateLimited {
                retry_after_ms: None
            }
            .reaction(),
            Reaction::Pause(None)
        );
    }

    #[test]
    fn an_unknown_class_is_read_by_its_name_whatever_it_tells_beside_it() {
        let read = |json: &str| serde_json::from_str::<FailureClass>(json).unwrap();
        let unknown = FailureClass::Other(UnknownWord::new("quota_exceeded"));
        for json in [
            r#""quota_exceeded""#,
            r#"{"quota_exceeded":{"retry_after_ms":"soon"}}"#,
            r#"{"quota_exceeded":7}"#,
        ] {
            assert_eq!(read(json), unknown, "{json}");
        }
        assert_eq!(
            serde_json::to_string(&unknown).unwrap(),
            r#""quota_exceeded""#
        );
        let limited = FailureClass::RateLimited {
            retry_after_ms: None,
        };
        for json in [r#""rate_limited""#, r#"{"rate_limited":{"until":"noon"}}"#] {
            assert_eq!(read(json), limited, "{json}");
        }
    }

    #[test]
    fn messages_have_no_class_that_an_older_release_cannot_read() {
        use FailureClass as C;
        let json = |class: C| serde_json::to_string(&class).unwrap();
        for class in [C::Inconsistent, C::Overloaded { retry_after_ms: 7 }] {
            assert_eq!(json(class), json(C::Unavailable), "{class:?}");
        }
        for retry_after_ms in [None, Some(7)] {
            let limited = C::RateLimited { retry_after_ms };
            assert_eq!(serde_json::from_str::<C>(&json(limited)).unwrap(), limited);
        }
        for class in [
            C::NotFound,
            C::Unauthorized,
            C::Denied,
            C::Invalid,
            C::ImmutableTag,
            C::Unavailable,
            C::Timeout,
            C::Connection,
            C::DigestMismatch,
            C::TimeUsedUp,
            C::LeaseLost,
            C::Interrupted,
            C::Local,
        ] {
            assert_eq!(json(class), format!("{:?}", class.name()));
            assert_eq!(serde_json::from_str::<C>(&json(class)).unwrap(), class);
        }
    }
}
