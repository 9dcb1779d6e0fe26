//! `life`: …

use super::Section;

pub(super) const SECTION: Section = Section { name: "life", title: "Lifecycle", cases: &[] };
