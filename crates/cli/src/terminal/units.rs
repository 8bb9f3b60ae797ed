//! Amounts as people read them.

use std::time::Duration;

use image_sync_shared::text::timestamp;
use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;

/// Bytes in binary units: `917 B`, `12.3 KiB`, `1.0 GiB`.
pub(crate) fn bytes(amount: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if amount < 1024 {
        return format!("{amount} B");
    }
    let tenths = |unit: usize| {
        let size = 1_u128 << (10 * (unit + 1));
        (u128::from(amount) * 10 + size / 2) / size
    };
    // What rounds up to 1024.0 is 1.0 of the next unit.
    let largest = UNITS.len() - 1;
    let unit = (0..largest)
        .find(|unit| tenths(*unit) < 10_240)
        .unwrap_or(largest);
    format!(
        "{}.{} {}",
        tenths(unit) / 10,
        tenths(unit) % 10,
        UNITS[unit]
    )
}

/// A duration as it was measured: `0.3s`, `42.0s`, `3m05s`, `2h07m`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}.{}s", duration.subsec_millis() / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A duration that is counted down, in whole seconds: `0s`, `42s`, `3m05s`, `2h07m`.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        _ => self::duration(duration),
    }
}

/// A time in UTC, to the second: `2026-11-20T12:00:00Z`.
pub(crate) fn time(time: OffsetDateTime) -> String {
    const SECONDS: StaticFormatDescription =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    timestamp::utc(time).format(SECONDS).unwrap_or_default()
}

/// A duration as it was set: `30s`, `1h 30m`.
pub(crate) fn setting(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// A count and its noun: `1 image`, `2 images`.
pub(crate) fn count(number: impl Into<u64>, noun: &str) -> String {
    match number.into() {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// A size in bytes as it is set: `4096`, `16MiB`, `1GiB`.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let size = image_sync_shared::text::size::parse(text);
    size.ok_or_else(|| "expected a size as in 512MiB or 4GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_behind_the_year_9999_in_utc_is_shown_as_it_is() {
        let late = time::macros::datetime!(9999-12-31 23:59:59 -23:59);
        assert_eq!(timestamp::utc(late), late);
        let noon = time::macros::datetime!(2026-11-20 12:00 +1);
        assert_eq!(timestamp::utc(noon).hour(), 11);
    }

    #[test]
    fn bytes_have_the_unit_that_keeps_them_short() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (12_595, "12.3 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (40 * 1024 * 1024, "40.0 MiB"),
            (2 * 1024 * 1024 * 1024, "2.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (amount, text) in cases {
            assert_eq!(bytes(amount), text, "{amount}");
        }
    }

    #[test]
    fn durations_drop_what_is_too_fine_to_matter() {
        let cases = [
            (0, "0.0s"),
            (340, "0.3s"),
            (59_999, "59.9s"),
            (60_000, "1m00s"),
            (185_000, "3m05s"),
            (7_620_000, "2h07m"),
        ];
        for (millis, text) in cases {
            assert_eq!(duration(Duration::from_millis(millis)), text, "{millis}");
        }
    }

    #[test]
    fn settings_are_shown_whole() {
        let texts = [0, 30, 5400].map(|seconds| setting(Duration::from_secs(seconds)));
        assert_eq!(texts, ["0s", "30s", "1h 30m"]);
    }

    #[test]
    fn one_is_singular() {
        let counts = [0_u32, 1, 2].map(|number| count(number, "blob"));
        assert_eq!(counts, ["0 blobs", "1 blob", "2 blobs"]);
    }

    #[test]
    fn sizes_are_understood_in_binary_units() {
        assert_eq!(parse_bytes("4096"), Ok(4096));
        assert_eq!(parse_bytes("16MiB"), Ok(16 << 20));
        assert_eq!(parse_bytes("1 GiB"), Ok(1 << 30));
        for text in ["", "MiB", "-1", "1.5GiB", "1GB", "99999999999GiB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
