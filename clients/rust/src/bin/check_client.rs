//! One streamed chat through async-openai, for `interference check-client`.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::chat::{CreateChatCompletionRequest, CreateChatCompletionStreamResponse as Chunk};
use futures::StreamExt;
use serde_json::{Value, json};

#[derive(Default)]
struct Answer {
    text: String,
    finish_reason: Value,
    /// Id, name and arguments of each call.
    calls: BTreeMap<u32, (Option<String>, String, String)>,
    usage: Value,
}

impl Answer {
    fn take(&mut self, chunk: Chunk) {
        if let Some(usage) = chunk.usage {
            self.usage = json!(usage);
        }
        for choice in chunk.choices {
            if let Some(reason) = choice.finish_reason {
                self.finish_reason = json!(reason);
            }
            self.text += choice.delta.content.as_deref().unwrap_or_default();
            for fragment in choice.delta.tool_calls.unwrap_or_default() {
                let new = || (fragment.id, String::new(), String::new());
                let (_, name, arguments) = self.calls.entry(fragment.index).or_insert_with(new);
                if let Some(function) = fragment.function {
                    *name += function.name.as_deref().unwrap_or_default();
                    *arguments += function.arguments.as_deref().unwrap_or_default();
                }
            }
        }
    }

    fn print(self, error: Option<&OpenAIError>) {
        let calls = self.calls.into_values().map(|(id, name, arguments)| {
            json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
        });
        // All that the SDK returns is of this one type, errors of JSON and of HTTP inside it.
        let error = error
            .map(|error| json!({"type": "OpenAIError", "message": error.to_string(), "typed": true}));
        let (text, finish_reason, usage) = (self.text, self.finish_reason, self.usage);
        let calls: Vec<Value> = calls.collect();
        println!(
            "{}",
            json!({"text": text, "finish_reason": finish_reason, "tool_calls": calls, "usage": usage, "error": error})
        );
    }
}

async fn ask(
    client: Client<OpenAIConfig>,
    request: CreateChatCompletionRequest,
    answer: &mut Answer,
) -> Result<(), OpenAIError> {
    let mut chunks = client.chat().create_stream(request).await?;
    while let Some(chunk) = chunks.next().await {
        answer.take(chunk?);
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut request = json!({
        "model": env::var("INTERFERENCE_MODEL")?,
        "messages": [{"role": "user", "content": env::var("INTERFERENCE_PROMPT")?}],
        "stream": true,
    });
    if let Ok(tools) = env::var("INTERFERENCE_TOOLS") {
        request["tools"] = serde_json::from_str(&tools)?;
    }
    let request = serde_json::from_value(request)?;
    // The SDK leaves time to its HTTP client: the longest wait for more bytes.
    let timeout = Duration::from_millis(env::var("INTERFERENCE_TIMEOUT_MS")?.parse()?);
    let http = reqwest::Client::builder().read_timeout(timeout).build()?;
    let mut answer = Answer::default();
    let outcome = ask(Client::build(http, OpenAIConfig::new()), request, &mut answer).await;
    answer.print(outcome.as_ref().err());
    std::process::exit(i32::from(outcome.is_err()));
}
