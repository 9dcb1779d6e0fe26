//! Requests that somebody else has written, whatever they come from.
//!
//! Owns how a body tells which endpoint it is for, and what is put into it. Refuses to know files, and what the other
//! members mean: the server is there to judge that.

use std::time::Duration;

use super::body::Body;
use super::form::Form;
use super::problems::quoted;
use super::{Ask, Conversation, Endpoint};

/// Members that tell which endpoint a body is for.
const PROMPTS: [(&str, Endpoint); 2] = [("messages", Endpoint::Chat), ("prompt", Endpoint::Completions)];
/// Members that only bodies for embeddings have, of those with `input`.
const OF_EMBEDDINGS: [&str; 2] = ["encoding_format", "dimensions"];

/// A request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) endpoint: Endpoint,
    body: Vec<u8>,
    streamed: bool,
}

impl Recorded {
    /// Makes a request of a body, which is for this endpoint, or, where that is not known, for the one that it tells.
    ///
    /// # Errors
    /// In words: it is for none or for another endpoint than the form has, names no model where the form has none, or
    /// its `stream` is neither true nor false.
    pub(super) fn new(mut body: Body, known: Option<Endpoint>, form: &Form) -> Result<Recorded, String> {
        form.rewrite(&mut body);
        let endpoint = match known {
            Some(endpoint) => endpoint,
            None => endpoint_of(&body, form.endpoint)?,
        };
        check_endpoint(endpoint, form.endpoint)?;
        let model =
            body.get("model").ok_or("it names no model; add `model`, or name one for all with `-m`")?;
        if !model.starts_with('"') {
            return Err("`model` is no text".to_owned());
        }
        let streamed = match body.get("stream") {
            Some("true") => true,
            None | Some("false" | "null") => false,
            Some(other) => return Err(format!("`stream` is neither true nor false, but {}", quoted(other))),
        };
        Ok(Recorded { endpoint, streamed, body: body.to_bytes() })
    }

    /// The request, and nothing after it.
    pub(super) fn conversation(&self) -> Box<dyn Conversation> {
        let Recorded { endpoint, ref body, streamed } = *self;
        let body = body.clone();
        single(Ask { endpoint, pause: Duration::ZERO, body, streamed, wants_text: false })
    }
}

/// A conversation of one request.
pub(super) fn single(ask: Ask) -> Box<dyn Conversation> {
    Box::new(Single(Some(ask)))
}

struct Single(Option<Ask>);

impl Conversation for Single {
    fn next(&mut self, _: &str) -> Option<Ask> {
        self.0.take()
    }
}

/// The form's endpoint, if it names one, is the only one that is asked.
pub(super) fn check_endpoint(endpoint: Endpoint, asked: Option<Endpoint>) -> Result<(), String> {
    match asked {
        Some(asked) if asked != endpoint => Err(format!(
            "it is a request for {}, and `--endpoint` says {}; leave one of them out",
            endpoint.name(),
            asked.name()
        )),
        _ => Ok(()),
    }
}

/// Which endpoint a body is for.
fn endpoint_of(body: &Body, asked: Option<Endpoint>) -> Result<Endpoint, String> {
    let told: Vec<Endpoint> =
        PROMPTS.iter().filter(|(name, _)| body.has(name)).map(|(_, endpoint)| *endpoint).collect();
    match (told.as_slice(), body.has("input")) {
        ([endpoint], false) => Ok(*endpoint),
        ([], true) => Ok(match asked {
            Some(endpoint @ (Endpoint::Responses | Endpoint::Embeddings)) => endpoint,
            _ if is_for_embeddings(body) => Endpoint::Embeddings,
            _ => Endpoint::Responses,
        }),
        ([], false) => Err("it is no request: it has none of `messages`, `prompt` and `input`".to_owned()),
        _ => Err("it has more than one of `messages`, `prompt` and `input`, which are of different \
                  endpoints"
            .to_owned()),
    }
}

/// Whether a body with `input` is for embeddings: by a member that only those have, or by the name of its model.
fn is_for_embeddings(body: &Body) -> bool {
    let names_model = |model: &str| model.to_ascii_lowercase().contains("embed");
    OF_EMBEDDINGS.iter().any(|name| body.has(name)) || body.get("model").is_some_and(names_model)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(text: &str, form: &Form) -> Result<Recorded, String> {
        Recorded::new(Body::read(text).unwrap(), None, form)
    }

    #[test]
    fn bodies_that_are_no_request_are_refused() {
        let told = |text| recorded(text, &Form::default()).unwrap_err();
        assert_eq!(told("{}"), "it is no request: it has none of `messages`, `prompt` and `input`");
        assert_eq!(
            told(r#"{"model":"m","messages":[],"input":""}"#),
            "it has more than one of `messages`, `prompt` and `input`, which are of different endpoints"
        );
        assert_eq!(
            told(r#"{"messages":[]}"#),
            "it names no model; add `model`, or name one for all with `-m`"
        );
        assert_eq!(told(r#"{"model":5,"messages":[]}"#), "`model` is no text");
        assert_eq!(
            told(r#"{"model":"m","messages":[],"stream":"yes"}"#),
            "`stream` is neither true nor false, but `\"yes\"`"
        );
        let chats = Form { endpoint: Some(Endpoint::Chat), ..Form::default() };
        assert_eq!(
            recorded(r#"{"model":"m","prompt":""}"#, &chats).unwrap_err(),
            "it is a request for completions, and `--endpoint` says chat; leave one of them out"
        );
    }

    #[test]
    fn a_body_tells_its_endpoint() {
        let endpoint = |text: &str, asked| {
            let form = Form { endpoint: asked, ..Form::default() };
            recorded(&format!("{{\"model\":\"m\",{text}}}"), &form).map(|recorded| recorded.endpoint)
        };
        assert_eq!(endpoint("\"messages\":[]", None), Ok(Endpoint::Chat));
        assert_eq!(endpoint("\"prompt\":\"\"", None), Ok(Endpoint::Completions));
        assert_eq!(endpoint("\"input\":\"\"", None), Ok(Endpoint::Responses));
        assert_eq!(endpoint("\"input\":\"\",\"dimensions\":5", None), Ok(Endpoint::Embeddings));
        assert_eq!(endpoint("\"input\":\"\"", Some(Endpoint::Embeddings)), Ok(Endpoint::Embeddings));
        assert!(endpoint("\"input\":\"\"", Some(Endpoint::Chat)).is_err());
        let by_model = recorded(r#"{"model":"Text-Embedding-3","input":""}"#, &Form::default());
        assert_eq!(by_model.unwrap().endpoint, Endpoint::Embeddings);
    }

    #[test]
    fn a_request_is_sent_as_it_was_written_but_for_what_is_said_of_all() {
        let text = r#"{"stream": true, "model": "gpt", "messages": [{"role": "user"}], "temperature": 1.0}"#;
        let form = Form {
            model: Some("other".to_owned()),
            max_tokens: Some(5),
            extra: r#"{"temperature": 0, "seed": 1}"#.parse().unwrap(),
            ..Form::default()
        };
        let mut conversation = recorded(text, &form).unwrap().conversation();
        let ask = conversation.next("").unwrap();
        assert_eq!(
            String::from_utf8(ask.body).unwrap(),
            r#"{"stream":true,"model":"other","messages":[{"role": "user"}],"temperature":0,"seed":1}"#
        );
        assert!(ask.streamed && !ask.wants_text);
        assert_eq!(conversation.next(""), None);
    }
}
