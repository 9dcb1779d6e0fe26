//! Values that a file of upstreams has in words of its own.

use std::ops::RangeInclusive;
use std::time::Duration;

use interference_faults::parse_duration;
use interference_toml_values::{Node, Problems, within};

/// A whole number within bounds.
pub(super) fn count_of(
    node: &Node<'_>,
    key: &str,
    bounds: RangeInclusive<u32>,
    problems: &mut Problems,
) -> Option<u32> {
    let (low, high) = bounds.into_inner();
    let value = within(problems.integer(node, key)?, low.into(), high.into());
    let value = value.and_then(|value| u32::try_from(value).ok());
    if value.is_none() {
        problems.add(node.span(), format!("`{key}` must be from {low} to {high}"));
    }
    value
}

/// A duration, longer than nothing.
pub(super) fn duration(node: &Node<'_>, key: &str, problems: &mut Problems) -> Option<Duration> {
    match parse_duration(problems.text(node, key)?) {
        Ok(Duration::ZERO) => problems.add(node.span(), format!("`{key}` must be longer than nothing")),
        Ok(duration) => return Some(duration),
        Err(error) => problems.add(node.span(), format!("`{key}` {error}")),
    }
    None
}
