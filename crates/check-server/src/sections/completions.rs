//! `completions`: …

use super::Section;

pub(super) const SECTION: Section = Section { name: "completions", title: "Completions", cases: &[] };
