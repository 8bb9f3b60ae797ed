//! How often a transfer goes on after a cut.

/// How often in a row it goes on after cuts between which little came.
const MAX_RESUMES: u32 = 5;
/// How many bytes are not little.
const MUCH: u64 = 64 * 1024;

/// The cuts of one transfer so far.
#[derive(Debug, Default)]
pub(super) struct Resumes {
    /// Where the last cut was; a second one there is the end.
    cut_at: Option<u64>,
    /// How many in a row brought little.
    in_a_row: u32,
}

impl Resumes {
    /// Whether to go on after a cut at `offset`, which is noted.
    pub(super) fn may_go_on(&mut self, offset: u64) -> bool {
        let came = offset.saturating_sub(self.cut_at.unwrap_or_default());
        if came >= MUCH {
            self.in_a_row = 0;
        }
        if self.in_a_row == MAX_RESUMES || self.cut_at == Some(offset) {
            return false;
        }
        self.in_a_row += 1;
        self.cut_at = Some(offset);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_as_long_as_bytes_come() {
        let mut resumes = Resumes::default();
        assert!((0..100).all(|n| resumes.may_go_on(n * MUCH)));
        assert!(!resumes.may_go_on(99 * MUCH), "a second cut there");
        let mut resumes = Resumes::default();
        let gone_on = (0..100).take_while(|n| resumes.may_go_on(n * 10)).count();
        assert_eq!(gone_on, 5, "little came each time");
        let mut resumes = Resumes::default();
        assert!(
            resumes.may_go_on(9) && resumes.may_go_on(7),
            "bytes that were lost"
        );
    }
}
