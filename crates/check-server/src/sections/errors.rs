//! `errors`: …

use super::Section;

pub(super) const SECTION: Section = Section { name: "errors", title: "Errors and keys", cases: &[] };
