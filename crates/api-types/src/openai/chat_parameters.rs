//! `POST /chat/completions`: the bounds of its parameters, which are the same whoever answers.
//!
//! Owns what makes a value wrong for every server of the API, where it is no message (`conversation`), tool (`tools`),
//! form of text (`response_format`) or way of choosing tokens (`sampling`). It refuses to know defaults, and what a backend honours.

use super::chat_completions::{ChatCompletionRequest, Stop, StreamOptions};
use super::metadata::check_labels;
use super::sampling::SamplingMembers;

/// How many stop strings a request may have: the API's own limit.
const MOST_STOP_STRINGS: usize = 4;
/// Characters of a user's identifier.
const LONGEST_SAFETY_IDENTIFIER: usize = 64;

/// How long a stop string may be, in bytes: it bounds the text that is held back.
const LONGEST_STOP_STRING: usize = 4096;

/// How many answers a request may ask for: the API's own limit.
pub(super) const MOST_CHOICES: u64 = 128;

/// How many alternatives to a token a request may ask for: the API's own limit.
pub const MOST_TOP_LOGPROBS: u64 = 20;

/// How long the name of a function or of a schema may be: the API's own limit.
const LONGEST_NAME: usize = 64;

/// A parameter that is wrong for every server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidParameter {
    /// Which one, as a path such as `messages[0].content`.
    pub param: String,
    /// What is wrong, for a person.
    pub message: String,
    /// A stable word for programs.
    pub code: &'static str,
}

impl InvalidParameter {
    /// A value that is out of its bounds.
    pub fn value(param: impl Into<String>, message: impl Into<String>) -> InvalidParameter {
        InvalidParameter { param: param.into(), message: message.into(), code: "invalid_value" }
    }

    /// A value that the API has and no server here.
    pub fn unsupported(param: impl Into<String>, message: impl Into<String>) -> InvalidParameter {
        InvalidParameter { param: param.into(), message: message.into(), code: "unsupported_value" }
    }

    /// A parameter that must be there.
    pub fn missing(param: &str) -> InvalidParameter {
        InvalidParameter {
            param: param.to_owned(),
            message: format!("Missing required parameter: '{param}'."),
            code: "missing_required_parameter",
        }
    }
}

impl ChatCompletionRequest {
    /// The model's name.
    ///
    /// # Errors
    /// It is missing or empty.
    pub fn checked_model(&self) -> Result<&str, InvalidParameter> {
        model(self.model.as_deref())
    }

    /// The limit of tokens under either of its names, at least 1.
    ///
    /// # Errors
    /// It is 0, or both names are given with different values.
    pub fn checked_max_tokens(&self) -> Result<Option<usize>, InvalidParameter> {
        let (name, limit) = match (self.max_tokens, self.max_completion_tokens) {
            (Some(older), Some(newer)) if older != newer => {
                return Err(InvalidParameter::value(
                    "max_tokens",
                    "'max_tokens' and 'max_completion_tokens' differ. Please give one.",
                ));
            }
            (_, Some(newer)) => ("max_completion_tokens", newer),
            (Some(older), None) => ("max_tokens", older),
            (None, None) => return Ok(None),
        };
        if limit == 0 {
            return Err(InvalidParameter::value(name, format!("'{name}' must be at least 1.")));
        }
        Ok(Some(usize::try_from(limit).unwrap_or(usize::MAX)))
    }

    /// How tokens are to be chosen.
    pub fn sampling(&self) -> SamplingMembers<'_> {
        SamplingMembers {
            temperature: self.temperature,
            top_p: self.top_p,
            min_p: self.min_p,
            top_k: self.top_k,
            seed: self.seed,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            repeat_penalty: self.repeat_penalty,
            repetition_penalty: self.repetition_penalty,
            logit_bias: self.logit_bias.as_ref(),
        }
    }

    /// Labels for the caller's own use: at most 16, of at most 64 and 512 characters.
    ///
    /// # Errors
    /// One of these bounds is broken.
    pub fn check_metadata(&self) -> Result<(), InvalidParameter> {
        self.metadata.as_ref().map_or(Ok(()), check_labels)
    }

    /// Whose request it is: at most 64 characters.
    ///
    /// # Errors
    /// There are more.
    pub fn check_safety_identifier(&self) -> Result<(), InvalidParameter> {
        let characters = self.safety_identifier.as_ref().map_or(0, |identifier| identifier.chars().count());
        if characters <= LONGEST_SAFETY_IDENTIFIER {
            return Ok(());
        }
        let message = format!(
            "'safety_identifier' has {characters} characters; at most {LONGEST_SAFETY_IDENTIFIER} are allowed."
        );
        Err(InvalidParameter::value("safety_identifier", message))
    }

    /// The strings that end the answer: at most 4, none of them empty, of at most 4,096 bytes each.
    ///
    /// # Errors
    /// One of these bounds is broken.
    pub fn checked_stops(&self) -> Result<&[String], InvalidParameter> {
        stops(self.stop.as_ref())
    }

    /// The names of what of the stream's options no backend here honours: padding.
    pub fn ignored_stream_options(&self) -> impl Iterator<Item = String> {
        ignored_stream_options(self.stream_options)
    }

    /// The number of answers, from 1 to 128; 1 when none is given.
    ///
    /// # Errors
    /// It is outside.
    pub fn checked_choices(&self) -> Result<u32, InvalidParameter> {
        choices(self.n)
    }

    /// The number of alternatives that come with each token's log probability, from 0 to 20; none when no log
    /// probabilities are asked for.
    ///
    /// # Errors
    /// It is outside, or given without `logprobs`.
    pub fn checked_logprobs(&self) -> Result<Option<usize>, InvalidParameter> {
        match (self.logprobs.unwrap_or(false), self.top_logprobs.unwrap_or(0)) {
            (true, count @ 0..=MOST_TOP_LOGPROBS) => Ok(Some(count as usize)),
            (false, 0) => Ok(None),
            (true, count) => Err(InvalidParameter::value(
                "top_logprobs",
                format!("'top_logprobs' is {count}; it must be from 0 to {MOST_TOP_LOGPROBS}."),
            )),
            (false, _) => {
                Err(InvalidParameter::value("top_logprobs", "'top_logprobs' needs 'logprobs' to be true."))
            }
        }
    }
}

