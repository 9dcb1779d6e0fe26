//! `chunk`: …

use super::Section;

pub(super) const SECTION: Section = Section { name: "chunk", title: "Chunks of a chat stream", cases: &[] };
