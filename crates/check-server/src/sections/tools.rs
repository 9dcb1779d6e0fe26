//! `tools`: …

use super::Section;

pub(super) const SECTION: Section = Section { name: "tools", title: "Tools", cases: &[] };
