//! Points in time as reports and people read them: RFC 3339 in UTC, with three digits of a second's fraction, as in
//! `2026-11-20T12:00:00.000Z`, so that texts sort as the times do.

use std::fmt;

use serde::{Deserializer, Serializer};
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

const FORM: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// A time in UTC; as it is where that would be in a year that RFC 3339 cannot write: whoever sends messages may say any time.
#[must_use]
pub fn utc(at: OffsetDateTime) -> OffsetDateTime {
    let utc = at.checked_to_offset(UtcOffset::UTC);
    utc.filter(|utc| (0..=9999).contains(&utc.year()))
        .unwrap_or(at)
}

/// The same time without what is less than a millisecond.
#[must_use]
pub fn whole_milliseconds(at: OffsetDateTime) -> OffsetDateTime {
    utc(at).truncate_to_millisecond()
}

/// Its text.
#[must_use]
pub fn shown(at: OffsetDateTime) -> impl fmt::Display + fmt::Debug {
    let utc = utc(at);
    utc.format(FORM).unwrap_or_else(|_| utc.to_string())
}

/// The time of a text in any form of RFC 3339; none of any other text.
#[must_use]
pub fn parsed(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// Writes a field.
pub fn serialize<S: Serializer>(at: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&shown(*at))
}

/// Reads a field that has any form of RFC 3339.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OffsetDateTime, D::Error> {
    time::serde::rfc3339::deserialize(deserializer)
}

/// The same of a field that may have none.
pub mod option {
    use super::{Deserializer, OffsetDateTime, Serializer, shown};

    /// Writes it.
    pub fn serialize<S: Serializer>(
        at: &Option<OffsetDateTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => serializer.collect_str(&shown(*at)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<OffsetDateTime>, D::Error> {
        time::serde::rfc3339::option::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use time::macros::datetime;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Times {
        #[serde(with = "super")]
        at: OffsetDateTime,
        #[serde(with = "super::option")]
        then: Option<OffsetDateTime>,
    }

    #[test]
    fn times_have_whole_milliseconds_and_are_read_in_any_form() {
        let times = Times {
            at: datetime!(2026-11-20 13:00:00.123456789 +1),
            then: None,
        };
        let json = serde_json::to_string(&times).unwrap();
        assert_eq!(json, r#"{"at":"2026-11-20T12:00:00.123Z","then":null}"#);
        let whole = Times {
            at: whole_milliseconds(times.at),
            ..times
        };
        assert_eq!(serde_json::from_str::<Times>(&json).unwrap(), whole);
        let then = r#"{"at":"2026-11-20T12:00:00Z","then":"2026-11-20T14:00:00.5+02:00"}"#;
        let read: Times = serde_json::from_str(then).unwrap();
        let json = serde_json::to_string(&read).unwrap();
        let expected = r#"{"at":"2026-11-20T12:00:00.000Z","then":"2026-11-20T12:00:00.500Z"}"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn a_time_at_the_end_of_all_years_is_written_as_one_that_can_be_read() {
        for at in ["0000-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"] {
            let json = format!(r#"{{"at":"{at}","then":"{at}"}}"#);
            let read: Times = serde_json::from_str(&json).unwrap();
            let again = serde_json::to_string(&read).unwrap();
            serde_json::from_str::<Times>(&again).unwrap();
            assert_eq!(whole_milliseconds(read.at), read.at);
        }
    }
}
