//! The innermost part of attention: a few queries and heads over the pages of one partition.
//!
//! A row is one query with one of its heads. All rows of a tile read the same keys and values, which are brought to
//! single precision once for all of them; what a row gives does not depend on the others:
//!
//! ```text
//! scores      keys of a page [head_size][16]: sixteen positions side by side for each dimension
//!             sum[row][position] = fma(query[row][d], key[d][position], sum), d ascending; times 1 / sqrt(head_size)
//! weights     e^(score − maximum of the row), exactly 0 where the row does not look
//! values      of a page [16][head_size]: sixteen dimensions side by side for each position
//!             sum[row][d] = fma(weight[row][position], value[position][d], sum), position ascending
//! ```
//!
//! A tile has as many rows as there are registers for their sums ([`WideLanes::SUMS`]), enough to keep two units for
//! multiply-add busy. A tile of few rows makes the scores of two pages at a time, for the same reason.

use super::attention::{Attention, PARTITION};
use super::lanes::{Arithmetic, LANES, Lanes};
use super::wide_lanes::{WIDE_LANES, WideLanes};
use super::{InstructionSet, prefetch, run_with_wide_lanes};
use crate::kv_cache::{PAGE_POSITIONS, PageId};

/// Rows of the largest tile, of any instruction set.
pub(super) const LARGEST_TILE: usize = 12;
/// Tiles have one of the numbers of rows from 1 to this, or [`LARGEST_TILE`].
const FEW_ROWS: usize = 6;

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

