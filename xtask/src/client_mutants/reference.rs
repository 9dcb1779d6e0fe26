//! `xtask reference-client`: a sound client of the OpenAI API, and, with `--bug`, one that is not.
//!
//! A witness for the judge of clients. It keeps the contract of the commands that are judged: what to ask comes in the
//! environment, the outcome goes out as one JSON object. It shares no code with the program: its HTTP, its event
//! streams and its chats are its own, on blocking sockets. Refuses to know the cases that it is put before.

mod bug;
mod chat;
mod event_stream;
mod failure;
mod http;
mod reading;
mod retry;
mod tool_calls;

use std::env;
use std::io::Write;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use serde_json::{Value, json};

pub(super) use bug::{Bug, Variant};

use bug::Manner;
use chat::Chat;
use failure::{Failure, Kind};
use http::{Post, Target};

/// Of the body of a refusal, to find its message in.
const LONGEST_REFUSAL: usize = 64 << 10;

const USUAL_TIMEOUT: Duration = Duration::from_secs(10);

/// What `xtask reference-client` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    manner: Manner,
}

/// Asks what the environment says, and prints the outcome.
///
/// # Errors
/// When a variable is missing, or the answer did not come whole.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let manner = options.manner;
    let question = Question::from_environment(manner)?;
    let mut chat = Chat::new(manner);
    let outcome = ask(&question, &mut chat, manner);
    let mut document = chat.to_json();
    if outcome.is_err() && manner.has(Bug::TextDroppedWithError) {
        document = Chat::new(manner).to_json();
    }
    document["error"] = outcome.as_ref().err().map_or(Value::Null, Failure::to_json);
    let mut stdout = std::io::stdout().lock();
    if manner.is(Variant::PrintsPretty) {
        writeln!(stdout, "{document:#}")?;
    } else {
        writeln!(stdout, "{document}")?;
    }
    match outcome {
        Ok(()) => Ok(()),
        Err(failure) => bail!("{failure}"),
    }
}

/// What to ask, and whom.
#[derive(Debug)]
struct Question {
    target: Target,
    key: String,
    body: String,
    timeout: Duration,
}

impl Question {
    fn from_environment(manner: Manner) -> anyhow::Result<Question> {
        let variable = |name: &str| env::var(name).with_context(|| format!("the variable {name} is not set"));
        let target = Target::parse(&variable("OPENAI_BASE_URL")?)
            .context("OPENAI_BASE_URL is no URL that begins with http://")?;
        let timeout = match env::var("INTERFERENCE_TIMEOUT_MS") {
            Ok(text) => text.parse().context("INTERFERENCE_TIMEOUT_MS is no whole number")?,
            Err(_) => USUAL_TIMEOUT.as_millis() as u64,
        };
        let mut body = json!({
            "model": variable("INTERFERENCE_MODEL")?,
            "messages": [{"role": "user", "content": variable("INTERFERENCE_PROMPT")?}],
            "stream": true,
        });
        if let Ok(tools) = env::var("INTERFERENCE_TOOLS") {
            body["tools"] = serde_json::from_str(&tools).context("INTERFERENCE_TOOLS is no JSON")?;
        }
        if manner.is(Variant::AsksForUsage) {
            body["stream_options"] = json!({"include_usage": true});
        }
        let timeout = Duration::from_millis(timeout);
        Ok(Question { target, key: variable("OPENAI_API_KEY")?, body: body.to_string(), timeout })
    }
}

/// Asks until there is an answer, or no reason to try again.
fn ask(question: &Question, chat: &mut Chat, manner: Manner) -> Result<(), Failure> {
    let mut retries = 0;
    loop {
        let body = if retries > 0 && manner.has(Bug::BodyOnlyAtFirst) { "" } else { &question.body };
        let Err(failure) = try_once(question, body, chat, manner) else { return Ok(()) };
        let Some(wait) = retry::wait_before_next(&failure, retries, manner) else { return Err(failure) };
        std::thread::sleep(wait);
        retries += 1;
    }
}

fn try_once(question: &Question, body: &str, chat: &mut Chat, manner: Manner) -> Result<(), Failure> {
    let Question { target, key, timeout, .. } = question;
    let post = Post { target, path: "/chat/completions", key, body, timeout: *timeout };
    let mut response = http::post(post, manner)?;
    if (200..300).contains(&response.status) {
        return reading::read(&mut response, chat, manner);
    }
    let status = response.status;
    let mut refusal = Vec::new();
    // A refusal whose body breaks off is one all the same.
    while let Ok(Some(piece)) = response.next_piece()
        && refusal.len() < LONGEST_REFUSAL
    {
        refusal.extend(piece);
    }
    let kind = if manner.has(Bug::StatusEscapes) { Kind::Escaped } else { Kind::Status(status) };
    let message = format!("status {status}: {}", chat::message(&String::from_utf8_lossy(&refusal)));
    let wait = retry::wait_asked_for(|name| response.header(name), SystemTime::now(), manner);
    Err(Failure { kind, message, wait })
}
