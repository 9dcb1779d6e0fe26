//! `metadata`: labels for the caller's own use, with the same bounds wherever they are taken.

use std::collections::BTreeMap;

use super::chat_parameters::InvalidParameter;

/// The pairs, in the order of their keys.
pub type Labels = BTreeMap<String, String>;

/// How many pairs there may be, and how long their keys and values may be in characters: the API's own limits.
const MOST_LABELS: usize = 16;
const LONGEST_LABEL_KEY: usize = 64;
const LONGEST_LABEL_VALUE: usize = 512;

/// Checks the bounds: at most 16 pairs, of at most 64 and 512 characters.
///
/// # Errors
/// One of these bounds is broken.
pub fn check_labels(labels: &Labels) -> Result<(), InvalidParameter> {
    if labels.len() > MOST_LABELS {
        let message = format!("'metadata' has {} pairs; at most {MOST_LABELS} are allowed.", labels.len());
        return Err(InvalidParameter::value("metadata", message));
    }
    for (key, value) in labels {
        if key.chars().count() > LONGEST_LABEL_KEY || value.chars().count() > LONGEST_LABEL_VALUE {
            let message = format!(
                "'metadata' has a pair that is too long: keys have at most {LONGEST_LABEL_KEY} characters, \
                 values {LONGEST_LABEL_VALUE}."
            );
            return Err(InvalidParameter::value("metadata", message));
        }
    }
    Ok(())
}