/// How many rows the next tile takes of those that are left.
pub(super) fn rows_of_next_tile(set: InstructionSet, left: usize) -> usize {
    match set {
        InstructionSet::Avx512 if left >= LARGEST_TILE => LARGEST_TILE,
        _ => left.min(FEW_ROWS),
    }
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
        run_with_wide_lanes!(set, |W| (tile: &Tile<'_>, target: &mut [f32]) -> () { tile.compute_lanes::<W>(target) });
    }

    #[inline(always)]
    fn compute_lanes<W: WideLanes>(&self, target: &mut [f32]) {
        match self.rows {
            1 => self.compute_rows::<W, 1>(target),
            2 => self.compute_rows::<W, 2>(target),
            3 => self.compute_rows::<W, 3>(target),
            4 => self.compute_rows::<W, 4>(target),
            5 => self.compute_rows::<W, 5>(target),
            6 => self.compute_rows::<W, 6>(target),
            _ => self.compute_rows::<W, LARGEST_TILE>(target),
        }
    }

    #[inline(always)]
    fn compute_rows<W: WideLanes, const ROWS: usize>(&self, target: &mut [f32]) {
        let size = self.attention.cache.shape().head_size;
        let mut weights = [[0.0_f32; PARTITION]; ROWS];
        let pairs = if 2 * ROWS <= W::SUMS { self.pages.len() / 2 } else { 0 };
        for pair in 0..pairs {
            self.scores::<W, ROWS, 2>(size, 2 * pair, &mut weights);
        }
        for page in 2 * pairs..self.pages.len() {
            self.scores::<W, ROWS, 1>(size, page, &mut weights);
        }
        let rows = weights.iter_mut().zip(target.chunks_exact_mut(size + 2));
        for ((weights, target), count) in rows.zip(self.counts) {
            (target[size], target[size + 1]) = exponentials::<W>(weights, count);
        }
        for first in (0..size / WIDE_LANES).map(|index| index * WIDE_LANES) {
            self.weighted_values::<W, ROWS>(size, first, &weights, target);
        }
        if !size.is_multiple_of(WIDE_LANES) {
            self.last_weighted_values::<W::Eight, ROWS>(size, size - LANES, &weights, target);
        }
    }

    /// The scores of all rows at the positions of some pages that follow each other.
    #[inline(always)]
    fn scores<W: WideLanes, const ROWS: usize, const PAGES: usize>(
        &self,
        size: usize,
        first_page: usize,
        scores: &mut [[f32; PARTITION]; ROWS],
    ) {
        let scale = W::splat(1.0 / (size as f32).sqrt());
        let mut queries: [&[f32]; ROWS] = [&[]; ROWS];
        for (query, source) in queries.iter_mut().zip(&self.queries) {
            *query = &source[..size];
        }
        let mut keys: [&[[u16; WIDE_LANES]]; PAGES] = [&[]; PAGES];
        for (index, keys) in keys.iter_mut().enumerate() {
            *keys = &self.keys(first_page + index).as_chunks::<WIDE_LANES>().0[..size];
        }
        for ahead in first_page + PAGES..self.pages.len().min(first_page + 2 * PAGES) {
            prefetch(self.keys(ahead));
        }
        let mut sums = [[W::splat(0.0); PAGES]; ROWS];
        for d in 0..size {
            let mut wide = [W::splat(0.0); PAGES];
            for page in 0..PAGES {
                wide[page] = W::load_f16(&keys[page][d]);
            }
            for row in 0..ROWS {
                let q = W::splat(queries[row][d]);
                for page in 0..PAGES {
                    sums[row][page] = q.multiply_add(wide[page], sums[row][page]);
                }
            }
        }
        for (scores, sums) in scores.iter_mut().zip(sums) {
            let target = &mut scores.as_chunks_mut::<WIDE_LANES>().0[first_page..][..PAGES];
            for (target, sum) in target.iter_mut().zip(sums) {
                sum.multiply(scale).store(target);
            }
        }
    }

    /// `Σ weight · value` for sixteen dimensions from `first` on.
    #[inline(always)]
    fn weighted_values<W: WideLanes, const ROWS: usize>(
        &self,
        size: usize,
        first: usize,
        weights: &[[f32; PARTITION]; ROWS],
        target: &mut [f32],
    ) {
        let mut sums = [W::splat(0.0); ROWS];
        for (index, page) in self.pages.iter().enumerate() {
            if first == 0 && index + 1 < self.pages.len() {
                prefetch(self.values(self.pages[index + 1]));
            }
            let (start, end) = self.positions_of(index);
            for (position, values) in (start..end).zip(self.values(*page).chunks_exact(size)) {
                let wide = W::load_f16(&values[first..first + WIDE_LANES].as_chunks().0[0]);
                for row in 0..ROWS {
                    sums[row] = W::splat(weights[row][position]).multiply_add(wide, sums[row]);
                }
            }
        }
        for (sum, target) in sums.iter().zip(target.chunks_exact_mut(size + 2)) {
            sum.store(&mut target[first..].as_chunks_mut().0[0]);
        }
    }

    /// The same for the last eight dimensions of a head whose size is no multiple of sixteen.
    #[inline(always)]
    fn last_weighted_values<L: Lanes, const ROWS: usize>(
        &self,
        size: usize,
        first: usize,
        weights: &[[f32; PARTITION]; ROWS],
        target: &mut [f32],
    ) {
        let mut sums = [L::splat(0.0); ROWS];
        for (index, page) in self.pages.iter().enumerate() {
            let (start, end) = self.positions_of(index);
            for (position, values) in (start..end).zip(self.values(*page).chunks_exact(size)) {
                let eight = L::load_f16(&values[first..].as_chunks().0[0]);
                for row in 0..ROWS {
                    sums[row] = L::splat(weights[row][position]).multiply_add(eight, sums[row]);
                }
            }
        }
        for (sum, target) in sums.iter().zip(target.chunks_exact_mut(size + 2)) {
            sum.store(&mut target[first..].as_chunks_mut().0[0]);
        }
    }

    /// The positions of a page, within the partition, that any row looks at. A row that looks at fewer has weights of
    /// zero beyond, which change nothing: values are finite.
    #[inline(always)]
    fn positions_of(&self, index: usize) -> (usize, usize) {
        let most = self.counts.iter().copied().max().unwrap_or(0);
        let start = index * PAGE_POSITIONS;
        (start, most.min(start + PAGE_POSITIONS))
    }

    #[inline(always)]
    fn keys(&self, index: usize) -> &'a [u16] {
        self.attention.cache.keys(self.pages[index], self.attention.layer, self.head)
    }

    #[inline(always)]
    fn values(&self, page: PageId) -> &'a [u16] {
        self.attention.cache.values(page, self.attention.layer, self.head)
    }
}

/// Replaces the first `count` scores by `e^(score − maximum)`, all others by 0; gives the maximum and the sum.
#[inline(always)]
fn exponentials<W: WideLanes>(scores: &mut [f32; PARTITION], count: usize) -> (f32, f32) {
    scores[count..].fill(f32::MIN);
    let used = count.div_ceil(WIDE_LANES);
    let mut largest = W::splat(f32::MIN);
    for sixteen in &scores.as_chunks::<WIDE_LANES>().0[..used] {
        largest = W::load(sixteen).larger(largest);
    }
    let mut lanes = [0.0; WIDE_LANES];
    largest.store(&mut lanes);
    let [low, high] = [0, 1].map(|half| W::Eight::load(&lanes.as_chunks::<LANES>().0[half]));
    let maximum = low.larger(high).largest();
    for sixteen in &mut scores.as_chunks_mut::<WIDE_LANES>().0[..used] {
        W::load(sixteen).subtract(W::splat(maximum)).exponential().store(sixteen);
    }
    scores[count..].fill(0.0);
    let mut sums = W::Eight::splat(0.0);
    for eight in &scores.as_chunks::<LANES>().0[..count.div_ceil(LANES)] {
        sums = sums.add(W::Eight::load(eight));
    }
    (maximum, sums.sum())
}
