//! Numbers, durations and sizes, checked while they are read.

use std::fmt;
use std::time::Duration;

use image_sync_shared::text::nearest::nearest;
use image_sync_shared::text::size;
use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::document::Keys;
use crate::problem::Problem;

/// The longest time that a config may ask for, in seconds: a year.
pub(super) const MAX_SECONDS: u64 = 365 * 24 * 60 * 60;

/// Which of `words` stands at `key`, if anything does.
pub(super) fn word<T: Copy>(keys: &Keys<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
    let text: String = keys.get(key)?;
    let found = words.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let hint = nearest(&text, known.iter().copied())
            .map_or_else(String::new, |word| format!(" (did you mean {word}?)"));
        let problem = format!("found {text:?}{hint}, expected {}", known.join(", "));
        keys.report(Problem::new(problem).key(key));
    }
    found.map(|(_, value)| *value)
}

/// A whole number from 1 to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count<const MAX: u64>(u64);

impl<const MAX: u64> Count<MAX> {
    pub(super) fn get(self) -> u64 {
        self.0
    }

    pub(super) fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    pub(super) fn as_u32(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl<'de, const MAX: u64> Deserialize<'de> for Count<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor::<MAX>).map(Self)
    }
}

struct CountVisitor<const MAX: u64>;

impl<const MAX: u64> Visitor<'_> for CountVisitor<MAX> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 1 to {MAX}")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        if (1..=MAX).contains(&number) {
            Ok(number)
        } else {
            Err(found(number, &self))
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        Err(found(number, &self))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
        Err(found(number, &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        Err(found(format_args!("{text:?}"), &self))
    }
}

/// A duration: a text as `humantime` reads it, or a number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpanVisitor).map(Self)
    }
}

struct SpanVisitor;

impl SpanVisitor {
    fn within<E: de::Error>(
        self,
        span: Option<Duration>,
        text: impl fmt::Display,
    ) -> Result<Duration, E> {
        span.filter(|span| *span <= Duration::from_secs(MAX_SECONDS))
            .ok_or_else(|| found(text, &self))
    }
}

impl Visitor<'_> for SpanVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration as in 90s or 1h 30m, or a number of seconds, 365 days at most")
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Duration, E> {
        self.within(Some(Duration::from_secs(seconds)), seconds)
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Duration, E> {
        self.within(None, seconds)
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Duration, E> {
        self.within(Duration::try_from_secs_f64(seconds).ok(), seconds)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        let span = humantime::parse_duration(text).ok();
        self.within(span, format_args!("{text:?}"))
    }
}

/// A size in bytes, at least one: a text with a unit, or a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor).map(Self)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size as in 512KiB, 50MiB or 1GiB, or a number of bytes")
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<u64, E> {
        if bytes > 0 {
            Ok(bytes)
        } else {
            Err(found(bytes, &self))
        }
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<u64, E> {
        Err(found(bytes, &self))
    }

    fn visit_f64<E: de::Error>(self, bytes: f64) -> Result<u64, E> {
        Err(found(bytes, &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        let size = size::parse(text).filter(|bytes| *bytes > 0);
        size.ok_or_else(|| found(format_args!("{text:?}"), &self))
    }
}

fn found<E: de::Error>(found: impl fmt::Display, expected: &dyn de::Expected) -> E {
    E::custom(format_args!("found {found}, expected {expected}"))
}