/// The model's name, which every endpoint requires.
pub(super) fn model(given: Option<&str>) -> Result<&str, InvalidParameter> {
    match given {
        None => Err(InvalidParameter::missing("model")),
        Some("") => Err(InvalidParameter::value("model", "'model' must not be empty.")),
        Some(model) => Ok(model),
    }
}

/// The strings that end an answer.
pub(super) fn stops(given: Option<&Stop>) -> Result<&[String], InvalidParameter> {
    let stops = given.map_or(&[][..], |Stop(stops)| stops);
    if stops.len() > MOST_STOP_STRINGS {
        let message = format!("'stop' has {} strings; at most {MOST_STOP_STRINGS} are allowed.", stops.len());
        return Err(InvalidParameter::value("stop", message));
    }
    for (position, stop) in stops.iter().enumerate() {
        if stop.is_empty() {
            let message = format!("'stop' must not be empty (string {position}).");
            return Err(InvalidParameter::value("stop", message));
        }
        if stop.len() > LONGEST_STOP_STRING {
            let message =
                format!("'stop' is too long (string {position}): at most {LONGEST_STOP_STRING} bytes.");
            return Err(InvalidParameter::value("stop", message));
        }
    }
    Ok(stops)
}

/// The number of answers.
pub(super) fn choices(given: Option<u64>) -> Result<u32, InvalidParameter> {
    match given {
        None => Ok(1),
        Some(count @ 1..=MOST_CHOICES) => Ok(count as u32),
        Some(count) => {
            Err(InvalidParameter::value("n", format!("'n' is {count}; it must be from 1 to {MOST_CHOICES}.")))
        }
    }
}

/// The names of the stream's options that no backend here honours.
pub(super) fn ignored_stream_options(options: Option<StreamOptions>) -> impl Iterator<Item = String> {
    let padded = options.is_some_and(|options| options.include_obfuscation == Some(true));
    padded.then(|| "stream_options.include_obfuscation".to_owned()).into_iter()
}

/// The name of a function or of a schema: 1 to 64 letters, digits, `_` and `-`.
pub(super) fn check_name(path: &str, name: &str) -> Result<(), InvalidParameter> {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    if (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_allowed) {
        return Ok(());
    }
    let message = format!("'{path}' must be 1 to {LONGEST_NAME} letters, digits, '_' and '-'.");
    Err(InvalidParameter::value(path, message))
}

/// A number that must lie between two others.
pub(super) fn within(
    name: &str,
    value: Option<f64>,
    low: f64,
    high: f64,
) -> Result<Option<f64>, InvalidParameter> {
    match value {
        Some(value) if !(low..=high).contains(&value) => Err(InvalidParameter::value(
            name,
            format!("'{name}' is {value}; it must be from {low} to {high}."),
        )),
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(members: &str) -> ChatCompletionRequest {
        crate::parse::<ChatCompletionRequest>(format!("{{{members}}}").as_bytes()).unwrap().request
    }

    /// `param: message` of the first of the checks that fails.
    fn refusal(members: &str) -> String {
        let request = request(members);
        let checks = [
            request.check_metadata(),
            request.checked_choices().map(drop),
            request.checked_logprobs().map(drop),
        ];
        let error = checks.into_iter().find_map(Result::err).unwrap_or_else(|| panic!("{members} is sound"));
        format!("{}: {}", error.param, error.message)
    }

    #[test]
    fn values_at_their_bounds_are_taken() {
        let given = request(r#""n":128,"logprobs":true,"top_logprobs":20,"metadata":{"a":"b"}"#);
        assert_eq!(given.check_metadata(), Ok(()));
        assert_eq!(given.checked_choices(), Ok(128));
        assert_eq!(given.checked_logprobs(), Ok(Some(20)));
    }

    #[test]
    fn values_outside_are_told() {
        let many_labels: Vec<String> = (0..17).map(|number| format!(r#""{number}":"""#)).collect();
        let many_labels = format!(r#""metadata":{{{}}}"#, many_labels.join(","));
        let long_label = format!(r#""metadata":{{"{}":""}}"#, "é".repeat(65));
        let table = [
            (many_labels.as_str(), "metadata: 'metadata' has 17 pairs; at most 16 are allowed."),
            (
                long_label.as_str(),
                "metadata: 'metadata' has a pair that is too long: keys have at most 64 characters, values 512.",
            ),
            (r#""n":129"#, "n: 'n' is 129; it must be from 1 to 128."),
            (
                r#""logprobs":true,"top_logprobs":21"#,
                "top_logprobs: 'top_logprobs' is 21; it must be from 0 to 20.",
            ),
            (r#""top_logprobs":1"#, "top_logprobs: 'top_logprobs' needs 'logprobs' to be true."),
        ];
        for (members, expected) in table {
            assert_eq!(refusal(members), expected, "{members}");
        }
    }
}
