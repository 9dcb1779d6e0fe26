//! A request to the Responses API in the making.
//!
//! Owns which parameters it brings on this server, as [`Chat`](crate::chat::Chat) does for chats, and the paths of what
//! is kept. Everything else is what the case says.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::knowledge::Knowledge;
use crate::question::Question;
use crate::trial::Trial;

/// Where responses are asked.
const RESPONSES_PATH: &str = "/responses";

/// The least that `max_output_tokens` may be.
pub(crate) const LEAST_LIMIT: u32 = 16;

/// A request in the making. It is greedy (temperature 0) and plain unless told otherwise.
#[derive(Debug, Clone)]
pub(crate) struct ResponseRequest {
    title: String,
    body: Map<String, Value>,
}

impl ResponseRequest {
    /// A text or items as input, a response of at most `limit` tokens, and of more where the model thinks first.
    pub(crate) fn new(trial: &Trial, title: &str, input: impl Into<Value>, limit: u32) -> ResponseRequest {
        let knowledge: &Knowledge = trial.knowledge();
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(knowledge.model));
        body.insert("input".to_owned(), input.into());
        body.insert("max_output_tokens".to_owned(), json!(limit.saturating_mul(knowledge.limit_factor)));
        if knowledge.takes_temperature {
            body.insert("temperature".to_owned(), json!(0));
        }
        ResponseRequest { title: title.to_owned(), body }
    }

    /// Streamed.
    pub(crate) fn streamed(self) -> ResponseRequest {
        self.with("stream", json!(true))
    }

    /// With a parameter, whatever it was before.
    pub(crate) fn with(mut self, name: &str, value: Value) -> ResponseRequest {
        self.body.insert(name.to_owned(), value);
        self
    }

    /// The request.
    pub(crate) fn question(self) -> Question {
        Question::post(RESPONSES_PATH, &Value::Object(self.body)).titled(self.title)
    }
}

impl From<ResponseRequest> for Question {
    fn from(request: ResponseRequest) -> Question {
        request.question()
    }
}

/// All but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The path of a response that may be kept.
pub(crate) fn kept_path(id: &str) -> String {
    format!("{RESPONSES_PATH}/{}", utf8_percent_encode(id, ESCAPED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_one_segment() {
        assert_eq!(kept_path("resp_1-a.b"), "/responses/resp_1-a.b");
        assert_eq!(kept_path("a/b=ä?"), "/responses/a%2Fb%3D%C3%A4%3F");
    }
}
