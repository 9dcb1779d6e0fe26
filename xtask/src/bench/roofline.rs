//! How near a measurement comes to the machine's limits.
//!
//! A step reads the weights once, however many columns it computes, and takes two operations for each weight and
//! column. Attention, norms and sampling are not counted as work, though they take time: a share of the limits is what
//! is left for them, too.

use super::engine_run::{Limits, Measurement, Model, OnThreads};

/// What a measurement did in a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rates {
    pub(crate) tokens: f64,
    /// Bytes of weights.
    pub(crate) bytes: f64,
    /// Operations of products with weights.
    pub(crate) operations: f64,
}

impl Rates {
    pub(crate) fn of(measurement: &Measurement, model: &Model) -> Rates {
        let Measurement { seconds, tokens, layer_steps, layer_columns, head_steps, head_columns } =
            *measurement;
        let bytes = layer_steps * model.layers.bytes + head_steps * model.head.bytes;
        let products = layer_columns * model.layers.weights + head_columns * model.head.weights;
        Rates {
            tokens: tokens as f64 / seconds,
            bytes: bytes as f64 / seconds,
            operations: 2.0 * products as f64 / seconds,
        }
    }
}

/// Of several measurements of the limits, the best of each: other work on the machine only ever slows it down.
pub(crate) fn best(limits: &[Limits]) -> Option<Limits> {
    let best = |a: OnThreads, b: OnThreads| OnThreads { one: a.one.max(b.one), all: a.all.max(b.all) };
    limits.iter().copied().reduce(|a, b| Limits {
        memory_read: best(a.memory_read, b.memory_read),
        weights_read: best(a.weights_read, b.weights_read),
        operations: best(a.operations, b.operations),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::engine_run::Matrices;

    fn model() -> Model {
        Model {
            name: "tiny".to_owned(),
            sha256: String::new(),
            main_format: "Q4_1".to_owned(),
            layers: Matrices { bytes: 1_000, weights: 1_600 },
            head: Matrices { bytes: 200, weights: 300 },
        }
    }

    #[test]
    fn bytes_go_by_steps_and_operations_by_columns() {
        let decoding = Measurement {
            seconds: 0.5,
            tokens: 40,
            layer_steps: 10,
            layer_columns: 40,
            head_steps: 10,
            head_columns: 40,
        };
        let expected = Rates { tokens: 80.0, bytes: 24_000.0, operations: 2.0 * 40.0 * 1_900.0 / 0.5 };
        assert_eq!(Rates::of(&decoding, &model()), expected);
        let prompt =
            Measurement { layer_columns: 512, layer_steps: 8, head_steps: 1, head_columns: 1, ..decoding };
        assert_eq!(Rates::of(&prompt, &model()).bytes, 16_400.0);
        assert_eq!(Rates::of(&prompt, &model()).operations, 2.0 * (512.0 * 1_600.0 + 300.0) / 0.5);
    }

    #[test]
    fn the_best_of_each_limit_counts() {
        let rates = |one, all| OnThreads { one, all };
        let limits = |a: OnThreads, b: OnThreads| Limits { memory_read: a, weights_read: b, operations: a };
        let found =
            best(&[limits(rates(1.0, 5.0), rates(7.0, 1.0)), limits(rates(2.0, 4.0), rates(6.0, 3.0))]);
        assert_eq!(found, Some(limits(rates(2.0, 5.0), rates(7.0, 3.0))));
        assert_eq!(best(&[]), None);
    }
}
