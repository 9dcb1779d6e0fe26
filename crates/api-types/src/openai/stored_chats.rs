//! `POST /chat/completions/{completion_id}`: what of a stored chat is to change.
//!
//! Owns names and types. It refuses to know bounds (`metadata`), and what is stored.

use serde::Deserialize;
use serde::de::Deserializer;

use super::metadata::Labels;

/// A request to change a stored chat.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct UpdateChatCompletionRequest {
    /// The pairs that take the place of those that are there. The API requires the member; `null` is no pairs, since the
    /// API has it so, and is told apart from an absent member.
    #[serde(deserialize_with = "labels_or_null")]
    pub metadata: Option<Labels>,
}

fn labels_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Labels>, D::Error> {
    Ok(Some(Option::<Labels>::deserialize(deserializer)?.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn null_is_no_pairs_and_absent_is_absent() {
        let read = |body: &str| parse::<UpdateChatCompletionRequest>(body.as_bytes()).unwrap();
        let labels = |pairs: &[(&str, &str)]| -> Option<Labels> {
            Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
        };
        assert_eq!(read(r#"{"metadata":{"a":"b"}}"#).request.metadata, labels(&[("a", "b")]));
        assert_eq!(read(r#"{"metadata":null}"#).request.metadata, labels(&[]));
        assert_eq!(read(r#"{"zeal":1}"#).request.metadata, None);
        assert_eq!(read(r#"{"zeal":1}"#).unknown, ["zeal"]);
        let wrong = parse::<UpdateChatCompletionRequest>(br#"{"metadata":{"a":1}}"#).unwrap_err();
        assert_eq!(wrong.into_param().as_deref(), Some("metadata.a"));
    }
}
