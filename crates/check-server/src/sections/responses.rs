//! `responses`: …

use super::Section;

pub(super) const SECTION: Section = Section { name: "responses", title: "Responses", cases: &[] };
