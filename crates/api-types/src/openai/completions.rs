//! `POST /completions`: the request, and the bounds of its parameters, which are the same whoever answers.
//!
//! Owns what is the older API's own: prompts in four forms, log probabilities as a number, a limit of 16 tokens where
//! none is given. What it has in common with chats is taken from there. It refuses to know what a backend honours.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::chat_completions::{Stop, StreamOptions};
use super::chat_parameters::{self, InvalidParameter, MOST_CHOICES};
use super::chat_reply::Delivery;
use super::inputs::{Input, Inputs};
use super::sampling::SamplingMembers;
use crate::request_body::{
    optional_count, optional_number, optional_numbers, optional_object, optional_seed,
};

/// At most so many tokens where the request does not say: the API's own default.
const DEFAULT_MAX_TOKENS: u64 = 16;

/// How many alternatives to a token a request may ask for: the API's own limit.
const MOST_LOGPROBS: u64 = 5;

/// Of how many answers the best may be asked for: the API's own limit.
const MOST_BEST_OF: u64 = 20;

/// A request. `null` is as good as absent everywhere.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct CompletionRequest {
    /// The model. The API requires it.
    pub model: Option<String>,
    /// What is to be continued; absent, the beginning of a document.
    pub prompt: Option<Inputs>,
    /// What is to come behind the answer.
    pub suffix: Option<String>,
    /// At most this many tokens.
    #[serde(deserialize_with = "optional_count")]
    pub max_tokens: Option<u64>,
    /// 0 to 2.
    #[serde(deserialize_with = "optional_number")]
    pub temperature: Option<f64>,
    /// 0 to 1.
    #[serde(deserialize_with = "optional_number")]
    pub top_p: Option<f64>,
    /// How many answers to each prompt.
    #[serde(deserialize_with = "optional_count")]
    pub n: Option<u64>,
    /// Of how many answers to each prompt the best are told.
    #[serde(deserialize_with = "optional_count")]
    pub best_of: Option<u64>,
    /// Whether the answer comes in chunks.
    pub stream: Option<bool>,
    /// How it comes in chunks.
    #[serde(deserialize_with = "optional_object")]
    pub stream_options: Option<StreamOptions>,
    /// Each token comes with its log probability, and with this many alternatives.
    #[serde(deserialize_with = "optional_count")]
    pub logprobs: Option<u64>,
    /// Whether the prompt comes before its answer.
    pub echo: Option<bool>,
    /// Where the answer ends.
    pub stop: Option<Stop>,
    /// -2 to 2.
    #[serde(deserialize_with = "optional_number")]
    pub presence_penalty: Option<f64>,
    /// -2 to 2.
    #[serde(deserialize_with = "optional_number")]
    pub frequency_penalty: Option<f64>,
    /// Tokens to be preferred or avoided: what is added to their logits, by their numbers.
    #[serde(deserialize_with = "optional_numbers")]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// Any 64 bits; a negative number stands for its two's complement.
    #[serde(deserialize_with = "optional_seed")]
    pub seed: Option<u64>,
    /// Whose request it is.
    pub user: Option<String>,
    /// Whether the answer goes on where the model would end it; not of the API, but of other local servers.
    pub ignore_eos: Option<bool>,
    /// 0 to 1: how likely a token must be beside the most likely one; of other local servers.
    #[serde(deserialize_with = "optional_number")]
    pub min_p: Option<f64>,
    /// How many of the most likely tokens are drawn from; of other local servers.
    #[serde(deserialize_with = "optional_count")]
    pub top_k: Option<u64>,
    /// How much tokens that were there before are avoided; as llama-server names it.
    #[serde(deserialize_with = "optional_number")]
    pub repeat_penalty: Option<f64>,
    /// The same, as vLLM names it.
    #[serde(deserialize_with = "optional_number")]
    pub repetition_penalty: Option<f64>,
}

/// Whether the prompt comes before its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// It does.
    Prompt,
    /// The answer comes alone.
    Nothing,
}

impl CompletionRequest {
    /// The model's name.
    ///
    /// # Errors
    /// It is missing or empty.
    pub fn checked_model(&self) -> Result<&str, InvalidParameter> {
        chat_parameters::model(self.model.as_deref())
    }

