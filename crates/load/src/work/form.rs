//! What the command line says about every request, and the bodies that come of it.
//!
//! Owns how each endpoint spells a prompt, a limit and a stream. Refuses to know where prompts come from.

use serde_json::{Value, json};

use super::body::Body;
use super::{Endpoint, LONGEST_EXTRA, WorkError};

/// Members of a body that are not for extra members to set.
const RESERVED: [&str; 5] = ["model", "messages", "prompt", "input", "stream"];

/// Tokens of the answer to a probe: as few as every API allows.
const PROBE_TOKENS: u32 = 1;
/// The same in the Responses API, whose description has a minimum for `max_output_tokens`.
const PROBE_TOKENS_OF_RESPONSES: u32 = 16;

/// What is said about every request.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// Where requests go. Where it is not said, requests that are made up go to chats, and recorded ones where they
    /// belong.
    pub endpoint: Option<Endpoint>,
    /// The model. Made-up requests need one; in recorded ones it takes the place of theirs.
    pub model: Option<String>,
    /// How answers to made-up requests come; embeddings never stream.
    pub delivery: Delivery,
    /// How many tokens answers to made-up requests may have; a trace that tells lengths of answers has its own.
    pub max_tokens: Option<u32>,
    /// How a made-up chat spells that.
    pub limit_member: LimitMember,
    /// Whether answers to made-up requests may end before that.
    pub ending: Ending,
    /// Members of every body, also of recorded ones.
    pub extra: Extra,
}

/// How an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// As it is made. Chats and completions are asked for their usage, too.
    #[default]
    Streamed,
    /// In one piece.
    Whole,
}

/// The member of a chat that limits the tokens of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LimitMember {
    /// `max_tokens`, which every server knows.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`, which reasoning models of the API ask for.
    MaxCompletionTokens,
}

/// When an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ending {
    /// When the model ends it.
    #[default]
    Natural,
    /// When it has all the tokens that it may have, for servers that know `ignore_eos`.
    AtLimit,
}

/// Members that are put into every body: `{"temperature": 0}`. At most [`LONGEST_EXTRA`] bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extra(Body);

impl std::str::FromStr for Extra {
    type Err = WorkError;

    fn from_str(text: &str) -> Result<Extra, WorkError> {
        if text.len() > LONGEST_EXTRA {
            return Err(WorkError::Extra { reason: format!("it is longer than {LONGEST_EXTRA} bytes") });
        }
        let body = Body::read(text).map_err(|reason| WorkError::Extra { reason })?;
        if let Some(name) = RESERVED.iter().find(|name| body.has(name)) {
            let reason = format!("`{name}` is said elsewhere, and not for it to set");
            return Err(WorkError::Extra { reason });
        }
        Ok(Extra(body))
    }
}

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) speaker: Speaker,
    pub(super) text: String,
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    User,
    Assistant,
}

impl Message {
    pub(super) fn user(text: String) -> Message {
        Message { speaker: Speaker::User, text }
    }

    fn json(&self) -> Value {
        let role = match self.speaker {
            Speaker::User => "user",
            Speaker::Assistant => "assistant",
        };
        json!({"role": role, "content": self.text})
    }
}

/// A form whose requests can be made up.
#[derive(Debug, Clone)]
pub(super) struct MadeUp {
    form: Form,
    model: String,
    pub(super) endpoint: Endpoint,
}

impl Form {
    /// Makes sure that requests can be made up by it.
    ///
    /// # Errors
    /// [`WorkError::NoModel`], [`WorkError::Limit`], and [`WorkError::NotOfEndpoint`] where embeddings are to have what
    /// only answers have.
    pub(super) fn made_up(&self) -> Result<MadeUp, WorkError> {
        let endpoint = self.endpoint.unwrap_or(Endpoint::Chat);
        let model = self.model.clone().ok_or(WorkError::NoModel)?;
        if self.max_tokens == Some(0) {
            return Err(WorkError::Limit);
        }
        if endpoint == Endpoint::Embeddings {
            self.check_embeddings()?;
        }
        Ok(MadeUp { form: self.clone(), model, endpoint })
    }

