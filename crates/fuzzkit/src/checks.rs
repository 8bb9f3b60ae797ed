//! What must hold for texts, whatever they were made of.

/// The longest text of one failure, in bytes: the words around an outsider's text, which has 1 KiB at most.
pub const MAX_TEXT_BYTES: usize = 2048;

/// Expects a text that may be shown on a terminal, and be written into a log and a message.
///
/// # Panics
/// If it is longer than [`MAX_TEXT_BYTES`], or has control characters or ones that reorder it.
pub fn assert_presentable(text: &str) {
    let length = text.len();
    assert!(
        length <= MAX_TEXT_BYTES,
        "{length} bytes of text: {:?}...",
        text.chars().take(200).collect::<String>()
    );
    let unclean = text.chars().find(|c| c.is_control() || reorders(*c));
    assert!(unclean.is_none(), "{unclean:?} in {text:?}");
}

/// Whether a character changes the order in which others are shown (Unicode Bidirectional Algorithm, section 2).
fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presentable_text_is_short_and_without_control_characters() {
        assert_presentable("source: check docker.io/library/é:1: 503");
        for text in [
            "\x1b[2J",
            "a\nb",
            "\u{9b}2J",
            "\u{202e}gpj",
            &"a".repeat(4096),
        ] {
            let checked = std::panic::catch_unwind(|| assert_presentable(text));
            assert!(checked.is_err(), "{text:?}");
        }
    }
}
