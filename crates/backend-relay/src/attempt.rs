//! One try at one upstream: a connection, the request, and the head of the answer.
//!
//! Owns the way from a [`Visit`] to a reply whose body is still under way, and tells the visit what became of it. It
//! refuses to know what is tried next.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Method, Request, StatusCode};
use interference_backend::{Reply, ReplyBody};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::failure::{Done, Failure};
use crate::fleet::{Member, Visit};
use crate::frames::Frames;
use crate::headers::{Key, for_client};
use crate::health::Outcome;
use crate::identifiers::{Collection, Sight};

/// Sends a request to where the visit is. The reply has the upstream's status, its headers as a client may see them,
/// and its body, which is still to come. What it creates is remembered in its collection.
///
/// # Errors
/// No head of an answer came.
pub(crate) async fn attempt(
    mut visit: Visit,
    request: Request<Bytes>,
    collection: Option<Collection>,
) -> Result<Reply, Failure> {
    let answered = head(&visit, &request).await.and_then(|answered| {
        // No request of ours asks for another protocol.
        if answered.status.is_informational() {
            Err(Failure::no_final_status(answered.status))
        } else {
            Ok(answered)
        }
    });
    let Answered { connection, status, headers } = match answered {
        Ok(answered) => answered,
        Err(failure) => {
            visit.record(Outcome::Failed(None));
            return Err(failure);
        }
    };
    match outcome(status, &headers) {
        Outcome::Answered => visit.begin_answer(),
        // The quota is that client's alone.
        Outcome::Full(_) if matches!(visit.member().key, Key::Clients) => visit.begin_answer(),
        other => visit.record(other),
    }
    let sight = match collection {
        Some(collection) if status.is_success() => Sight::new(collection, visit.index(), &headers),
        _ => None,
    };
    let headers = for_client(headers, &visit.member().name);
    let body = ReplyBody::Frames(Box::pin(Frames::new(connection, visit, sight)));
    Ok(Reply { headers, ..Reply::new(status, body) })
}

/// Whether an answer says that somebody else, or a later time, may do better, and the request may be sent again. A 502
/// or a 504 comes from a gateway that had passed the request on (RFC 9110 sections 15.6.3 and 15.6.5): what is not
/// idempotent may have been carried out behind it.
pub(crate) fn is_passing(status: StatusCode, method: &Method) -> bool {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => true,
        status => is_failure(status) && method.is_idempotent(),
    }
}

fn is_failure(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

fn outcome(status: StatusCode, headers: &HeaderMap) -> Outcome {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Outcome::Full(retry_after(headers, SystemTime::now())),
        status if is_failure(status) => Outcome::Failed(retry_after(headers, SystemTime::now())),
        _ => Outcome::Answered,
    }
}

/// How long to stay away (RFC 9110 section 10.2.3): a number of seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse::<u32>() {
        Ok(seconds) => Some(Duration::from_secs(u64::from(seconds))),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).ok(),
    }
}

/// The head of an answer, and the connection that its body comes over.
struct Answered {
    connection: Connection,
    status: StatusCode,
    headers: HeaderMap,
}

async fn head(visit: &Visit, request: &Request<Bytes>) -> Result<Answered, Failure> {
    let member = visit.member();
    if let Some(connection) = member.idle.take().await {
        match send(member, connection, request).await {
            // The upstream had closed it: nobody has seen the request.
            Err(Failure { done: Done::Nothing, .. }) => {}
            answered => return answered,
        }
    }
    let socket = visit.fleet().connector.connect(&member.target, member.upstream.timeouts.connect).await;
    let socket = socket.map_err(|error| Failure::connecting(&error))?;
    send(member, Connection::over(socket), request).await
}

async fn send(
    member: &Member,
    mut connection: Connection,
    request: &Request<Bytes>,
) -> Result<Answered, Failure> {
    let patience = member.upstream.timeouts.first_byte;
    match timeout(patience, connection.send(request)).await {
        Ok(Ok((status, headers))) => Ok(Answered { connection, status, headers }),
        Ok(Err(unanswered)) => Err(Failure::before_head(&unanswered)),
        Err(_) => Err(Failure::silent(patience)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let read = |value: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            retry_after(&headers, now)
        };
        assert_eq!(read(" 20 "), Some(Duration::from_secs(20)));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        for nothing in ["Sun, 06 Nov 1994 08:49:00 GMT", "-1", "soon", ""] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn errors_of_the_client_are_answers() {
        for code in [200, 302, 400, 401, 404, 422, 500, 501] {
            let status = StatusCode::from_u16(code).unwrap();
            assert_eq!(outcome(status, &HeaderMap::new()), Outcome::Answered, "{code}");
            assert!(!is_passing(status, &Method::GET), "{code}");
        }
        assert_eq!(outcome(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new()), Outcome::Full(None));
        assert_eq!(outcome(StatusCode::BAD_GATEWAY, &HeaderMap::new()), Outcome::Failed(None));
    }

    #[test]
    fn what_a_gateway_may_have_passed_on_is_not_sent_again() {
        for (code, again) in [(429, true), (502, false), (503, true), (504, false)] {
            let status = StatusCode::from_u16(code).unwrap();
            assert_eq!(is_passing(status, &Method::POST), again, "{code}");
            assert!(is_passing(status, &Method::PUT), "{code}");
        }
    }
}
