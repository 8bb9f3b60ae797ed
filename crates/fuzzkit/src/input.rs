//! Inputs of several parts: texts with line ends in between, which mutators and people can read.

/// The first `N` lines of the input, empty where there are fewer, and what follows them.
#[must_use]
pub fn first_lines<const N: usize>(input: &[u8]) -> ([&[u8]; N], &[u8]) {
    let mut rest = input;
    let lines = std::array::from_fn(|_| {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or(&[][..], |end| &rest[end + 1..]);
        line
    });
    (lines, rest)
}

/// The input as text, up to what is none.
#[must_use]
pub fn text(input: &[u8]) -> &str {
    match std::str::from_utf8(input) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&input[..error.valid_up_to()]).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_lines_and_a_rest() {
        assert_eq!(
            first_lines(b"a\n\nb\nc\n"),
            ([&b"a"[..], b"", b"b"], &b"c\n"[..])
        );
        assert_eq!(first_lines(b"a"), ([&b"a"[..], b""], &b""[..]));
        assert_eq!((text(b"a\xc3"), text("é".as_bytes())), ("a", "é"));
    }
}
