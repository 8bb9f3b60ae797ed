//! Sizes in bytes, as people write them.

/// A size in bytes of a text as in `4096`, `512 KiB`, `16MiB` or `1GiB`; none of any other text.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let unit: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// A size in bytes as one may write it for [`parse`], in the largest unit of which it has ten or more, rounded down.
#[must_use]
pub fn whole(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(shift, _)| bytes >> shift >= 10);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(shift, unit)| format!("{} {unit}", bytes >> shift),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_in_whole_units() {
        for (bytes, text) in [
            (0, "0 B"),
            (9 << 10, "9216 B"),
            (2_112 << 20, "2112 MiB"),
            ((50 << 20) - 1, "49 MiB"),
            (11 << 30, "11 GiB"),
        ] {
            assert_eq!(whole(bytes), text);
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(parse("4096"), Some(4096));
        assert_eq!(parse("7B"), Some(7));
        assert_eq!(parse("512 KiB"), Some(512 << 10));
        assert_eq!(parse("16MiB"), Some(16 << 20));
        assert_eq!(parse("1GiB"), Some(1 << 30));
        for text in ["", "MiB", "-1", "1.5GiB", "1GB", "1mib", "99999999999GiB"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
