//! `logprobs`: …

use super::Section;

pub(super) const SECTION: Section = Section { name: "logprobs", title: "Log probabilities", cases: &[] };
