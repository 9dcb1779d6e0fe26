//! Attention over the pages of the cache.
//!
//! Positions form partitions of [`PARTITION`], aligned to position 0 of the sequence. Within one, everything goes up
//! by position: scores, their maximum, exponentials, their sum (eight sums by index modulo 8, one tree), and the
//! weighted sum of values; then partitions are merged, first to last. All of this happens for one query at a time,
//! whatever else is in the batch, and always from the half-precision cache, so an answer does not depend on whether
//! its prompt came in one piece or in many.
//!
//! Work is split by partition, key-value head and a few queries; query heads that share a key-value head are computed
//! together, so that keys are read once.

use super::activations::Columns;
use super::lanes::{LANES, Lanes};
use super::thread_pool::ThreadPool;
use super::{InstructionSet, run_with_lanes};
use crate::kv_cache::{KvCache, PAGE_POSITIONS, PageId};

/// Positions in a partition.
const PARTITION: usize = 256;
/// Queries that one task computes: the partition's keys and values stay in the processor's cache meanwhile.
const QUERIES_PER_TASK: usize = 8;
/// Query heads whose scores are computed together.
const HEADS_TOGETHER: usize = 4;

/// A query's place: the sequence's pages and the position up to which, itself included, it looks.
#[derive(Clone, Copy)]
pub(crate) struct Query<'a> {
    pub(crate) pages: &'a [PageId],
    pub(crate) position: usize,
}

/// Attention of one layer: the cache, and how many query heads there are.
pub(crate) struct Attention<'a> {
    pub(crate) cache: &'a KvCache,
    pub(crate) layer: usize,
    pub(crate) heads: usize,
}

/// What each partition gives for each query and head: `[weighted values…, maximum, sum]`. Kept between calls for its
/// memory.
#[derive(Default)]
pub(crate) struct Partials(Vec<f32>);

