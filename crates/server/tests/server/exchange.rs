//! A server in the test's own runtime, and a client that writes and reads plain bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use interference_backend::{Backend, Readiness};
use interference_server::{ListenAddresses, ServeOptions, ServeOutcome, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::backend::TestBackend;

/// Nothing here takes this long unless it is broken.
const BOUND: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// What the backend hears.
    told: mpsc::UnboundedReceiver<&'static str>,
    stop: oneshot::Sender<()>,
    outcome: JoinHandle<ServeOutcome>,
}

impl Running {
    pub(crate) async fn start(options: ServeOptions) -> Running {
        Running::start_with(Readiness::Ready, options).await
    }

    pub(crate) async fn start_with(readiness: Readiness, options: ServeOptions) -> Running {
        Running::start_before(|told| TestBackend { readiness, told }, options).await
    }

    /// In front of the backend that is made with what tells the test something.
    pub(crate) async fn start_before<B: Backend>(
        backend: impl FnOnce(mpsc::UnboundedSender<&'static str>) -> B,
        options: ServeOptions,
    ) -> Running {
        let any_port = ListenAddresses::One(SocketAddr::from(([127, 0, 0, 1], 0)));
        let server = Server::bind(&any_port).await.unwrap();
        let address = server.local_addresses()[0];
        let (teller, told) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let backend = Arc::new(backend(teller));
        let outcome = tokio::spawn(server.serve(backend, options, async { drop(stopped.await) }));
        Running { address, told, stop, outcome }
    }

    /// Sends a request and reads until the connection ends.
    pub(crate) async fn exchange(&self, request: &str) -> Answer {
        let mut connection = Connection::open(self.address).await;
        connection.write(request).await;
        connection.rest().await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await
    }

    pub(crate) async fn post(&self, body: &str) -> Answer {
        self.exchange(&post(body)).await
    }

    /// Waits until the backend tells something.
    pub(crate) async fn told(&mut self) -> &'static str {
        timeout(BOUND, self.told.recv()).await.unwrap().unwrap()
    }

    /// Begins to stop the server; the outcome comes from the handle.
    pub(crate) fn stop(self) -> JoinHandle<ServeOutcome> {
        self.stop.send(()).unwrap();
        self.outcome
    }
}

pub(crate) async fn outcome(handle: JoinHandle<ServeOutcome>) -> ServeOutcome {
    timeout(BOUND, handle).await.unwrap().unwrap()
}

pub(crate) fn post(body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) struct Connection(TcpStream);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Connection {
        Connection(timeout(BOUND, TcpStream::connect(address)).await.unwrap().unwrap())
    }

    /// One of a client that takes little at a time.
    pub(crate) async fn open_narrow(address: SocketAddr) -> Connection {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(1024).unwrap();
        Connection(timeout(BOUND, socket.connect(address)).await.unwrap().unwrap())
    }

    /// Writes a byte, and another each time that nothing comes back for a millisecond, until the server ends the
    /// connection. Gives what it said.
    pub(crate) async fn trickle(&mut self, bytes: &[u8]) -> String {
        let mut said = Vec::new();
        for byte in bytes {
            // Who has closed does not take it.
            let _closed = self.0.write_all(&[*byte]).await;
            let read = timeout(Duration::from_millis(1), self.0.read_to_end(&mut said)).await;
            if read.is_ok() {
                return String::from_utf8(said).unwrap();
            }
        }
        panic!("the server took all of it: {}", String::from_utf8_lossy(&said));
    }

    /// Reads until the connection ends in any way.
    pub(crate) async fn until_gone(&mut self) {
        let mut buffer = vec![0; 1 << 16];
        while timeout(BOUND, self.0.read(&mut buffer)).await.unwrap().is_ok_and(|count| count > 0) {}
    }

    pub(crate) async fn write(&mut self, text: &str) {
        timeout(BOUND, self.0.write_all(text.as_bytes())).await.unwrap().unwrap();
    }

    /// Reads until this text has come.
    pub(crate) async fn read_until(&mut self, text: &str) {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(text) {
            let count = timeout(BOUND, self.0.read_buf(&mut seen)).await.unwrap().unwrap();
            assert!(count > 0, "the connection ended: {}", String::from_utf8_lossy(&seen));
        }
    }

    /// All bytes to the end of the connection.
    pub(crate) async fn rest_as_text(&mut self) -> String {
        let mut bytes = Vec::new();
        timeout(BOUND, self.0.read_to_end(&mut bytes)).await.unwrap().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// The answer, to the end of the connection.
    pub(crate) async fn rest(&mut self) -> Answer {
        Answer::read(&self.rest_as_text().await)
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// As they came, without the date, the length, the framing, and the name of the request.
    pub(crate) headers: Vec<String>,
    /// The name of the request, which every answer has.
    pub(crate) request_id: String,
    pub(crate) body: String,
}

impl Answer {
    fn read(text: &str) -> Answer {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer in {text:?}"));
        let mut lines = head.split("\r\n").map(str::to_owned);
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let (names, lines): (Vec<String>, Vec<String>) =
            lines.partition(|line| line.starts_with("x-request-id: "));
        let [name] = names.as_slice() else { panic!("not one name of the request: {names:?} in {text:?}") };
        let request_id = name.trim_start_matches("x-request-id: ").to_owned();
        let digits = request_id.strip_prefix("req_").unwrap();
        assert!(digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{request_id}");
        let (framing, headers): (Vec<String>, Vec<String>) = lines.into_iter().partition(|line| {
            ["date:", "content-length:", "transfer-encoding:"].iter().any(|name| line.starts_with(name))
        });
        let chunked = framing.iter().any(|line| line == "transfer-encoding: chunked");
        let body = if chunked { unchunk(body) } else { body.to_owned() };
        Answer { status, headers, request_id, body }
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter().filter_map(|line| line.split_once(": "));
        headers.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// The status, all headers, and the body, for a comparison of the whole.
    pub(crate) fn as_text(&self) -> String {
        format!("{}\n{}\n\n{}", self.status, self.headers.join("\n"), self.body)
    }
}

/// Takes chunks apart. Panics unless the last one has come.
fn unchunk(mut text: &str) -> String {
    let mut body = String::new();
    loop {
        let (size, rest) = text.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let (chunk, rest) = rest.split_at(size);
        body.push_str(chunk);
        text = rest.strip_prefix("\r\n").unwrap();
        if size == 0 {
            assert_eq!(text, "");
            return body;
        }
    }
}
