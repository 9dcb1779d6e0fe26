//! Vectors of texts: reads a request for them, and has them computed a few at a time.
//!
//! Owns how many texts of a request are in the engine's queue at once. It refuses to know what a vector is made of.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use interference_api_types::openai::chat_parameters::InvalidParameter;
use interference_api_types::openai::embeddings::EmbeddingsRequest;
use interference_api_types::{Parsed, parse};
use interference_backend::{Refusal, Strictness};
use interference_engine::{EmbeddingSink, EngineFailure, SubmitError, TokenId};
use tokio::sync::oneshot;

use crate::chat::{broken, out_of_bounds};

/// How many tokens the texts of a request may come to together: the API's own limit.
pub(crate) const MOST_TOKENS: usize = 300_000;

/// How many texts of one request are in the engine's queue, or computed, at once. The others wait inside the request, so
/// that one of 2,048 texts leaves places to others.
const TEXTS_AT_ONCE: usize = 8;

/// Reads a request's body. Gives the names of parameters that were passed over, too.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn read(body: &[u8], strictness: Strictness) -> Result<(EmbeddingsRequest, Vec<String>), Refusal> {
    let Parsed { request, unknown } = parse::<EmbeddingsRequest>(body).map_err(broken)?;
    let mut ignored: Vec<String> = request.user.iter().map(|_| "user".to_owned()).collect();
    ignored.extend(unknown);
    request.checked_model().map_err(out_of_bounds)?;
    strictness.check(&ignored)?;
    Ok((request, ignored))
}

/// Refuses numbers of dimensions that the model's vectors do not have.
pub(crate) fn check_dimensions(asked: Option<u64>, length: usize) -> Result<(), InvalidParameter> {
    match asked {
        Some(asked) if asked != length as u64 => {
            let message = format!(
                "'dimensions' is {asked}; the vectors of this model have {length}, and mean nothing when they are cut."
            );
            Err(InvalidParameter::unsupported("dimensions", message))
        }
        _ => Ok(()),
    }
}

/// Refuses texts that come to too many tokens together.
pub(crate) fn check_sum(tokens: usize) -> Result<(), Refusal> {
    if tokens <= MOST_TOKENS {
        return Ok(());
    }
    Err(Refusal::InvalidRequest {
        message: format!(
            "'input' has {tokens} tokens in all; at most {MOST_TOKENS} are taken. Ask in parts."
        ),
        param: Some("input".to_owned()),
        code: Some("max_tokens_per_request"),
    })
}

/// Why there are no vectors.
#[derive(Debug, PartialEq)]
pub(crate) enum NoVectors {
    /// The engine had no place for a text, and nothing of this request was there whose end would have made one.
    NotAdmitted(SubmitError),
    /// A text has no vector.
    Failed(EngineFailure),
}

/// The vector of each of these texts, in their order. `submit` puts a text in the engine's queue; what it gives is kept
/// while the vector is awaited.
///
/// # Errors
/// The first text that is not admitted or has no vector. The others are cancelled.
///
/// # Cancellation
/// Dropping the future cancels all that it has asked for.
pub(crate) async fn vectors<Place>(
    texts: &[Vec<TokenId>],
    submit: impl Fn(Vec<TokenId>, EmbeddingSink) -> Result<Place, SubmitError>,
) -> Result<Vec<Vec<f32>>, NoVectors> {
    let mut vectors = vec![Vec::new(); texts.len()];
    let mut waiting = vectors.iter_mut().zip(texts).peekable();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < TEXTS_AT_ONCE {
            let Some((_, text)) = waiting.peek() else { break };
            let (sender, vector) = oneshot::channel();
            // A failed send means that nobody waits any more.
            let sink: EmbeddingSink = Box::new(move |outcome| drop(sender.send(outcome)));
            match submit(text.to_vec(), sink) {
                Ok(place) => running.push(told(waiting.next(), place, vector)),
                // The end of one that runs makes a place.
                Err(SubmitError::QueueFull { .. }) if !running.is_empty() => break,
                Err(error) => return Err(NoVectors::NotAdmitted(error)),
            }
        }
        match running.next().await {
            Some(outcome) => outcome.map_err(NoVectors::Failed)?,
            None => break,
        }
    }
    drop((running, waiting));
    Ok(vectors)
}

