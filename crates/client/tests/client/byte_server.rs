//! A server that reads one request per connection and answers it with prepared bytes.

use std::time::Duration;

use interference_client::{
    ChatAnswer, ChatEvent, ChatRequest, Client, ClientError, ClientTimeouts, Message, Target, ToolCall, Usage,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What the server does after it has read a request.
#[derive(Clone)]
pub(crate) enum Step {
    Send(Vec<u8>),
    /// Sends each byte by itself.
    Drip(Vec<u8>),
    Wait(Duration),
    /// Cuts the connection with a reset instead of an orderly end.
    Reset,
    /// Keeps the connection open and silent.
    Hold,
}

pub(crate) struct ByteServer {
    pub(crate) base_url: String,
    /// Head and body of each request that came.
    requests: mpsc::UnboundedReceiver<String>,
    task: JoinHandle<()>,
}

impl Drop for ByteServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ByteServer {
    pub(crate) async fn start(steps: Vec<Step>) -> ByteServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (seen, requests) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                seen.send(read_request(&mut stream).await).unwrap();
                answer(stream, &steps).await;
            }
        });
        ByteServer { base_url, requests, task }
    }

    pub(crate) fn client(&self) -> Client {
        self.client_with_idle(Duration::from_secs(20))
    }

    pub(crate) fn client_with_idle(&self, idle: Duration) -> Client {
        let target = Target::parse(&self.base_url, None).unwrap();
        Client::new(target, ClientTimeouts { idle, ..ClientTimeouts::default() }).unwrap()
    }

    /// All requests that have come so far.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the request ended early: {text}");
    }
}

/// Errors are no matter here: clients are free to go away.
async fn answer(mut stream: TcpStream, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Send(bytes) => {
                let _ = stream.write_all(bytes).await;
            }
            Step::Drip(bytes) => {
                for byte in bytes {
                    let _ = stream.write_all(&[*byte]).await;
                    tokio::task::yield_now().await;
                }
            }
            Step::Wait(duration) => tokio::time::sleep(*duration).await,
            Step::Reset => stream.set_zero_linger().unwrap(),
            Step::Hold => std::future::pending().await,
        }
    }
}

/// A response that ends with its connection.
pub(crate) fn response(status: &str, content_type: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body.as_ref()].concat()
}

pub(crate) fn event_stream(body: impl AsRef<[u8]>) -> Vec<u8> {
    response("200 OK", "text/event-stream", body)
}

/// The head of a chunked stream, and one chunk.
pub(crate) fn chunked_stream(connection: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: \
         {connection}\r\n\r\n{:x}\r\n{body}\r\n",
        body.len()
    )
    .into_bytes()
}

/// An event with a piece of text.
pub(crate) fn text(text: &str) -> String {
    let delta =
        serde_json::json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
    format!("data: {delta}\n\n")
}

pub(crate) const FINISH: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// Two pieces of text, `A ` and `tree 🌳`, and a sound end.
pub(crate) fn sound_stream() -> String {
    [&text("A "), &text("tree 🌳"), FINISH, DONE].concat()
}

/// Everything that came of an answer.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) finish_reason: Option<String>,
    pub(crate) tool_calls: Vec<ToolCall>,
    pub(crate) usage: Option<Usage>,
    pub(crate) error: Option<ClientError>,
}

impl Outcome {
    #[track_caller]
    pub(crate) fn assert_whole(&self, text: &str) {
        assert!(self.error.is_none(), "{self:?}");
        assert_eq!((self.text.as_str(), self.finish_reason.as_deref()), (text, Some("stop")));
    }

    #[track_caller]
    pub(crate) fn error_after(&self, text: &str) -> &ClientError {
        assert_eq!(self.text, text, "{self:?}");
        self.error.as_ref().unwrap_or_else(|| panic!("no error: {self:?}"))
    }
}

pub(crate) fn request() -> ChatRequest {
    let message = Message { role: "user".to_owned(), content: "write a poem about a tree".to_owned() };
    ChatRequest { model: "m".to_owned(), messages: vec![message], stream: true, ..ChatRequest::default() }
}

pub(crate) async fn outcome_of(client: &Client, request: &ChatRequest) -> Outcome {
    match client.chat(request).await {
        Ok(answer) => read(answer).await,
        Err(error) => Outcome { error: Some(error), ..Outcome::default() },
    }
}

async fn read(mut answer: ChatAnswer) -> Outcome {
    let mut outcome = Outcome::default();
    while let Some(event) = answer.next().await {
        match event {
            Ok(ChatEvent::Text(text)) => outcome.text += &text,
            Ok(ChatEvent::Finished(reason)) => outcome.finish_reason = Some(reason),
            Ok(ChatEvent::Usage(usage)) => outcome.usage = Some(usage),
            Err(error) => outcome.error = Some(error),
        }
        assert!(outcome.error.is_none() || answer.next().await.is_none(), "an error ends the answer");
    }
    outcome.tool_calls = answer.tool_calls().to_vec();
    outcome
}

/// What a client makes of these steps. It must have asked exactly once.
pub(crate) async fn outcome_of_steps(steps: Vec<Step>) -> Outcome {
    let mut server = ByteServer::start(steps).await;
    let outcome = outcome_of(&server.client(), &request()).await;
    assert_eq!(server.requests().len(), 1);
    outcome
}

/// What a client makes of these bytes, at the end of which the connection is closed.
pub(crate) async fn outcome_of_bytes(bytes: Vec<u8>) -> Outcome {
    outcome_of_steps(vec![Step::Send(bytes)]).await
}

/// What a client makes of a stream with this body.
pub(crate) async fn outcome_of_stream(body: impl AsRef<[u8]>) -> Outcome {
    outcome_of_bytes(event_stream(body)).await
}
