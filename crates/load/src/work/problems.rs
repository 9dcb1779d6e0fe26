//! What is wrong with a file, by its lines.

use std::fmt;

/// Mistakes of a file that are told at once; the others are counted.
pub const MOST_PROBLEMS: usize = 10;
/// Characters of a file's own words that are repeated.
const LONGEST_QUOTE: usize = 60;

/// Mistakes of a file, the first of them in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    /// The file, as it was named.
    file: String,
    /// Lines, from 1, and what is wrong with them.
    told: Vec<(usize, String)>,
    untold: usize,
}

impl Problems {
    pub(super) fn of(file: &str) -> Problems {
        Problems { file: file.to_owned(), ..Problems::default() }
    }

    /// Tells or counts one.
    pub(super) fn push(&mut self, line: usize, reason: String) {
        if self.told.len() < MOST_PROBLEMS {
            self.told.push((line, reason));
        } else {
            self.untold += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }
}

/// A line for each: `requests.jsonl:3: it is no JSON object`.
impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (line, reason)) in self.told.iter().enumerate() {
            let feed = if position == 0 { "" } else { "\n" };
            write!(formatter, "{feed}{}:{line}: {reason}", self.file)?;
        }
        match self.untold {
            0 => Ok(()),
            untold => write!(formatter, "\nand {untold} more"),
        }
    }
}

/// Words of a file, in quotes, harmless for a terminal, and cut where they are long.
pub(super) fn quoted(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(LONGEST_QUOTE) {
        match character {
            // JSON is full of them.
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    let more = if text.chars().nth(LONGEST_QUOTE).is_some() { "…" } else { "" };
    format!("`{shown}{more}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_told_and_the_others_counted() {
        let mut problems = Problems::of("a.jsonl");
        assert!(problems.is_empty());
        for line in 1..=MOST_PROBLEMS + 2 {
            problems.push(line, "wrong".to_owned());
        }
        let lines: Vec<String> = (1..=MOST_PROBLEMS).map(|line| format!("a.jsonl:{line}: wrong\n")).collect();
        assert_eq!(problems.to_string(), format!("{}and 2 more", lines.concat()));
    }

    #[test]
    fn words_of_a_file_do_no_harm() {
        assert_eq!(quoted("a\u{1b}[2J\n"), "`a\\u{1b}[2J\\n`");
        assert_eq!(quoted(r#""it's \n""#), r#"`"it's \n"`"#);
        assert_eq!(quoted(&"é".repeat(100)), format!("`{}…`", "é".repeat(60)));
    }
}
