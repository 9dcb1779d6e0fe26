//! `interference chat`: sends a prompt, prints the answer token by token as it arrives.
//!
//! Talks to the server that is named, or to the one on port 1337. Where nothing listens there, it starts the server
//! in its own process for as long as it needs it.

mod answer_printer;
mod conversation;
mod reach_server;
mod tools;

use std::io::{IsTerminal, Read};
use std::num::NonZeroUsize;
use std::time::Duration;

use interference_client::{ChatAnswer, ChatRequest, ClientError, Message};

use crate::failure::{Failure, WRONG_USAGE};
use crate::interrupt::end_at_ctrl_c;
use crate::settings;
use answer_printer::{AnswerPrinter, Format};
use reach_server::{Reached, reach};
use tools::Tools;

/// What `interference chat` takes.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct ChatArguments {
    /// What to say; `-` or a pipe: read from stdin. Without it, on a terminal, a conversation begins
    prompt: Option<String>,
    /// The model's name; by default the server's first. A path of a GGUF file is served from here
    #[arg(short, long, value_name = "MODEL")]
    model: Option<String>,
    /// The server, as SDKs take it
    #[arg(long, value_name = "URL", env = "OPENAI_BASE_URL")]
    base_url: Option<String>,
    /// The key; `env:NAME` or `@FILE` keep it off the command line. By default what OPENAI_API_KEY holds
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// Instructions that come before the prompt
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Wait for the whole answer
    #[arg(long)]
    no_stream: bool,
    /// Randomness, 0 to 2; 0 takes the likeliest token
    #[arg(long, value_name = "T", value_parser = settings::finite)]
    temperature: Option<f32>,
    /// Draw from the likeliest tokens that hold this share of the probability
    #[arg(long, value_name = "P", value_parser = settings::finite)]
    top_p: Option<f32>,
    /// The longest answer, in tokens
    #[arg(long, value_name = "N")]
    max_tokens: Option<u32>,
    /// What the randomness is drawn from: the same seed, the same answer
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// A text that ends the answer (repeatable)
    #[arg(long, value_name = "S")]
    stop: Vec<String>,
    /// Functions that the model may call: a JSON array as the API has it, or `@FILE` with one in it
    #[arg(long, value_name = "JSON", value_parser = tools::parse)]
    tools: Option<Tools>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Tell time to first token and tokens per second, on stderr
    #[arg(long)]
    stats: bool,
    /// Seconds to wait for the next byte, with or without a fraction
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = settings::seconds)]
    timeout: Duration,
    /// Threads that compute, when the server runs in this process
    #[arg(long, value_name = "N", env = "INTERFERENCE_THREADS", value_parser = settings::count)]
    threads: Option<NonZeroUsize>,
}

/// More than this is not read from stdin, in bytes: our own server takes no larger request.
const LONGEST_PROMPT: u64 = 16 << 20;

/// Where the prompt comes from.
enum Prompt {
    Text(String),
    Conversation,
}

/// Asks, and prints the answer.
///
/// # Errors
/// When there is no answer, or not all of it.
pub(crate) fn run(arguments: ChatArguments) -> anyhow::Result<()> {
    let prompt = prompt(arguments.prompt.as_deref())?;
    if matches!(prompt, Prompt::Conversation) && arguments.tools.is_some() {
        let message = "a conversation cannot give the results of functions back to the model";
        return Err(Failure::new(WRONG_USAGE, message, "with `--tools`, give a prompt").into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(chat(&arguments, prompt));
    // A download that was cut off, or a line of stdin that never comes, is not waited for.
    runtime.shutdown_background();
    outcome
}

fn prompt(argument: Option<&str>) -> anyhow::Result<Prompt> {
    let text = match argument {
        Some(text) if text != "-" => text.to_owned(),
        None if std::io::stdin().is_terminal() => return Ok(Prompt::Conversation),
        _ => {
            let mut text = String::new();
            std::io::stdin().take(LONGEST_PROMPT + 1).read_to_string(&mut text).map_err(|error| {
                let hint = "the prompt on stdin must be text in UTF-8";
                Failure::new(WRONG_USAGE, format!("stdin could not be read: {error}"), hint)
            })?;
            if text.len() as u64 > LONGEST_PROMPT {
                let message = format!("the prompt on stdin is longer than {LONGEST_PROMPT} bytes");
                return Err(
                    Failure::new(WRONG_USAGE, message, "no model here has a context that long").into()
                );
            }
            text
        }
    };
    if text.trim().is_empty() {
        return Err(Failure::new(
            WRONG_USAGE,
            "the prompt is empty",
            "as in: interference chat \"write a poem about a tree\"",
        )
        .into());
    }
    Ok(Prompt::Text(text))
}

async fn chat(arguments: &ChatArguments, prompt: Prompt) -> anyhow::Result<()> {
    end_at_ctrl_c()?;
    let mut printer =
        AnswerPrinter::new(if arguments.json { Format::Json } else { Format::Text }, arguments.stats);
    let reached = match reach(arguments).await {
        Ok(reached) => reached,
        Err(error) => {
            printer.error(&error)?;
            return Err(error);
        }
    };
    let outcome = match prompt {
        Prompt::Text(text) => {
            let messages = first_messages(arguments, text);
            ask(arguments, &reached, messages, &mut printer).await.map(|_| ())
        }
        Prompt::Conversation => conversation::hold(arguments, &reached, &mut printer).await,
    };
    reached.leave().await;
    outcome
}

fn first_messages(arguments: &ChatArguments, text: String) -> Vec<Message> {
    let system =
        arguments.system.iter().map(|text| Message { role: "system".to_owned(), content: text.clone() });
    system.chain([Message { role: "user".to_owned(), content: text }]).collect()
}

/// One request and its answer; gives the text.
async fn ask(
    arguments: &ChatArguments,
    reached: &Reached,
    messages: Vec<Message>,
    printer: &mut AnswerPrinter,
) -> anyhow::Result<String> {
    let request = ChatRequest {
        model: reached.model.clone(),
        messages,
        stream: !arguments.no_stream,
        temperature: arguments.temperature,
        top_p: arguments.top_p,
        max_tokens: arguments.max_tokens,
        seed: arguments.seed,
        stop: arguments.stop.clone(),
        tools: arguments.tools.clone().unwrap_or_default().0,
    };
    printer.begin();
    let outcome = match reached.client.chat(&request).await {
        Ok(answer) => print_answer(answer, printer).await,
        Err(error) => Err(PrintError::Client(error)),
    };
    match outcome {
        Ok(()) => printer.end(),
        Err(PrintError::Client(error)) => {
            let error = anyhow::Error::from(error);
            printer.error(&error)?;
            Err(error)
        }
        Err(PrintError::Output(error)) => Err(error),
    }
}

enum PrintError {
    Client(ClientError),
    Output(anyhow::Error),
}

/// Prints each piece as it comes. Calls of functions are the printer's at the end, whole or not.
async fn print_answer(mut answer: ChatAnswer, printer: &mut AnswerPrinter) -> Result<(), PrintError> {
    let outcome = loop {
        match answer.next().await {
            Some(Ok(event)) => printer.event(event).map_err(PrintError::Output)?,
            Some(Err(error)) => break Err(PrintError::Client(error)),
            None => break Ok(()),
        }
    };
    printer.tool_calls(answer.tool_calls());
    outcome
}