    fn check_embeddings(&self) -> Result<(), WorkError> {
        let refused = |what| Err(WorkError::NotOfEndpoint { what, endpoint: Endpoint::Embeddings });
        match (self.max_tokens, self.ending) {
            (Some(_), _) => refused("a limit of tokens"),
            (None, Ending::AtLimit) => refused("`ignore_eos`"),
            (None, Ending::Natural) => Ok(()),
        }
    }

    /// Puts what is said of all requests into a recorded one.
    pub(super) fn rewrite(&self, body: &mut Body) {
        if let Some(model) = &self.model {
            body.put("model", model.as_str());
        }
        body.put_all(&self.extra.0);
    }
}

impl MadeUp {
    /// Whether its answers stream.
    pub(super) fn streamed(&self) -> bool {
        self.form.delivery == Delivery::Streamed && self.endpoint != Endpoint::Embeddings
    }

    /// How many tokens an answer may have, where that is said.
    pub(super) fn max_tokens(&self) -> Option<u32> {
        self.form.max_tokens
    }

    /// The body that asks for an answer to these messages; where there are no conversations, to the last of them.
    pub(super) fn body(&self, messages: &[Message], max_tokens: Option<u32>) -> Vec<u8> {
        let mut body = Body::default();
        body.put("model", self.model.as_str());
        let text = messages.last().map_or("", |message| message.text.as_str());
        let all = || Value::Array(messages.iter().map(Message::json).collect());
        match self.endpoint {
            Endpoint::Chat => body.put("messages", all()),
            Endpoint::Completions => body.put("prompt", text),
            Endpoint::Responses => body.put("input", all()),
            Endpoint::Embeddings => body.put("input", text),
        }
        if self.streamed() {
            body.put("stream", true);
            // The Responses API tells it unasked.
            if self.endpoint != Endpoint::Responses {
                body.put("stream_options", json!({"include_usage": true}));
            }
        }
        if let Some(limit) = max_tokens {
            body.put(self.limit_name(), limit);
        }
        if self.form.ending == Ending::AtLimit {
            body.put("ignore_eos", true);
        }
        body.put_all(&self.form.extra.0);
        body.to_bytes()
    }

    /// The same form for a short answer in one piece, whose usage tells how many tokens the prompt has.
    pub(super) fn probing(mut self) -> MadeUp {
        self.form.delivery = Delivery::Whole;
        self.form.ending = Ending::Natural;
        self.form.max_tokens = match self.endpoint {
            Endpoint::Chat | Endpoint::Completions => Some(PROBE_TOKENS),
            Endpoint::Responses => Some(PROBE_TOKENS_OF_RESPONSES),
            Endpoint::Embeddings => None,
        };
        for name in ["stream_options", "ignore_eos", self.limit_name()] {
            self.form.extra.0.take(name);
        }
        self
    }

    /// Whether nothing ends its answers, unless a request has a limit of its own.
    pub(super) fn is_endless(&self) -> bool {
        self.form.ending == Ending::AtLimit && self.form.max_tokens.is_none()
    }

