//! No file of more than 800 lines.

use super::{Finding, TextFile};

const MOST_LINES: usize = 800;

/// One finding at the first line too many.
pub(super) fn check(file: &TextFile) -> Option<Finding> {
    let lines = file.text.lines().count();
    (lines > MOST_LINES).then(|| {
        file.finding(MOST_LINES + 1, "file-length", format!("{lines} lines; {MOST_LINES} are the most"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::text_file;

    #[test]
    fn the_line_after_the_last_that_fits_is_found() {
        assert_eq!(check(&text_file("a.rs", "x\n".repeat(800))), None);
        let finding = check(&text_file("a.rs", "x\n".repeat(801))).unwrap();
        assert_eq!(finding.to_string(), "a.rs:801: file-length: 801 lines; 800 are the most");
    }
}
