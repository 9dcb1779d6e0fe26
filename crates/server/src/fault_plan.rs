//! Which plan of faults a request gets: the one of its header, of its model's name, of the script, or of the server.
//!
//! Owns the ways in which a request can ask for faults, and their order: the most specific wins. It refuses to know
//! what faults do.

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use interference_api_types::openai::model_name::ModelName;
use interference_faults::{Drawn, Plan, PlanError, StandingPlan};

/// Asks for faults.
pub(crate) const WANTED: HeaderName = HeaderName::from_static("x-interference");

/// Tells what was done.
pub(crate) const APPLIED: HeaderName = HeaderName::from_static("x-interference-applied");

/// Between a model's name and a plan.
const SEPARATOR: char = '#';

/// The same as JSON may spell it, too.
const ESCAPED_SEPARATOR: &[u8] = b"\\u0023";

/// Whether requests may ask for faults in their header. In their model's name they always may: a name with a plan in
/// it reaches nothing else, while a header may come from anywhere on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderFaults {
    /// The header is an error.
    #[default]
    Refused,
    /// They may.
    Allowed,
}

/// Why a request for faults cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FaultRequestError {
    /// Nobody allowed it.
    #[error(
        "This server does not take faults from the header '{WANTED}'. Start it with `--allow-faults`, or put the plan \
         behind the model's name, as in `model{SEPARATOR}cut.after_events=5`."
    )]
    NotAllowed,
    /// The plan is wrong.
    #[error("The plan of faults in {place} is wrong: {error}")]
    Wrong {
        /// Where it stands.
        place: &'static str,
        /// What is wrong.
        error: PlanError,
    },
    /// One would be passed over.
    #[error("The header '{WANTED}' is there more than once. Plans are not merged: give one.")]
    Several,
    /// The header is not text.
    #[error("The header '{WANTED}' must be printable ASCII.")]
    NotText,
}

/// The plans that may concern a request.
pub(crate) struct FaultPlans {
    header: HeaderFaults,
    server: Option<StandingPlan>,
}

/// What a request asks for by itself, and its body without that.
pub(crate) struct Asked {
    pub(crate) drawn: Option<Drawn>,
    pub(crate) body: Bytes,
}

impl FaultPlans {
    pub(crate) fn new(header: HeaderFaults, server: Option<Plan>) -> FaultPlans {
        let server = server.filter(|plan| !plan.is_empty()).map(StandingPlan::new);
        FaultPlans { header, server }
    }

    /// Reads the request's own plan, from its header or from the name of its model.
    ///
    /// # Errors
    /// There is one that cannot be had.
    pub(crate) fn asked(&self, headers: &HeaderMap, body: Bytes) -> Result<Asked, FaultRequestError> {
        let (suffix, body) = split_model(body)?;
        if headers.get_all(WANTED).iter().nth(1).is_some() {
            return Err(FaultRequestError::Several);
        }
        let header = headers.get(WANTED).map(|value| {
            if self.header == HeaderFaults::Refused {
                return Err(FaultRequestError::NotAllowed);
            }
            let text = value.to_str().map_err(|_| FaultRequestError::NotText)?;
            Plan::parse(text).map_err(|error| FaultRequestError::Wrong { place: "the header", error })
        });
        let plan = header.transpose()?.or(suffix);
        Ok(Asked { drawn: plan.map(|plan| plan.draw(0)), body })
    }

    /// What the server's own plan comes to for the next request.
    pub(crate) fn of_server(&self) -> Option<Drawn> {
        self.server.as_ref().map(StandingPlan::next)
    }
}

/// Takes the plan out of `"model":"name#plan"`, and leaves all other bytes as they are.
fn split_model(body: Bytes) -> Result<(Option<Plan>, Bytes), FaultRequestError> {
    // Without one there is no plan, and no need to read the JSON a second time.
    let is_escaped = || body.contains(&b'\\') && memchr::memmem::find(&body, ESCAPED_SEPARATOR).is_some();
    if !body.contains(&(SEPARATOR as u8)) && !is_escaped() {
        return Ok((None, body));
    }
    let Some(found) = ModelName::find(&body) else { return Ok((None, body)) };
    let Some((name, plan)) = found.name.split_once(SEPARATOR) else { return Ok((None, body)) };
    let plan =
        Plan::parse(plan).map_err(|error| FaultRequestError::Wrong { place: "the model's name", error })?;
    Ok((Some(plan), Bytes::from(found.replaced(&body, name))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans(header: HeaderFaults) -> FaultPlans {
        FaultPlans::new(header, None)
    }

    fn asked(header: Option<&str>, body: &'static str) -> Result<(Option<u64>, String), String> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(WANTED, header.parse().unwrap());
        }
        let asked = plans(HeaderFaults::Allowed).asked(&headers, Bytes::from_static(body.as_bytes()));
        let Asked { drawn, body } = asked.map_err(|error| error.to_string())?;
        Ok((drawn.map(|drawn| drawn.seed()), String::from_utf8(body.to_vec()).unwrap()))
    }

    #[test]
    fn a_plan_behind_the_name_is_taken_out() {
        let table = [
            (r#"{"model":"m#cut.after_events=5,seed=7"}"#, r#"{"model":"m"}"#),
            (r#"{"model":"m\u0023cut.after_events=5,seed=7"}"#, r#"{"model":"m"}"#),
            (
                r##"{ "a": 1.50, "model" : "m\"#cut = {by=\"reset\", after_events=1}, seed=7", "b":"#" }"##,
                r##"{ "a": 1.50, "model" : "m\"", "b":"#" }"##,
            ),
        ];
        for (body, without) in table {
            assert_eq!(asked(None, body), Ok((Some(7), without.to_owned())));
        }
    }

    #[test]
    fn other_bodies_stay_as_they_are() {
        for body in
            ["", "#", "{#}", r##"{"model":"m","messages":"#"}"##, r##"{"model":["#"]}"##, r##"{"x":"a#b"}"##]
        {
            assert_eq!(asked(None, body), Ok((None, body.to_owned())));
        }
    }

    #[test]
    fn the_header_wins() {
        assert_eq!(
            asked(Some("seed=9,cut.after_events=1"), r#"{"model":"m#cut.after_events=5,seed=7"}"#),
            Ok((Some(9), r#"{"model":"m"}"#.to_owned()))
        );
    }

    #[test]
    fn what_cannot_be_had_is_told() {
        let error = asked(Some("cat.after_events=1"), "{}").unwrap_err();
        assert!(error.starts_with("The plan of faults in the header is wrong: "), "{error}");
        let error = asked(None, r#"{"model":"m#"}"#).map(|_| ());
        assert_eq!(error, Ok(()), "an empty plan does nothing");
        let headers = HeaderMap::from_iter([(WANTED, "seed=1".parse().unwrap())]);
        let refused = plans(HeaderFaults::Refused).asked(&headers, Bytes::new());
        assert!(matches!(refused, Err(FaultRequestError::NotAllowed)));
        let mut twice = headers.clone();
        twice.append(WANTED, "seed=2".parse().unwrap());
        let refused = plans(HeaderFaults::Allowed).asked(&twice, Bytes::new());
        assert!(matches!(refused, Err(FaultRequestError::Several)));
    }
}
