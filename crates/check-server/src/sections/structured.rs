//! `structured`: …

use super::Section;

pub(super) const SECTION: Section = Section { name: "structured", title: "Structured output", cases: &[] };
