//! An answer that is one JSON value, whatever it is about.
//!
//! Owns what is the same for all of them: that they are JSON, and say so. Knows no endpoint.

use serde_json::Value;

use crate::case::Objection;
use crate::ending::told_ending;
use crate::exchange::{Exchange, excerpt};

/// What of a body that is no answer is told, in characters.
const BODY_CHARACTERS: usize = 160;

/// The body of an answer that must be JSON.
///
/// # Errors
/// INCONCLUSIVE where it was not read to its end; broken where it is none, or where its content type says something else: SDKs then hand the text on as it is.
pub(crate) fn must_be_json(exchange: &Exchange) -> Result<Value, Objection> {
    let broken = |seen: String| Objection::broken(seen).of(&exchange.question.title).about(exchange);
    let media_type = exchange.media_type();
    let Ok(body) = exchange.json() else {
        exchange.read_to_its_end()?;
        let told = excerpt(exchange.body(), BODY_CHARACTERS);
        let end = exchange.ending().map(told_ending).unwrap_or_default();
        return Err(broken(format!("no JSON, of type `{media_type}`: {told}; {end}")));
    };
    if media_type == "application/json" || media_type.ends_with("+json") {
        return Ok(body);
    }
    let seen = format!("JSON of the content type `{media_type}`, which SDKs hand on as text");
    Err(broken(seen).expected("content-type: application/json"))
}
