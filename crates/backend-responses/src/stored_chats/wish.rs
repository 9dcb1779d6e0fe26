//! What a chat request says of its keeping.

use std::sync::LazyLock;

use interference_api_types::openai::metadata::Labels;
use interference_backend::Refusal;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::parameters::check_metadata;

/// Whether the chat is to be kept.
#[derive(Debug, PartialEq)]
pub(super) enum Wish {
    /// It is not.
    Nothing,
    /// It is not, and has labels all the same.
    Labels,
    /// It is.
    Stored(Wanted),
}

/// What is kept of the request.
#[derive(Debug, PartialEq)]
pub(super) struct Wanted {
    /// The name by which the model was asked for.
    pub(super) model: String,
    pub(super) metadata: Labels,
    /// The JSON array, as it was sent.
    pub(super) messages: String,
    /// How many answers there will be.
    pub(super) choices: u64,
}

impl Wish {
    /// That of the request with this body. What the backend behind will refuse is none: it knows better what is wrong.
    ///
    /// # Errors
    /// The chat is to be kept, and its labels are too many or too long.
    pub(super) fn of(body: &[u8]) -> Result<Wish, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Members<'body> {
            store: Option<bool>,
            metadata: Option<Labels>,
            model: Option<String>,
            n: Option<u64>,
            #[serde(borrow)]
            messages: Option<&'body RawValue>,
        }
        if !may_have_one(body) {
            return Ok(Wish::Nothing);
        }
        let Ok(members) = serde_json::from_slice::<Members<'_>>(body) else { return Ok(Wish::Nothing) };
        let metadata = members.metadata.unwrap_or_default();
        match members.messages {
            Some(messages) if members.store == Some(true) => {
                check_metadata(Some(&metadata))?;
                Ok(Wish::Stored(Wanted {
                    model: members.model.unwrap_or_default(),
                    metadata,
                    messages: messages.get().to_owned(),
                    choices: members.n.unwrap_or(1),
                }))
            }
            _ if metadata.is_empty() => Ok(Wish::Nothing),
            _ => Ok(Wish::Labels),
        }
    }
}

/// What a body has in it where a member that makes a wish is there, by its name or in escapes.
static SIGNS: LazyLock<[Finder<'static>; 3]> =
    LazyLock::new(|| ["store", "metadata", "\\u"].map(Finder::new));

/// Whether such a member can be there. Most requests have none, and need not be read for it.
fn may_have_one(body: &[u8]) -> bool {
    SIGNS.iter().any(|sign| sign.find(body).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_read_wherever_it_stands() {
        let wanted = |metadata: &[(&str, &str)], choices| {
            let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            Wish::Stored(Wanted {
                model: "m".to_owned(),
                metadata: metadata.collect(),
                messages: "[ 1.50 ]".to_owned(),
                choices,
            })
        };
        let table = [
            (r#"{"store":true,"model":"m","messages":[ 1.50 ]}"#, wanted(&[], 1)),
            (
                r#"{"messages":[ 1.50 ],"metadata":{"a":"b"},"n":2,"zeal":{},"model":"m","st\u006fre":true}"#,
                wanted(&[("a", "b")], 2),
            ),
            (r#"{"store":true,"metadata":null,"n":null,"model":"m","messages":[ 1.50 ]}"#, wanted(&[], 1)),
            (r#"{"messages":[],"metadata":{"a":"b"}}"#, Wish::Labels),
            (r#"{"messages":[],"metadata":{"a":"b"},"store":false}"#, Wish::Labels),
            (r#"{"messages":[],"metadata":{},"store":null}"#, Wish::Nothing),
            (r#"{"messages":[{"store":true}]}"#, Wish::Nothing),
            // The backend behind refuses these.
            (r#"{"store":true}"#, Wish::Nothing),
            (r#"{"store":"yes","messages":[]}"#, Wish::Nothing),
            (r#"{"store":true,"store":true,"messages":[]}"#, Wish::Nothing),
            (r#"{"store":true,"metadata":{"a":1},"messages":[]}"#, Wish::Nothing),
            (r#"{"store":true"#, Wish::Nothing),
        ];
        for (body, wish) in table {
            assert_eq!(Wish::of(body.as_bytes()).unwrap(), wish, "{body}");
        }
        let long = format!(r#"{{"store":true,"metadata":{{"{}":""}},"messages":[]}}"#, "a".repeat(65));
        let refusal = Wish::of(long.as_bytes()).unwrap_err();
        assert!(matches!(refusal, Refusal::InvalidRequest { param: Some(name), .. } if name == "metadata"));
    }
}
