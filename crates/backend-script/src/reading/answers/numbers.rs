//! `usage`, `logprobs` and `top_logprobs`.

use interference_toml_values::{Node, Problems};

use crate::answer::{GivenUsage, Logprobs};

/// How many tokens a usage may tell: whole numbers up to here are the same in every language.
const MOST_TOKENS: u64 = 1 << 53;

/// How many alternatives a piece may have: as many as a request may ask for.
const MOST_ALTERNATIVES: usize = 20;

pub(super) fn usage(node: &Node<'_>, problems: &mut Problems) -> Option<GivenUsage> {
    let table = problems.table(node, "usage")?;
    problems.check_keys(table, "`usage`", &["prompt_tokens", "completion_tokens"]);
    let mut count = |key: &str| match table.get(key) {
        None => Some(None),
        Some(node) => problems.count(node, key, 0, MOST_TOKENS).map(Some),
    };
    Some(GivenUsage {
        prompt_tokens: count("prompt_tokens")?,
        completion_tokens: count("completion_tokens")?,
    })
}

/// `pieces` is the number of the text's pieces, where that is known.
pub(super) fn logprobs(node: &Node<'_>, pieces: Option<usize>, problems: &mut Problems) -> Option<Logprobs> {
    if !node.get_ref().is_array() {
        return logprob(node, "logprobs", problems).map(Logprobs::Each);
    }
    let entries = problems.array(node, "logprobs")?;
    check_length(node, "logprobs", entries.len(), pieces, problems)?;
    let list: Option<Vec<f64>> = entries.iter().map(|entry| logprob(entry, "logprobs", problems)).collect();
    list.map(Logprobs::List)
}

pub(super) fn top_logprobs(
    node: &Node<'_>,
    pieces: Option<usize>,
    problems: &mut Problems,
) -> Option<Vec<Vec<(String, f64)>>> {
    let entries = problems.array(node, "top_logprobs")?;
    check_length(node, "top_logprobs", entries.len(), pieces, problems)?;
    entries.iter().map(|entry| alternatives(entry, problems)).collect()
}

fn alternatives(node: &Node<'_>, problems: &mut Problems) -> Option<Vec<(String, f64)>> {
    let entries = problems.array(node, "top_logprobs")?;
    if entries.len() > MOST_ALTERNATIVES {
        problems.add(node.span(), format!("a piece has at most {MOST_ALTERNATIVES} alternatives"));
        return None;
    }
    entries.iter().map(|entry| alternative(entry, problems)).collect()
}

fn alternative(node: &Node<'_>, problems: &mut Problems) -> Option<(String, f64)> {
    let table = problems.table(node, "top_logprobs")?;
    problems.check_keys(table, "an alternative", &["token", "logprob"]);
    let (Some(token), Some(value)) = (table.get("token"), table.get("logprob")) else {
        problems.add(node.span(), "an alternative needs a `token` and a `logprob`");
        return None;
    };
    let token = problems.text(token, "token")?.to_owned();
    Some((token, logprob(value, "logprob", problems)?))
}

fn logprob(node: &Node<'_>, key: &str, problems: &mut Problems) -> Option<f64> {
    let value = problems.number(node, key)?;
    if value > 0.0 {
        problems
            .add(node.span(), format!("`{key}` must not be above 0: it is the logarithm of a probability"));
        return None;
    }
    Some(value)
}

fn check_length(
    node: &Node<'_>,
    key: &str,
    entries: usize,
    pieces: Option<usize>,
    problems: &mut Problems,
) -> Option<()> {
    match pieces {
        Some(pieces) if pieces != entries => {
            problems.add(
                node.span(),
                format!("`{key}` needs one entry for each piece of the text, {pieces} and not {entries}"),
            );
            None
        }
        _ => Some(()),
    }
}
