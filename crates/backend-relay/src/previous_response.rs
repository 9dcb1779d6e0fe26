//! The response that a request goes on from, as the Responses API has it.
//!
//! Owns the one member of a body that names it, `previous_response_id`, and where it has a meaning. Who has that
//! response, and what it says, is for others to know.

use http::Method;
use serde::Deserialize;

/// Where responses are made. What is below is made of them, such as a count of their tokens.
pub(crate) const RESPONSES: &str = "/responses";

/// The id that a request names, if it is one for a response. A body that cannot be read names none.
pub(crate) fn previous_response(method: &Method, path: &str, body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct OnlyPrevious {
        previous_response_id: Option<String>,
    }
    let below = path.strip_prefix(RESPONSES)?;
    if *method != Method::POST || !(below.is_empty() || below.starts_with('/')) {
        return None;
    }
    serde_json::from_slice::<OnlyPrevious>(body).ok()?.previous_response_id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_for_responses_name_one() {
        let body = br#"{"model":"m","input":"previous_response_id","previous_response_id":"resp_1"}"#;
        for (method, path, names_one) in [
            (Method::POST, "/responses", true),
            (Method::POST, "/responses/", true),
            (Method::POST, "/responses/input_tokens", true),
            (Method::GET, "/responses", false),
            (Method::POST, "/responses2", false),
            (Method::POST, "/chat/completions", false),
        ] {
            let expected = names_one.then(|| "resp_1".to_owned());
            assert_eq!(previous_response(&method, path, body), expected, "{method} {path}");
        }
        for body in ["", "{", "[]", r#"{"previous_response_id":null}"#, r#"{"previous_response_id":1}"#] {
            assert_eq!(previous_response(&Method::POST, RESPONSES, body.as_bytes()), None, "{body}");
        }
    }
}
