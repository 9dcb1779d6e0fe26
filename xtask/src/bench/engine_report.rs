//! What the engine's run says: medians, shares of the machine's limits, and how they are printed.

use anyhow::Context;
use serde::Serialize;

use super::engine_run::{Constraint, EngineRun, Limits, OnThreads, Row};
use super::roofline::{Rates, best};
use super::spread::Spread;
use super::table::{aligned, counted};

const GIGA: f64 = 1e9;

/// The engine, held against the machine.
#[derive(Debug, Serialize)]
pub(crate) struct EngineReport {
    model: String,
    sha256: String,
    main_format: String,
    layer_bytes: u64,
    head_bytes: u64,
    threads: usize,
    kernels: String,
    rounds: usize,
    /// The best of all rounds.
    limits: Limits,
    rows: Vec<RowReport>,
    constraint: ConstraintReport,
}

/// What a constraint costs by itself, on one thread: medians, and what one token in a hundred exceeds.
#[derive(Debug, Serialize)]
struct ConstraintReport {
    token_us: f64,
    token_us_p99: f64,
    begin_us: f64,
    compile_ms: f64,
    first_compile_ms: f64,
}

/// One thing that was measured in every round. Rates and shares are those of the median round.
#[derive(Debug, Serialize)]
struct RowReport {
    #[serde(skip)]
    label: String,
    name: String,
    streams: usize,
    tokens_per_second: Spread,
    step_ms: Spread,
    weight_bytes_per_second: f64,
    operations_per_second: f64,
    /// Of the limits on all threads, 1 being all of it.
    share_of_memory_read: f64,
    share_of_weights_read: f64,
    share_of_operations: f64,
}

impl EngineReport {
    /// Makes medians, and holds them against the limits.
    pub(crate) fn of(run: &EngineRun) -> anyhow::Result<EngineReport> {
        let limits = best(&run.limits).context("no limits were measured")?;
        let rows = run.rows.iter().map(|row| RowReport::of(row, run, &limits));
        Ok(EngineReport {
            model: run.model.name.clone(),
            sha256: run.model.sha256.clone(),
            main_format: run.model.main_format.clone(),
            layer_bytes: run.model.layers.bytes,
            head_bytes: run.model.head.bytes,
            threads: run.threads,
            kernels: run.kernels.clone(),
            rounds: run.limits.len(),
            limits,
            rows: rows.collect::<Option<_>>().context("a row was not measured")?,
            constraint: ConstraintReport::of(&run.constraint).context("no constraint was measured")?,
        })
    }

    /// Lines for a person.
    pub(crate) fn lines(&self) -> Vec<String> {
        let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        let threads = counted(self.threads, "thread");
        let mut lines = vec![
            format!("model    {}, {} for the most part", self.model, self.main_format),
            format!(
                "weights  layers {}, output matrix {}",
                megabytes(self.layer_bytes),
                megabytes(self.head_bytes)
            ),
            format!(
                "machine  {threads}, {} kernels; medians of {}",
                self.kernels,
                counted(self.rounds, "round")
            ),
            String::new(),
        ];
        let limit = |name: &str, OnThreads { one, all }: OnThreads, unit: &str| {
            let rate = |rate: f64| format!("{:.1} {unit}", rate / GIGA);
            vec![name.to_owned(), rate(one), rate(all)]
        };
        let Limits { memory_read, weights_read, operations } = self.limits;
        let product = format!("product kernel, {}, in the caches", self.main_format);
        lines.extend(aligned(&[
            vec!["limits".to_owned(), "1 thread".to_owned(), threads],
            limit("read from memory", memory_read, "GB/s"),
            limit("re-read of as much as the weights", weights_read, "GB/s"),
            limit(&product, operations, "GOP/s"),
        ]));
        lines.push(String::new());
        let heads = [
            "engine",
            "tok/s",
            "min",
            "max",
            "ms/step",
            "GB/s",
            "of memory",
            "of re-read",
            "GOP/s",
            "of kernel",
        ];
        let mut table = vec![heads.map(str::to_owned).to_vec()];
        table.extend(self.rows.iter().map(RowReport::cells));
        lines.extend(aligned(&table));
        lines.push(String::new());
        lines.push(self.constraint.line());
        lines
    }
}

impl ConstraintReport {
    fn of(run: &Constraint) -> Option<ConstraintReport> {
        Some(ConstraintReport {
            token_us: 1e6 * quantile(&run.tokens, 0.5)?,
            token_us_p99: 1e6 * quantile(&run.tokens, 0.99)?,
            begin_us: 1e6 * quantile(&run.begun, 0.5)?,
            compile_ms: 1e3 * run.compiled,
            first_compile_ms: 1e3 * run.first_compiled,
        })
    }

    fn line(&self) -> String {
        let ConstraintReport { token_us, token_us_p99, begin_us, compile_ms, first_compile_ms } = self;
        format!(
            "constraint  {token_us:.0} µs a token, p99 {token_us_p99:.0} µs; begun in {begin_us:.0} µs; \
             compiled in {compile_ms:.1} ms, the first in {first_compile_ms:.1} ms"
        )
    }
}

/// The value that this share of all values does not exceed; none where there are no values.
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

