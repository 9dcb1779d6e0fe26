//! Patterns in which `*` stands for anything, at any place.
//!
//! Owns three questions: whether a pattern fits a text, whether it fits all that another fits, and whether two fit
//! anything in common.

use std::fmt;

/// How long a pattern may be, in bytes.
pub const LONGEST_PATTERN: usize = 256;

/// A pattern. `*` stands for any text, also none; everything else for itself, upper and lower case apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wildcard(String);

impl Wildcard {
    /// The pattern that this text spells.
    pub(crate) fn new(pattern: impl Into<String>) -> Wildcard {
        Wildcard(pattern.into())
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it fits one text only.
    pub(crate) fn is_literal(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether it fits the text.
    pub(crate) fn fits(&self, text: &str) -> bool {
        fits(self.0.as_bytes(), text.as_bytes())
    }

    /// Whether it fits all that the other fits. A `*` of the other is a text like any other here, which only a `*`
    /// can stand for.
    pub(crate) fn covers(&self, other: &Wildcard) -> bool {
        fits(self.0.as_bytes(), other.0.as_bytes())
    }

    /// Whether there is a text that both fit.
    pub(crate) fn meets(&self, other: &Wildcard) -> bool {
        let (one, other) = (self.0.as_bytes(), other.0.as_bytes());
        // `row[j]`: whether what of `one` was read and the first `j` of `other` fit a text in common.
        let mut row = vec![true];
        for (j, byte) in other.iter().enumerate() {
            row.push(row[j] && *byte == b'*');
        }
        for byte in one {
            let mut next = vec![row[0] && *byte == b'*'];
            for (j, opposite) in other.iter().enumerate() {
                // A star stands for one more of what the other side has, or for no more.
                next.push(match (byte, opposite) {
                    (b'*', _) | (_, b'*') => row[j + 1] || next[j],
                    (one, other) => row[j] && one == other,
                });
            }
            row = next;
        }
        row[other.len()]
    }
}

impl fmt::Display for Wildcard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The usual way: on a mismatch, the last star takes one byte more. At most as many steps as the product of both.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((star, taken)) => {
                    retry = Some((star, taken + 1));
                    p = star + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, expected) in [
            ("gpt-*", "gpt-4o", true),
            ("gpt-*", "gpt-", true),
            ("gpt-*", "gpt", false),
            ("*mini*", "gpt-4o-mini-2024", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("", "", true),
            ("*", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Wildcard::new(pattern).fits(text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn covering_and_meeting_agree_with_fitting(
            one in "[ab*]{0,4}", other in "[ab*]{0,4}", text in "[ab]{0,6}",
        ) {
            let (one, other) = (Wildcard::new(one), Wildcard::new(other));
            if one.fits(&text) && other.fits(&text) {
                prop_assert!(one.meets(&other) && other.meets(&one));
            }
            if one.covers(&other) && other.fits(&text) {
                prop_assert!(one.fits(&text));
            }
            prop_assert_eq!(one.meets(&other), all_texts().any(|text| one.fits(&text) && other.fits(&text)));
        }
    }

    /// All texts of a and b with up to eight characters: two patterns of four that meet, meet in one of them.
    fn all_texts() -> impl Iterator<Item = String> {
        (0..=8).flat_map(|length| {
            (0..1_u32 << length).map(move |bits| {
                (0..length).map(|bit| if bits >> bit & 1 == 1 { 'a' } else { 'b' }).collect()
            })
        })
    }
}