/// Waits for a vector and puts it where it belongs. Its place in the queue is free when this ends.
async fn told<Place>(
    slot: Option<(&mut Vec<f32>, &Vec<TokenId>)>,
    place: Place,
    vector: oneshot::Receiver<Result<Vec<f32>, EngineFailure>>,
) -> Result<(), EngineFailure> {
    // A channel that closes means that the engine's thread is gone.
    let vector = vector.await.unwrap_or(Err(EngineFailure::Stopped))?;
    drop(place);
    if let Some((slot, _)) = slot {
        *slot = vector;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use futures::FutureExt;

    use super::*;

    /// An engine that computes when it is told to, with so many places.
    struct Places {
        capacity: usize,
        taken: Cell<usize>,
        most: Cell<usize>,
        submitted: RefCell<Vec<(Vec<TokenId>, EmbeddingSink)>>,
    }

    struct Place<'p>(&'p Places);

    impl Drop for Place<'_> {
        fn drop(&mut self) {
            self.0.taken.set(self.0.taken.get() - 1);
        }
    }

    impl Places {
        fn new(capacity: usize) -> Places {
            Places { capacity, taken: Cell::new(0), most: Cell::new(0), submitted: RefCell::default() }
        }

        fn submit(&self, tokens: Vec<TokenId>, sink: EmbeddingSink) -> Result<Place<'_>, SubmitError> {
            if self.taken.get() == self.capacity {
                return Err(SubmitError::QueueFull { waiting: 0 });
            }
            self.taken.set(self.taken.get() + 1);
            self.most.set(self.most.get().max(self.taken.get()));
            self.submitted.borrow_mut().push((tokens, sink));
            Ok(Place(self))
        }

        /// Answers the text that came last: a vector of its tokens, or a failure.
        fn answer_last(&self, failure: Option<EngineFailure>) {
            let (tokens, sink) = self.submitted.borrow_mut().pop().unwrap();
            let vector = tokens.iter().map(|token| *token as f32).collect();
            sink(failure.map_or(Ok(vector), Err));
        }
    }

    fn texts(count: TokenId) -> Vec<Vec<TokenId>> {
        (0..count).map(|token| vec![token]).collect()
    }

    #[tokio::test]
    async fn vectors_come_in_the_order_of_the_texts_a_few_at_a_time() {
        for (capacity, most) in [(100, TEXTS_AT_ONCE), (3, 3), (1, 1)] {
            let (places, texts) = (Places::new(capacity), texts(20));
            let mut vectors = Box::pin(vectors(&texts, |tokens, sink| places.submit(tokens, sink)));
            let vectors = loop {
                match vectors.as_mut().now_or_never() {
                    Some(vectors) => break vectors.unwrap(),
                    None => places.answer_last(None),
                }
            };
            let expected: Vec<Vec<f32>> = (0..20).map(|token| vec![token as f32]).collect();
            assert_eq!(vectors, expected);
            assert_eq!((places.most.get(), places.taken.get()), (most, 0));
        }
    }

    #[tokio::test]
    async fn without_any_place_it_is_not_admitted() {
        let (places, texts) = (Places::new(0), texts(2));
        let vectors = vectors(&texts, |tokens, sink| places.submit(tokens, sink)).await;
        assert_eq!(vectors, Err(NoVectors::NotAdmitted(SubmitError::QueueFull { waiting: 0 })));
    }

    #[tokio::test]
    async fn a_failure_ends_all_and_so_does_going_away() {
        let (places, texts) = (Places::new(100), texts(20));
        let mut failing = Box::pin(vectors(&texts, |tokens, sink| places.submit(tokens, sink)));
        assert!(failing.as_mut().now_or_never().is_none());
        places.answer_last(Some(EngineFailure::NoDirection));
        assert_eq!(failing.await, Err(NoVectors::Failed(EngineFailure::NoDirection)));
        assert_eq!(places.taken.get(), 0);

        let mut dropped = Box::pin(vectors(&texts, |tokens, sink| places.submit(tokens, sink)));
        assert!(dropped.as_mut().now_or_never().is_none());
        assert_eq!(places.taken.get(), TEXTS_AT_ONCE);
        drop(dropped);
        assert_eq!(places.taken.get(), 0);
    }

    #[test]
    fn other_dimensions_and_too_many_tokens_are_refused() {
        assert_eq!(check_dimensions(None, 576), Ok(()));
        assert_eq!(check_dimensions(Some(576), 576), Ok(()));
        let InvalidParameter { param, code, .. } = check_dimensions(Some(256), 576).unwrap_err();
        assert_eq!((param.as_str(), code), ("dimensions", "unsupported_value"));
        assert_eq!(check_sum(MOST_TOKENS), Ok(()));
        let refusal = check_sum(MOST_TOKENS + 1).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "'input' has 300001 tokens in all; at most 300000 are taken. Ask in parts."
        );
    }

    #[test]
    fn hints_and_unknown_members_are_named() {
        let body = br#"{"model":"m","input":"a","zeal":1,"user":"b"}"#;
        assert_eq!(read(body, Strictness::NameIgnored).unwrap().1, ["user", "zeal"]);
        let refusal = read(body, Strictness::RefuseIgnored).unwrap_err();
        assert!(refusal.to_string().ends_with("would be ignored: user, zeal."), "{refusal}");
    }
}
