//! A badge for a README: a small picture, in SVG, that needs nothing from elsewhere.

use crate::verdicts::{Level, Verdict, Verdicts};
use crate::xml::Escaped;

/// What stands on the left side.
const LABEL: &str = "interference";
/// Space beside a text.
const MARGIN: u32 = 6;

/// White on these reads well (a contrast of at least 4.5).
const GOOD: &str = "#2e7d32";
const BAD: &str = "#c62828";
const UNKNOWN: &str = "#616161";

/// The badge: how many MUSTs hold of those that were judged; where SHOULDs count, how many of them.
///
/// It tells what is, so a baseline makes nothing green.
pub fn render(verdicts: &Verdicts) -> String {
    let mut message = share(verdicts, Level::Must);
    if verdicts.level == Level::Should {
        message = format!("{message}, {}", share(verdicts, Level::Should));
    }
    let judged = |verdict| verdicts.cases.iter().any(|case| case.verdict == verdict);
    let colour = if verdicts.cases.iter().any(|case| verdicts.counts(case)) {
        BAD
    } else if judged(Verdict::Pass) {
        GOOD
    } else {
        UNKNOWN
    };
    picture(&message, colour)
}

/// `96/98 MUST`
fn share(verdicts: &Verdicts, level: Level) -> String {
    let of_level = verdicts.cases.iter().filter(|case| case.level == level);
    let count = |verdict| of_level.clone().filter(|case| case.verdict == verdict).count();
    let held = count(Verdict::Pass);
    let judged = held + count(Verdict::Fail) + count(Verdict::NonStrict);
    format!("{held}/{judged} {}", level.word())
}

fn picture(message: &str, colour: &str) -> String {
    let (label_width, message_width) = (width(LABEL) + 2 * MARGIN, width(message) + 2 * MARGIN);
    let total = label_width + message_width;
    let text = |text: &str, left: u32| {
        let (x, length) = (left + MARGIN, width(text));
        format!("<text x=\"{x}\" y=\"14\" textLength=\"{length}\">{}</text>", Escaped(text))
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{total}\" height=\"20\" role=\"img\" \
         aria-label=\"{LABEL}: {message}\">\n\
         <title>{LABEL}: {message}</title>\n\
         <clipPath id=\"round\"><rect width=\"{total}\" height=\"20\" rx=\"3\"/></clipPath>\n\
         <g clip-path=\"url(#round)\">\n\
         <rect width=\"{label_width}\" height=\"20\" fill=\"#444\"/>\n\
         <rect x=\"{label_width}\" width=\"{message_width}\" height=\"20\" fill=\"{colour}\"/>\n\
         </g>\n\
         <g fill=\"#fff\" font-family=\"Verdana,'DejaVu Sans',sans-serif\" font-size=\"11\">\n\
         {}\n\
         {}\n\
         </g>\n\
         </svg>\n",
        text(LABEL, 0),
        text(message, label_width),
        message = Escaped(message),
    )
}

/// Pixels that a text takes in Verdana at 11; `textLength` makes any other font take as many.
fn width(text: &str) -> u32 {
    let tenths: u32 = text.chars().map(tenths).sum();
    tenths.div_ceil(10)
}

fn tenths(character: char) -> u32 {
    match character {
        'i' | 'l' | 'j' => 30,
        ' ' | ',' | '.' | 'f' | 't' => 41,
        '/' | 'r' => 49,
        'c' | 's' => 58,
        'L' => 61,
        'm' | 'M' | 'w' | 'W' => 96,
        'D' | 'H' | 'O' | 'U' => 83,
        'A'..='Z' => 75,
        _ => 69,
    }
}
