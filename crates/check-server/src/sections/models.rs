//! `models`: …

use super::Section;

pub(super) const SECTION: Section = Section { name: "models", title: "Models", cases: &[] };
