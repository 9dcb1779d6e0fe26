//! How tokens are chosen: the parameters that chats and completions have in common, and their bounds.
//!
//! Owns what makes one of them wrong for every server of the API. It refuses to know defaults, and what is done with
//! them.

use std::collections::BTreeMap;

use super::chat_parameters::{InvalidParameter, within};

/// How many tokens may be preferred or avoided.
const MOST_BIASES: usize = 1024;

/// The members of a request that say how tokens are chosen, as they are given.
#[derive(Debug, Clone, Copy, Default)]
pub struct SamplingMembers<'r> {
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) min_p: Option<f64>,
    pub(super) top_k: Option<u64>,
    pub(super) seed: Option<u64>,
    pub(super) frequency_penalty: Option<f64>,
    pub(super) presence_penalty: Option<f64>,
    pub(super) repeat_penalty: Option<f64>,
    pub(super) repetition_penalty: Option<f64>,
    pub(super) logit_bias: Option<&'r BTreeMap<String, f64>>,
}

/// How tokens are to be chosen; none where the request does not say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SamplingParameters {
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// The share of the nucleus, 0 to 1.
    pub top_p: Option<f64>,
    /// How likely a token must be beside the most likely one, 0 to 1.
    pub min_p: Option<f64>,
    /// How many of the most likely tokens are drawn from.
    pub top_k: Option<u64>,
    /// What decides the draws.
    pub seed: Option<u64>,
    /// What is taken from a token's logit for each time that it was there, -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// What is taken from the logit of a token that was there, -2 to 2.
    pub presence_penalty: Option<f64>,
    /// What the logit of a token that was there is divided by, 0.1 to 10.
    pub repeat_penalty: Option<f64>,
    /// What is added to the logits of tokens, -100 to 100: at most 1,024 of them, each once, in ascending order.
    pub logit_bias: Vec<(u32, f64)>,
}

impl SamplingMembers<'_> {
    /// All of them, if they are within their bounds.
    ///
    /// # Errors
    /// The first that is outside; that both names of the repeat penalty are given with different values; and of biases,
    /// a key that is no token's number or names a token twice, or that there are too many.
    pub fn checked(self) -> Result<SamplingParameters, InvalidParameter> {
        Ok(SamplingParameters {
            temperature: within("temperature", self.temperature, 0.0, 2.0)?,
            top_p: within("top_p", self.top_p, 0.0, 1.0)?,
            min_p: within("min_p", self.min_p, 0.0, 1.0)?,
            top_k: self.top_k,
            seed: self.seed,
            frequency_penalty: within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?,
            presence_penalty: within("presence_penalty", self.presence_penalty, -2.0, 2.0)?,
            repeat_penalty: self.checked_repeat_penalty()?,
            logit_bias: self.logit_bias.map_or(Ok(Vec::new()), token_biases)?,
        })
    }

    fn checked_repeat_penalty(self) -> Result<Option<f64>, InvalidParameter> {
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
}

/// Biases by the numbers of tokens, which are the keys.
fn token_biases(given: &BTreeMap<String, f64>) -> Result<Vec<(u32, f64)>, InvalidParameter> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::chat_completions::ChatCompletionRequest;
    use crate::openai::completions::CompletionRequest;
    use crate::parse;

    /// What both kinds of requests make of these members.
    fn checked(members: &str) -> Result<SamplingParameters, InvalidParameter> {
        let body = format!("{{{members}}}");
        let chat = parse::<ChatCompletionRequest>(body.as_bytes()).unwrap().request.sampling().checked();
        let completion = parse::<CompletionRequest>(body.as_bytes()).unwrap().request.sampling().checked();
        assert_eq!(chat, completion, "{members}");
        chat
    }

    #[test]
    fn values_at_their_bounds_are_taken() {
        assert_eq!(checked(""), Ok(SamplingParameters::default()));
        let given = checked(
            r#""temperature":2,"top_p":0,"min_p":1,"top_k":5,"seed":-1,"frequency_penalty":-2,"presence_penalty":2,
            "repetition_penalty":10,"logit_bias":{"10":100,"9":-100}"#,
        );
        let expected = SamplingParameters {
            temperature: Some(2.0),
            top_p: Some(0.0),
            min_p: Some(1.0),
            top_k: Some(5),
            seed: Some(u64::MAX),
            frequency_penalty: Some(-2.0),
            presence_penalty: Some(2.0),
            repeat_penalty: Some(10.0),
            logit_bias: vec![(9, -100.0), (10, 100.0)],
        };
        assert_eq!(given, Ok(expected));
    }

    #[test]
    fn values_outside_are_told() {
        let many_tokens: Vec<String> = (0..1025).map(|number| format!(r#""{number}":1"#)).collect();
        let many_tokens = format!(r#""logit_bias":{{{}}}"#, many_tokens.join(","));
        let table = [
            (r#""temperature":3"#, "temperature: 'temperature' is 3; it must be from 0 to 2."),
            (r#""top_p":-1"#, "top_p: 'top_p' is -1; it must be from 0 to 1."),
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
        ];
        for (members, expected) in table {
            let InvalidParameter { param, message, .. } = checked(members).unwrap_err();
            assert_eq!(format!("{param}: {message}"), expected, "{members}");
        }
    }
}
