//! The fence around text that came from outside: two marks that occur in none of it.
//!
//! What lies between the marks after a template was rendered came from a message, a call or a tool, whatever it
//! spells. White space around a text stays outside the marks, so that templates that trim still do. Knows no
//! templates, and not where texts come from.

use std::ops::Range;

/// A prompt as text, and which parts of it came from outside.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RenderedPrompt {
    pub(crate) text: String,
    /// Ascending ranges of bytes.
    pub(crate) from_messages: Vec<Range<usize>>,
}

/// The number at the start of a text. One with more than 18 digits counts as none: marks never get there.
fn leading_number(text: &str) -> u64 {
    let digits = &text[..text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len())];
    if digits.len() <= 18 { digits.parse().unwrap_or(0) } else { 0 }
}

/// Two marks that no text contains: noncharacters, which have no meaning in any text, around a number larger than any
/// that stands behind such a character in a text.
pub(super) struct Fence {
    open: String,
    close: String,
}

impl Fence {
    /// Reads every text once.
    pub(super) fn for_texts<'text>(texts: impl Iterator<Item = &'text str>) -> Fence {
        let numbers = texts.flat_map(|text| text.split(['\u{fdd0}', '\u{fdd2}']).skip(1)).map(leading_number);
        let number = numbers.max().unwrap_or(0) + 1;
        Fence { open: format!("\u{fdd0}{number}\u{fdd1}"), close: format!("\u{fdd2}{number}\u{fdd3}") }
    }

    /// A text between the marks.
    pub(super) fn around(&self, text: &str) -> String {
        let start = text.trim_start();
        let (before, core) = (&text[..text.len() - start.len()], start.trim_end());
        let after = &start[core.len()..];
        if core.is_empty() {
            text.to_owned()
        } else {
            [before, &self.open, core, &self.close, after].concat()
        }
    }

    /// The text without marks, and the ranges that were between two. A template that cuts a text in pieces may leave
    /// a mark without its partner: from an opening mark on, text counts as a message's until the next closing one.
    pub(super) fn take_away(&self, fenced: &str) -> RenderedPrompt {
        let mut prompt =
            RenderedPrompt { text: String::with_capacity(fenced.len()), from_messages: Vec::new() };
        let mut rest = fenced;
        while let Some((before, inside)) = rest.split_once(&self.open) {
            self.push_without_closing_marks(&mut prompt, before);
            let (inside, after) = inside.split_once(&self.close).unwrap_or((inside, ""));
            let start = prompt.text.len();
            prompt.text.push_str(&inside.replace(&self.open, ""));
            prompt.from_messages.push(start..prompt.text.len());
            rest = after;
        }
        self.push_without_closing_marks(&mut prompt, rest);
        prompt
    }

    /// Text before a closing mark without an opening one came from a message as well.
    fn push_without_closing_marks(&self, prompt: &mut RenderedPrompt, text: &str) {
        if let Some((inside, after)) = text.rsplit_once(&self.close) {
            let start = prompt.text.len();
            prompt.text.push_str(&inside.replace(&self.close, ""));
            prompt.from_messages.push(start..prompt.text.len());
            prompt.text.push_str(after);
        } else {
            prompt.text.push_str(text);
        }
    }
}
