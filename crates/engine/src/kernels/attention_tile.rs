//! The innermost part of attention: a few queries and heads over the pages of one partition.
//!
//! A row is one query with one of its heads. All rows of a tile read the same keys and values, which are brought to
//! single precision once for all of them; what a row gives does not depend on the others:
//!
//! ```text
//! scores      keys of a page [head_size][16]: two registers of 8 positions for each dimension
//!             sum[row][position] = fma(query[row][d], key[d][position], sum), d ascending; times 1 / sqrt(head_size)
//! weights     e^(score − maximum of the row), exactly 0 where the row does not look
//! values      of a page [16][head_size]: two registers of 8 dimensions for each position
//!             sum[row][d] = fma(weight[row][position], value[position][d], sum), position ascending
//! ```
//!
//! Six rows make twelve sums at a time, enough to keep two units for multiply-add busy, in sixteen registers.

use super::attention::{Attention, PARTITION};
use super::lanes::{LANES, Lanes};
use super::{InstructionSet, run_with_lanes};
use crate::kv_cache::{PAGE_POSITIONS, PageId};

/// Rows of the largest tile.
pub(super) const LARGEST_TILE: usize = 6;
/// Registers that a row's sums fill.
const REGISTERS: usize = 2;

/// Some rows over the pages of a partition.
pub(super) struct Tile<'a> {
    attention: Attention<'a>,
    pages: &'a [PageId],
    head: usize,
    rows: usize,
    queries: [&'a [f32]; LARGEST_TILE],
    /// How many positions each row looks at.
    counts: [usize; LARGEST_TILE],
}

impl<'a> Tile<'a> {
    /// A tile without rows.
    pub(super) fn new(attention: Attention<'a>, pages: &'a [PageId], head: usize) -> Tile<'a> {
        let (queries, counts) = ([&[][..]; LARGEST_TILE], [0; LARGEST_TILE]);
        Tile { attention, pages, head, rows: 0, queries, counts }
    }

    /// Adds a row that looks at `count` positions, at least one and no more than the pages hold.
    pub(super) fn add_row(&mut self, query: &'a [f32], count: usize) {
        self.queries[self.rows] = query;
        self.counts[self.rows] = count;
        self.rows += 1;
    }

    /// For each row `[weighted values…, maximum, sum]`, one after the other.
    pub(super) fn compute(&self, set: InstructionSet, target: &mut [f32]) {
        let tile = self;
        run_with_lanes!(set, |L| (tile: &Tile<'_>, target: &mut [f32]) -> () { tile.compute_lanes::<L>(target) });
    }

    #[inline(always)]
    fn compute_lanes<L: Lanes>(&self, target: &mut [f32]) {
        match self.rows {
            1 => self.compute_rows::<L, 1>(target),
            2 => self.compute_rows::<L, 2>(target),
            3 => self.compute_rows::<L, 3>(target),
            4 => self.compute_rows::<L, 4>(target),
            5 => self.compute_rows::<L, 5>(target),
            _ => self.compute_rows::<L, LARGEST_TILE>(target),
        }
    }

    #[inline(always)]
    fn compute_rows<L: Lanes, const ROWS: usize>(&self, target: &mut [f32]) {
        let size = self.attention.cache.shape().head_size;
        let mut weights = [[0.0_f32; PARTITION]; ROWS];
        self.scores::<L, ROWS>(size, &mut weights);
        let rows = weights.iter_mut().zip(target.chunks_exact_mut(size + 2));
        for ((weights, target), count) in rows.zip(self.counts) {
            (target[size], target[size + 1]) = exponentials::<L>(weights, count);
        }
        let wide = size / (REGISTERS * LANES);
        for index in 0..wide {
            self.weighted_values::<L, ROWS, REGISTERS>(size, index * REGISTERS * LANES, &weights, target);
        }
        for first in (wide * REGISTERS * LANES..size).step_by(LANES) {
            self.weighted_values::<L, ROWS, 1>(size, first, &weights, target);
        }
    }

    #[inline(always)]
    fn scores<L: Lanes, const ROWS: usize>(&self, size: usize, scores: &mut [[f32; PARTITION]; ROWS]) {
        let scale = L::splat(1.0 / (size as f32).sqrt());
        let mut queries: [&[f32]; ROWS] = [&[]; ROWS];
        for (query, source) in queries.iter_mut().zip(&self.queries) {
            *query = &source[..size];
        }
        for (index, page) in self.pages.iter().enumerate() {
            let keys = self.attention.cache.keys(*page, self.attention.layer, self.head);
            let keys = &keys.as_chunks::<LANES>().0.as_chunks::<REGISTERS>().0[..size];
            let mut sums = [[L::splat(0.0); REGISTERS]; ROWS];
            for d in 0..size {
                let (low, high) = (L::load_f16(&keys[d][0]), L::load_f16(&keys[d][1]));
                for row in 0..ROWS {
                    let q = L::splat(queries[row][d]);
                    sums[row][0] = q.multiply_add(low, sums[row][0]);
                    sums[row][1] = q.multiply_add(high, sums[row][1]);
                }
            }
            for (scores, sums) in scores.iter_mut().zip(sums) {
                let target = &mut scores.as_chunks_mut::<LANES>().0[index * REGISTERS..][..REGISTERS];
                for (target, sum) in target.iter_mut().zip(sums) {
                    sum.multiply(scale).store(target);
                }
            }
        }
    }

    /// `Σ weight · value` for the dimensions from `first` on, `WIDTH` registers of them.
    #[inline(always)]
    fn weighted_values<L: Lanes, const ROWS: usize, const WIDTH: usize>(
        &self,
        size: usize,
        first: usize,
        weights: &[[f32; PARTITION]; ROWS],
        target: &mut [f32],
    ) {
        let mut sums = [[L::splat(0.0); WIDTH]; ROWS];
        // A row that looks at fewer positions has weights of zero beyond, which change nothing: values are finite.
        let positions = self.counts.iter().copied().max().unwrap_or(0);
        for (index, page) in self.pages.iter().enumerate() {
            let values = self.attention.cache.values(*page, self.attention.layer, self.head);
            let start = index * PAGE_POSITIONS;
            let end = positions.min(start + PAGE_POSITIONS);
            for (position, value) in (start..end).zip(values.chunks_exact(size)) {
                let value = &value[first..first + WIDTH * LANES].as_chunks::<LANES>().0[..WIDTH];
                let mut wide = [L::splat(0.0); WIDTH];
                for register in 0..WIDTH {
                    wide[register] = L::load_f16(&value[register]);
                }
                for row in 0..ROWS {
                    let weight = L::splat(weights[row][position]);
                    for register in 0..WIDTH {
                        sums[row][register] = weight.multiply_add(wide[register], sums[row][register]);
                    }
                }
            }
        }
        for (sums, target) in sums.iter().zip(target.chunks_exact_mut(size + 2)) {
            for (sum, target) in sums.iter().zip(target[first..].as_chunks_mut::<LANES>().0) {
                sum.store(target);
            }
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
