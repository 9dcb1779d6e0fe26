//! `/_interference/requests`: the journal, for tests.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use interference_backend::Refusal;
use serde_json::json;

use super::Shared;
use crate::answer_body::Response;
use crate::closing::Phase;
use crate::error_response::{Rejection, json_response, json_text_response};
use crate::journal::{Awaited, MOST_ENTRIES};

pub(super) const PATH: &str = "/_interference/requests";

/// How long a reader may wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long one waits that does not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);

pub(super) async fn read(shared: &Shared, query: Option<&str>) -> Result<Response, Rejection> {
    let awaited = awaited(query.unwrap_or_default()).map_err(Rejection::Refused)?;
    let mut closing = shared.closing.clone();
    let timed_out = tokio::select! {
        timed_out = shared.journal.wait(awaited) => timed_out,
        // A reader does not hold up the end.
        () = closing.reached(Phase::Draining) => true,
    };
    let journal = Arc::clone(&shared.journal);
    // All that is remembered takes a while to be written.
    let written = tokio::task::spawn_blocking(move || journal.to_json(timed_out)).await;
    let text = written.map_err(|_panic| Rejection::Panicked)?;
    Ok(json_text_response(StatusCode::OK, text))
}

pub(super) fn clear(shared: &Shared) -> Response {
    shared.journal.clear();
    json_response(StatusCode::OK, &json!({"cleared": true}))
}

/// Reads `min=3&timeout=2s&ended=true`, in any order, all of them optional.
fn awaited(query: &str) -> Result<Awaited, Refusal> {
    let mut awaited = Awaited { count: 0, ended: false, bound: DEFAULT_WAIT };
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name {
            "min" => {
                awaited.count =
                    value.parse().ok().filter(|count| *count <= MOST_ENTRIES as u64).ok_or_else(|| {
                        let bounds = format!("it must be a whole number up to {MOST_ENTRIES}");
                        invalid(name, format!("'min' is '{value}'; {bounds}."), "invalid_value")
                    })?;
            }
            "timeout" => {
                awaited.bound = interference_faults::parse_duration(value)
                    .ok()
                    .filter(|bound| *bound <= LONGEST_WAIT)
                    .ok_or_else(|| {
                        let bounds = "it must be a time such as 2s or 500ms, up to 60s";
                        invalid(name, format!("'timeout' is '{value}'; {bounds}."), "invalid_value")
                    })?;
            }
            "ended" => {
                awaited.ended = match value {
                    "true" | "" => true,
                    "false" => false,
                    _ => {
                        let message = format!("'ended' is '{value}'; it must be true or false.");
                        return Err(invalid(name, message, "invalid_value"));
                    }
                }
            }
            _ => {
                let message = format!(
                    "'{name}' is not known here. There are 'min', 'timeout' and 'ended', as in \
                     ?min=3&timeout=2s&ended=true."
                );
                return Err(invalid(name, message, "unknown_parameter"));
            }
        }
    }
    Ok(awaited)
}

fn invalid(param: &str, message: String, code: &'static str) -> Refusal {
    Refusal::InvalidRequest { message, param: Some(param.to_owned()), code: Some(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_what_is_waited_for() {
        let table = [
            ("", 0, false, DEFAULT_WAIT),
            ("min=3&timeout=2s", 3, false, Duration::from_secs(2)),
            ("ended=true&min=1&", 1, true, DEFAULT_WAIT),
            ("timeout=500ms", 0, false, Duration::from_millis(500)),
        ];
        for (query, count, ended, bound) in table {
            assert_eq!(awaited(query).unwrap(), Awaited { count, ended, bound }, "{query}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, said) in [
            ("min=-1", "'min' is '-1'"),
            ("min=1001", "'min' is '1001'"),
            ("timeout=2h", "'timeout' is '2h'"),
            ("timeout=soon", "'timeout' is 'soon'"),
            ("ended=perhaps", "'ended' is 'perhaps'"),
            ("max=3", "'max' is not known here"),
        ] {
            let Refusal::InvalidRequest { message, param, code } = awaited(query).unwrap_err() else {
                panic!()
            };
            assert!(message.starts_with(said), "{message}");
            assert_eq!(param.as_deref(), query.split('=').next());
            assert!(code.is_some());
        }
    }
}