    /// The prompts, at least one; an empty one stands for the beginning of a document.
    ///
    /// # Errors
    /// There are none, or more than 128 of them.
    pub fn checked_prompts(&self) -> Result<Vec<Input<'_>>, InvalidParameter> {
        let prompts = self.prompt.as_ref().map_or_else(|| vec![Input::Text("")], Inputs::all);
        match prompts.len() as u64 {
            0 => Err(InvalidParameter::value("prompt", "'prompt' must have at least one text.")),
            1..=MOST_CHOICES => Ok(prompts),
            count => {
                let message = format!("'prompt' has {count} texts; at most {MOST_CHOICES} are allowed.");
                Err(InvalidParameter::value("prompt", message))
            }
        }
    }

    /// The number of answers to each of so many prompts, at least one; one when none is given.
    ///
    /// # Errors
    /// It is not from 1 to 128, or there would be more than 128 answers in all.
    pub fn checked_choices(&self, prompts: usize) -> Result<u32, InvalidParameter> {
        let choices = chat_parameters::choices(self.n)?;
        let all = u64::from(choices) * prompts as u64;
        if all > MOST_CHOICES {
            let message = format!(
                "'n' is {choices}, which makes {all} answers to {prompts} prompts; at most {MOST_CHOICES} are allowed."
            );
            return Err(InvalidParameter::value("n", message));
        }
        Ok(choices)
    }

    /// Of how many answers to each prompt the best are told; as many as are told when none is given.
    ///
    /// # Errors
    /// It is above 20, or 0, or it is given and fewer than are told.
    pub fn checked_best_of(&self) -> Result<u64, InvalidParameter> {
        let told = self.n.unwrap_or(1);
        match self.best_of {
            None => Ok(told),
            Some(count) if count < told || !(1..=MOST_BEST_OF).contains(&count) => {
                let message =
                    format!("'best_of' is {count}; it must be from 'n' ({told}) to {MOST_BEST_OF}.");
                Err(InvalidParameter::value("best_of", message))
            }
            Some(count) => Ok(count),
        }
    }

    /// Which of several answers is the best is known at their end: then none of them can be streamed.
    ///
    /// # Errors
    /// The best of several is asked for, and a stream.
    pub fn check_streamed_best_of(&self) -> Result<(), InvalidParameter> {
        match self.best_of {
            Some(count) if count > 1 && self.stream == Some(true) => {
                let message = format!("'best_of' is {count}; it must be 1 where 'stream' is true.");
                Err(InvalidParameter::value("best_of", message))
            }
            _ => Ok(()),
        }
    }

    /// The limit of tokens, 16 when none is given. It may be 0: then nothing but the prompt is told.
    pub fn max_tokens(&self) -> usize {
        usize::try_from(self.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS)).unwrap_or(usize::MAX)
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

    /// The strings that end the answer, within the bounds that chats have.
    ///
    /// # Errors
    /// One of these bounds is broken.
    pub fn checked_stops(&self) -> Result<&[String], InvalidParameter> {
        chat_parameters::stops(self.stop.as_ref())
    }

    /// The number of alternatives that come with each token's log probability, from 0 to 5; none when no log
    /// probabilities are asked for.
    ///
    /// # Errors
    /// It is outside.
    pub fn checked_logprobs(&self) -> Result<Option<usize>, InvalidParameter> {
        match self.logprobs {
            Some(count) if count > MOST_LOGPROBS => Err(InvalidParameter::value(
                "logprobs",
                format!("'logprobs' is {count}; it must be from 0 to {MOST_LOGPROBS}."),
            )),
            logprobs => Ok(logprobs.map(|count| count as usize)),
        }
    }

    /// Whether the prompt comes before its answer.
    pub fn echo(&self) -> Echo {
        if self.echo == Some(true) { Echo::Prompt } else { Echo::Nothing }
    }

    /// How the request wants its answer.
    ///
    /// # Errors
    /// It has options of a stream, and wants none.
    pub fn checked_delivery(&self) -> Result<Delivery, InvalidParameter> {
        Delivery::of(self.stream, self.stream_options)
    }

    /// The names of what of the stream's options no backend here honours: padding.
    pub fn ignored_stream_options(&self) -> impl Iterator<Item = String> {
        chat_parameters::ignored_stream_options(self.stream_options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::chat_reply::UsageChunk;
    use crate::parse;

    fn read(members: &str) -> CompletionRequest {
        parse(format!("{{{members}}}").as_bytes()).unwrap().request
    }

    #[test]
    fn what_is_not_given_has_the_apis_default() {
        let request = read(r#""prompt":null,"n":null,"logprobs":null,"echo":null,"user":null"#);
        assert_eq!(request, CompletionRequest::default());
        assert_eq!(request.checked_prompts(), Ok(vec![Input::Text("")]));
        assert_eq!(request.checked_choices(1), Ok(1));
        assert_eq!(request.checked_best_of(), Ok(1));
        assert_eq!(request.max_tokens(), 16);
        assert_eq!(request.checked_logprobs(), Ok(None));
        assert_eq!((request.echo(), request.checked_delivery()), (Echo::Nothing, Ok(Delivery::Whole)));
    }

    #[test]
    fn options_of_a_stream_need_one() {
        for members in [r#""stream_options":{}"#, r#""stream":false,"stream_options":{"include_usage":true}"#]
        {
            assert_eq!(read(members).checked_delivery().unwrap_err().param, "stream_options", "{members}");
        }
        assert_eq!(read(r#""stream_options":null"#).checked_delivery(), Ok(Delivery::Whole));
    }

    #[test]
    fn what_is_given_is_taken() {
        let request = read(
            r#""prompt":[[1,2],[3]],"n":3,"best_of":4,"max_tokens":0,"logprobs":0,"echo":true,"stream":true,
            "stream_options":{"include_usage":true},"stop":"x""#,
        );
        assert_eq!(request.checked_prompts(), Ok(vec![Input::Tokens(&[1, 2]), Input::Tokens(&[3])]));
        assert_eq!(request.checked_choices(2), Ok(3));
        assert_eq!(request.checked_best_of(), Ok(4));
        assert_eq!(request.max_tokens(), 0);
        assert_eq!(request.checked_logprobs(), Ok(Some(0)));
        assert_eq!(request.echo(), Echo::Prompt);
        assert_eq!(request.checked_delivery(), Ok(Delivery::Streamed { usage: UsageChunk::Included }));
        assert_eq!(request.checked_stops().unwrap(), ["x"]);
        assert_eq!(read(r#""best_of":1,"n":1,"stream":true"#).check_streamed_best_of(), Ok(()));
        assert_eq!(read(r#""best_of":2,"stream":false"#).check_streamed_best_of(), Ok(()));
        assert_eq!(read(r#""max_tokens":18446744073709551615"#).max_tokens(), usize::MAX);
    }

    /// What is wrong with the first parameter that is.
    fn fault(members: &str) -> String {
        let request = read(members);
        let checked = || {
            request.checked_model()?;
            let prompts = request.checked_prompts()?.len();
            request.checked_choices(prompts)?;
            request.checked_best_of()?;
            request.check_streamed_best_of()?;
            request.checked_logprobs()?;
            request.checked_stops().map(drop)
        };
        let InvalidParameter { param, message, .. } = checked().unwrap_err();
        format!("{param}: {message}")
    }

    #[test]
    fn what_is_wrong_is_told() {
        let table = [
            ("", "model: Missing required parameter: 'model'."),
            (r#""model":"m","prompt":[]"#, "prompt: 'prompt' must have at least one text."),
            (r#""model":"m","n":0"#, "n: 'n' is 0; it must be from 1 to 128."),
            (
                r#""model":"m","prompt":["a","b"],"n":65"#,
                "n: 'n' is 65, which makes 130 answers to 2 prompts; at most 128 are allowed.",
            ),
            (r#""model":"m","best_of":0"#, "best_of: 'best_of' is 0; it must be from 'n' (1) to 20."),
            (r#""model":"m","best_of":21"#, "best_of: 'best_of' is 21; it must be from 'n' (1) to 20."),
            (r#""model":"m","n":3,"best_of":2"#, "best_of: 'best_of' is 2; it must be from 'n' (3) to 20."),
            (r#""model":"m","n":2,"best_of":1"#, "best_of: 'best_of' is 1; it must be from 'n' (2) to 20."),
            (
                r#""model":"m","best_of":2,"stream":true"#,
                "best_of: 'best_of' is 2; it must be 1 where 'stream' is true.",
            ),
            (r#""model":"m","logprobs":6"#, "logprobs: 'logprobs' is 6; it must be from 0 to 5."),
            (r#""model":"m","stop":"""#, "stop: 'stop' must not be empty (string 0)."),
        ];
        for (members, message) in table {
            assert_eq!(fault(members), message, "{members}");
        }
        let many = format!(r#""model":"m","prompt":["a"{}]"#, r#","a""#.repeat(128));
        assert_eq!(fault(&many), "prompt: 'prompt' has 129 texts; at most 128 are allowed.");
    }

    #[test]
    fn errors_name_the_field() {
        let table = [
            (
                r#"{"prompt":5}"#,
                "'prompt': invalid type: integer `5`, expected a string, an array of strings",
            ),
            (r#"{"prompt":[[1],[-1]]}"#, "'prompt[1][0]': invalid value: integer `-1`, expected u64"),
            (r#"{"logprobs":true}"#, "'logprobs': invalid type: boolean `true`, expected a whole number"),
            (r#"{"user":5}"#, "'user': invalid type: integer `5`, expected a string"),
            (r#"{"user":["a"]}"#, "'user': invalid type: sequence, expected a string"),
            (r#"{"stop":[1]}"#, "'stop[0]': invalid type: integer `1`, expected a string"),
        ];
        for (body, message) in table {
            let error = parse::<CompletionRequest>(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(message), "{body}: {error}");
        }
    }
}
