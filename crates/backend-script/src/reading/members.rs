//! The members of an answer: its own, and those that it takes from another by `like`.
//!
//! Owns who overrides whom. It refuses to know what the members mean, but for which of them make the kind of an answer.

use std::collections::BTreeMap;
use std::ops::Range;

use interference_toml_values::{Node, Problems, shortened};
use toml::de::DeTable;

use super::LONGEST_NAME;
use crate::suggestion::did_you_mean;

/// How many answers may be each like the next.
pub const LONGEST_LIKE: usize = 16;

/// The members that make the kind of an answer.
pub(super) const KINDS: [&str; 7] =
    ["text", "template", "timestamps", "tool_calls", "embedding", "error", "refusal"];

/// Whether an answer cannot have both of these kinds. It takes none from another that its own exclude.
pub(super) fn exclude_each_other(one: &str, other: &str) -> bool {
    let is_alone = |kind: &str| ["embedding", "error"].contains(&kind);
    let makes_the_text = |kind: &str| ["text", "template", "timestamps"].contains(&kind);
    one != other && (is_alone(one) || is_alone(other) || (makes_the_text(one) && makes_the_text(other)))
}

/// A member of an answer.
#[derive(Clone)]
pub(super) struct Member<'n, 'i> {
    pub(super) key_span: Range<usize>,
    pub(super) node: &'n Node<'i>,
    pub(super) origin: Origin,
}

/// Where a member comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Own,
    /// From another answer, by `like`.
    Taken,
}

/// All members of an answer.
pub(super) struct Members<'n, 'i> {
    pub(super) map: BTreeMap<&'n str, Member<'n, 'i>>,
}

/// The named answers of a script, as they were written.
pub(super) type Named<'n, 'i> = BTreeMap<&'n str, (Range<usize>, &'n Node<'i>)>;

impl<'n, 'i> Members<'n, 'i> {
    /// Its own, then those of the answer that it is like, and so on. `name` is that of a named answer. None when that
    /// leads nowhere, which was noted.
    pub(super) fn collect(
        table: &'n DeTable<'i>,
        name: Option<&'n str>,
        named: &Named<'n, 'i>,
        problems: &mut Problems,
    ) -> Option<Members<'n, 'i>> {
        let mut members = Members { map: BTreeMap::new() };
        let mut visited: Vec<&str> = name.into_iter().collect();
        let mut table = table;
        let mut origin = Origin::Own;
        loop {
            members.take(table, origin);
            let Some(like) = table.get("like") else { return Some(members) };
            let (next_name, next) = named_answer(like, "like", named, problems)?;
            if let Some(start) = visited.iter().position(|known| *known == next_name) {
                note_cycle(&visited[start..], name, like, named, problems);
                return None;
            }
            visited.push(next_name);
            if visited.len() > LONGEST_LIKE {
                problems.add(like.span(), format!("more than {LONGEST_LIKE} answers are each like the next"));
                return None;
            }
            // That it is no table was noted where it stands.
            table = next.get_ref().as_table()?;
            origin = Origin::Taken;
        }
    }

    fn take(&mut self, table: &'n DeTable<'i>, origin: Origin) {
        let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| self.map.contains_key(kind)).collect();
        for (key, node) in table.iter() {
            let name = key.get_ref().as_ref();
            if KINDS.contains(&name) && kinds.iter().any(|kind| exclude_each_other(kind, name)) {
                continue;
            }
            self.map.entry(name).or_insert(Member { key_span: key.span(), node, origin });
        }
    }

    /// A member's value.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node<'i>> {
        self.map.get(key).map(|member| member.node)
    }
}

/// The named answer that a value names. None when there is none, which is noted.
pub(super) fn named_answer<'n, 'i>(
    node: &'n Node<'i>,
    key: &str,
    named: &Named<'n, 'i>,
    problems: &mut Problems,
) -> Option<(&'n str, &'n Node<'i>)> {
    let name = problems.short_text(node, key, LONGEST_NAME)?;
    match named.get_key_value(name) {
        Some((name, (_, node))) => Some((name, node)),
        None => {
            let hint = match did_you_mean(name, named.keys().copied()) {
                hint if hint.is_empty() && named.is_empty() => {
                    "; the script has no `[answers.NAME]` at all".to_owned()
                }
                hint => hint,
            };
            problems.add(node.span(), format!("no answer is named `{}`{hint}", shortened(name)));
            None
        }
    }
}

/// Notes a cycle once, whoever comes upon it: where it is entered by its first answer in the file.
fn note_cycle(
    cycle: &[&str],
    start: Option<&str>,
    like: &Node<'_>,
    named: &Named<'_, '_>,
    problems: &mut Problems,
) {
    let first = cycle.iter().min_by_key(|name| named.get(**name).map(|(span, _)| span.start)).copied();
    if first != start {
        return;
    }
    let path: Vec<String> =
        cycle.iter().chain(cycle.first()).map(|name| format!("answers.{}", shortened(name))).collect();
    problems.add(like.span(), format!("answers are like each other in a circle: {}", path.join(" -> ")));
}
