//! Ends an answer at a stop string, no part of which is ever told.

/// Watches text for stop strings. Whatever might be the beginning of one is held back until that is decided.
///
/// Of several stop strings the one that is complete first ends the answer, whichever began first; of those complete at
/// the same character, the longest. So the end depends on the text alone, not on how it is cut into tokens.
#[derive(Debug)]
pub(crate) struct StopStrings {
    stops: Vec<String>,
    /// A proper beginning of some stop string: shorter than the longest of them.
    held: String,
}

/// What a piece of text comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// Text that belongs to the answer, perhaps none; the answer goes on.
    Passed(String),
    /// The last text of the answer, perhaps none; a stop string follows.
    Stopped(String),
}

impl StopStrings {
    /// Watches for these, none of them empty.
    pub(crate) fn new(stops: Vec<String>) -> StopStrings {
        debug_assert!(stops.iter().all(|stop| !stop.is_empty()), "an empty stop string is everywhere");
        StopStrings { stops, held: String::new() }
    }

    /// Takes more text. Not to be called again after [`Watched::Stopped`].
    pub(crate) fn push(&mut self, text: &str) -> Watched {
        self.held.push_str(text);
        if let Some(start) = self.first_match() {
            self.held.truncate(start);
            return Watched::Stopped(std::mem::take(&mut self.held));
        }
        let undecided = self.held.split_off(self.undecided_from());
        Watched::Passed(std::mem::replace(&mut self.held, undecided))
    }

    /// The text that was held back, when no more comes.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Where the match begins that ends first.
    fn first_match(&self) -> Option<usize> {
        let matches = self.stops.iter().filter_map(|stop| {
            let start = self.held.find(stop.as_str())?;
            Some((start + stop.len(), start))
        });
        matches.min().map(|(_end, start)| start)
    }

    /// Where the longest ending begins that could become a stop string.
    fn undecided_from(&self) -> usize {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let earliest = self.held.len().saturating_sub(longest);
        let mut starts =
            self.held.char_indices().map(|(start, _)| start).skip_while(|start| *start < earliest);
        starts
            .find(|start| self.stops.iter().any(|stop| stop.starts_with(&self.held[*start..])))
            .unwrap_or(self.held.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn watch(stops: &[&str]) -> StopStrings {
        StopStrings::new(stops.iter().map(|stop| (*stop).to_owned()).collect())
    }

    fn passed(text: &str) -> Watched {
        Watched::Passed(text.to_owned())
    }

    #[test]
    fn a_stop_string_across_pieces_never_leaks() {
        let mut stops = watch(&["END"]);
        assert_eq!(stops.push("a tree E"), passed("a tree "));
        assert_eq!(stops.push("N"), passed(""));
        assert_eq!(stops.push("D more"), Watched::Stopped(String::new()));
    }

    #[test]
    fn a_beginning_that_leads_nowhere_is_told_late() {
        let mut stops = watch(&["END"]);
        assert_eq!(stops.push("EE"), passed("E"));
        assert_eq!(stops.push("NE"), passed("EN"));
        assert_eq!(stops.finish(), "E");
    }

    #[test]
    fn the_first_complete_one_wins() {
        let mut stops = watch(&["abcd", "bc"]);
        assert_eq!(stops.push("xabcd"), Watched::Stopped("xa".to_owned()));
        let mut stops = watch(&["c", "abc"]);
        assert_eq!(stops.push("xabc"), Watched::Stopped("x".to_owned()));
    }

    #[test]
    fn without_stop_strings_everything_passes_at_once() {
        let mut stops = watch(&[]);
        assert_eq!(stops.push("abc"), passed("abc"));
        assert_eq!(stops.finish(), "");
    }

    /// Searches the whole text: the text before the stop string, and whether there is one.
    fn search(text: &str, stops: &[String]) -> (String, bool) {
        let found =
            stops.iter().filter_map(|stop| text.find(stop.as_str()).map(|start| (start + stop.len(), start)));
        match found.min() {
            Some((_end, start)) => (text[..start].to_owned(), true),
            None => (text.to_owned(), false),
        }
    }

    proptest! {
        // Few different characters, so that beginnings of stop strings are everywhere; one of them has two bytes.
        #[test]
        fn any_cut_gives_what_a_search_of_the_whole_gives(
            pieces in prop::collection::vec("[abé]{0,4}", 0..12),
            stops in prop::collection::vec("[abé]{1,4}", 0..4),
        ) {
            let mut watch = StopStrings::new(stops.clone());
            let mut told = String::new();
            let mut stopped = false;
            for piece in &pieces {
                match watch.push(piece) {
                    Watched::Passed(text) => told.push_str(&text),
                    Watched::Stopped(text) => {
                        told.push_str(&text);
                        stopped = true;
                        break;
                    }
                }
            }
            if !stopped {
                told.push_str(&watch.finish());
            }
            prop_assert_eq!((told, stopped), search(&pieces.concat(), &stops));
        }
    }
}
