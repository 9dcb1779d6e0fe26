//! How fast recordings are played.
//!
//! Owns the words for it, and when something recorded is due. Refuses to know what is played.

use std::str::FromStr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The slowest speed, against that of the recording.
pub const SLOWEST: f64 = 0.01;

/// The fastest speed, against that of the recording.
pub const FASTEST: f64 = 1_000.0;

/// How fast recordings are played. Read from `recorded`, `at-once`, or a speed such as `2x`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Pace {
    /// Everything comes as long after the request as it was recorded.
    #[default]
    Recorded,
    /// All times are divided by this.
    Scaled(Speed),
    /// Nothing is waited for.
    AtOnce,
}

/// How many times as fast as it was recorded, from [`SLOWEST`] to [`FASTEST`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed(f64);

/// A word that is no pace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is no pace: give `recorded`, `at-once`, or a speed from {SLOWEST}x to {FASTEST}x, such as `2x`"
)]
pub struct NoPace {
    /// The word.
    pub given: String,
}

impl Speed {
    /// So many times as fast; none where that is out of bounds.
    pub fn new(factor: f64) -> Option<Speed> {
        (SLOWEST..=FASTEST).contains(&factor).then_some(Speed(factor))
    }
}

impl FromStr for Pace {
    type Err = NoPace;

    fn from_str(text: &str) -> Result<Pace, NoPace> {
        let speed = |factor: &str| factor.parse().ok().and_then(Speed::new);
        match (text, text.strip_suffix('x').and_then(speed)) {
            ("recorded", _) => Ok(Pace::Recorded),
            ("at-once", _) => Ok(Pace::AtOnce),
            (_, Some(speed)) => Ok(Pace::Scaled(speed)),
            (_, None) => Err(NoPace { given: text.to_owned() }),
        }
    }
}

impl Pace {
    /// Waits until something is due that came so long after the request, which is `start` now. Never ends early.
    ///
    /// # Cancellation
    /// Safe: the time is counted from the start.
    pub(crate) async fn wait(self, start: Instant, recorded: Duration) {
        match self {
            Pace::Recorded => sleep_until(start + recorded).await,
            Pace::Scaled(Speed(factor)) => sleep_until(start + recorded.div_f64(factor)).await,
            Pace::AtOnce => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_read_from_its_word() {
        assert_eq!("recorded".parse(), Ok(Pace::Recorded));
        assert_eq!("at-once".parse(), Ok(Pace::AtOnce));
        assert_eq!("2x".parse(), Ok(Pace::Scaled(Speed(2.0))));
        assert_eq!("0.5x".parse(), Ok(Pace::Scaled(Speed(0.5))));
        for wrong in ["", "x", "2", "0x", "-1x", "NaNx", "infx", "2000x", "fast"] {
            let error = wrong.parse::<Pace>().unwrap_err();
            assert_eq!(error, NoPace { given: wrong.to_owned() });
        }
        assert_eq!(
            "fast".parse::<Pace>().unwrap_err().to_string(),
            "`fast` is no pace: give `recorded`, `at-once`, or a speed from 0.01x to 1000x, such as `2x`"
        );
    }
}
