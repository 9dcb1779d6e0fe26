//! The comparison as a person reads it: what differs first, then the rest of what is told most.

use super::{Change, ComparedFigure, Comparison, Conclusion, HEADLINES, Side, Verdict};
use crate::load::number::amount;
use crate::terminal::{Ink, Page, Style};
use crate::visible::shortened;
use crate::wrapping::wrapped;

/// Columns of a name, and of a number.
const NAME: usize = 36;
const NUMBER: usize = 12;
/// Characters of a text that somebody else chose.
const LONGEST_TEXT: usize = 300;
/// The whole view.
pub fn render(comparison: &Comparison, style: Style) -> String {
    let mut page = Page::new(style);
    side(&mut page, "A", &comparison.a);
    side(&mut page, "B", &comparison.b);
    for note in &comparison.notes {
        page.labelled("note", &shortened(note, 2 * LONGEST_TEXT), Ink::Doubtful);
    }
    table(&mut page, "beyond noise", comparison.of(Verdict::BeyondNoise));
    // The other forms have all of them.
    let is_told = |figure: &&ComparedFigure| HEADLINES.contains(&figure.name.as_str());
    table(&mut page, "within noise", comparison.of(Verdict::WithinNoise).filter(is_told));
    table(&mut page, "not comparable", comparison.of(Verdict::NotComparable).filter(is_told));
    page.gap();
    let ink = match comparison.conclusion {
        Conclusion::WithinNoise | Conclusion::Better => Ink::Good,
        Conclusion::Worse | Conclusion::Mixed => Ink::Bad,
        Conclusion::Different | Conclusion::NotComparable => Ink::Doubtful,
    };
    for line in wrapped(&comparison.summary, style.columns()) {
        page.line(&style.paint(&line, ink));
    }
    page.into_text()
}

fn side(page: &mut Page, name: &str, side: &Side) {
    let mut text = match &side.target_name {
        Some(name) => format!("{name}, {}", side.target),
        None => side.target.clone(),
    };
    let certified = if side.certified { "certified" } else { "NOT CERTIFIED" };
    text.push_str(&format!(", {}: {}; {certified}", side.started_at, side.plan));
    page.labelled(name, &shortened(&text, LONGEST_TEXT), Ink::Strong);
}

fn table<'a>(page: &mut Page, title: &str, figures: impl Iterator<Item = &'a ComparedFigure>) {
    let mut figures = figures.peekable();
    if figures.peek().is_none() {
        return;
    }
    page.gap();
    let head =
        format!("{title:NAME$}{:>NUMBER$}{:>NUMBER$}{:>NUMBER$}{:>NUMBER$}", "A", "B", "B by A", "noise ±");
    page.line(&page.style.paint(&head, Ink::Faint));
    for figure in figures {
        let told = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), amount);
        let ratio = figure.ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.3}"));
        let line = format!(
            "{:NAME$}{:>NUMBER$}{:>NUMBER$}{:>NUMBER$}{:>NUMBER$}",
            figure.name,
            told(figure.a),
            told(figure.b),
            ratio,
            told(figure.noise)
        );
        let (word, ink) = match figure.change {
            Some(Change::Worse) => ("  worse", Ink::Bad),
            Some(Change::Better) => ("  better", Ink::Good),
            Some(Change::Different) => ("  differs", Ink::Doubtful),
            None => ("", Ink::Plain),
        };
        page.line(&format!("{line}{}", page.style.paint(word, ink)));
    }
}