impl Attention<'_> {
    /// For each query the output of all heads, into the columns of `output`. A query's heads are the first
    /// `heads · head_size` values of its column in `projections`.
    pub(crate) fn compute(
        &self,
        pool: &mut ThreadPool,
        set: InstructionSet,
        queries: &[Query<'_>],
        projections: &Columns,
        partials: &mut Partials,
        output: &mut Columns,
    ) {
        let shape = self.cache.shape();
        let together = self.heads / shape.key_value_heads;
        let partial = shape.head_size + 2;
        let blocks = queries.len().div_ceil(QUERIES_PER_TASK);
        let partitions = queries.iter().map(|query| query.position / PARTITION + 1).max().unwrap_or(0);
        let task_size = QUERIES_PER_TASK * together * partial;
        partials.0.resize(partitions * shape.key_value_heads * blocks * task_size, 0.0);
        pool.run_on_chunks(&mut partials.0, task_size, &|task, chunk| {
            let (partition, rest) =
                (task / (shape.key_value_heads * blocks), task % (shape.key_value_heads * blocks));
            let (head, block) = (rest / blocks, rest % blocks);
            let first = block * QUERIES_PER_TASK;
            let last = queries.len().min(first + QUERIES_PER_TASK);
            for (index, chunk) in (first..last).zip(chunk.chunks_exact_mut(together * partial)) {
                let heads = head * together * shape.head_size..(head + 1) * together * shape.head_size;
                let heads = &projections.column(index)[heads];
                self.partition(set, queries[index], partition, head, heads, chunk);
            }
        });
        output.reshape(queries.len(), self.heads * shape.head_size);
        let partials = &partials.0[..];
        pool.run_on_chunks(output.values_mut(), self.heads * shape.head_size, &|index, column| {
            let count = queries[index].position / PARTITION + 1;
            for (head, target) in column.chunks_exact_mut(shape.head_size).enumerate() {
                let task = head / together * blocks + index / QUERIES_PER_TASK;
                let first = task * task_size + ((index % QUERIES_PER_TASK) * together + head % together) * partial;
                let parts = Parts { partials, first, stride: shape.key_value_heads * blocks * task_size, count };
                run_with_lanes!(set, |L| (parts: Parts<'_>, target: &mut [f32]) -> () { parts.merge::<L>(target) });
            }
        });
    }

    /// One query, one partition, the heads that share a key-value head.
    fn partition(
        &self,
        set: InstructionSet,
        query: Query<'_>,
        partition: usize,
        head: usize,
        heads: &[f32],
        target: &mut [f32],
    ) {
        let start = partition * PARTITION;
        if start > query.position {
            return;
        }
        let count = PARTITION.min(query.position + 1 - start);
        let first_page = start / PAGE_POSITIONS;
        let pages = &query.pages[first_page..first_page + count.div_ceil(PAGE_POSITIONS)];
        let size = self.cache.shape().head_size;
        let targets = target.chunks_mut(HEADS_TOGETHER * (size + 2));
        for (heads, target) in heads.chunks(HEADS_TOGETHER * size).zip(targets) {
            let work = Work { attention: self, pages, head, heads, count };
            run_with_lanes!(set, |L| (work: Work<'_>, target: &mut [f32]) -> () { work.compute::<L>(target) });
        }
    }
}

/// Up to [`HEADS_TOGETHER`] query heads over the positions of a partition.
struct Work<'a> {
    attention: &'a Attention<'a>,
    pages: &'a [PageId],
    head: usize,
    heads: &'a [f32],
    count: usize,
}

impl Work<'_> {
    #[inline(always)]
    fn compute<L: Lanes>(&self, target: &mut [f32]) {
        let size = self.attention.cache.shape().head_size;
        match self.heads.len() / size {
            1 => self.compute_heads::<L, 1>(size, target),
            2 => self.compute_heads::<L, 2>(size, target),
            3 => self.compute_heads::<L, 3>(size, target),
            _ => self.compute_heads::<L, HEADS_TOGETHER>(size, target),
        }
    }

    #[inline(always)]
    fn compute_heads<L: Lanes, const HEADS: usize>(&self, size: usize, target: &mut [f32]) {
        let mut weights = [[0.0_f32; PARTITION]; HEADS];
        self.scores::<L, HEADS>(size, &mut weights);
        for (weights, target) in weights.iter_mut().zip(target.chunks_exact_mut(size + 2)) {
            let (values, rest) = target.split_at_mut(size);
            (rest[0], rest[1]) = exponentials::<L>(weights, self.count);
            self.weighted_values::<L>(weights, values);
        }
    }

    /// `q · k / sqrt(size)` for every position, dimension ascending.
    #[inline(always)]
    fn scores<L: Lanes, const HEADS: usize>(&self, size: usize, scores: &mut [[f32; PARTITION]; HEADS]) {
        const HALVES: usize = PAGE_POSITIONS / LANES;
        let scale = L::splat(1.0 / (size as f32).sqrt());
        for (index, page) in self.pages.iter().enumerate() {
            let keys = self.attention.cache.keys(*page, self.attention.layer, self.head);
            let keys = keys.as_chunks::<LANES>().0.as_chunks::<HALVES>().0;
            let mut sums = [[L::splat(0.0); HALVES]; HEADS];
            for (d, [low, high]) in keys.iter().enumerate() {
                let (low, high) = (L::load_f16(low), L::load_f16(high));
                for (head, sums) in sums.iter_mut().enumerate() {
                    let q = L::splat(self.heads[head * size + d]);
                    sums[0] = q.multiply_add(low, sums[0]);
                    sums[1] = q.multiply_add(high, sums[1]);
                }
            }
            for (scores, sums) in scores.iter_mut().zip(sums) {
                let target = &mut scores.as_chunks_mut::<LANES>().0[index * HALVES..][..HALVES];
                for (target, sum) in target.iter_mut().zip(sums) {
                    sum.multiply(scale).store(target);
                }
            }
        }
    }

    /// `Σ weight · value`, position ascending.
    #[inline(always)]
    fn weighted_values<L: Lanes>(&self, weights: &[f32; PARTITION], target: &mut [f32]) {
        const WIDE: usize = 8;
        let eights = target.as_chunks_mut::<LANES>().0;
        let (wide, narrow) = eights.as_chunks_mut::<WIDE>();
        for (index, target) in wide.iter_mut().enumerate() {
            self.weighted_lanes::<L, WIDE>(weights, index * WIDE, target);
        }
        let done = wide.len() * WIDE;
        for (index, target) in narrow.as_chunks_mut::<1>().0.iter_mut().enumerate() {
            self.weighted_lanes::<L, 1>(weights, done + index, target);
        }
    }

    #[inline(always)]
    fn weighted_lanes<L: Lanes, const WIDTH: usize>(
        &self,
        weights: &[f32; PARTITION],
        first: usize,
        target: &mut [[f32; LANES]; WIDTH],
    ) {
        let size = self.attention.cache.shape().head_size;
        let mut sums = [L::splat(0.0); WIDTH];
        let pages = self.pages.iter().zip(weights[..self.count].chunks(PAGE_POSITIONS));
        for (page, weights) in pages {
            let values = self.attention.cache.values(*page, self.attention.layer, self.head);
            for (weight, value) in weights.iter().zip(values.chunks_exact(size)) {
                let weight = L::splat(*weight);
                let value = &value.as_chunks::<LANES>().0[first..first + WIDTH];
                for (sum, value) in sums.iter_mut().zip(value) {
                    *sum = weight.multiply_add(L::load_f16(value), *sum);
                }
            }
        }
        for (target, sum) in target.iter_mut().zip(sums) {
            sum.store(target);
        }
    }
}

/// Replaces the first `count` scores by `e^(score − maximum)`, all others by 0; gives the maximum and the sum.
#[inline(always)]
fn exponentials<L: Lanes>(scores: &mut [f32; PARTITION], count: usize) -> (f32, f32) {
    scores[count..].fill(f32::MIN);
    let eights = scores.as_chunks_mut::<LANES>().0;
    let used = &mut eights[..count.div_ceil(LANES)];
    let mut largest = L::splat(f32::MIN);
    for eight in &*used {
        largest = L::load(eight).larger(largest);
    }
    let maximum = largest.largest();
    for eight in used {
        L::load(eight).subtract(L::splat(maximum)).exponential().store(eight);
    }
    scores[count..].fill(0.0);
    let mut sums = L::splat(0.0);
    for eight in &scores.as_chunks::<LANES>().0[..count.div_ceil(LANES)] {
        sums = sums.add(L::load(eight));
    }
    (maximum, sums.sum())
}

/// What the partitions gave for one query and head: `count` times `[weighted values…, maximum, sum]`.
struct Parts<'a> {
    partials: &'a [f32],
    first: usize,
    stride: usize,
    count: usize,
}

impl Parts<'_> {
    /// Merges the partitions, first to last, and divides by the sum.
    ///
    /// With m the larger of the two maxima, a = e^(m₁ − m) and b = e^(m₂ − m): `sum = fma(sum₁, a, sum₂ · b)`, and
    /// each value alike.
    #[inline(always)]
    fn merge<L: Lanes>(&self, target: &mut [f32]) {
        let size = target.len();
        let part = |index: usize| &self.partials[self.first + index * self.stride..][..size + 2];
        target.copy_from_slice(&part(0)[..size]);
        let target = target.as_chunks_mut::<LANES>().0;
        let (mut maximum, mut sum) = (part(0)[size], L::splat(part(0)[size + 1]));
        for index in 1..self.count {
            let (values, [next_maximum, next_sum]) =
                (&part(index)[..size], [part(index)[size], part(index)[size + 1]]);
            let larger = if next_maximum > maximum { next_maximum } else { maximum };
            let a = L::splat(maximum - larger).exponential();
            let b = L::splat(next_maximum - larger).exponential();
            sum = sum.multiply_add(a, L::splat(next_sum).multiply(b));
            for (target, value) in target.iter_mut().zip(values.as_chunks::<LANES>().0) {
                L::load(target).multiply_add(a, L::load(value).multiply(b)).store(target);
            }
            maximum = larger;
        }
        for target in target {
            L::load(target).divide(sum).store(target);
        }
    }
}

