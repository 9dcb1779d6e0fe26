// src/main.rs
use std::error::Error;

use async_openai::Client;
use async_openai::types::chat::{ChatCompletionRequestUserMessage, CreateChatCompletionRequestArgs};
use futures::StreamExt;
use serde_json::{Value, json};

/// The whole answer; `show` gets each piece as it comes, and none twice.
async fn ask(prompt: &str, attempts: usize, mut show: impl FnMut(&str)) -> Result<String, Box<dyn Error>> {
    let client = Client::new();
    let mut shown = String::new();
    for _ in 0..attempts {
        let request = CreateChatCompletionRequestArgs::default()
            .model("scripted")
            .messages([ChatCompletionRequestUserMessage::from(prompt).into()])
            .stream(true)
            .build()?;
        let mut stream = client.chat().create_stream(request).await?;
        let (mut text, mut finished) = (String::new(), false);
        // An error ends the loop: what came is kept, and what is missing shows below.
        while let Some(Ok(chunk)) = stream.next().await {
            for choice in chunk.choices {
                text.push_str(choice.delta.content.as_deref().unwrap_or_default());
                finished |= choice.finish_reason.is_some();
            }
            if let Some(more) = text.strip_prefix(&shown) {
                if !more.is_empty() {
                    show(more);
                    shown.push_str(&text[shown.len()..]);
                }
            } else if !shown.starts_with(&text) {
                return Err("another answer than before".into());
            }
        }
        if finished {
            return Ok(text);
        }
    }
    Err(format!("no whole answer in {attempts} attempts").into())
}

async fn journal(count: usize) -> Result<Value, Box<dyn Error>> {
    let base_url = std::env::var("OPENAI_BASE_URL")?;
    let url = format!("{base_url}/_interference/requests?min={count}&ended=true&timeout=2s");
    Ok(reqwest::get(url).await?.json::<Value>().await?["requests"].take())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let poem = "An oak stands in the wind, and bends, and does not break.";
    let mut pieces: Vec<String> = Vec::new();
    assert_eq!(ask("write a poem about a tree", 3, |piece| pieces.push(piece.to_owned())).await?, poem);
    assert_eq!(pieces.concat(), poem);
    assert_eq!(pieces[..5], ["An", " oak", " stands", " in", " the"]);

    let requests = journal(2).await?;
    assert_eq!(requests.as_array().map(Vec::len), Some(2));
    assert_eq!([&requests[0]["ended"], &requests[1]["ended"]], ["fault", "complete"]);
    assert_eq!(requests[0]["faults"], json!([{"fault": "cut", "event": 6, "byte": null}]));
    for request in [&requests[0], &requests[1]] {
        assert_eq!(request["path"], "/v1/chat/completions");
        assert_eq!(
            request["body"]["messages"],
            json!([{"role": "user", "content": "write a poem about a tree"}])
        );
    }
    println!("survived: {}", pieces.concat());
    Ok(())
}
