//! How often a transfer is resumed after a cut.

/// How often in a row it is resumed after cuts between which little came.
const MAX_RESUMES: u32 = 5;
/// How many bytes are not little.
const MUCH: u64 = 64 * 1024;

/// How often a transfer may still be resumed, by its cuts so far.
#[derive(Debug, Default)]
pub(super) struct ResumeBudget {
    /// Where the last cut was; a second one there is the end.
    cut_at: Option<u64>,
    /// How many in a row brought little.
    in_a_row: u32,
}

impl ResumeBudget {
    /// Whether to resume after a cut at `offset`, which is noted.
    pub(super) fn may_resume(&mut self, offset: u64) -> bool {
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
        let mut resume_budget = ResumeBudget::default();
        assert!((0..100).all(|n| resume_budget.may_resume(n * MUCH)));
        assert!(!resume_budget.may_resume(99 * MUCH), "a second cut there");
        let mut resume_budget = ResumeBudget::default();
        let gone_on = (0..100)
            .take_while(|n| resume_budget.may_resume(n * 10))
            .count();
        assert_eq!(gone_on, 5, "little came each time");
        let mut resume_budget = ResumeBudget::default();
        assert!(
            resume_budget.may_resume(9) && resume_budget.may_resume(7),
            "bytes that were lost"
        );
    }
}