    fn limit_name(&self) -> &'static str {
        match (self.endpoint, self.form.limit_member) {
            (Endpoint::Chat, LimitMember::MaxCompletionTokens) => "max_completion_tokens",
            (Endpoint::Responses, _) => "max_output_tokens",
            (Endpoint::Chat | Endpoint::Completions | Endpoint::Embeddings, _) => "max_tokens",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(endpoint: Endpoint) -> Form {
        Form { endpoint: Some(endpoint), model: Some("m".to_owned()), ..Form::default() }
    }

    fn body(form: &Form) -> String {
        let made_up = form.made_up().unwrap();
        let messages = [
            Message::user("one".to_owned()),
            Message { speaker: Speaker::Assistant, text: "two".to_owned() },
            Message::user("three".to_owned()),
        ];
        String::from_utf8(made_up.body(&messages, made_up.max_tokens())).unwrap()
    }

    #[test]
    fn extra_members_that_change_what_is_measured_are_refused() {
        let told = |text: &str| text.parse::<Extra>().unwrap_err().to_string();
        let hint = "; write a JSON object such as `{\"temperature\": 0}`";
        assert_eq!(told("[]"), format!("the extra members cannot be used: it is no JSON object{hint}"));
        assert_eq!(
            told("{\"a\":1,}"),
            format!("the extra members cannot be used: trailing comma (column 8){hint}")
        );
        for name in RESERVED {
            assert_eq!(
                told(&format!("{{\"{name}\": 1}}")),
                format!(
                    "the extra members cannot be used: `{name}` is said elsewhere, and not for it to set{hint}"
                )
            );
        }
        assert!(
            told(&format!("{{\"a\":\"{}\"}}", "x".repeat(LONGEST_EXTRA)))
                .contains("is longer than 65536 bytes")
        );
    }

    #[test]
    fn a_form_that_contradicts_itself_is_refused() {
        let told = |form: Form| form.made_up().unwrap_err().to_string();
        assert_eq!(
            told(Form { model: None, ..form(Endpoint::Chat) }),
            "no model is named, and requests that are made up need one; name it with `-m`"
        );
        assert_eq!(
            told(Form { max_tokens: Some(0), ..form(Endpoint::Chat) }),
            "answers of at most 0 tokens are none; write 1 or more"
        );
        assert_eq!(
            told(Form { max_tokens: Some(5), ..form(Endpoint::Embeddings) }),
            "requests for embeddings have no use for a limit of tokens; leave that out, or ask another endpoint"
        );
        assert_eq!(
            told(Form { ending: Ending::AtLimit, ..form(Endpoint::Embeddings) }),
            "requests for embeddings have no use for `ignore_eos`; leave that out, or ask another endpoint"
        );
    }

    #[test]
    fn every_endpoint_is_asked_in_its_own_words() {
        assert_eq!(
            body(&Form { max_tokens: Some(8), ..form(Endpoint::Chat) }),
            r#"{"model":"m","messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":"three"}],"stream":true,"stream_options":{"include_usage":true},"max_tokens":8}"#
        );
        assert_eq!(
            body(&Form { max_tokens: Some(8), ending: Ending::AtLimit, ..form(Endpoint::Completions) }),
            r#"{"model":"m","prompt":"three","stream":true,"stream_options":{"include_usage":true},"max_tokens":8,"ignore_eos":true}"#
        );
        assert_eq!(
            body(&Form { max_tokens: Some(8), ..form(Endpoint::Responses) }),
            r#"{"model":"m","input":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":"three"}],"stream":true,"max_output_tokens":8}"#
        );
        assert_eq!(body(&form(Endpoint::Embeddings)), r#"{"model":"m","input":"three"}"#);
    }

    #[test]
    fn extra_members_come_last_and_win() {
        let knobs = Form {
            delivery: Delivery::Whole,
            max_tokens: Some(8),
            limit_member: LimitMember::MaxCompletionTokens,
            extra: r#"{"max_completion_tokens": 9, "temperature": 0.0}"#.parse().unwrap(),
            ..form(Endpoint::Completions)
        };
        assert_eq!(
            body(&knobs),
            r#"{"model":"m","prompt":"three","max_tokens":8,"max_completion_tokens":9,"temperature":0.0}"#
        );
        assert_eq!(
            body(&Form { endpoint: None, ..knobs }).split_once("],").unwrap().1,
            r#""max_completion_tokens":9,"temperature":0.0}"#
        );
    }

    #[test]
    fn a_probe_asks_for_little() {
        let probe = |endpoint| {
            let extra = r#"{"stream_options": {}, "max_tokens": 500, "max_output_tokens": 500, "top_p": 1}"#;
            let knobs = Form { ending: Ending::AtLimit, extra: extra.parse().unwrap(), ..form(endpoint) };
            let made_up = knobs.made_up().map(MadeUp::probing).unwrap();
            let body = made_up.body(&[Message::user("one".to_owned())], made_up.max_tokens());
            (made_up.streamed(), String::from_utf8(body).unwrap())
        };
        let (streamed, body) = probe(Endpoint::Completions);
        assert_eq!(body, r#"{"model":"m","prompt":"one","max_tokens":1,"max_output_tokens":500,"top_p":1}"#);
        assert!(!streamed);
        let (_, body) = probe(Endpoint::Responses);
        assert!(body.ends_with(r#""max_output_tokens":16,"max_tokens":500,"top_p":1}"#), "{body}");
    }
}
