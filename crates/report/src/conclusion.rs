//! The one sentence about a run.

use crate::verdicts::{CaseVerdict, Level, Verdict, Verdicts};

impl Verdicts {
    /// What the exit code rests on, in one sentence: `12 MUSTs broken`. It says no more than was judged.
    pub fn conclusion(&self) -> String {
        let mut parts = Vec::new();
        let broken = |verdict| self.number(|case| case.verdict == verdict && self.is_unexpected(case));
        parts.extend(numbered(broken(Verdict::Fail), "MUST broken", "MUSTs broken"));
        parts.extend(numbered(broken(Verdict::NonStrict), "SHOULD broken", "SHOULDs broken"));
        let stale = self.stale_baseline.len();
        parts.extend(numbered(stale, "stale entry in the baseline", "stale entries in the baseline"));
        if parts.is_empty() {
            parts.push(self.soundness());
        }
        let failed = self.number(|case| case.verdict == Verdict::HarnessError);
        let failed = numbered(failed, "case", "cases");
        parts.extend(failed.map(|cases| format!("the judge itself failed in {cases}")));
        parts.join(", ")
    }

    /// What is said where nothing unexpected is broken.
    fn soundness(&self) -> String {
        let judged =
            |case: &CaseVerdict| matches!(case.verdict, Verdict::Pass | Verdict::Fail | Verdict::NonStrict);
        if self.number(judged) == 0 {
            return "nothing was judged".to_owned();
        }
        let sound = match self.level {
            Level::Must => "no MUST is broken",
            Level::Should => "no MUST and no SHOULD is broken",
        };
        match self.number(|case| self.counts(case)) {
            0 => sound.to_owned(),
            known => format!("{sound} beyond the {known} of the baseline"),
        }
    }

    fn number(&self, is_counted: impl Fn(&CaseVerdict) -> bool) -> usize {
        self.cases.iter().filter(|case| is_counted(case)).count()
    }
}

fn numbered(number: usize, one: &str, many: &str) -> Option<String> {
    match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{number} {many}")),
    }
}
