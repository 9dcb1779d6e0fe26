//! Text in columns: lines of a bounded width, with a hanging indent.

use unicode_width::UnicodeWidthChar;

/// Columns that a text takes on a terminal, reckoned from its characters, as terminals do that join none.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().filter_map(UnicodeWidthChar::width).sum()
}

/// The text in lines of at most `width` columns, broken between words, or within one that is longer than a line. Its own
/// line feeds stay; at least one line.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && columns(&line) + 1 + columns(word) > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            push_word(word, width, &mut line, &mut lines);
        }
        lines.push(line);
    }
    lines
}

/// Adds a word to a line, which it may fill and leave behind.
fn push_word(word: &str, width: usize, line: &mut String, lines: &mut Vec<String>) {
    let mut used = columns(line);
    for character in word.chars() {
        let next = character.width().unwrap_or(0);
        if used > 0 && used + next > width {
            lines.push(std::mem::take(line));
            used = 0;
        }
        line.push(character);
        used += next;
    }
}

/// As much of a line as fits; where something is left out, the last column says so with a `…`.
pub(crate) fn fitted(line: &str, width: usize) -> String {
    if columns(line) <= width {
        return line.to_owned();
    }
    let mut fitted = String::new();
    let mut used = 1;
    for character in line.chars() {
        used += character.width().unwrap_or(0);
        if used > width {
            break;
        }
        fitted.push(character);
    }
    fitted.push('…');
    fitted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_stay_whole_where_they_fit() {
        assert_eq!(
            wrapped("the stream ends\nwith extraordinarily", 10),
            ["the stream", "ends", "with", "extraordin", "arily"]
        );
        assert_eq!(wrapped("", 10), [""]);
        assert_eq!(wrapped("世界世界", 5), ["世界", "世界"]);
    }

    #[test]
    fn what_does_not_fit_is_marked() {
        assert_eq!(fitted("twelve words", 6), "twelv…");
        assert_eq!(fitted("twelve", 6), "twelve");
        assert_eq!(fitted("世界", 3), "世…");
    }

    proptest! {
        #[test]
        fn lines_fit_and_hold_every_letter(text in "[a-z世 \n]{0,200}", width in 2_usize..40) {
            let lines = wrapped(&text, width);
            prop_assert!(lines.iter().all(|line| columns(line) <= width));
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
            prop_assert!(columns(&fitted(&text.replace('\n', " "), width)) <= width);
        }
    }
}
