//! Values of one kind, and their quantiles: the median and the 99th percentile.

use serde::Serialize;

/// In milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Quantiles {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Quantiles {
    /// By nearest rank; none without values.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Quantiles> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |hundredths: usize| {
            values.get((values.len() * hundredths).div_ceil(100).checked_sub(1)?).copied()
        };
        Some(Quantiles { p50: at(50)?, p99: at(99)? })
    }

    /// Each less the other's.
    pub(super) fn less(self, other: Quantiles) -> Quantiles {
        Quantiles { p50: self.p50 - other.p50, p99: self.p99 - other.p99 }
    }

    /// Each and so much more.
    pub(super) fn plus(self, more: f64) -> Quantiles {
        Quantiles { p50: self.p50 + more, p99: self.p99 + more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_was_there() {
        let hundred = Quantiles::of((1..=100).rev().map(f64::from)).unwrap();
        assert_eq!(hundred, Quantiles { p50: 50.0, p99: 99.0 });
        assert_eq!(Quantiles::of([7.0]), Some(Quantiles { p50: 7.0, p99: 7.0 }));
        assert_eq!(Quantiles::of([]), None);
        assert_eq!(
            hundred.less(Quantiles { p50: 49.0, p99: 90.0 }).plus(1.0),
            Quantiles { p50: 2.0, p99: 10.0 }
        );
    }
}
