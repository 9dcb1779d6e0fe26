//! `chat`: …

use super::Section;

pub(super) const SECTION: Section = Section { name: "chat", title: "Chat completions", cases: &[] };
