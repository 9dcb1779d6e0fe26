//! Cases and targets as rows and columns.

use crate::verdicts::{CaseVerdict, Level, Verdict, Verdicts};

/// The cases of a section, of all documents.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) section: &'a str,
    pub(super) rows: Vec<Row<'a>>,
}

/// A case, and what it has come to with each target.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) slug: &'a str,
    pub(super) level: Level,
    pub(super) requirement: &'a str,
    /// One for each document; none where it does not have the case.
    pub(super) cells: Vec<Option<&'a CaseVerdict>>,
}

/// Sections and cases in the order in which they first come.
pub(super) fn blocks(documents: &[Verdicts]) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (column, verdicts) in documents.iter().enumerate() {
        for case in &verdicts.cases {
            let block = match blocks.iter().position(|block| block.section == case.section) {
                Some(index) => &mut blocks[index],
                None => {
                    blocks.push(Block { section: &case.section, rows: Vec::new() });
                    let last = blocks.len() - 1;
                    &mut blocks[last]
                }
            };
            block.set(column, documents.len(), case);
        }
    }
    blocks
}

impl<'a> Block<'a> {
    fn set(&mut self, column: usize, columns: usize, case: &'a CaseVerdict) {
        let row = match self.rows.iter().position(|row| row.slug == case.slug) {
            Some(index) => index,
            None => {
                self.rows.push(Row {
                    slug: &case.slug,
                    level: case.level,
                    requirement: &case.requirement,
                    cells: vec![None; columns],
                });
                self.rows.len() - 1
            }
        };
        self.rows[row].cells[column] = Some(case);
    }
}

/// What a target has come to: `96 PASS`, `2 FAIL`, the worst first.
pub(super) fn counts(verdicts: &Verdicts) -> Vec<(Verdict, usize)> {
    let counts = Verdict::ALL
        .map(|verdict| (verdict, verdicts.cases.iter().filter(|case| case.verdict == verdict).count()));
    counts.into_iter().filter(|(_, number)| *number > 0).collect()
}
