//! What a request does to the logits before a token is chosen: penalties for what has been said, and biases.
//!
//! Each token that is concerned is changed by itself, in single precision and in this order: the repeat penalty divides
//! a logit above zero and multiplies any other; `frequency penalty · times + presence penalty` is taken from it; its
//! bias is added, last, so that ±100 outweighs all before. The result is kept within the finite numbers. A token whose
//! logit is the smallest number there is may not be chosen, and no adjustment changes that.
//!
//! Times are counted anew for each token that is chosen, from the tokens before it alone, so that nothing can go out
//! of step with a sequence that is computed again or guessed at.

use crate::generation::{Adjustments, TokenId};

/// The logit of a token that may not be chosen.
pub(crate) const FORBIDDEN: f32 = f32::MIN;

/// What comes before a token that is to be chosen.
#[derive(Clone, Copy)]
pub(crate) struct Past<'a> {
    pub(crate) prompt: &'a [TokenId],
    /// The answer so far.
    pub(crate) answer: &'a [TokenId],
    /// Tokens that the answer is taken to go on with.
    pub(crate) guesses: &'a [TokenId],
}

impl Past<'_> {
    /// How many tokens they are: the position of the one that is to be chosen.
    pub(crate) fn length(&self) -> usize {
        self.prompt.len() + self.answer.len() + self.guesses.len()
    }
}

/// Adjusts rows of logits; keeps its memory from one to the next.
#[derive(Default)]
pub(crate) struct Adjuster {
    /// Of every token, one more than how often the answer has it, or 0 where none was counted; between two rows all
    /// are 0.
    marks: Vec<u32>,
    /// The tokens that have a mark.
    marked: Vec<TokenId>,
    /// The tokens whose logits were changed, with what they were before, in the order of the changes.
    changed: Vec<(TokenId, f32)>,
}

impl Adjuster {
    /// Changes the logits as the request wants it. All of them are finite, before and after.
    pub(crate) fn adjust(&mut self, adjustments: &Adjustments, past: Past<'_>, logits: &mut [f32]) {
        self.changed.clear();
        let Adjustments { frequency_penalty, presence_penalty, repeat_penalty, bias } = adjustments;
        let is_of_the_answer = *frequency_penalty != 0.0 || *presence_penalty != 0.0;
        let is_of_both = *repeat_penalty != 1.0;
        if is_of_the_answer || is_of_both {
            self.marks.resize(logits.len(), 0);
            self.mark(if is_of_both { past.prompt } else { &[] }, 0);
            self.mark(past.answer, 1);
            self.mark(past.guesses, 1);
            while let Some(id) = self.marked.pop() {
                let times = (std::mem::take(&mut self.marks[id as usize]) - 1) as f32;
                let taken = if times > 0.0 { frequency_penalty * times + presence_penalty } else { 0.0 };
                self.change(logits, id, |logit| {
                    let kept = if logit > 0.0 { logit / repeat_penalty } else { logit * repeat_penalty };
                    kept - taken
                });
            }
        }
        for (id, bias) in bias {
            self.change(logits, *id, |logit| logit + bias);
        }
    }

    /// The logit of a token as it was before, given the row as it is now.
    pub(crate) fn before(&self, logits: &[f32], id: TokenId) -> f32 {
        let change = self.changed.iter().find(|(changed, _)| *changed == id);
        change.map_or(logits[id as usize], |(_, before)| *before)
    }

    /// Counts each token so many times.
    fn mark(&mut self, tokens: &[TokenId], times: u32) {
        for id in tokens {
            let mark = &mut self.marks[*id as usize];
            if *mark == 0 {
                *mark = 1;
                self.marked.push(*id);
            }
            *mark += times;
        }
    }

