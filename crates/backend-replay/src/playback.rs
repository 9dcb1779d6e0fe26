//! A recording as an answer.
//!
//! Owns what of a recording reaches a client: the status, the headers but those of a single connection, every read as one
//! frame at its time, and the end as it was. Refuses to know which recording it is and why.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::unfold;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue};
use interference_backend::{
    FrameStream, Refusal, Reply, ReplyBody, UpstreamCode, UpstreamFailure, WhenBroken, remove_hop_by_hop,
};
use interference_cassette::{End, FailureKind, Outcome, REDACTED, RecordedAnswer, RecordedFailure};
use tokio::time::Instant;

use crate::pace::Pace;
use crate::shelf::Playable;

/// Answers a request that came at `start`; resolves when the head is due.
///
/// # Errors
/// The recorded failure, where there was no answer.
///
/// # Cancellation
/// Safe: nothing is held.
pub(crate) async fn play(playable: Arc<Playable>, start: Instant, pace: Pace) -> Result<Reply, Refusal> {
    match &playable.outcome {
        Outcome::Answered(answer) => {
            pace.wait(start, answer.head_at).await;
            let frames = frames(Arc::clone(&playable), start, pace);
            let reply = Reply::new(answer.status, ReplyBody::Frames(frames));
            Ok(Reply { headers: headers(answer), when_broken: WhenBroken::Repeat, ..reply })
        }
        Outcome::Failed(failure) => {
            pace.wait(start, failure.at).await;
            Err(refusal(failure))
        }
    }
}

/// The recorded headers, without those whose values were taken out of the recording. Of a whole answer whose text somebody
/// has edited, the length is that of the text.
fn headers(answer: &RecordedAnswer) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(answer.headers.len());
    for (name, value) in answer.headers.iter().filter(|(_, value)| *value != REDACTED) {
        headers.append(name, value.clone());
    }
    remove_hop_by_hop(&mut headers);
    // Without a read it is the length of what was not sent, as behind HEAD.
    if answer.end == End::Complete && !answer.reads.is_empty() && headers.contains_key(CONTENT_LENGTH) {
        let length: usize = answer.reads.iter().map(|read| read.bytes.len()).sum();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers
}

fn frames(playable: Arc<Playable>, start: Instant, pace: Pace) -> FrameStream {
    /// Which read is the next, and none behind the end.
    type Position = Option<usize>;
    Box::pin(unfold((playable, Some(0)), move |(playable, position): (_, Position)| async move {
        let Outcome::Answered(answer) = &playable.outcome else { return None };
        let position = position?;
        let Some(read) = answer.reads.get(position) else {
            pace.wait(start, answer.ended_at).await;
            let error = broken_end(answer.end)?;
            return Some((Err(error), (playable, None)));
        };
        pace.wait(start, read.at).await;
        let bytes: Bytes = read.bytes.clone();
        Some((Ok(bytes), (playable, Some(position + 1))))
    }))
}

/// How the answer breaks off; none where it is whole.
fn broken_end(end: End) -> Option<io::Error> {
    let (kind, told) = match end {
        End::Complete => return None,
        End::Reset => (io::ErrorKind::ConnectionReset, "the recorded answer was reset here"),
        End::TimedOut => (io::ErrorKind::TimedOut, "the recorded answer fell silent here"),
        End::EndedEarly => (io::ErrorKind::UnexpectedEof, "the recorded answer ended early here"),
        // What would have come, nobody knows.
        End::Abandoned => (io::ErrorKind::TimedOut, "the client of the recorded answer went away here"),
    };
    Some(io::Error::new(kind, told))
}

fn refusal(failure: &RecordedFailure) -> Refusal {
    let (kind, code) = match failure.kind {
        FailureKind::Broken => (UpstreamFailure::Broken, UpstreamCode::BrokeOff),
        FailureKind::TooSlow => (UpstreamFailure::TooSlow, UpstreamCode::TimedOut),
        FailureKind::NobodyLeft { retry_after_seconds } => {
            (UpstreamFailure::NobodyLeft { retry_after_seconds }, UpstreamCode::NobodyLeft)
        }
    };
    // One that is not known, as of an edited file, is told by its kind.
    let code = UpstreamCode::ALL.into_iter().find(|known| known.name() == failure.code).unwrap_or(code);
    Refusal::Upstream { message: failure.message.clone(), code: code.name(), failure: kind }
}
