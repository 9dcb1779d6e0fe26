//! How many tokens words make, by the usage that the server itself tells.

use super::WorkError;

/// What a word can make, in tokens; whatever is beyond is no count of tokens.
const TOKENS_OF_A_WORD: std::ops::RangeInclusive<f64> = 0.2..=20.0;

/// How many tokens a server counts for a prompt of so many words.
///
/// Models have different vocabularies, and put different texts around a prompt. Instead of guessing, a few prompts of
/// [`probe_words`](TokenScale::probe_words) are sent, and the line is laid through what the server counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenScale {
    /// Tokens of what stands around a prompt.
    pub base: f64,
    /// Tokens of one more word.
    pub per_word: f64,
}

impl TokenScale {
    /// How many words the prompts have by which a scale is fitted.
    pub const fn probe_words() -> [u32; 3] {
        [16, 128, 512]
    }

    /// The scale that comes nearest to these pairs of words and the tokens that the server counted for them (least
    /// squares).
    ///
    /// # Errors
    /// [`WorkError::Unscaled`] where there are not two different numbers of words, or a word would make less than 0.2 or
    /// more than 20 tokens.
    pub fn fit(probes: &[(u32, u64)]) -> Result<TokenScale, WorkError> {
        let count = probes.len() as f64;
        let words_mean = probes.iter().map(|(words, _)| f64::from(*words)).sum::<f64>() / count;
        let tokens_mean = probes.iter().map(|(_, tokens)| *tokens as f64).sum::<f64>() / count;
        let (mut both, mut squares) = (0.0, 0.0);
        for (words, tokens) in probes {
            let words = f64::from(*words) - words_mean;
            both += words * (*tokens as f64 - tokens_mean);
            squares += words * words;
        }
        // Of no probes, and of equal ones, it is no number, which is in no range.
        let per_word = both / squares;
        if !TOKENS_OF_A_WORD.contains(&per_word) {
            return Err(WorkError::Unscaled { probes: probes.to_vec() });
        }
        Ok(TokenScale { base: tokens_mean - per_word * words_mean, per_word })
    }

    /// The words of a prompt of so many tokens; at least 1.
    pub(super) fn words_of_prompt(self, tokens: u32) -> u64 {
        whole((f64::from(tokens) - self.base) / self.per_word)
    }

    /// The words of a part of a prompt that has so many tokens; at least 1.
    pub(super) fn words_of_part(self, tokens: u32) -> u64 {
        whole(f64::from(tokens) / self.per_word)
    }

    /// The tokens of the shortest prompt that there is: of one word behind `shared` others.
    pub(super) fn shortest(self, shared: u64) -> u32 {
        (self.base + self.per_word * (shared + 1) as f64).ceil() as u32
    }
}

fn whole(words: f64) -> u64 {
    // The cast takes what is below 0 to 0.
    (words.round() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_usage_that_counts_no_tokens_is_refused() {
        for probes in [
            &[][..],
            &[(16, 20)],
            &[(16, 20), (16, 24)],
            &[(16, 7), (128, 7), (512, 7)],
            &[(16, 0), (128, 0), (512, 1)],
            &[(16, 512), (512, 16)],
            &[(16, 1_000), (512, 1_000_000)],
        ] {
            assert!(matches!(TokenScale::fit(probes), Err(WorkError::Unscaled { .. })), "{probes:?}");
        }
        assert_eq!(
            TokenScale::fit(&[(16, 7), (512, 7)]).unwrap_err().to_string(),
            "prompts cannot be made to measure: for 16 words the server counts 7 tokens, for 512 words 7; send a file of \
             requests instead"
        );
    }

    #[test]
    fn a_scale_goes_through_what_the_server_counts() {
        let scale = TokenScale::fit(&[(16, 50), (128, 162), (512, 546)]).unwrap();
        assert!((scale.base - 34.0).abs() < 1e-9 && (scale.per_word - 1.0).abs() < 1e-9, "{scale:?}");
        assert_eq!((scale.words_of_prompt(512), scale.words_of_part(512), scale.shortest(0)), (478, 512, 35));

        let scale = TokenScale::fit(&[(10, 25), (20, 45), (30, 65)]).unwrap();
        assert_eq!((scale.base, scale.per_word), (5.0, 2.0));
        assert_eq!((scale.words_of_prompt(15), scale.words_of_prompt(3), scale.words_of_part(9)), (5, 1, 5));
        assert_eq!(scale.shortest(4), 15);

        // Between points that are on no line, it goes through the middle.
        let scale = TokenScale::fit(&[(0, 0), (10, 12), (20, 18)]).unwrap();
        assert!((scale.per_word - 0.9).abs() < 1e-9 && (scale.base - 1.0).abs() < 1e-9, "{scale:?}");
    }

    proptest! {
        #[test]
        fn a_prompt_has_the_tokens_that_are_asked_for(
            base in 0.0_f64..200.0, per_word in 0.5_f64..3.0, tokens in 210_u32..100_000,
        ) {
            let counted = |words: u32| (base + per_word * f64::from(words)).round() as u64;
            let probes = TokenScale::probe_words().map(|words| (words, counted(words)));
            let scale = TokenScale::fit(&probes).unwrap();
            let words = scale.words_of_prompt(tokens) as u32;
            // Half a word, and as far as the rounding of three counts can turn and shift a line.
            let most = per_word / 2.0 + 0.0022 * f64::from(words) + 1.5;
            let distance = (counted(words) as f64 - f64::from(tokens)).abs();
            prop_assert!(distance <= most, "{} of {}", distance, most);
        }
    }
}
