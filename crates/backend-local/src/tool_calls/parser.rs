//! Reads calls off a model's text as it comes.
//!
//! Text that may still turn out to be a call is held back; what cannot be one any more is told at once, as text. A call
//! is told when its name is known and its arguments have begun, and from then on its arguments are told as the model
//! writes them, whether they are sound JSON or not. What was told is never taken back: where the text breaks off, so
//! do the arguments; where a call is not yet certain, it stays text.
//!
//! Works on one character after the other, so that nothing depends on how the text is cut into pieces. White space
//! around calls is told only where there is other text beside it. Refuses to know tokens and the JSON of answers.

use std::collections::VecDeque;
use std::fmt;

use super::call_head::{BegunCall, Braces, CallHead, Verdict};
use super::format::Format;

/// Calls of one answer, at most, whatever is asked for.
pub(crate) const MOST_CALLS: u32 = 128;
/// Bytes that are held back, at most: a call whose name is not known by then, or a gap as wide as that, is text.
const MOST_HELD: usize = 8 << 10;

/// What a piece of a model's text comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// Text of the answer.
    Text(String),
    /// A call begins.
    Call {
        /// Which one, from 0.
        index: u32,
        /// Its own id.
        id: String,
        /// The function; one of those that the parser knows.
        name: String,
    },
    /// Its arguments go on.
    Arguments {
        /// Of which call.
        index: u32,
        /// JSON, a part of it.
        fragment: String,
    },
}

/// Where in the model's text the parser is.
#[derive(Debug)]
enum Place {
    /// In text, or in the white space around calls.
    Outside,
    /// So many bytes into the mark before a call.
    Opening(usize),
    /// In what may become a call.
    Head(CallHead),
    /// In the arguments of a call.
    Arguments(Braces),
    /// In a call, behind its arguments.
    Rest(Braces),
    /// Behind a call, and so many bytes into the mark that ends it.
    Closing(usize),
    /// Behind the last call that is allowed.
    Full,
}

/// A reader of one answer.
pub(crate) struct CallParser {
    format: Format,
    names: Vec<String>,
    most_calls: u32,
    new_id: Box<dyn FnMut(u32) -> String + Send>,
    place: Place,
    /// Whether there was only white space since the beginning, or since the last call.
    is_blank: bool,
    /// What is not told yet: white space, or what may become a call, or both.
    held: String,
    /// What is to be read, the next character first.
    ahead: VecDeque<char>,
    calls: u32,
    outside: Outside,
}

/// What becomes of text that is no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outside {
    Told,
    ToldBeforeCalls,
    PassedOver,
}

impl CallParser {
    /// Reads calls of functions with these names. After `most_calls`, from 1 to 128, nothing more is told at all;
    /// `new_id` makes the id of the call with this index.
    pub(crate) fn new(
        format: Format,
        names: Vec<String>,
        most_calls: u32,
        new_id: impl FnMut(u32) -> String + Send + 'static,
    ) -> CallParser {
        CallParser {
            format,
            names,
            most_calls: most_calls.clamp(1, MOST_CALLS),
            new_id: Box::new(new_id),
            place: Place::Outside,
            is_blank: true,
            held: String::new(),
            ahead: VecDeque::new(),
            calls: 0,
            outside: Outside::Told,
        }
    }

    /// The same for an answer that is held to calls: whatever else there is belongs to one that was cut off.
    pub(crate) fn of_calls_alone(self) -> CallParser {
        CallParser { outside: Outside::PassedOver, ..self }
    }

    /// The same for an answer that is held to either text or calls, and perhaps to calls anyway: behind a call, whatever
    /// else there is belongs to one that was cut off.
    pub(crate) fn of_text_or_calls(self) -> CallParser {
        let outside = match self.outside {
            Outside::Told => Outside::ToldBeforeCalls,
            outside => outside,
        };
        CallParser { outside, ..self }
    }

    /// Whether nothing but calls is told.
    pub(crate) fn tells_calls_alone(&self) -> bool {
        self.outside == Outside::PassedOver
    }

