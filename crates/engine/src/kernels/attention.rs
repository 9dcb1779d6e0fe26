//! Attention over the pages of the cache.
//!
//! Positions form partitions of [`PARTITION`], aligned to position 0 of the sequence. Within one, everything goes up
//! by position: scores, their maximum, exponentials, their sum (eight sums by index modulo 8, one tree), and the
//! weighted sum of values; then partitions are merged, first to last. All of this happens for one query and head at a
//! time, whatever else is in the batch, and always from the half-precision cache, so an answer does not depend on
//! whether its prompt came in one piece or in many.
//!
//! Work is split by partition, key-value head and a few queries. Queries of a task that look at the same pages are
//! computed together with all the query heads that share the key-value head ([`super::attention_tile`]), so that keys
//! and values are read once for many: the tokens of a prompt share pages, and so do streams with a common beginning.

use super::activations::Columns;
use super::attention_tile::{Tile, rows_of_next_tile};
use super::lanes::{LANES, Lanes};
use super::thread_pool::ThreadPool;
use super::{InstructionSet, run_with_lanes};
use crate::kv_cache::{KvCache, PAGE_POSITIONS, PageId};

/// Positions in a partition.
pub(super) const PARTITION: usize = 256;
/// Queries that one task computes: the partition's keys and values stay in the processor's cache meanwhile.
const QUERIES_PER_TASK: usize = 8;

/// A query's place: the sequence's pages and the position up to which, itself included, it looks.
#[derive(Clone, Copy)]
pub(crate) struct Query<'a> {
    pub(crate) pages: &'a [PageId],
    pub(crate) position: usize,
}

impl<'a> Query<'a> {
    /// How many positions of a partition it looks at.
    fn count_in(&self, partition: usize) -> usize {
        (self.position + 1).saturating_sub(partition * PARTITION).min(PARTITION)
    }

    /// The pages of a partition that it looks at.
    fn pages_in(&self, partition: usize) -> &'a [PageId] {
        let first = partition * PARTITION / PAGE_POSITIONS;
        match self.count_in(partition).div_ceil(PAGE_POSITIONS) {
            0 => &[],
            count => &self.pages[first..first + count],
        }
    }
}

/// Attention of one layer: the cache, and how many query heads there are.
#[derive(Clone, Copy)]
pub(crate) struct Attention<'a> {
    pub(crate) cache: &'a KvCache,
    pub(crate) layer: usize,
    pub(crate) heads: usize,
}

/// What each partition gives for each query and head: `[weighted values…, maximum, sum]`. Kept between calls for its
/// memory.
///
/// ```text
/// partition → key-value head → block of queries → query → head of the key-value head → head_size + 2 floats
/// ```
#[derive(Default)]
pub(crate) struct Partials(Vec<f32>);

impl<'a> Attention<'a> {
    /// Computes every partition for every query; [`Attended::column`] merges them. A query's heads are the first
    /// `heads · head_size` values of its column in `projections`.
    pub(crate) fn compute<'p>(
        &self,
        pool: &mut ThreadPool,
        set: InstructionSet,
        queries: &'p [Query<'a>],
        projections: &Columns,
        partials: &'p mut Partials,
    ) -> Attended<'p> {
        let shape = self.cache.shape();
        let together = self.heads / shape.key_value_heads;
        let blocks = queries.len().div_ceil(QUERIES_PER_TASK);
        let partitions = queries.iter().map(|query| query.position / PARTITION + 1).max().unwrap_or(0);
        let row_size = shape.head_size + 2;
        let task_size = QUERIES_PER_TASK * together * row_size;
        let tasks_per_partition = shape.key_value_heads * blocks;
        let tasks = partitions * tasks_per_partition;
        partials.0.resize(partials.0.len().max(tasks * task_size), 0.0);
        let mut tasks: Vec<&mut [f32]> = partials.0.chunks_exact_mut(task_size).take(tasks).collect();
        pool.run_on_each(&mut tasks, &|task, target| {
            let (partition, rest) = (task / tasks_per_partition, task % tasks_per_partition);
            let first_query = rest % blocks * QUERIES_PER_TASK;
            let last_query = queries.len().min(first_query + QUERIES_PER_TASK);
            let task = Task {
                attention: *self,
                set,
                partition,
                head: rest / blocks,
                queries: &queries[first_query..last_query],
                first_query,
            };
            task.compute(projections, target);
        });
        Attended {
            partials: &partials.0,
            queries,
            set,
            together,
            row_size,
            task_size,
            blocks,
            tasks_per_partition,
        }
    }
}