impl RowReport {
    fn of(row: &Row, run: &EngineRun, limits: &Limits) -> Option<RowReport> {
        let rates: Vec<Rates> = row.rounds.iter().map(|round| Rates::of(round, &run.model)).collect();
        let spread = |rate: fn(&Rates) -> f64| Spread::of(rates.iter().map(rate));
        let steps = row.rounds.iter().map(|round| 1e3 * round.seconds / round.layer_steps as f64);
        let (bytes, operations) =
            (spread(|rates| rates.bytes)?.median, spread(|rates| rates.operations)?.median);
        let label = match (row.name.as_str(), row.rounds.first()) {
            ("prefill", Some(round)) => format!("prefill, {} tokens", round.tokens),
            (name, _) => format!("{name}, {}", counted(row.streams, "stream")),
        };
        Some(RowReport {
            label,
            name: row.name.clone(),
            streams: row.streams,
            tokens_per_second: spread(|rates| rates.tokens)?,
            step_ms: Spread::of(steps)?,
            weight_bytes_per_second: bytes,
            operations_per_second: operations,
            share_of_memory_read: bytes / limits.memory_read.all,
            share_of_weights_read: bytes / limits.weights_read.all,
            share_of_operations: operations / limits.operations.all,
        })
    }

    fn cells(&self) -> Vec<String> {
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let Spread { median, min, max } = self.tokens_per_second;
        vec![
            self.label.clone(),
            format!("{median:.1}"),
            format!("{min:.1}"),
            format!("{max:.1}"),
            format!("{:.2}", self.step_ms.median),
            format!("{:.1}", self.weight_bytes_per_second / GIGA),
            percent(self.share_of_memory_read),
            percent(self.share_of_weights_read),
            format!("{:.1}", self.operations_per_second / GIGA),
            percent(self.share_of_operations),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the benchmark prints, shortened.
    const PRINTED: &str = r#"{
        "model": {"name": "Tiny", "sha256": "ab", "main_format": "Q4_1",
            "layers": {"bytes": 60000000, "weights": 100000000}, "head": {"bytes": 40000000, "weights": 50000000}},
        "threads": 2, "kernels": "avx2",
        "limits": [
            {"memory_read": {"one": 15e9, "all": 20e9}, "weights_read": {"one": 15e9, "all": 40e9},
                "operations": {"one": 100e9, "all": 150e9}},
            {"memory_read": {"one": 14e9, "all": 25e9}, "weights_read": {"one": 12e9, "all": 30e9},
                "operations": {"one": 90e9, "all": 120e9}}],
        "rows": [
            {"name": "decode", "streams": 1, "rounds": [
                {"seconds": 0.5, "tokens": 100, "layer_steps": 100, "layer_columns": 100,
                    "head_steps": 100, "head_columns": 100}]},
            {"name": "decode", "streams": 4, "rounds": [
                {"seconds": 1.0, "tokens": 400, "layer_steps": 100, "layer_columns": 400,
                    "head_steps": 100, "head_columns": 400},
                {"seconds": 2.0, "tokens": 400, "layer_steps": 100, "layer_columns": 400,
                    "head_steps": 100, "head_columns": 400}]}],
        "constraint": {"first_compiled": 0.0812, "compiled": 0.0031, "begun": [20e-6, 30e-6, 40e-6],
            "tokens": [9e-6, 1e-6, 2e-6, 3e-6, 400e-6]}}"#;

    #[test]
    fn a_run_becomes_medians_and_shares_of_the_best_limits() {
        let run: EngineRun = serde_json::from_str(PRINTED).unwrap();
        let report = EngineReport::of(&run).unwrap();
        assert_eq!(
            report.lines(),
            [
                "model    Tiny, Q4_1 for the most part",
                "weights  layers 60.0 MB, output matrix 40.0 MB",
                "machine  2 threads, avx2 kernels; medians of 2 rounds",
                "",
                "limits                                  1 thread    2 threads",
                "read from memory                       15.0 GB/s    25.0 GB/s",
                "re-read of as much as the weights      15.0 GB/s    40.0 GB/s",
                "product kernel, Q4_1, in the caches  100.0 GOP/s  150.0 GOP/s",
                "",
                "engine             tok/s    min    max  ms/step  GB/s  of memory  of re-read  GOP/s  of kernel",
                "decode, 1 stream   200.0  200.0  200.0     5.00  20.0       80 %        50 %   60.0       40 %",
                "decode, 4 streams  300.0  200.0  400.0    15.00   7.5       30 %        19 %   90.0       60 %",
                "",
                "constraint  3 µs a token, p99 400 µs; begun in 30 µs; compiled in 3.1 ms, the first in 81.2 ms",
            ]
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["rows"][1]["step_ms"]["median"], 15.0);
        assert_eq!(json["rows"][1]["share_of_memory_read"], 0.3);
    }

    #[test]
    fn what_was_not_measured_is_an_error() {
        let mut run: EngineRun = serde_json::from_str(PRINTED).unwrap();
        run.rows[0].rounds.clear();
        assert!(EngineReport::of(&run).is_err());
        let mut run: EngineRun = serde_json::from_str(PRINTED).unwrap();
        run.constraint.tokens.clear();
        assert!(EngineReport::of(&run).is_err());
    }
}
