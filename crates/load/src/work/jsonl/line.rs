//! One line of a file of requests.
//!
//! Owns its forms: a body alone; a body in an envelope, which is our own or that of a batch; a line of a Mooncake trace.
//! A member that is of no form is a mistake, since nobody would know that it does nothing.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::measured::Measured;
use super::{Asked, Forms};
use crate::work::body::Body;
use crate::work::form::Form;
use crate::work::problems::quoted;
use crate::work::recorded::Recorded;
use crate::work::{Endpoint, LONGEST_TRACE};

/// Members of an envelope.
const OF_ENVELOPES: &str = "`at_ms`, `endpoint`, `custom_id`, `method`, `url` and `body`";

/// What a line says.
#[derive(Debug)]
pub(super) struct Line {
    /// When the request is to be sent, from the start.
    pub(super) at: Option<Duration>,
    pub(super) asked: Asked,
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub(super) fn read(text: &str, forms: &Forms<'_>) -> Result<Line, String> {
        let line = Body::read(text)?;
        if line.has("input_length") {
            let (at, measured) = Measured::read(line, forms)?;
            Ok(Line { at, asked: Asked::Measured(measured) })
        } else if line.has("body") {
            envelope(line, forms.recorded)
        } else {
            Ok(Line { at: None, asked: Asked::Recorded(Recorded::new(line, None, forms.recorded)?) })
        }
    }
}

/// A body with what is said about it.
fn envelope(mut line: Body, form: &Form) -> Result<Line, String> {
    let at = time(&mut line, "at_ms")?;
    let named: Option<String> = value(&mut line, "endpoint", "a text")?;
    let url: Option<String> = value(&mut line, "url", "a text")?;
    let method: Option<String> = value(&mut line, "method", "a text")?;
    let _: Option<String> = value(&mut line, "custom_id", "a text")?;
    let body = line.take("body").unwrap_or_default();
    no_other(&line, OF_ENVELOPES)?;
    if let Some(method) = method.filter(|method| method != "POST") {
        return Err(format!("`method` is {}, and only POST is sent", quoted(&method)));
    }
    let endpoint = match (named, url) {
        (Some(_), Some(_)) => {
            return Err("it has both `endpoint` and `url`; leave one of them out".to_owned());
        }
        (Some(name), None) => Some(name.parse::<Endpoint>().map_err(|error| error.to_string())?),
        (None, Some(url)) => Some(
            Endpoint::of_path(&url)
                .ok_or_else(|| format!("`url` is {}, and no load can be put on that", quoted(&url)))?,
        ),
        (None, None) => None,
    };
    let body = Body::read(&body).map_err(|reason| format!("`body`: {reason}"))?;
    Ok(Line { at, asked: Asked::Recorded(Recorded::new(body, endpoint, form)?) })
}

/// Takes a member of a type.
pub(super) fn value<T: DeserializeOwned>(
    line: &mut Body,
    name: &str,
    expected: &str,
) -> Result<Option<T>, String> {
    let Some(text) = line.take(name) else { return Ok(None) };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|_| format!("`{name}` is {}, and not {expected}", quoted(&text)))
}

/// Takes a time in milliseconds.
pub(super) fn time(line: &mut Body, name: &str) -> Result<Option<Duration>, String> {
    let Some(milliseconds) = value::<f64>(line, name, "a number of milliseconds")? else { return Ok(None) };
    let time = Duration::try_from_secs_f64(milliseconds / 1e3).ok().filter(|time| *time <= LONGEST_TRACE);
    let longest = LONGEST_TRACE.as_millis();
    time.map(Some).ok_or_else(|| {
        format!(
            "`{name}` is {milliseconds}, and not from 0 to {longest} milliseconds from the start of the trace"
        )
    })
}

/// Makes sure that nothing is left.
pub(super) fn no_other(line: &Body, known: &str) -> Result<(), String> {
    match line.names().next() {
        Some(name) => Err(format!("{} is unknown; known are {known}", quoted(name))),
        None => Ok(()),
    }
}
