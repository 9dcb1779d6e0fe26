//! The keys and values of every position that may be looked back at, in half precision.
//!
//! Memory is cut into pages of [`PAGE_POSITIONS`] positions. A sequence holds a list of pages and never moves; a page
//! has a place for every layer and key-value head, laid out as attention reads it:
//!
//! ```text
//! page → layer → key-value head → keys [head_size][16], values [16][head_size]
//! ```
//!
//! Memory is reserved for the whole bound at the start, and used as pages are first written.

use crate::kernels::InstructionSet;

/// Positions in a page.
pub(crate) const PAGE_POSITIONS: usize = 16;

/// The sizes that decide the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheShape {
    /// Layers of the model.
    pub(crate) layers: usize,
    /// Heads that have keys and values; several query heads may share one.
    pub(crate) key_value_heads: usize,
    /// Values in a head, a multiple of 8.
    pub(crate) head_size: usize,
}

impl CacheShape {
    fn head_block(&self) -> usize {
        2 * PAGE_POSITIONS * self.head_size
    }

    fn page_block(&self) -> usize {
        self.layers * self.key_value_heads * self.head_block()
    }

    /// How many positions fit into so many bytes, in whole pages.
    pub(crate) fn positions_in(&self, bytes: usize) -> usize {
        bytes / (self.page_block() * size_of::<u16>()) * PAGE_POSITIONS
    }
}

/// A page's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageId(u32);

/// All pages, and which of them are free.
pub(crate) struct KvCache {
    shape: CacheShape,
    halves: Vec<u16>,
    free: Vec<PageId>,
}

/// The positions of one sequence.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    pages: Vec<PageId>,
    length: usize,
}

impl Sequence {
    /// Positions that are filled.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// The pages, in the order of their positions.
    pub(crate) fn pages(&self) -> &[PageId] {
        &self.pages
    }
}

/// Where a position's keys and values go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) page: PageId,
    pub(crate) index: usize,
}

/// No page is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheFull;

impl KvCache {
    /// A cache for `positions` positions, rounded up to whole pages.
    pub(crate) fn new(shape: CacheShape, positions: usize) -> KvCache {
        let pages = positions.div_ceil(PAGE_POSITIONS);
        // Zeroed by the operating system: memory is taken when it is written.
        let halves = vec![0; pages * shape.page_block()];
        let free = (0..pages as u32).rev().map(PageId).collect();
        KvCache { shape, halves, free }
    }

    /// The sizes that decide the layout.
    pub(crate) fn shape(&self) -> CacheShape {
        self.shape
    }

    /// Makes room for `count` more positions and counts them as filled; their keys and values must be stored before
    /// they are read.
    ///
    /// # Errors
    /// When there are not enough free pages; the sequence is unchanged.
    pub(crate) fn extend(&mut self, sequence: &mut Sequence, count: usize) -> Result<(), CacheFull> {
        let wanted = (sequence.length + count).div_ceil(PAGE_POSITIONS) - sequence.pages.len();
        let first = self.free.len().checked_sub(wanted).ok_or(CacheFull)?;
        sequence.pages.extend(self.free.drain(first..).rev());
        sequence.length += count;
        Ok(())
    }

    /// Gives the pages of a sequence back.
    pub(crate) fn release(&mut self, sequence: Sequence) {
        self.free.extend(sequence.pages.into_iter().rev());
    }

    /// Where a filled position lies.
    pub(crate) fn slot(sequence: &Sequence, position: usize) -> Slot {
        Slot { page: sequence.pages[position / PAGE_POSITIONS], index: position % PAGE_POSITIONS }
    }

    /// Stores the key and the value of one position, layer and head, rounded to half precision.
    pub(crate) fn store(
        &mut self,
        set: InstructionSet,
        slot: Slot,
        layer: usize,
        head: usize,
        key: &[f32],
        value: &[f32],
    ) {
        let range = self.head_range(slot.page, layer, head);
        let (keys, values) = self.halves[range].split_at_mut(PAGE_POSITIONS * self.shape.head_size);
        crate::kernels::attention::store_position(set, slot.index, key, value, keys, values);
    }

    /// The keys `[head_size][16]` of a page, layer and head.
    pub(crate) fn keys(&self, page: PageId, layer: usize, head: usize) -> &[u16] {
        &self.halves[self.head_range(page, layer, head)][..PAGE_POSITIONS * self.shape.head_size]
    }

    /// The values `[16][head_size]` of a page, layer and head.
    pub(crate) fn values(&self, page: PageId, layer: usize, head: usize) -> &[u16] {
        &self.halves[self.head_range(page, layer, head)][PAGE_POSITIONS * self.shape.head_size..]
    }

    fn head_range(&self, page: PageId, layer: usize, head: usize) -> std::ops::Range<usize> {
        let start = page.0 as usize * self.shape.page_block()
            + (layer * self.shape.key_value_heads + head) * self.shape.head_block();
        start..start + self.shape.head_block()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: CacheShape = CacheShape { layers: 2, key_value_heads: 3, head_size: 8 };

    #[test]
    fn a_page_takes_what_its_shape_says() {
        let page_bytes = 16 * 2 * 3 * (8 + 8) * 2;
        assert_eq!(SHAPE.positions_in(page_bytes * 5 + 1), 80);
        assert_eq!(SHAPE.positions_in(page_bytes - 1), 0);
    }

    #[test]
    fn pages_are_bounded_and_come_back() {
        let mut cache = KvCache::new(SHAPE, 40);
        let (mut a, mut b) = (Sequence::default(), Sequence::default());
        cache.extend(&mut a, 17).unwrap();
        cache.extend(&mut b, 16).unwrap();
        assert_eq!((a.pages().len(), b.pages().len()), (2, 1));
        assert_eq!(cache.extend(&mut b, 1), Err(CacheFull));
        assert_eq!(b.length(), 16);
        cache.extend(&mut a, 15).unwrap();
        assert_eq!(cache.extend(&mut a, 1), Err(CacheFull));
        cache.release(a);
        cache.extend(&mut b, 32).unwrap();
        assert_eq!(b.length(), 48);
    }

    #[test]
    fn what_is_stored_is_read_back_from_its_own_place() {
        let mut cache = KvCache::new(SHAPE, 32);
        let mut sequence = Sequence::default();
        cache.extend(&mut sequence, 32).unwrap();
        let number = |position: usize, layer: usize, head: usize| (position * 6 + layer * 3 + head) as f32;
        for position in 0..32 {
            for (layer, head) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
                let x = number(position, layer, head);
                let slot = KvCache::slot(&sequence, position);
                cache.store(InstructionSet::detect(), slot, layer, head, &[x; 8], &[-x; 8]);
            }
        }
        for position in 0..32 {
            let page = sequence.pages()[position / 16];
            for (layer, head) in [(0, 0), (1, 2)] {
                let expected = half::f16::from_f32_const(number(position, layer, head));
                for d in 0..8 {
                    assert_eq!(cache.keys(page, layer, head)[d * 16 + position % 16], expected.to_bits());
                    let value = half::f16::from_bits(cache.values(page, layer, head)[position % 16 * 8 + d]);
                    assert_eq!(value, -expected);
                }
            }
        }
    }
}
