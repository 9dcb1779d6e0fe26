//! `POST /embeddings`: the request, the bounds of its parameters, and the answer.
//!
//! Owns the bounds of the inputs, and the two forms that a vector may be told in. It refuses to know where vectors come
//! from.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize, Serializer};

use super::chat_parameters::{self, InvalidParameter};
use super::inputs::{Input, Inputs};
use crate::request_body::optional_count;

/// How many inputs a request may have: the API's own limit.
const MOST_INPUTS: usize = 2_048;

/// A request. `null` is as good as absent everywhere.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct EmbeddingsRequest {
    /// What is to be embedded. The API requires it; that it is there is for [`EmbeddingsRequest::checked_inputs`] to say.
    pub input: Option<Inputs>,
    /// The model. The API requires it.
    pub model: Option<String>,
    /// How vectors are told; as numbers when absent.
    pub encoding_format: Option<EncodingFormat>,
    /// How many dimensions vectors are to have.
    #[serde(deserialize_with = "optional_count")]
    pub dimensions: Option<u64>,
    /// Whose request it is.
    pub user: Option<String>,
}

/// How vectors are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncodingFormat {
    /// As an array of numbers.
    #[default]
    Float,
    /// As base64 of single precision numbers in little-endian order, which some clients ask for by default.
    Base64,
}

impl EmbeddingsRequest {
    /// The model's name.
    ///
    /// # Errors
    /// It is missing or empty.
    pub fn checked_model(&self) -> Result<&str, InvalidParameter> {
        chat_parameters::model(self.model.as_deref())
    }

    /// The inputs: from 1 to 2,048 texts, none of them empty.
    ///
    /// # Errors
    /// They are missing, or one of these bounds is broken.
    pub fn checked_inputs(&self) -> Result<Vec<Input<'_>>, InvalidParameter> {
        let inputs = self.input.as_ref().ok_or_else(|| InvalidParameter::missing("input"))?.all();
        if inputs.is_empty() {
            return Err(InvalidParameter::value("input", "'input' must have at least one text."));
        }
        if inputs.len() > MOST_INPUTS {
            let message = format!("'input' has {} texts; at most {MOST_INPUTS} are allowed.", inputs.len());
            return Err(InvalidParameter::value("input", message));
        }
        match inputs.iter().position(|input| input.is_empty()) {
            Some(position) => {
                Err(InvalidParameter::value("input", format!("'input' must not be empty (text {position}).")))
            }
            None => Ok(inputs),
        }
    }

    /// The number of dimensions, at least 1.
    ///
    /// # Errors
    /// It is 0.
    pub fn checked_dimensions(&self) -> Result<Option<u64>, InvalidParameter> {
        match self.dimensions {
            Some(0) => Err(InvalidParameter::value("dimensions", "'dimensions' must be at least 1.")),
            dimensions => Ok(dimensions),
        }
    }
}

/// A vector, as it is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Vector {
    /// As numbers.
    Floats(Vec<f32>),
    /// As base64.
    Base64(String),
}

impl Vector {
    /// These numbers in that form.
    pub fn new(numbers: Vec<f32>, format: EncodingFormat) -> Vector {
        match format {
            EncodingFormat::Float => Vector::Floats(numbers),
            EncodingFormat::Base64 => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                Vector::Base64(STANDARD.encode(bytes))
            }
        }
    }
}

impl Serialize for Vector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Vector::Floats(numbers) => numbers.serialize(serializer),
            Vector::Base64(text) => text.serialize(serializer),
        }
    }
}

/// The answer: a vector for each input, in their order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EmbeddingList {
    object: &'static str,
    data: Vec<EmbeddingObject>,
    model: String,
    usage: EmbeddingUsage,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct EmbeddingObject {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct EmbeddingUsage {
    prompt_tokens: u64,
    total_tokens: u64,
}

impl EmbeddingList {
    /// These vectors of this model, which cost so many tokens.
    pub fn new(model: String, vectors: Vec<Vector>, prompt_tokens: u64) -> EmbeddingList {
        let objects = vectors.into_iter().enumerate();
        let data = objects
            .map(|(index, embedding)| EmbeddingObject { object: "embedding", index, embedding })
            .collect();
        let usage = EmbeddingUsage { prompt_tokens, total_tokens: prompt_tokens };
        EmbeddingList { object: "list", data, model, usage }
    }

    /// The answer's JSON. A number that is not finite is told as null.
    pub fn json(&self) -> String {
        // Nothing in it is what JSON cannot say, so the empty object is there for the sake of the type only.
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn read(body: &str) -> EmbeddingsRequest {
        parse(body.as_bytes()).unwrap().request
    }

    fn refusal(body: &str) -> String {
        match parse::<EmbeddingsRequest>(body.as_bytes()) {
            Ok(parsed) => {
                let request = parsed.request;
                let input = request.checked_inputs().map(|_| ());
                let error = input.and(request.checked_dimensions().map(|_| ())).unwrap_err();
                format!("{}: {error}", error.param)
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let table = [
            ("{}", "input: Missing required parameter: 'input'."),
            (r#"{"input":[]}"#, "input: 'input' must have at least one text."),
            (r#"{"input":""}"#, "input: 'input' must not be empty (text 0)."),
            (r#"{"input":["a",""]}"#, "input: 'input' must not be empty (text 1)."),
            (r#"{"input":[[1],[]]}"#, "input: 'input' must not be empty (text 1)."),
            (r#"{"input":"a","dimensions":0}"#, "dimensions: 'dimensions' must be at least 1."),
            (
                r#"{"input":"a","user":5}"#,
                "Invalid value for 'user': invalid type: integer `5`, expected a string at line 1 column 21.",
            ),
            (
                r#"{"input":["a",1]}"#,
                "Invalid value for 'input': the elements of an array must be of one type at line 1 column 16.",
            ),
            (
                r#"{"input":[-1]}"#,
                "Invalid value for 'input[0]': invalid type: integer `-1`, expected a string, a token or an array of \
                 tokens at line 1 column 12.",
            ),
        ];
        for (body, message) in table {
            assert_eq!(refusal(body), message, "{body}");
        }
        let many = format!(r#"{{"input":["a"{}]}}"#, r#","a""#.repeat(2_048));
        assert_eq!(refusal(&many), "input: 'input' has 2049 texts; at most 2048 are allowed.");
    }

    #[test]
    fn an_answer_reads_as_the_api_has_it() {
        let format = read(r#"{"encoding_format":"base64"}"#).encoding_format.unwrap();
        let vectors = vec![
            Vector::new(vec![0.5, -1.0], EncodingFormat::default()),
            Vector::new(vec![0.5, -0.25], format),
        ];
        assert_eq!(
            EmbeddingList::new("m".into(), vectors, 3).json(),
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1.0]},{"object":"embedding","index":1,"embedding":"AAAAPwAAgL4="}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#
        );
    }
}