/// A partition, a key-value head, and some queries that follow each other.
struct Task<'a> {
    attention: Attention<'a>,
    set: InstructionSet,
    partition: usize,
    head: usize,
    queries: &'a [Query<'a>],
    first_query: usize,
}

impl Task<'_> {
    fn compute(&self, projections: &Columns, target: &mut [f32]) {
        let size = self.attention.cache.shape().head_size;
        let together = self.attention.heads / self.attention.cache.shape().key_value_heads;
        let mut first = 0;
        while first < self.queries.len() {
            let (count, pages) = self.that_share_pages(first);
            let (mut row, end) = (first * together, (first + count) * together);
            while row < end {
                let rows = row..row + rows_of_next_tile(self.set, end - row);
                let mut tile = Tile::new(self.attention, pages, self.head);
                for row in rows.clone() {
                    let (query, head) = (row / together, self.head * together + row % together);
                    let heads = projections.column(self.first_query + query);
                    let query_head = &heads[head * size..(head + 1) * size];
                    tile.add_row(query_head, self.queries[query].count_in(self.partition));
                }
                if !pages.is_empty() {
                    tile.compute(self.set, &mut target[rows.start * (size + 2)..rows.end * (size + 2)]);
                }
                row = rows.end;
            }
            first += count;
        }
    }

    /// How many queries from the `first` on look at the same pages, or at the first few of them; and these pages.
    fn that_share_pages(&self, first: usize) -> (usize, &[PageId]) {
        let mut longest = self.queries[first].pages_in(self.partition);
        let mut count = 1;
        for query in &self.queries[first + 1..] {
            let pages = query.pages_in(self.partition);
            if pages.is_empty() || longest.is_empty() {
                if pages.len() != longest.len() {
                    break;
                }
            } else if pages.starts_with(longest) {
                longest = pages;
            } else if !longest.starts_with(pages) {
                break;
            }
            count += 1;
        }
        (count, longest)
    }
}

/// The outputs of all partitions, to be merged query by query.
pub(crate) struct Attended<'p> {
    partials: &'p [f32],
    queries: &'p [Query<'p>],
    set: InstructionSet,
    together: usize,
    row_size: usize,
    task_size: usize,
    blocks: usize,
    tasks_per_partition: usize,
}

impl Attended<'_> {
    /// The output of all heads of a query.
    pub(crate) fn column(&self, index: usize, target: &mut [f32]) {
        let (block, query) = (index / QUERIES_PER_TASK, index % QUERIES_PER_TASK);
        for (head, target) in target.chunks_exact_mut(self.row_size - 2).enumerate() {
            let task = head / self.together * self.blocks + block;
            let row = query * self.together + head % self.together;
            let parts = Parts {
                partials: self.partials,
                first: task * self.task_size + row * self.row_size,
                stride: self.tasks_per_partition * self.task_size,
                count: self.queries[index].position / PARTITION + 1,
            };
            run_with_lanes!(self.set, |L| (parts: Parts<'_>, target: &mut [f32]) -> () { parts.merge::<L>(target) });
        }
    }
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
        let mut partials = Partials::default();
        let attended = attention.compute(&mut pool, set, &queries, &projections, &mut partials);
        let column = |index| {
            let mut column = vec![0.0; case.projections.height()];
            attended.column(index, &mut column);
            column
        };
        (0..positions.len()).map(column).collect()
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
            for set in InstructionSet::available() {
                assert_eq!(portable, run(&case, set, 3, &positions), "{set:?} and threads change nothing");
            }
            for (position, output) in positions.iter().zip(&portable) {
                for set in InstructionSet::available() {
                    let alone = run(&case, set, 2, &[*position]);
                    assert_eq!(output, &alone[0], "{set:?}, alone at position {position}");
                }
                for (a, b) in output.iter().zip(truth(&case, *position)) {
                    assert!((f64::from(*a) - b).abs() < 2e-5, "{a} is not {b} at position {position}");
                }
            }
        }
    }
}
