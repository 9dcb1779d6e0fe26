//! The middle and the ends of what several rounds measured, and how two middles compare.

use serde::Serialize;

/// Median, least and most of some measurements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// None without measurements. The median of an even number of them is the mean of the two in the middle.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get((values.len() - 1) / 2)?;
        Some(Spread { median: (lower + upper) / 2.0, min, max })
    }

    /// Our median for one of the peer's; none where the peer's is zero.
    pub(crate) fn ratio_to(&self, peer: &Spread) -> Option<f64> {
        (peer.median != 0.0).then(|| self.median / peer.median)
    }
}

/// `1.37×`, or a dash where there is no ratio.
pub(crate) fn ratio_text(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}×"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: &[f64]) -> Option<Spread> {
        Spread::of(values.iter().copied())
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middles() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0]), Some(Spread { median: 3.0, min: 3.0, max: 3.0 }));
        assert_eq!(spread(&[9.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 9.0 }));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 9.0]), Some(Spread { median: 3.0, min: 1.0, max: 9.0 }));
    }

    #[test]
    fn a_ratio_is_ours_for_one_of_the_peers() {
        let (Some(ours), Some(peer), Some(zero)) = (spread(&[152.5]), spread(&[111.5]), spread(&[0.0]))
        else {
            panic!("there are values");
        };
        assert_eq!(ratio_text(ours.ratio_to(&peer)), "1.37×");
        assert_eq!(ratio_text(peer.ratio_to(&ours)), "0.73×");
        assert_eq!(ratio_text(ours.ratio_to(&zero)), "–");
    }
}
