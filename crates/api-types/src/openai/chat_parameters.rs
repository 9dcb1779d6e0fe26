//! `POST /chat/completions`: the bounds of its parameters, which are the same whoever answers.
//!
//! Owns what makes a value wrong for every server of the API, where it is no message (`conversation`), tool (`tools`)
//! or form of text (`response_format`). It refuses to know defaults, and what a backend honours.

use std::collections::BTreeMap;

use super::chat_completions::{ChatCompletionRequest, Stop};

/// How many stop strings a request may have: the API's own limit.
const MOST_STOP_STRINGS: usize = 4;

/// How long a stop string may be, in bytes: it bounds the text that is held back.
const LONGEST_STOP_STRING: usize = 4096;

/// How many answers a request may ask for: the API's own limit.
const MOST_CHOICES: u64 = 128;

/// How many alternatives to a token a request may ask for: the API's own limit.
const MOST_TOP_LOGPROBS: u64 = 20;

/// How many tokens may be preferred or avoided.
const MOST_BIASES: usize = 1024;

/// How long the name of a function or of a schema may be: the API's own limit.
const LONGEST_NAME: usize = 64;

/// How many pairs `metadata` may have, and how long their keys and values may be in characters: the API's own limits.
const MOST_LABELS: usize = 16;
const LONGEST_LABEL_KEY: usize = 64;
const LONGEST_LABEL_VALUE: usize = 512;

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
        match self.model.as_deref() {
            None => Err(InvalidParameter::missing("model")),
            Some("") => Err(InvalidParameter::value("model", "'model' must not be empty.")),
            Some(model) => Ok(model),
        }
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

    /// The temperature, from 0 to 2.
    ///
    /// # Errors
    /// It is outside.
    pub fn checked_temperature(&self) -> Result<Option<f64>, InvalidParameter> {
        within("temperature", self.temperature, 0.0, 2.0)
    }

    /// The share of the nucleus, from 0 to 1.
    ///
    /// # Errors
    /// It is outside.
    pub fn checked_top_p(&self) -> Result<Option<f64>, InvalidParameter> {
        within("top_p", self.top_p, 0.0, 1.0)
    }

    /// How likely a token must be beside the most likely one, from 0 to 1.
    ///
    /// # Errors
    /// It is outside.
    pub fn checked_min_p(&self) -> Result<Option<f64>, InvalidParameter> {
        within("min_p", self.min_p, 0.0, 1.0)
    }

    /// What is taken from a token's logit for each time that it was there, from -2 to 2.
    ///
    /// # Errors
    /// It is outside.
    pub fn checked_frequency_penalty(&self) -> Result<Option<f64>, InvalidParameter> {
        within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)
    }

    /// What is taken from the logit of a token that was there, from -2 to 2.
    ///
    /// # Errors
    /// It is outside.
    pub fn checked_presence_penalty(&self) -> Result<Option<f64>, InvalidParameter> {
        within("presence_penalty", self.presence_penalty, -2.0, 2.0)
    }

    /// What the logit of a token that was there is divided by, under either of its names, from 0.1 to 10.
    ///
    /// # Errors
    /// It is outside, or both names are given with different values.
    pub fn checked_repeat_penalty(&self) -> Result<Option<f64>, InvalidParameter> {
        let (name, value) = match (self.repeat_penalty, self.repetition_penalty) {
            (Some(one), Some(other)) if one != other => {
                let message = "'repeat_penalty' and 'repetition_penalty' differ. Please give one.";
                return Err(InvalidParameter::value("repeat_penalty", message));
            }
            (None, Some(value)) => ("repetition_penalty", Some(value)),
            (value, _) => ("repeat_penalty", value),
        };
        within(name, value, 0.1, 10.0)
    }

    /// What is added to the logits of tokens, from -100 to 100, at most 1,024 of them, each once.
    ///
    /// # Errors
    /// A key is no token's number or names a token twice, a value is outside, or there are too many.
    pub fn checked_logit_bias(&self) -> Result<Vec<(u32, f64)>, InvalidParameter> {
        self.logit_bias.as_ref().map_or(Ok(Vec::new()), token_biases)
    }

    /// Labels for the caller's own use: at most 16, of at most 64 and 512 characters.
    ///
    /// # Errors
    /// One of these bounds is broken.
    pub fn check_metadata(&self) -> Result<(), InvalidParameter> {
        let Some(labels) = &self.metadata else { return Ok(()) };
        if labels.len() > MOST_LABELS {
            let message =
                format!("'metadata' has {} pairs; at most {MOST_LABELS} are allowed.", labels.len());
            return Err(InvalidParameter::value("metadata", message));
        }
        for (key, value) in labels {
            if key.chars().count() > LONGEST_LABEL_KEY || value.chars().count() > LONGEST_LABEL_VALUE {
                let message = format!(
                    "'metadata' has a pair that is too long: keys have at most {LONGEST_LABEL_KEY} characters, \
                     values {LONGEST_LABEL_VALUE}."
                );
                return Err(InvalidParameter::value("metadata", message));
            }
        }
        Ok(())
    }

    /// The strings that end the answer: at most 4, none of them empty, of at most 4,096 bytes each.
    ///
    /// # Errors
    /// One of these bounds is broken.
    pub fn checked_stops(&self) -> Result<&[String], InvalidParameter> {
        let stops = self.stop.as_ref().map_or(&[][..], |Stop(stops)| stops);
        if stops.len() > MOST_STOP_STRINGS {
            let message =
                format!("'stop' has {} strings; at most {MOST_STOP_STRINGS} are allowed.", stops.len());
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

    /// The names of what of the stream's options no backend here honours: padding, and a usage without a stream.
    pub fn ignored_stream_options(&self) -> impl Iterator<Item = String> {
        let options = self.stream_options.unwrap_or_default();
        let without_a_stream = self.stream != Some(true);
        [
            ("stream_options.include_obfuscation", options.include_obfuscation == Some(true)),
            ("stream_options.include_usage", options.include_usage == Some(true) && without_a_stream),
        ]
        .into_iter()
        .filter(|(_, ignored)| *ignored)
        .map(|(name, _)| name.to_owned())
    }

    /// The number of answers, from 1 to 128; 1 when none is given.
    ///
    /// # Errors
    /// It is outside.
    pub fn checked_choices(&self) -> Result<u32, InvalidParameter> {
        match self.n {
            None => Ok(1),
            Some(count @ 1..=MOST_CHOICES) => Ok(count as u32),
            Some(count) => Err(InvalidParameter::value(
                "n",
                format!("'n' is {count}; it must be from 1 to {MOST_CHOICES}."),
            )),
        }
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

/// Biases by the numbers of tokens, which are the keys.
pub(super) fn token_biases(given: &BTreeMap<String, f64>) -> Result<Vec<(u32, f64)>, InvalidParameter> {
    let wrong = |message: String| Err(InvalidParameter::value("logit_bias", message));
    if given.len() > MOST_BIASES {
        return wrong(format!("'logit_bias' has {} tokens; at most {MOST_BIASES} are allowed.", given.len()));
    }
    let mut biases = BTreeMap::new();
    for (key, bias) in given {
        let key = key.escape_debug();
        let Ok(token) = key.to_string().parse::<u32>() else {
            return wrong(format!("'logit_bias' has the key '{key}'; keys must be the numbers of tokens."));
        };
        if !(-100.0..=100.0).contains(bias) {
            return wrong(format!("'logit_bias' has {bias} for token {token}; it must be from -100 to 100."));
        }
        if biases.insert(token, *bias).is_some() {
            return wrong(format!("'logit_bias' has token {token} twice."));
        }
    }
    Ok(biases.into_iter().collect())
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
            request.checked_min_p().map(drop),
            request.checked_frequency_penalty().map(drop),
            request.checked_presence_penalty().map(drop),
            request.checked_repeat_penalty().map(drop),
            request.checked_logit_bias().map(drop),
            request.check_metadata(),
            request.checked_choices().map(drop),
            request.checked_logprobs().map(drop),
        ];
        let error = checks.into_iter().find_map(Result::err).unwrap_or_else(|| panic!("{members} is sound"));
        format!("{}: {}", error.param, error.message)
    }

    #[test]
    fn values_at_their_bounds_are_taken() {
        let given = request(
            r#""min_p":1,"frequency_penalty":-2,"presence_penalty":2,"repetition_penalty":10,
            "logit_bias":{"10":100,"9":-100},"n":128,"logprobs":true,"top_logprobs":20,"metadata":{"a":"b"}"#,
        );
        assert_eq!(given.checked_min_p(), Ok(Some(1.0)));
        assert_eq!(given.checked_frequency_penalty(), Ok(Some(-2.0)));
        assert_eq!(given.checked_presence_penalty(), Ok(Some(2.0)));
        assert_eq!(given.checked_repeat_penalty(), Ok(Some(10.0)));
        assert_eq!(given.checked_logit_bias(), Ok(vec![(9, -100.0), (10, 100.0)]));
        assert_eq!(given.check_metadata(), Ok(()));
        assert_eq!(given.checked_choices(), Ok(128));
        assert_eq!(given.checked_logprobs(), Ok(Some(20)));
        assert_eq!(request("").checked_logit_bias(), Ok(vec![]));
    }

    #[test]
    fn values_outside_are_told() {
        let many_labels: Vec<String> = (0..17).map(|number| format!(r#""{number}":"""#)).collect();
        let many_labels = format!(r#""metadata":{{{}}}"#, many_labels.join(","));
        let long_label = format!(r#""metadata":{{"{}":""}}"#, "é".repeat(65));
        let many_tokens: Vec<String> = (0..1025).map(|number| format!(r#""{number}":1"#)).collect();
        let many_tokens = format!(r#""logit_bias":{{{}}}"#, many_tokens.join(","));
        let table = [
            (r#""min_p":1.5"#, "min_p: 'min_p' is 1.5; it must be from 0 to 1."),
            (
                r#""frequency_penalty":2.1"#,
                "frequency_penalty: 'frequency_penalty' is 2.1; it must be from -2 to 2.",
            ),
            (
                r#""presence_penalty":-2.1"#,
                "presence_penalty: 'presence_penalty' is -2.1; it must be from -2 to 2.",
            ),
            (r#""repeat_penalty":0"#, "repeat_penalty: 'repeat_penalty' is 0; it must be from 0.1 to 10."),
            (
                r#""repetition_penalty":11"#,
                "repetition_penalty: 'repetition_penalty' is 11; it must be from 0.1 to 10.",
            ),
            (
                r#""repeat_penalty":1,"repetition_penalty":2"#,
                "repeat_penalty: 'repeat_penalty' and 'repetition_penalty' differ. Please give one.",
            ),
            (
                r#""logit_bias":{"tree":1}"#,
                "logit_bias: 'logit_bias' has the key 'tree'; keys must be the numbers of tokens.",
            ),
            (
                r#""logit_bias":{"-1":1}"#,
                "logit_bias: 'logit_bias' has the key '-1'; keys must be the numbers of tokens.",
            ),
            (
                r#""logit_bias":{"7":101}"#,
                "logit_bias: 'logit_bias' has 101 for token 7; it must be from -100 to 100.",
            ),
            (r#""logit_bias":{"7":1,"07":1}"#, "logit_bias: 'logit_bias' has token 7 twice."),
            (&many_tokens, "logit_bias: 'logit_bias' has 1025 tokens; at most 1024 are allowed."),
            (&many_labels, "metadata: 'metadata' has 17 pairs; at most 16 are allowed."),
            (
                &long_label,
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
