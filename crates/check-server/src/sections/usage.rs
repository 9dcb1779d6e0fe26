//! `usage`: …

use super::Section;

pub(super) const SECTION: Section = Section { name: "usage", title: "Usage", cases: &[] };
