//! The answer on stdout: text as it comes and then calls of functions, or one JSON object at the end.

use std::io::Write;
use std::time::{Duration, Instant};

use interference_client::{ChatEvent, ClientError, ToolCall, Usage};
use serde::Serialize;

use crate::failure::Failure;

/// What stdout gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// The text, each piece at once; at the end the calls, each on a line: `name(arguments)`.
    Text,
    /// One object, at the end.
    Json,
}

/// Prints one answer after another.
pub(super) struct AnswerPrinter {
    format: Format,
    stats: bool,
    answer: Answer,
    times: Times,
}

/// What has come so far; the object of `--json`.
#[derive(Debug, Default, Serialize)]
struct Answer {
    text: String,
    finish_reason: Option<String>,
    tool_calls: Vec<ToolCall>,
    usage: Option<Usage>,
    error: Option<ErrorObject>,
}

/// What went wrong, in `--json`.
#[derive(Debug, Serialize)]
struct ErrorObject {
    r#type: String,
    message: String,
    /// Whether it is an error that this program foresaw, which all of these are.
    typed: bool,
}

struct Times {
    sent: Instant,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl AnswerPrinter {
    pub(super) fn new(format: Format, stats: bool) -> AnswerPrinter {
        AnswerPrinter { format, stats, answer: Answer::default(), times: Times::start() }
    }

    /// A request is about to be sent.
    pub(super) fn begin(&mut self) {
        self.answer = Answer::default();
        self.times = Times::start();
    }

    /// Another piece has come.
    pub(super) fn event(&mut self, event: ChatEvent) -> anyhow::Result<()> {
        match event {
            ChatEvent::Text(text) => {
                let now = Instant::now();
                self.times.first.get_or_insert(now);
                self.times.last = Some(now);
                if self.format == Format::Text {
                    let mut stdout = std::io::stdout().lock();
                    stdout.write_all(text.as_bytes())?;
                    stdout.flush()?;
                }
                self.answer.text.push_str(&text);
            }
            ChatEvent::Finished(reason) => self.answer.finish_reason = Some(reason),
            ChatEvent::Usage(usage) => self.answer.usage = Some(usage),
        }
        Ok(())
    }

    /// The functions that the answer calls, whole or as far as they have come.
    pub(super) fn tool_calls(&mut self, calls: &[ToolCall]) {
        self.answer.tool_calls = calls.to_vec();
    }

    /// The answer is whole; gives its text.
    pub(super) fn end(&mut self) -> anyhow::Result<String> {
        self.finish_output()?;
        if self.stats {
            // A closed stderr is no reason to fail.
            drop(writeln!(std::io::stderr().lock(), "{}", self.times.describe(self.answer.usage)));
        }
        Ok(std::mem::take(&mut self.answer.text))
    }

    /// There is no answer, or no more of it: what was printed stays.
    pub(super) fn error(&mut self, error: &anyhow::Error) -> anyhow::Result<()> {
        self.answer.error = Some(ErrorObject {
            r#type: kind_of(error).to_owned(),
            message: format!("{error:#}"),
            typed: true,
        });
        self.finish_output()
    }

    fn finish_output(&self) -> anyhow::Result<()> {
        let mut stdout = std::io::stdout().lock();
        match self.format {
            Format::Json => writeln!(stdout, "{}", serde_json::to_string(&self.answer)?)?,
            Format::Text => {
                if !self.answer.text.is_empty() && !self.answer.text.ends_with('\n') {
                    writeln!(stdout)?;
                }
                for ToolCall { function, .. } in &self.answer.tool_calls {
                    writeln!(stdout, "{}({})", function.name, function.arguments)?;
                }
            }
        }
        Ok(stdout.flush()?)
    }
}

impl Times {
    fn start() -> Times {
        Times { sent: Instant::now(), first: None, last: None }
    }

    /// One line: time to first token, tokens, tokens per second between the first and the last.
    fn describe(&self, usage: Option<Usage>) -> String {
        let (Some(first), Some(last)) = (self.first, self.last) else { return "no token came".to_owned() };
        let to_first = (first - self.sent).as_secs_f64() * 1_000.0;
        let mut line = format!("time to first token {to_first:.0} ms");
        let Some(usage) = usage else { return line + "; the server told no usage" };
        line += &format!(
            ", {} prompt tokens, {} completion tokens",
            usage.prompt_tokens, usage.completion_tokens
        );
        let span = last - first;
        if usage.completion_tokens > 1 && span > Duration::ZERO {
            let rate = (usage.completion_tokens - 1) as f64 / span.as_secs_f64();
            line += &format!(", {rate:.1} tokens per second");
        }
        line
    }
}

/// A word for the kind of an error: the API's own, where the server sent one.
fn kind_of(error: &anyhow::Error) -> &str {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Api(error)) => error.kind.as_deref().unwrap_or("api_error"),
        Some(ClientError::BrokeOff { .. }) => "broke_off",
        Some(ClientError::IdleTimeout { .. }) => "timeout",
        Some(
            ClientError::UnknownHost { .. }
            | ClientError::Unreachable { .. }
            | ClientError::Tls { .. }
            | ClientError::NotHttp { .. },
        ) => "unreachable",
        Some(ClientError::Status { .. } | ClientError::UnexpectedAnswer { .. }) => "unexpected_answer",
        Some(ClientError::MalformedEvent { .. } | ClientError::Stream(_)) => "malformed_stream",
        Some(_) => "client_error",
        None if error.is::<Failure>() => "failure",
        None => "internal",
    }
}

#[cfg(test)]
mod tests {
    use interference_client::FunctionCall;

    use super::*;

    #[test]
    fn the_object_has_the_names_that_others_rely_on() {
        let usage = Usage { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
        let error = ErrorObject { r#type: "broke_off".to_owned(), message: "cut".to_owned(), typed: true };
        let function = FunctionCall { name: "grow".to_owned(), arguments: "{}".to_owned() };
        let answer = Answer {
            text: "Hi".to_owned(),
            finish_reason: Some("stop".to_owned()),
            tool_calls: vec![ToolCall { id: Some("call_1".to_owned()), function }],
            usage: Some(usage),
            error: Some(error),
        };
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"text":"Hi","finish_reason":"stop","tool_calls":[{"type":"function","id":"call_1","function":{"name":"grow","arguments":"{}"}}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5},"error":{"type":"broke_off","message":"cut","typed":true}}"#
        );
    }

    #[test]
    fn statistics_say_what_is_known() {
        let sent = Instant::now();
        let at = |milliseconds| Some(sent + Duration::from_millis(milliseconds));
        let usage = Usage { prompt_tokens: 30, completion_tokens: 11, total_tokens: 41 };
        let times = Times { sent, first: at(120), last: at(220) };
        assert_eq!(
            times.describe(Some(usage)),
            "time to first token 120 ms, 30 prompt tokens, 11 completion tokens, 100.0 tokens per second"
        );
        assert_eq!(times.describe(None), "time to first token 120 ms; the server told no usage");
        assert_eq!(Times { sent, first: None, last: None }.describe(Some(usage)), "no token came");
    }
}
