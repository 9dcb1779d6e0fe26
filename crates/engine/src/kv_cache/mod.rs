//! The keys and values of every position that may be looked back at, in half precision.
//!
//! Memory is cut into pages of [`PAGE_POSITIONS`] positions. A sequence holds a list of pages and never moves; a page
//! has a place for every layer and key-value head. What attention reads together, the pages of one layer and head, lies
//! together:
//!
//! ```text
//! layer → key-value head → page → keys [head_size][16], values [16][head_size]
//! ```
//!
//! Memory is reserved for the whole bound at the start, and used as pages are first written. Pages that are full are
//! shared by all sequences that begin alike ([`page_table`]); since what a page holds depends on nothing but the tokens
//! up to its end, sharing never changes an answer.

mod page_table;

use crate::generation::TokenId;
use crate::kernels::InstructionSet;
use page_table::{Content, PageTable, PageTokens};

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

    /// Bytes of a page.
    pub(crate) fn page_bytes(&self) -> usize {
        self.page_block() * size_of::<u16>()
    }

    /// How many positions fit into so many bytes, in whole pages.
    pub(crate) fn positions_in(&self, bytes: usize) -> usize {
        bytes / self.page_bytes() * PAGE_POSITIONS
    }
}

/// A page's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PageId(u32);

/// All pages, and what they hold for whom.
pub(crate) struct KvCache {
    shape: CacheShape,
    halves: Vec<u16>,
    table: PageTable,
}

/// The positions of one sequence.
#[derive(Debug)]
pub(crate) struct Sequence {
    pages: Vec<PageId>,
    length: usize,
    /// How many pages, from the first, are published.
    published: usize,
    /// What they hold.
    content: Content,
}

impl Default for Sequence {
    fn default() -> Self {
        Sequence { pages: Vec::new(), length: 0, published: 0, content: Content::EMPTY }
    }
}

/// Pages of a cache by what they are used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Occupancy {
    /// All pages.
    pub(crate) pages: usize,
    /// Pages of sequences that run.
    pub(crate) in_use: usize,
    /// Pages kept for sequences that begin alike.
    pub(crate) kept: usize,
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

    /// How many pages `count` more positions would need beside those at hand.
    fn pages_wanted(&self, count: usize) -> usize {
        (self.length + count).div_ceil(PAGE_POSITIONS).saturating_sub(self.pages.len())
    }

    /// The tokens of the page that comes next, where the sequence ends with a published page.
    fn next_page<'t>(&self, tokens: &'t [TokenId]) -> Option<&'t PageTokens> {
        let is_at_a_boundary = self.published * PAGE_POSITIONS == self.length;
        if is_at_a_boundary { tokens.get(self.length..)?.first_chunk() } else { None }
    }
}

/// What a page will hold that is being computed: two sequences with the same need it only once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct NextPage(Content, PageTokens);

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
        KvCache { shape, halves, table: PageTable::new(pages as u32) }
    }

    /// What the pages are used for.
    pub(crate) fn occupancy(&self) -> Occupancy {
        let (pages, kept) = (self.table.count(), self.table.idle());
        Occupancy { pages, in_use: pages - self.table.available(), kept }
    }

    /// How many positions there is room for in pages that no sequence uses.
    pub(crate) fn available_positions(&self) -> usize {
        self.table.available() * PAGE_POSITIONS
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
        let wanted = sequence.pages_wanted(count);
        if wanted > self.table.available() {
            return Err(CacheFull);
        }
        sequence.pages.extend((0..wanted).filter_map(|_| self.table.claim()));
        sequence.length += count;
        Ok(())
    }

    /// Lengthens a sequence by pages that hold its next tokens already. Of `tokens`, all of the sequence from its
    /// start, at least one is left to be computed.
    pub(crate) fn reuse(&mut self, sequence: &mut Sequence, tokens: &[TokenId]) {
        while let Some(next) = sequence.next_page(tokens)
            && sequence.length + PAGE_POSITIONS < tokens.len()
            && let Some((page, content)) = self.table.find(sequence.content, next)
        {
            sequence.pages.push(page);
            sequence.length += PAGE_POSITIONS;
            sequence.published += 1;
            sequence.content = content;
        }
    }

    /// What the next page of a sequence will hold, if its tokens fill one, from its start.
    pub(crate) fn next_page(sequence: &Sequence, tokens: &[TokenId]) -> Option<NextPage> {
        sequence.next_page(tokens).map(|next| NextPage(sequence.content, *next))
    }

    /// Lets other sequences find the full pages of this one, whose positions are all computed. `tokens` are those of
    /// the sequence from its start.
    pub(crate) fn publish(&mut self, sequence: &mut Sequence, tokens: &[TokenId]) {
        let full = tokens[..sequence.length].as_chunks::<PAGE_POSITIONS>().0;
        for (index, tokens) in full.iter().enumerate().skip(sequence.published) {
            let page = &mut sequence.pages[index];
            (*page, sequence.content) = self.table.publish(*page, sequence.content, tokens);
            sequence.published = index + 1;
        }
    }

    /// Takes back the last positions, none of them published.
    pub(crate) fn truncate(&mut self, sequence: &mut Sequence, length: usize) {
        sequence.length = length;
        for page in sequence.pages.drain(length.div_ceil(PAGE_POSITIONS)..).rev() {
            self.table.release(page);
        }
    }

    /// Gives the pages of a sequence back.
    pub(crate) fn release(&mut self, sequence: Sequence) {
        for page in sequence.pages.into_iter().rev() {
            self.table.release(page);
        }
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
        let slab = (layer * self.shape.key_value_heads + head) * self.table.count();
        let start = (slab + page.0 as usize) * self.shape.head_block();
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
    fn a_sequence_that_begins_alike_uses_the_same_pages() {
        let mut cache = KvCache::new(SHAPE, 160);
        let tokens: Vec<TokenId> = (0..64).collect();
        let mut first = Sequence::default();
        cache.extend(&mut first, 40).unwrap();
        cache.publish(&mut first, &tokens);
        let mut second = Sequence::default();
        cache.reuse(&mut second, &tokens);
        assert_eq!((second.length(), second.pages()), (32, &first.pages()[..2]), "two of its pages are full");
        assert_eq!(KvCache::next_page(&second, &tokens[..47]), None);
        assert!(KvCache::next_page(&second, &tokens).is_some());
        let mut whole = Sequence::default();
        cache.reuse(&mut whole, &tokens[..32]);
        assert_eq!(whole.length(), 16, "one token at least is left to compute");
        assert_eq!(cache.occupancy(), Occupancy { pages: 10, in_use: 3, kept: 0 });
        for sequence in [first, second, whole] {
            cache.release(sequence);
        }
        assert_eq!(cache.occupancy(), Occupancy { pages: 10, in_use: 0, kept: 2 });
    }

    #[test]
    fn pages_computed_twice_become_one_and_positions_are_taken_back() {
        let mut cache = KvCache::new(SHAPE, 160);
        let tokens: Vec<TokenId> = (0..64).collect();
        let (mut a, mut b) = (Sequence::default(), Sequence::default());
        cache.extend(&mut a, 20).unwrap();
        cache.extend(&mut b, 34).unwrap();
        cache.truncate(&mut b, 32);
        assert_eq!(b.pages().len(), 2);
        cache.publish(&mut a, &tokens);
        cache.publish(&mut b, &tokens);
        assert_eq!(a.pages()[0], b.pages()[0]);
        assert_eq!(cache.occupancy().in_use, 3);
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
