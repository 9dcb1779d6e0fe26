//! A conversation on a terminal: a line, an answer, a line, until the end of input.

use std::io::Write;

use interference_client::Message;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::answer_printer::AnswerPrinter;
use super::reach_server::Reached;
use super::{ChatArguments, ask};

/// Reads lines and prints answers. An answer that breaks off ends the conversation.
pub(super) async fn hold(
    arguments: &ChatArguments,
    reached: &Reached,
    printer: &mut AnswerPrinter,
) -> anyhow::Result<()> {
    let system = arguments.system.iter().map(|text| message("system", text.clone()));
    let mut messages: Vec<Message> = system.collect();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        write!(std::io::stderr().lock(), "> ")?;
        let Some(line) = lines.next_line().await? else {
            writeln!(std::io::stderr().lock())?;
            return Ok(());
        };
        if line.trim().is_empty() {
            continue;
        }
        messages.push(message("user", line));
        let text = ask(arguments, reached, messages.clone(), printer).await?;
        messages.push(message("assistant", text));
    }
}

fn message(role: &str, content: String) -> Message {
    Message { role: role.to_owned(), content }
}
