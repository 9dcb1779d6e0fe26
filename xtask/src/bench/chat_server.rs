//! An OpenAI server that is asked for streams, and what is measured of one.
//!
//! Tokens are those of the server's own usage, never chunks: servers differ in how many tokens they put into one.

use std::time::Instant;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::hinted;
use super::http::{BaseUrl, DataLines, Request, exchange, get_json};

/// Tokens of an answer.
pub(crate) const ANSWER_TOKENS: u64 = 128;

/// A server and its first model.
pub(crate) struct ChatServer {
    /// What it is called in messages.
    name: &'static str,
    pub(crate) base: BaseUrl,
    pub(crate) model: String,
}

/// When what came of an answer, and how much it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Answer {
    pub(crate) asked: Instant,
    /// None where no text came.
    pub(crate) first_content: Option<Instant>,
    pub(crate) ended: Instant,
    pub(crate) usage: Usage,
}

/// Tokens as the server counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
}

impl ChatServer {
    /// Asks a server for its first model.
    ///
    /// # Errors
    /// When the URL is none, the server cannot be reached, or has no model.
    pub(crate) fn find(name: &'static str, url: &str) -> anyhow::Result<ChatServer> {
        let base = BaseUrl::parse(url)?;
        let models =
            get_json(&base, "/models").with_context(|| format!("{name} at {base} cannot be measured"))?;
        let Some(model) = models.pointer("/data/0/id").and_then(Value::as_str) else {
            let hint = "GET /models should list a model that answers";
            return Err(hinted(format!("{name} at {base} lists no model"), hint));
        };
        Ok(ChatServer { name, base, model: model.to_owned() })
    }

    /// Streams one answer of [`ANSWER_TOKENS`] tokens to its end.
    ///
    /// # Errors
    /// When it cannot be had, breaks off, or comes without usage.
    pub(crate) fn ask(&self, prompt: &str, seed: u64) -> anyhow::Result<Answer> {
        self.stream(prompt, seed).with_context(|| format!("{} at {}", self.name, self.base))
    }

    fn stream(&self, prompt: &str, seed: u64) -> anyhow::Result<Answer> {
        let body = json!({
            "model": self.model,
            "stream": true,
            "stream_options": {"include_usage": true},
            "max_tokens": ANSWER_TOKENS,
            "ignore_eos": true,
            "temperature": 0.8,
            "seed": seed,
            "messages": [{"role": "user", "content": prompt}],
        });
        let body = body.to_string();
        let request = Request { method: "POST", path: "/chat/completions", body: &body };
        let asked = Instant::now();
        let mut heard = Heard::default();
        exchange(&self.base, request, |time, piece| heard.push(time, piece))?;
        let ended = Instant::now();
        let Some(usage) = heard.usage else {
            return Err(hinted(
                "the stream came without usage",
                "only a server that honours `stream_options.include_usage` can be measured",
            ));
        };
        Ok(Answer { asked, first_content: heard.first_content, ended, usage })
    }
}

/// What of a stream has been read so far.
#[derive(Debug, Default)]
struct Heard {
    lines: DataLines,
    first_content: Option<Instant>,
    usage: Option<Usage>,
}

impl Heard {
    fn push(&mut self, time: Instant, piece: &[u8]) -> anyhow::Result<()> {
        for data in self.lines.push(piece)? {
            if data == "[DONE]" {
                continue;
            }
            let event: Value =
                serde_json::from_str(&data).with_context(|| format!("no JSON in the stream: {data}"))?;
            if let Some(error) = event.get("error").filter(|error| !error.is_null()) {
                bail!("the stream ended with an error: {error}");
            }
            if let Some(usage) = event.get("usage").filter(|usage| !usage.is_null()) {
                self.usage = Some(Usage {
                    prompt_tokens: usage["prompt_tokens"].as_u64().context("usage without prompt_tokens")?,
                    completion_tokens: usage["completion_tokens"]
                        .as_u64()
                        .context("usage without completion_tokens")?,
                });
            }
            let choices = event.get("choices").and_then(Value::as_array).into_iter().flatten();
            let mut contents = choices.filter_map(|choice| choice.pointer("/delta/content")?.as_str());
            if self.first_content.is_none() && contents.any(|content| !content.is_empty()) {
                self.first_content = Some(time);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::http::tests::server_of;
    use super::*;

    const STREAM: &str = r#"data: {"choices":[{"delta":{"role":"assistant","content":""}}],"usage":null}

: ping

data: {"choices":[{"delta":{"content":"A"}}]}

data: {"choices":[{"delta":{"content":"B"}}]}

data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}

data: [DONE]

"#;

    fn heard(pieces: &[&str]) -> anyhow::Result<(Option<usize>, Option<Usage>)> {
        let start = Instant::now();
        let mut heard = Heard::default();
        for (index, piece) in pieces.iter().enumerate() {
            heard.push(start + Duration::from_secs(index as u64), piece.as_bytes())?;
        }
        let first = heard.first_content.map(|time| time.duration_since(start).as_secs() as usize);
        Ok((first, heard.usage))
    }

    #[test]
    fn the_first_text_has_the_time_of_the_piece_that_ends_its_line() {
        let usage = Some(Usage { prompt_tokens: 7, completion_tokens: 2 });
        let end_of_first_text = STREAM.find("\"A\"}}]}\n").unwrap() + 8;
        for cut in 1..STREAM.len() {
            let expected = if cut < end_of_first_text { Some(1) } else { Some(0) };
            assert_eq!(heard(&[&STREAM[..cut], &STREAM[cut..]]).unwrap(), (expected, usage), "cut at {cut}");
        }
    }

    fn asked(answer: String) -> anyhow::Result<Answer> {
        let server = ChatServer { name: "the peer", base: server_of(answer), model: "any".to_owned() };
        server.ask("a prompt", 1)
    }

    #[test]
    fn a_stream_is_measured_to_its_end() {
        let answer = asked(format!("HTTP/1.1 200 OK\r\n\r\n{STREAM}")).unwrap();
        assert_eq!(answer.usage, Usage { prompt_tokens: 7, completion_tokens: 2 });
        assert!(answer.first_content.is_some_and(|first| answer.asked < first && first <= answer.ended));
    }

    #[test]
    fn a_server_that_cannot_be_measured_is_named_with_a_hint() {
        let without_usage = STREAM.replace("\"usage\":{", "\"other\":{");
        let error = format!("{:#}", asked(format!("HTTP/1.1 200 OK\r\n\r\n{without_usage}")).unwrap_err());
        assert!(error.starts_with("the peer at http://127.0.0.1:"), "{error}");
        assert!(error.contains("the stream came without usage\nhint: only a server that honours"), "{error}");

        let loading = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned();
        let error = format!("{:#}", asked(loading).unwrap_err());
        assert!(error.contains("status 503") && error.contains("\nhint: the server may still be"), "{error}");

        let empty = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"data\":[]}".to_owned();
        let error = ChatServer::find("the peer", &server_of(empty).to_string()).err().unwrap().to_string();
        assert!(error.contains("lists no model\nhint: "), "{error}");
    }

    #[test]
    fn errors_in_a_stream_are_told() {
        let error = heard(&["data: {\"error\":{\"message\":\"lost\"}}\n"]).unwrap_err();
        assert!(error.to_string().contains("lost"));
        assert!(heard(&["data: {\n"]).is_err());
        assert_eq!(heard(&["data: [DONE]\n"]).unwrap(), (None, None));
    }
}
