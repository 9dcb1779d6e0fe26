//! Which page holds what, and for whom.
//!
//! A page is *free*, or its positions are being filled by one sequence, or it is *published*: full, and found by what
//! it holds. What a page holds depends on its own tokens and on all tokens before them, so it is found by its tokens
//! and the [`Content`] of the page before it; the tokens are compared, not their hash. Sequences that begin alike
//! thereby come to use the same pages.
//!
//! A published page that no sequence uses any more stays, until its memory is wanted: the page that was left longest
//! ago goes first, of one sequence the last page before those in front of it. (Were a page to go before its
//! successor, the successor would only never be found again: a `Content` has no second life.)

use std::collections::{BTreeMap, HashMap};

use super::{PAGE_POSITIONS, PageId};
use crate::generation::TokenId;

/// What a published page and all pages before it hold; a number that is used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Content(u64);

impl Content {
    /// What is before the first page: nothing.
    pub(super) const EMPTY: Content = Content(0);
}

/// The tokens of a full page.
pub(super) type PageTokens = [TokenId; PAGE_POSITIONS];

/// What pages are found by: the content before, and the tokens.
type Key = (Content, PageTokens);

/// All pages of a cache.
pub(super) struct PageTable {
    /// Pages there may be.
    count: usize,
    /// Those that were ever claimed: a file can ask for millions that are never used.
    pages: Vec<Page>,
    /// Those of them that are free again.
    free: Vec<PageId>,
    published: HashMap<Key, PageId>,
    /// Published pages without users, by when they were left.
    left: BTreeMap<u64, PageId>,
    /// The last number that was used for a content.
    contents: u64,
    /// The last number that was used for a time.
    time: u64,
}

#[derive(Clone, Default)]
struct Page {
    users: u32,
    published: Option<Published>,
}

#[derive(Clone)]
struct Published {
    key: Key,
    content: Content,
    /// When it was left; counts only without users.
    left_at: u64,
}

impl PageTable {
    /// So many pages, all free.
    pub(super) fn new(count: u32) -> PageTable {
        PageTable {
            count: count as usize,
            pages: Vec::new(),
            free: Vec::new(),
            published: HashMap::new(),
            left: BTreeMap::new(),
            contents: 0,
            time: 0,
        }
    }

    /// All pages.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// How many pages [`PageTable::claim`] would give.
    pub(super) fn available(&self) -> usize {
        self.count - self.pages.len() + self.free.len() + self.left.len()
    }

    /// How many pages hold something that nobody uses.
    pub(super) fn idle(&self) -> usize {
        self.left.len()
    }

    /// A page to be filled, with one user. What was left longest ago makes room.
    pub(super) fn claim(&mut self) -> Option<PageId> {
        let id = match self.free.pop() {
            Some(id) => id,
            None if self.pages.len() < self.count => {
                self.pages.push(Page::default());
                PageId(self.pages.len() as u32 - 1)
            }
            None => {
                let (_, id) = self.left.pop_first()?;
                if let Some(published) = self.page(id).published.take() {
                    self.published.remove(&published.key);
                }
                id
            }
        };
        self.page(id).users = 1;
        Some(id)
    }

    /// The page with these tokens behind that content, with one more user.
    pub(super) fn find(&mut self, before: Content, tokens: &PageTokens) -> Option<(PageId, Content)> {
        let id = *self.published.get(&(before, *tokens))?;
        self.use_published(id)
    }

    /// Tells what a page with one user was filled with. Gives the page to use from now on, which is another where
    /// the same has been published before; this one is then free.
    pub(super) fn publish(&mut self, id: PageId, before: Content, tokens: &PageTokens) -> (PageId, Content) {
        if let Some(found) = self.find(before, tokens) {
            self.release(id);
            return found;
        }
        self.contents += 1;
        let (key, content) = ((before, *tokens), Content(self.contents));
        self.published.insert(key, id);
        self.page(id).published = Some(Published { key, content, left_at: 0 });
        (id, content)
    }

    /// Takes a user away. The pages of a sequence are released from the last to the first.
    pub(super) fn release(&mut self, id: PageId) {
        self.time += 1;
        let time = self.time;
        let page = self.page(id);
        page.users -= 1;
        if page.users > 0 {
            return;
        }
        match &mut page.published {
            Some(published) => {
                published.left_at = time;
                self.left.insert(time, id);
            }
            None => self.free.push(id),
        }
    }

    fn use_published(&mut self, id: PageId) -> Option<(PageId, Content)> {
        let page = self.page(id);
        let Published { content, left_at, .. } = *page.published.as_ref()?;
        page.users += 1;
        if page.users == 1 {
            self.left.remove(&left_at);
        }
        Some((id, content))
    }

    fn page(&mut self, id: PageId) -> &mut Page {
        &mut self.pages[id.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(first: TokenId) -> PageTokens {
        std::array::from_fn(|index| first + index as TokenId)
    }

    #[test]
    fn a_page_is_found_by_its_tokens_and_what_is_before_them() {
        let mut table = PageTable::new(4);
        let first = table.claim().unwrap();
        let (first, content) = table.publish(first, Content::EMPTY, &tokens(1));
        assert_eq!(table.find(Content::EMPTY, &tokens(1)), Some((first, content)));
        assert_eq!(table.find(Content::EMPTY, &tokens(2)), None);
        assert_eq!(table.find(content, &tokens(1)), None, "the same tokens in another place");
    }

    #[test]
    fn what_is_published_twice_is_kept_once() {
        let mut table = PageTable::new(2);
        let (a, b) = (table.claim().unwrap(), table.claim().unwrap());
        assert_eq!(table.claim(), None);
        let published = table.publish(a, Content::EMPTY, &tokens(1));
        assert_eq!(table.publish(b, Content::EMPTY, &tokens(1)), published);
        assert_eq!(table.claim(), Some(b), "the second copy is free");
        table.release(a);
        assert_eq!(table.available(), 0, "it has another user");
        table.release(a);
        assert_eq!((table.available(), table.idle()), (1, 1));
    }

    #[test]
    fn the_page_that_was_left_first_makes_room() {
        let mut table = PageTable::new(3);
        let ids = [(); 3].map(|()| table.claim().unwrap());
        let mut before = Content::EMPTY;
        let contents = ids.map(|id| {
            before = table.publish(id, before, &tokens(5)).1;
            before
        });
        for id in ids.iter().rev() {
            table.release(*id);
        }
        assert_eq!(table.claim(), Some(ids[2]), "the end of the sequence goes before its beginning");
        assert_eq!(table.find(contents[1], &tokens(5)), None, "and is not found any more");
        assert_eq!(table.find(Content::EMPTY, &tokens(5)), Some((ids[0], contents[0])));
        assert_eq!((table.claim(), table.claim()), (Some(ids[1]), None));
    }
}
