//! `embeddings`: …

use super::Section;

pub(super) const SECTION: Section = Section { name: "embeddings", title: "Embeddings", cases: &[] };
