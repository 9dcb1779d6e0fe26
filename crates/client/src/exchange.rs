//! One request on one connection.
//!
//! Nothing runs in the background: whoever polls for the head or the body drives the connection too, and dropping
//! either one closes it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::body::Body;
use crate::connection::Socket;
use crate::content_encoding::ContentDecoder;
use crate::{ClientError, Cut};

/// The head of a response, and its body to be read.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

type Connection = http1::Connection<TokioIo<Box<dyn Socket>>, Full<Bytes>>;

/// A connection at work, and then what it failed with.
pub(crate) struct Driver {
    connection: Option<Pin<Box<Connection>>>,
    failure: Option<hyper::Error>,
}

impl Driver {
    fn new(connection: Connection) -> Driver {
        Driver { connection: Some(Box::pin(connection)), failure: None }
    }

    /// Moves the connection on, as far as it goes without waiting.
    pub(crate) fn drive(&mut self, context: &mut Context<'_>) {
        let Some(connection) = &mut self.connection else { return };
        if let Poll::Ready(ended) = connection.as_mut().poll(context) {
            self.connection = None;
            self.failure = ended.err();
        }
    }

    /// What the connection failed with, once.
    pub(crate) fn take_failure(&mut self) -> Option<hyper::Error> {
        self.failure.take()
    }
}

/// Sends a request and waits for the head of its response, at most for `idle` long.
///
/// The same patience then holds for every wait inside the body. `address` is for messages.
pub(crate) async fn exchange(
    socket: Box<dyn Socket>,
    request: Request<Full<Bytes>>,
    address: &str,
    idle: Duration,
) -> Result<Response, ClientError> {
    let failed = |source: hyper::Error| match source.is_parse() {
        true => ClientError::NotHttp { address: address.to_owned(), source },
        false => ClientError::BrokeOff { cut: Cut::BeforeAnswer, source: Some(source) },
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(failed)?;
    let mut driver = Driver::new(connection);
    let mut head = pin!(sender.send_request(request));
    // A failure of the connection needs no look here: it also ends the wait for the head, with the same error.
    let head = std::future::poll_fn(|context| {
        driver.drive(context);
        head.as_mut().poll(context)
    });
    let head = timeout(idle, head).await.map_err(|_| ClientError::IdleTimeout { after: idle })?;
    let (parts, incoming) = head.map_err(failed)?.into_parts();
    tracing::debug!(status = parts.status.as_u16(), "answered");

    let encoding = header_text(&parts.headers, header::CONTENT_ENCODING.as_str()).unwrap_or_default();
    let content = ContentDecoder::for_encoding(&encoding);
    let body = Body::new(driver, incoming, content, idle);
    Ok(Response { status: parts.status, headers: parts.headers, body })
}

/// The text of a header, if it is there and is text.
pub(crate) fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