/// Writes one position into a page's `keys` `[head_size][16]` and `values` `[16][head_size]`, in half precision.
pub(crate) fn store_position(
    set: InstructionSet,
    index: usize,
    key: &[f32],
    value: &[f32],
    keys: &mut [u16],
    values: &mut [u16],
) {
    run_with_lanes!(set, |L| (index: usize, key: &[f32], value: &[f32], keys: &mut [u16], values: &mut [u16]) -> () {
        store_lanes::<L>(index, key, value, keys, values)
    });
}

#[inline(always)]
fn store_lanes<L: Lanes>(index: usize, key: &[f32], value: &[f32], keys: &mut [u16], values: &mut [u16]) {
    for (eight, rows) in key.as_chunks::<LANES>().0.iter().zip(keys.chunks_exact_mut(LANES * PAGE_POSITIONS))
    {
        let mut halves = [0; LANES];
        L::load(eight).store_f16(&mut halves);
        for (half, row) in halves.iter().zip(rows.chunks_exact_mut(PAGE_POSITIONS)) {
            row[index] = *half;
        }
    }
    let target = &mut values[index * value.len()..(index + 1) * value.len()];
    for (eight, target) in value.as_chunks::<LANES>().0.iter().zip(target.as_chunks_mut::<LANES>().0) {
        L::load(eight).store_f16(target);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::kv_cache::{CacheShape, Sequence};

    struct Case {
        cache: KvCache,
        sequence: Sequence,
        projections: Columns,
        heads: usize,
    }

    fn wave(i: usize, salt: usize) -> f32 {
        ((i * 7_919 + salt * 104_729) % 2_003) as f32 / 500.0 - 2.0
    }

    fn case(positions: usize, heads: usize, key_value_heads: usize, head_size: usize) -> Case {
        let shape = CacheShape { layers: 1, key_value_heads, head_size };
        let mut cache = KvCache::new(shape, positions);
        let mut sequence = Sequence::default();
        cache.extend(&mut sequence, positions).unwrap();
        for position in 0..positions {
            for head in 0..key_value_heads {
                let key: Vec<f32> = (0..head_size).map(|d| wave(position * head_size + d, head)).collect();
                let value: Vec<f32> = (0..head_size).map(|d| wave(position + d * 31, head + 9)).collect();
                cache.store(
                    InstructionSet::Portable,
                    KvCache::slot(&sequence, position),
                    0,
                    head,
                    &key,
                    &value,
                );
            }
        }
        let mut projections = Columns::default();
        projections.reshape(positions, heads * head_size);
        for position in 0..positions {
            for (i, q) in projections.column_mut(position).iter_mut().enumerate() {
                *q = wave(i + position * 13, 77) * 0.3;
            }
        }
        Case { cache, sequence, projections, heads }
    }

    /// Attention of the queries at `positions`, whose projections are the columns of the same number.
    fn run(case: &Case, set: InstructionSet, threads: usize, positions: &[usize]) -> Vec<Vec<f32>> {
        let mut pool = ThreadPool::new(NonZeroUsize::new(threads).unwrap()).unwrap();
        let mut projections = Columns::default();
        projections.reshape(positions.len(), case.projections.height());
        for (index, position) in positions.iter().enumerate() {
            projections.column_mut(index).copy_from_slice(case.projections.column(*position));
        }
        let queries: Vec<_> = positions
            .iter()
            .map(|position| Query { pages: case.sequence.pages(), position: *position })
            .collect();
        let attention = Attention { cache: &case.cache, layer: 0, heads: case.heads };
        let mut output = Columns::default();
        attention.compute(&mut pool, set, &queries, &projections, &mut Partials::default(), &mut output);
        (0..positions.len()).map(|index| output.column(index).to_vec()).collect()
    }

    fn truth(case: &Case, position: usize) -> Vec<f64> {
        let shape = case.cache.shape();
        let half = |bits: u16| f64::from(half::f16::from_bits(bits).to_f32_const());
        let mut output = Vec::new();
        for (head, q) in case.projections.column(position).chunks(shape.head_size).enumerate() {
            let kv = head / (case.heads / shape.key_value_heads);
            let page = |p: usize| case.sequence.pages()[p / PAGE_POSITIONS];
            let score = |p: usize| {
                let keys = case.cache.keys(page(p), 0, kv);
                let dot = |(d, q): (usize, &f32)| {
                    f64::from(*q) * half(keys[d * PAGE_POSITIONS + p % PAGE_POSITIONS])
                };
                q.iter().enumerate().map(dot).sum::<f64>() / (shape.head_size as f64).sqrt()
            };
            let weights: Vec<f64> = (0..=position).map(|p| libm::exp(score(p))).collect();
            let sum: f64 = weights.iter().sum();
            for d in 0..shape.head_size {
                let value = |p: usize| {
                    half(case.cache.values(page(p), 0, kv)[p % PAGE_POSITIONS * shape.head_size + d])
                };
                output.push(weights.iter().enumerate().map(|(p, w)| w * value(p)).sum::<f64>() / sum);
            }
        }
        output
    }

    #[test]
    fn attention_is_that_of_the_formula_and_alike_everywhere() {
        for (heads, key_value_heads, head_size) in [(9, 3, 64), (4, 4, 8), (14, 2, 72)] {
            let case = case(530, heads, key_value_heads, head_size);
            let positions = [0, 1, 15, 16, 17, 254, 255, 256, 257, 300, 511, 512, 529];
            let portable = run(&case, InstructionSet::Portable, 1, &positions);
            let together = run(&case, InstructionSet::detect(), 3, &positions);
            assert_eq!(portable, together, "one instruction set and thread, or another");
            for (position, output) in positions.iter().zip(&portable) {
                let alone = run(&case, InstructionSet::detect(), 2, &[*position]);
                assert_eq!(output, &alone[0], "alone at position {position}");
                for (a, b) in output.iter().zip(truth(&case, *position)) {
                    assert!((f64::from(*a) - b).abs() < 2e-5, "{a} is not {b} at position {position}");
                }
            }
        }
    }
}
