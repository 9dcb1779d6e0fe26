//! One character for each verdict, the same in every form, so that no form depends on colours alone.

use crate::verdicts::Verdict;

impl Verdict {
    /// A character that stands for it in tables and strips: one column wide, no emoji.
    pub fn symbol(self) -> char {
        match self {
            Verdict::Fail => '✗',
            Verdict::HarnessError => '!',
            Verdict::NonStrict => '~',
            Verdict::Inconclusive => '?',
            Verdict::Unsupported => '–',
            Verdict::NotApplicable => '○',
            Verdict::Skip => '»',
            Verdict::Pass => '✓',
        }
    }

    /// What it means, in a few words, for legends.
    pub fn meaning(self) -> &'static str {
        match self {
            Verdict::Fail => "a MUST is broken",
            Verdict::HarnessError => "the judge has failed, not its target",
            Verdict::NonStrict => "a SHOULD is broken",
            Verdict::Inconclusive => "the behaviour did not show",
            Verdict::Unsupported => "not there, and the target says so",
            Verdict::NotApplicable => "nothing to judge",
            Verdict::Skip => "left out",
            Verdict::Pass => "holds",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_verdicts_look_alike() {
        let symbols: BTreeSet<char> = Verdict::ALL.into_iter().map(Verdict::symbol).collect();
        let meanings: BTreeSet<&str> = Verdict::ALL.into_iter().map(Verdict::meaning).collect();
        assert_eq!((symbols.len(), meanings.len()), (Verdict::ALL.len(), Verdict::ALL.len()));
    }
}
