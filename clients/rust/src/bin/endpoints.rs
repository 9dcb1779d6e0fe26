//! What async-openai asks of a server beside a streamed chat: a whole one, tools, embeddings, models, and an error.
//! The server answers from `conversations.toml`.

use std::error::Error;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::chat::{
    ChatCompletionMessageToolCalls, ChatCompletionRequestAssistantMessageArgs, ChatCompletionRequestMessage,
    ChatCompletionRequestToolMessageArgs, ChatCompletionRequestUserMessage, ChatCompletionTool,
    ChatCompletionTools, CreateChatCompletionRequest, CreateChatCompletionRequestArgs, FinishReason,
    FunctionObjectArgs,
};
use async_openai::types::embeddings::{CreateEmbeddingRequestArgs, EncodingFormat};
use futures::StreamExt;
use serde_json::{Value, json};

type Outcome = Result<(), Box<dyn Error>>;

fn user(text: &str) -> ChatCompletionRequestMessage {
    ChatCompletionRequestUserMessage::from(text).into()
}

fn chat(messages: Vec<ChatCompletionRequestMessage>) -> Result<CreateChatCompletionRequest, OpenAIError> {
    let parameters = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    });
    let function = FunctionObjectArgs::default().name("get_weather").parameters(parameters).build()?;
    CreateChatCompletionRequestArgs::default()
        .model("scripted")
        .messages(messages)
        .tools(vec![ChatCompletionTools::Function(ChatCompletionTool { function })])
        .build()
}

async fn whole(client: &Client<OpenAIConfig>) -> Outcome {
    let answer = client.chat().create(chat(vec![user("write a poem about a tree")])?).await?;
    let poem = "An oak stands in the wind, and bends, and does not break.";
    assert_eq!(answer.choices[0].message.content.as_deref(), Some(poem));
    assert_eq!(answer.usage.ok_or("no usage")?.total_tokens, 25);
    Ok(())
}

/// Calls of tools, their results, and what is made of those.
async fn tools(client: &Client<OpenAIConfig>) -> Outcome {
    let question = user("the weather in Oslo and Rome?");
    let answer = client.chat().create(chat(vec![question.clone()])?).await?;
    let choice = answer.choices.into_iter().next().ok_or("no choice")?;
    assert_eq!(choice.finish_reason, Some(FinishReason::ToolCalls));
    let calls = choice.message.tool_calls.ok_or("no calls")?;
    let assistant = ChatCompletionRequestAssistantMessageArgs::default().tool_calls(calls.clone()).build()?;
    let mut messages = vec![question, assistant.into()];
    let mut arguments = Vec::new();
    for (call, weather) in calls.iter().zip(["rain", "sun"]) {
        let ChatCompletionMessageToolCalls::Function(call) = call else { return Err("another call".into()) };
        arguments.push(serde_json::from_str::<Value>(&call.function.arguments)?);
        let result = ChatCompletionRequestToolMessageArgs::default()
            .tool_call_id(&*call.id)
            .content(weather)
            .build()?;
        messages.push(result.into());
    }
    assert_eq!(arguments, [json!({"city": "Oslo", "days": 1}), json!({"city": "Rome", "days": 2})]);
    let answer = client.chat().create(chat(messages)?).await?;
    assert_eq!(answer.choices[0].message.content.as_deref(), Some("Rain in Oslo, sun in Rome."));
    Ok(())
}

/// The same calls in pieces.
async fn streamed_tools(client: &Client<OpenAIConfig>) -> Outcome {
    let mut request = chat(vec![user("the weather in Oslo and Rome?")])?;
    request.stream = Some(true);
    let mut stream = client.chat().create_stream(request).await?;
    let mut arguments = [String::new(), String::new()];
    let mut finished = None;
    while let Some(chunk) = stream.next().await {
        let choice = chunk?.choices.into_iter().next().ok_or("no choice")?;
        for fragment in choice.delta.tool_calls.unwrap_or_default() {
            let piece = fragment.function.and_then(|function| function.arguments).unwrap_or_default();
            arguments.get_mut(fragment.index as usize).ok_or("a third call")?.push_str(&piece);
        }
        finished = choice.finish_reason.or(finished);
    }
    assert_eq!(arguments, [r#"{"city":"Oslo","days":1}"#, r#"{"city":"Rome","days":2}"#]);
    assert_eq!(finished, Some(FinishReason::ToolCalls));
    Ok(())
}

async fn embeddings(client: &Client<OpenAIConfig>) -> Outcome {
    let mut request = CreateEmbeddingRequestArgs::default();
    request.model("scripted-embedding").input(["a tree", "another tree"]);
    let plain = client.embeddings().create(request.build()?).await?;
    assert_eq!(plain.data[1].embedding, [0.6, -0.8]);
    request.encoding_format(EncodingFormat::Base64);
    let packed = client.embeddings().create_base64(request.build()?).await?;
    assert_eq!(Vec::<f32>::from(packed.data[1].embedding.clone()), [0.6, -0.8]);
    Ok(())
}

async fn models(client: &Client<OpenAIConfig>) -> Outcome {
    let models = client.models().list().await?.data;
    let names: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(names, ["scripted", "scripted-embedding"]);
    Ok(())
}

async fn errors(client: &Client<OpenAIConfig>) -> Outcome {
    let error = client.chat().create(chat(vec![user("a bad request")])?).await.err().ok_or("no error")?;
    let OpenAIError::ApiError(error) = error else { return Err(error.into()) };
    assert_eq!(error.api_error.code.as_deref(), Some("context_length_exceeded"));
    assert_eq!(error.api_error.param.as_deref(), Some("messages"));
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome {
    let client = Client::new();
    whole(&client).await?;
    tools(&client).await?;
    streamed_tools(&client).await?;
    embeddings(&client).await?;
    models(&client).await?;
    errors(&client).await?;
    println!("all well");
    Ok(())
}