    fn change(&mut self, logits: &mut [f32], id: TokenId, change: impl Fn(f32) -> f32) {
        let logit = &mut logits[id as usize];
        let changed = change(*logit);
        // Numbers within their bounds make none that is not one.
        if *logit != FORBIDDEN && !changed.is_nan() {
            self.changed.push((id, *logit));
            *logit = changed.clamp(f32::MIN, f32::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAST: Past<'static> = Past { prompt: &[0, 1, 1], answer: &[1, 2, 2], guesses: &[2, 3] };
    const LOGITS: [f32; 6] = [4.0, 4.0, -4.0, 0.0, 4.0, 1.0];

    fn adjusted(adjustments: &Adjustments, past: Past<'_>) -> [f32; 6] {
        let mut logits = LOGITS;
        Adjuster::default().adjust(adjustments, past, &mut logits);
        logits
    }

    fn none() -> Adjustments {
        Adjustments::default()
    }

    #[test]
    fn each_adjustment_is_that_of_its_formula() {
        assert_eq!(adjusted(&none(), PAST), LOGITS);
        let frequency = Adjustments { frequency_penalty: 0.5, ..none() };
        assert_eq!(adjusted(&frequency, PAST), [4.0, 3.5, -5.5, -0.5, 4.0, 1.0], "by times in the answer");
        let presence = Adjustments { presence_penalty: -1.5, ..none() };
        assert_eq!(adjusted(&presence, PAST), [4.0, 5.5, -2.5, 1.5, 4.0, 1.0], "once for each in the answer");
        let repeat = Adjustments { repeat_penalty: 2.0, ..none() };
        assert_eq!(adjusted(&repeat, PAST), [2.0, 2.0, -8.0, 0.0, 4.0, 1.0], "in prompt and answer");
        let bias = Adjustments { bias: vec![(5, -100.0), (4, 100.0)], ..none() };
        assert_eq!(adjusted(&bias, PAST), [4.0, 4.0, -4.0, 0.0, 104.0, -99.0]);
    }

    #[test]
    fn all_of_them_come_in_their_order() {
        let bias = vec![(2, 3.0)];
        let all = Adjustments { frequency_penalty: 0.5, presence_penalty: 1.0, repeat_penalty: 2.0, bias };
        assert_eq!(adjusted(&all, PAST), [2.0, 0.5, -4.0 * 2.0 - 2.5 + 3.0, -1.5, 4.0, 1.0]);
    }

    #[test]
    fn guesses_count_like_what_they_guess() {
        let all =
            Adjustments { frequency_penalty: 0.7, presence_penalty: 0.1, repeat_penalty: 1.3, bias: vec![] };
        let known = Past { answer: &[1, 2, 2, 2, 3], guesses: &[], ..PAST };
        assert_eq!(adjusted(&all, PAST), adjusted(&all, known));
    }

    #[test]
    fn nothing_is_left_over_for_the_next_row_and_what_was_before_is_known() {
        let mut adjuster = Adjuster::default();
        let bias = vec![(2, 1.0), (4, 1.0)];
        let all = Adjustments { frequency_penalty: 0.5, repeat_penalty: 2.0, bias, ..none() };
        for _ in 0..2 {
            let mut logits = LOGITS;
            adjuster.adjust(&all, PAST, &mut logits);
            assert_eq!(logits, adjusted(&all, PAST));
            assert_eq!([0, 1, 2, 3, 4, 5].map(|id| adjuster.before(&logits, id)), LOGITS);
        }
        let mut logits = LOGITS;
        adjuster.adjust(&none(), PAST, &mut logits);
        assert_eq!(logits, LOGITS);
        logits[2] = 7.0;
        assert_eq!(adjuster.before(&logits, 2), 7.0);
    }

    #[test]
    fn results_are_finite_and_what_is_forbidden_stays_so() {
        let extremes = [f32::MAX, f32::MIN, -3e38, 3e38, 0.0, FORBIDDEN];
        let past = Past { prompt: &[], answer: &[0, 1, 2, 3, 4, 5], guesses: &[] };
        for repeat_penalty in [1e-38, 0.5, 1.0, 1e38] {
            for bias in [-100.0, 100.0] {
                let bias = (0..6).map(|id| (id, bias)).collect();
                let all =
                    Adjustments { frequency_penalty: -2.0, presence_penalty: 2.0, repeat_penalty, bias };
                let mut logits = extremes;
                Adjuster::default().adjust(&all, past, &mut logits);
                assert!(logits.iter().all(|logit| logit.is_finite()), "{logits:?}");
                assert_eq!([logits[1], logits[5]], [FORBIDDEN; 2]);
            }
        }
    }
}
