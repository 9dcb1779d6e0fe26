//! What one step computes, and who gives way when the cache is full.
//!
//! A step takes the next token of every stream that decodes, then pieces of prompts, within bounds: what runs waits
//! for a long prompt no longer than one piece of it takes, and a stream that is cancelled is gone after that time.
//! Half of the room for prompts belongs to the one that waits longest, the rest to those with the least to do.
//!
//! Streams are in the order of their age. When no page is free, the youngest is put aside and its pages are used; it
//! is taken up again when there is room, and computes again what is no longer in the cache. The oldest always goes on.

use std::collections::HashSet;

use super::Scheduler;
use super::stream::Stream;
use crate::generation::TokenId;
use crate::kv_cache::{KvCache, PAGE_POSITIONS};
use crate::statistics::count;

/// Tokens of prompts in a step beside streams that decode; half of what the options say for a step without any.
const SHARE_BESIDE_DECODING: usize = 2;
/// Columns of a step that has both; at least a page of a prompt is always in it.
const MOST_COLUMNS: usize = 48;
/// Room that is left to every stream to grow before another is let in.
const ROOM_TO_GROW: usize = PAGE_POSITIONS;

/// Neighbouring tokens of one stream, for which the cache has room.
pub(super) struct Piece {
    /// Its number among the streams at hand.
    pub(super) stream: usize,
    /// The position of the first token.
    pub(super) first: usize,
    /// How many known tokens.
    pub(super) count: usize,
    /// Guesses at what follows the last known one.
    pub(super) guesses: Vec<TokenId>,
}

impl Piece {
    /// Its tokens, guesses included, with their positions.
    pub(super) fn tokens<'a>(&'a self, stream: &'a Stream) -> impl Iterator<Item = (usize, TokenId)> + 'a {
        let known = &stream.tokens[self.first..self.first + self.count];
        (self.first..).zip(known.iter().chain(&self.guesses).copied())
    }

    /// How many columns it takes.
    pub(super) fn columns(&self) -> usize {
        self.count + self.guesses.len()
    }
}

impl Scheduler {
    /// Decides on the next step, and makes room for it in the cache. There is at least one stream; the plan is empty
    /// only when the one that is left does not fit into the cache by itself.
    pub(super) fn plan(&mut self) -> Vec<Piece> {
        loop {
            let mut pieces = self.plan_decoding();
            self.plan_prompts(&mut pieces);
            // Prompts that hold all pages between them and none to go on with: one has to give way.
            if !pieces.is_empty() || !self.put_youngest_aside() {
                self.sort_by_pages(&mut pieces);
                return pieces;
            }
        }
    }

    /// Whether a stream can be let in, with room for all that is known of those at hand.
    pub(super) fn has_room_for(&self, stream: &Stream) -> bool {
        let reserved: usize = self.streams.iter().map(|other| other.remaining() + ROOM_TO_GROW).sum();
        self.cache.available_positions() >= reserved + stream.tokens.len() + ROOM_TO_GROW
    }

    fn plan_decoding(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut index = 0;
        while index < self.streams.len() {
            let first = self.streams[index].sequence.length();
            if !self.streams[index].is_decoding() {
                index += 1;
            } else if self.cache.extend(&mut self.streams[index].sequence, 1).is_ok() {
                pieces.push(Piece { stream: index, first, count: 1, guesses: Vec::new() });
                index += 1;
            } else if !self.put_youngest_aside() {
                break;
            }
            // Where the youngest was this stream itself, the loop ends.
        }
        if let [piece] = &mut pieces[..]
            && let [stream] = &mut self.streams[..]
            && self.policy.speculation
        {
            let guesses = stream.guess().to_vec();
            if self.cache.extend(&mut stream.sequence, guesses.len()).is_ok() {
                piece.guesses = guesses;
            }
        }
        pieces
    }

    fn plan_prompts(&mut self, pieces: &mut Vec<Piece>) {
        let mut room = match pieces.len() {
            0 => self.policy.prefill_tokens,
            decoding => (self.policy.prefill_tokens / SHARE_BESIDE_DECODING)
                .min(MOST_COLUMNS.saturating_sub(decoding))
                .max(PAGE_POSITIONS.min(self.policy.prefill_tokens)),
        };
        let mut waiting: Vec<usize> = (0..self.streams.len())
            .filter(|index| pieces.iter().all(|piece| piece.stream != *index))
            .collect();
        let oldest = waiting.first().copied();
        // The sort is stable: of equals, the older one comes first.
        waiting.sort_by_key(|index| (Some(*index) != oldest, self.streams[*index].remaining()));
        let others = waiting.len() > 1;
        let mut begun = HashSet::new();
        for index in waiting {
            let stream = &mut self.streams[index];
            let shares_pages = self.policy.prefix_cache && stream.shares_pages();
            if shares_pages {
                let before = stream.sequence.length();
                self.cache.reuse(&mut stream.sequence, &stream.tokens);
                count(&self.counters.prompt_tokens_cached, stream.sequence.length() - before);
            }
            let next_page = KvCache::next_page(&stream.sequence, &stream.tokens).filter(|_| shares_pages);
            if next_page.as_ref().is_some_and(|next_page| begun.contains(next_page)) {
                // Another stream computes the same in this step: wait for it.
                continue;
            }
            let share = if others && Some(index) == oldest { room.div_ceil(2) } else { room };
            let first = stream.sequence.length();
            let size = whole_pages(first, stream.remaining().min(share), stream.remaining());
            if size == 0 || self.cache.extend(&mut stream.sequence, size).is_err() {
                continue;
            }
            begun.extend(next_page);
            pieces.push(Piece { stream: index, first, count: size, guesses: Vec::new() });
            room -= size;
        }
        // What the others had no use for is the oldest's again.
        if let Some(piece) = pieces.iter_mut().find(|piece| Some(piece.stream) == oldest) {
            let stream = &mut self.streams[piece.stream];
            let (next, remaining) = (piece.first + piece.count, stream.remaining());
            let size = whole_pages(next, remaining.min(room), remaining);
            if self.cache.extend(&mut stream.sequence, size).is_ok() {
                piece.count += size;
            }
        }
    }

    /// Takes the pages of the youngest stream, unless it is the only one.
    fn put_youngest_aside(&mut self) -> bool {
        if self.streams.len() < 2 {
            return false;
        }
        if let Some(mut youngest) = self.streams.pop() {
            self.cache.release(std::mem::take(&mut youngest.sequence));
            self.aside.push_front(youngest);
        }
        true
    }

    /// Streams that use the same pages come to stand side by side, where attention reads them once for all.
    fn sort_by_pages(&self, pieces: &mut [Piece]) {
        let pages = |piece: &Piece| self.streams[piece.stream].sequence.pages();
        pieces.sort_by(|a, b| pages(a).cmp(pages(b)));
    }
}

/// A size for a piece: it ends with a page, or with all there is, so that others can use its pages; or it is as small
/// as it must be.
fn whole_pages(first: usize, size: usize, remaining: usize) -> usize {
    let end = (first + size) / PAGE_POSITIONS * PAGE_POSITIONS;
    if size < remaining && end > first { end - first } else { size }
}