    /// Whether the last call that is allowed is complete: the model need not go on.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self.place, Place::Full)
    }

    /// Takes more of the model's text.
    pub(crate) fn push(&mut self, text: &str) -> Vec<Said> {
        let mut told = Told::default();
        self.ahead.extend(text.chars());
        self.read(&mut told);
        self.told(told)
    }

    /// What was held back, when no more comes.
    pub(crate) fn finish(&mut self) -> Vec<Said> {
        let mut told = Told::default();
        while let Place::Opening(_) | Place::Head(_) = self.place {
            self.give_up(&mut told);
            self.read(&mut told);
        }
        let held = std::mem::take(&mut self.held);
        if self.calls == 0 {
            told.text(&held);
        }
        self.told(told)
    }

    fn told(&self, mut told: Told) -> Vec<Said> {
        let is_told = match self.outside {
            Outside::Told => true,
            Outside::ToldBeforeCalls => self.calls == 0,
            Outside::PassedOver => false,
        };
        if !is_told {
            told.said.retain(|said| !matches!(said, Said::Text(_)));
        }
        told.said
    }

    fn read(&mut self, told: &mut Told) {
        while let Some(character) = self.ahead.pop_front() {
            match &mut self.place {
                Place::Outside => self.read_outside(character, told),
                Place::Opening(read) => {
                    let read = *read;
                    self.read_opening(read, character, told);
                }
                Place::Head(head) => {
                    let verdict = head.take(character, &self.names);
                    self.decide(verdict, character, told);
                }
                Place::Arguments(braces) => {
                    told.arguments(self.calls - 1, character);
                    if braces.take(character) == 1 {
                        self.place = Place::Rest(*braces);
                    }
                }
                Place::Rest(braces) => {
                    if braces.take(character) == 0 {
                        self.end_object();
                    }
                }
                Place::Closing(read) => {
                    let read = *read;
                    self.read_closing(read, character);
                }
                Place::Full => self.ahead.clear(),
            }
            if self.held.len() > MOST_HELD {
                self.give_up(told);
            }
        }
    }

    fn read_outside(&mut self, character: char, told: &mut Told) {
        self.held.push(character);
        let is_gap =
            character.is_whitespace() || (character == ';' && self.format == Format::Llama && self.calls > 0);
        if self.is_blank && is_gap {
            return;
        }
        if self.is_blank && character == '{' && self.format == Format::Llama {
            self.begin_head(CallHead::of_object(), character);
        } else if self.format.opening().starts_with(character) {
            self.place = Place::Opening(character.len_utf8());
        } else {
            self.is_blank = false;
            told.text(&std::mem::take(&mut self.held));
        }
    }

    fn read_opening(&mut self, read: usize, character: char, told: &mut Told) {
        let opening = self.format.opening();
        if opening[read..].starts_with(character) {
            self.held.push(character);
            let read = read + character.len_utf8();
            self.place = if read < opening.len() { Place::Opening(read) } else { Place::Head(self.head()) };
        } else if read == 1 && self.is_blank && self.format == Format::Mistral {
            // No mark, but the list behind it.
            self.begin_head(CallHead::of_list(), '[');
            self.ahead.push_front(character);
        } else {
            self.held.push(character);
            self.give_up(told);
        }
    }

    /// What comes behind the opening.
    fn head(&self) -> CallHead {
        match self.format {
            Format::Mistral => CallHead::of_list(),
            Format::Hermes | Format::Llama | Format::Explained => CallHead::of_object(),
        }
    }

    /// Begins with a bracket or a brace that is held already.
    fn begin_head(&mut self, mut head: CallHead, bracket: char) {
        head.take(bracket, &self.names);
        self.place = Place::Head(head);
    }

    fn decide(&mut self, verdict: Verdict, character: char, told: &mut Told) {
        self.held.push(character);
        match verdict {
            Verdict::Undecided => {}
            Verdict::NoCall => self.give_up(told),
            Verdict::Call(BegunCall { name, arguments, braces }) => {
                self.held.clear();
                let index = self.calls;
                self.calls += 1;
                told.said.push(Said::Call { index, id: (self.new_id)(index), name });
                told.said.push(Said::Arguments { index, fragment: arguments });
                self.place = if braces.depth() > 1 { Place::Arguments(braces) } else { Place::Rest(braces) };
            }
        }
    }

    fn end_object(&mut self) {
        self.is_blank = true;
        self.place = match self.format {
            _ if self.calls >= self.most_calls => Place::Full,
            Format::Llama => Place::Outside,
            Format::Hermes | Format::Mistral | Format::Explained => Place::Closing(0),
        };
    }

    fn read_closing(&mut self, read: usize, character: char) {
        const CLOSING: &str = "</tool_call>";
        self.held.push(character);
        match (self.format, character) {
            (_, character) if read == 0 && character.is_whitespace() => {}
            (Format::Mistral, ',') => self.place = Place::Head(CallHead::of_object()),
            (Format::Mistral, ']') => self.end_calls(),
            (Format::Hermes | Format::Explained, character) if CLOSING[read..].starts_with(character) => {
                let read = read + character.len_utf8();
                self.place = Place::Closing(read);
                if read == CLOSING.len() {
                    self.end_calls();
                }
            }
            // The mark is missing; the call is none the worse for it.
            _ => self.read_again(0),
        }
    }

    fn end_calls(&mut self) {
        self.held.clear();
        self.place = Place::Outside;
    }

    /// What is held is no call from its first character on; perhaps from a later one.
    fn give_up(&mut self, told: &mut Told) {
        let first = self.held.chars().next().map_or(0, char::len_utf8);
        told.text(&self.held[..first]);
        self.is_blank = false;
        self.read_again(first);
    }

    /// Reads what is held from here on once more.
    fn read_again(&mut self, start: usize) {
        self.place = Place::Outside;
        for character in self.held[start..].chars().rev() {
            self.ahead.push_front(character);
        }
        self.held.clear();
    }
}

impl fmt::Debug for CallParser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CallParser { format, place, held, calls, .. } = self;
        let mut parser = formatter.debug_struct("CallParser");
        parser.field("format", format).field("place", place).field("held", held).field("calls", calls);
        parser.finish_non_exhaustive()
    }
}

/// What is told at once, joined.
#[derive(Default)]
struct Told {
    said: Vec<Said>,
}

impl Told {
    fn text(&mut self, more: &str) {
        match self.said.last_mut() {
            _ if more.is_empty() => {}
            Some(Said::Text(text)) => text.push_str(more),
            _ => self.said.push(Said::Text(more.to_owned())),
        }
    }

    fn arguments(&mut self, call: u32, more: char) {
        match self.said.last_mut() {
            Some(Said::Arguments { index, fragment }) if *index == call => fragment.push(more),
            _ => self.said.push(Said::Arguments { index: call, fragment: more.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests;
