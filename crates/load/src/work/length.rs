//! How long prompts are, in tokens.

use std::fmt;
use std::str::FromStr;

use super::{LONGEST_PROMPT, WorkError};
use crate::draws::Draws;

/// How many tokens prompts have: `512`, evenly from `100..900`, or `normal(512,64)` of mean and deviation. From 1 to
/// [`LONGEST_PROMPT`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    /// All the same.
    Exactly(u32),
    /// Evenly from the first to the second, both included.
    Between(u32, u32),
    /// Normally distributed; what is drawn beyond what can be had is what comes next to it.
    Normal {
        /// The mean.
        mean: f64,
        /// The deviation.
        deviation: f64,
    },
}

impl Length {
    /// The shortest that it names: the mean where there is no shortest.
    pub(super) fn least(self) -> u32 {
        match self {
            Length::Exactly(tokens) | Length::Between(tokens, _) => tokens,
            Length::Normal { mean, .. } => mean as u32,
        }
    }

    /// One of the lengths, not below `least`.
    pub(super) fn draw(self, draws: &mut Draws, least: u32) -> u32 {
        let drawn = match self {
            Length::Exactly(tokens) => tokens,
            Length::Between(low, high) => {
                let above = draws.below(u64::from(high.saturating_sub(low)) + 1);
                low.saturating_add(u32::try_from(above).unwrap_or(0))
            }
            // The cast takes what is below 0 to 0.
            Length::Normal { mean, deviation } => (mean + deviation * draws.normal()).round() as u32,
        };
        drawn.max(least).min(LONGEST_PROMPT)
    }

    /// In words, before `tokens`.
    pub(super) fn words(self) -> String {
        match self {
            Length::Exactly(tokens) => tokens.to_string(),
            Length::Between(low, high) => format!("{low} to {high}"),
            Length::Normal { mean, deviation } => format!("about {mean} (deviation {deviation})"),
        }
    }
}

impl FromStr for Length {
    type Err = WorkError;

    fn from_str(text: &str) -> Result<Length, WorkError> {
        let refused = || WorkError::NotALength { text: text.to_owned() };
        let tokens = |text: &str| match text.parse::<u32>() {
            Ok(tokens) if (1..=LONGEST_PROMPT).contains(&tokens) => Ok(tokens),
            _ => Err(refused()),
        };
        if let Some(normal) = text.strip_prefix("normal(").and_then(|rest| rest.strip_suffix(')')) {
            let (mean, deviation) = normal.split_once(',').ok_or_else(refused)?;
            let number = |text: &str, least| {
                let number = text.trim().parse::<f64>().ok();
                number
                    .filter(|number| (least..=f64::from(LONGEST_PROMPT)).contains(number))
                    .ok_or_else(refused)
            };
            return Ok(Length::Normal { mean: number(mean, 1.0)?, deviation: number(deviation, 0.0)? });
        }
        match text.split_once("..") {
            None => tokens(text).map(Length::Exactly),
            Some((low, high)) => {
                let (low, high) = (tokens(low)?, tokens(high)?);
                if low <= high { Ok(Length::Between(low, high)) } else { Err(refused()) }
            }
        }
    }
}

/// As it is read.
impl fmt::Display for Length {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Length::Exactly(tokens) => write!(formatter, "{tokens}"),
            Length::Between(low, high) => write!(formatter, "{low}..{high}"),
            Length::Normal { mean, deviation } => write!(formatter, "normal({mean},{deviation})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Purpose;

    #[test]
    fn texts_that_are_no_length_are_refused() {
        for text in [
            "",
            "0",
            "-1",
            "1.5",
            "x",
            "4000001",
            "..5",
            "5..",
            "9..5",
            "0..5",
            "normal",
            "normal()",
            "normal(5)",
            "normal(0,1)",
            "normal(5,-1)",
            "normal(nan,1)",
            "normal(5,inf)",
            "normal(5,1",
            "1..2..3",
        ] {
            let refused = text.parse::<Length>();
            assert!(matches!(refused, Err(WorkError::NotALength { .. })), "{text}: {refused:?}");
        }
        assert_eq!(
            "9..5".parse::<Length>().unwrap_err().to_string(),
            "`9..5` is no number of tokens; write one from 1 to 4000000 such as `512`, two such as `100..900`, or \
             `normal(512,64)`"
        );
    }

    #[test]
    fn lengths_are_drawn_as_their_texts_say() {
        let drawn = |text: &str, least| -> Vec<u32> {
            let length: Length = text.parse().unwrap();
            assert_eq!(length.to_string(), text);
            let mut draws = Draws::of(7, Purpose::Prompt, 0);
            (0..10_000).map(|_| length.draw(&mut draws, least)).collect()
        };
        let mean = |lengths: &[u32]| lengths.iter().copied().map(f64::from).sum::<f64>() / 10_000.0;
        assert!(drawn("512", 1).iter().all(|length| *length == 512));

        let even = drawn("100..103", 1);
        assert_eq!((even.iter().min(), even.iter().max()), (Some(&100), Some(&103)));
        assert!((mean(&even) - 101.5).abs() < 0.06, "{}", mean(&even));

        let normal = drawn("normal(512,64)", 1);
        assert!((mean(&normal) - 512.0).abs() < 3.2, "{}", mean(&normal));
        let near = normal.iter().filter(|length| (448..=576).contains(*length)).count();
        assert!((6_600..7_100).contains(&near), "{near}");

        assert_eq!(drawn("normal(1,100)", 20).iter().min(), Some(&20));
    }
}
