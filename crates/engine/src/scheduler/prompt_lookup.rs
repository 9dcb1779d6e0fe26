//! Guesses at what comes next, by looking it up in what was there before.
//!
//! Where the last few tokens have occurred earlier in a sequence, what followed then is a good guess for now: answers
//! quote their question, code repeats itself. The model computes guesses together with the token before them, and
//! those that it would have chosen itself are taken; the others cost time and change nothing. So guesses are made for
//! a lone stream only, they grow with success, and pause after a failure.

use crate::generation::TokenId;

/// How many last tokens must have occurred before.
const SAME: usize = 3;
/// Most guesses at a time: four columns are the widest tile of the kernels.
const MOST: usize = 3;
/// Tokens to wait after a failure, and after many of them in a row.
const SHORTEST_PAUSE: usize = 4;
const LONGEST_PAUSE: usize = 64;

/// What the guesses for one stream were worth so far.
#[derive(Debug)]
pub(super) struct Guesser {
    /// Guesses to be made the next time.
    length: usize,
    /// The length of the sequence up to which none is made.
    paused_until: usize,
    next_pause: usize,
}

impl Default for Guesser {
    fn default() -> Self {
        Guesser { length: 1, paused_until: 0, next_pause: SHORTEST_PAUSE }
    }
}

impl Guesser {
    /// What may follow the tokens: no more than `most`, often nothing.
    pub(super) fn guess<'t>(&self, tokens: &'t [TokenId], most: usize) -> &'t [TokenId] {
        if tokens.len() < self.paused_until {
            return &[];
        }
        let Some((earlier, last)) = tokens.split_last_chunk::<SAME>() else { return &[] };
        // An occurrence may overlap the end, but must be followed by something.
        let starts = (0..earlier.len()).rev();
        let found = starts.map(|start| &tokens[start..]).find(|rest| rest.starts_with(last));
        let following = found.map_or(&[][..], |rest| &rest[SAME..]);
        &following[..following.len().min(self.length).min(most)]
    }

    /// Tells how many of the guesses were right, with the sequence now this long.
    pub(super) fn learn(&mut self, guesses: usize, right: usize, length: usize) {
        if guesses == 0 {
            return;
        }
        if right == guesses {
            self.length = (self.length + 1).min(MOST);
            self.next_pause = SHORTEST_PAUSE;
        } else if right == 0 {
            self.length = 1;
            self.paused_until = length + self.next_pause;
            self.next_pause = (2 * self.next_pause).min(LONGEST_PAUSE);
        } else {
            self.length = right;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_occurrence_says_what_follows() {
        let guesser = Guesser { length: 3, ..Guesser::default() };
        let tokens = [1, 2, 3, 4, 5, 1, 2, 3, 7, 8, 1, 2, 3];
        assert_eq!(guesser.guess(&tokens, 3), [7, 8, 1]);
        assert_eq!(guesser.guess(&tokens, 1), [7]);
        assert_eq!(guesser.guess(&tokens, 0), [0; 0]);
        assert_eq!(guesser.guess(&tokens[..5], 3), [0; 0]);
        assert_eq!(guesser.guess(&[1, 2], 3), [0; 0]);
        assert_eq!(guesser.guess(&[9, 9, 9, 9], 3), [9], "an occurrence that overlaps the end");
    }

    #[test]
    fn guesses_grow_with_success_and_pause_after_failure() {
        let mut guesser = Guesser::default();
        let tokens = [1, 2, 3, 4, 5, 6, 1, 2, 3];
        assert_eq!(guesser.guess(&tokens, 9).len(), 1);
        guesser.learn(1, 1, 11);
        guesser.learn(2, 2, 14);
        guesser.learn(3, 3, 18);
        assert_eq!(guesser.guess(&tokens, 9).len(), 3);
        guesser.learn(3, 2, 21);
        assert_eq!(guesser.guess(&tokens, 9).len(), 2);
        guesser.learn(2, 0, tokens.len() - 3);
        assert_eq!(guesser.guess(&tokens, 9), [0; 0]);
        let later = [&[8], &tokens[..]].concat();
        assert_eq!(guesser.guess(&later, 9), [4]);
    }
}
