//! `POST /embeddings`: the request, the bounds of its parameters, and the answer.
//!
//! Owns the shapes that an input may have and the two that a vector may be told in. It refuses to know where vectors
//! come from, and how they are put into base64.

use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::chat_parameters::InvalidParameter;
use crate::request_body::optional_count;

/// How many inputs a request may have: the API's own limit.
const MOST_INPUTS: usize = 2_048;

/// A request. `null` is as good as absent everywhere.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct EmbeddingsRequest {
    /// What is to be embedded. The API requires it; that it is there is for [`EmbeddingsRequest::checked_input`] to say.
    pub input: Option<EmbeddingsInput>,
    /// The model. The API requires it.
    pub model: Option<String>,
    /// How vectors are told; as numbers when absent.
    pub encoding_format: Option<EncodingFormat>,
    /// How many dimensions vectors are to have.
    #[serde(deserialize_with = "optional_count")]
    pub dimensions: Option<u64>,
    /// Whose request it is.
    pub user: Option<Value>,
}

/// What is to be embedded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbeddingsInput {
    /// One text.
    Text(String),
    /// Several texts. Also an empty array.
    Texts(Vec<String>),
    /// One text as tokens.
    Tokens(Vec<u64>),
    /// Several texts as tokens.
    TokenLists(Vec<Vec<u64>>),
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
        match self.model.as_deref() {
            None => Err(InvalidParameter::missing("model")),
            Some("") => Err(InvalidParameter::value("model", "'model' must not be empty.")),
            Some(model) => Ok(model),
        }
    }

    /// The input: from 1 to 2,048 texts, none of them empty.
    ///
    /// # Errors
    /// It is missing, or one of these bounds is broken.
    pub fn checked_input(&self) -> Result<&EmbeddingsInput, InvalidParameter> {
        let input = self.input.as_ref().ok_or_else(|| InvalidParameter::missing("input"))?;
        let (count, is_empty) = match input {
            EmbeddingsInput::Text(text) => (1, text.is_empty().then_some(0)),
            EmbeddingsInput::Texts(texts) => (texts.len(), texts.iter().position(String::is_empty)),
            EmbeddingsInput::Tokens(tokens) => (1, tokens.is_empty().then_some(0)),
            EmbeddingsInput::TokenLists(lists) => (lists.len(), lists.iter().position(Vec::is_empty)),
        };
        if count == 0 {
            return Err(InvalidParameter::value("input", "'input' must have at least one text."));
        }
        if count > MOST_INPUTS {
            let message = format!("'input' has {count} texts; at most {MOST_INPUTS} are allowed.");
            return Err(InvalidParameter::value("input", message));
        }
        match is_empty {
            Some(position) => {
                Err(InvalidParameter::value("input", format!("'input' must not be empty (text {position}).")))
            }
            None => Ok(input),
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

/// An element of an input that is an array.
enum Element {
    Text(String),
    Token(u64),
    Tokens(Vec<u64>),
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ElementVisitor;
        impl<'de> Visitor<'de> for ElementVisitor {
            type Value = Element;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string, a token or an array of tokens")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Element, E> {
                Ok(Element::Text(text.to_owned()))
            }
            fn visit_u64<E: Error>(self, token: u64) -> Result<Element, E> {
                Ok(Element::Token(token))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut tokens: A) -> Result<Element, A::Error> {
                let mut list = Vec::new();
                while let Some(token) = tokens.next_element()? {
                    list.push(token);
                }
                Ok(Element::Tokens(list))
            }
        }
        deserializer.deserialize_any(ElementVisitor)
    }
}

impl<'de> Deserialize<'de> for EmbeddingsInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InputVisitor;
        impl<'de> Visitor<'de> for InputVisitor {
            type Value = EmbeddingsInput;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string, an array of strings, an array of tokens, or an array of those")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<EmbeddingsInput, E> {
                Ok(EmbeddingsInput::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<EmbeddingsInput, A::Error> {
                let mut input = match elements.next_element()? {
                    None => return Ok(EmbeddingsInput::Texts(Vec::new())),
                    Some(Element::Text(text)) => EmbeddingsInput::Texts(vec![text]),
                    Some(Element::Token(token)) => EmbeddingsInput::Tokens(vec![token]),
                    Some(Element::Tokens(tokens)) => EmbeddingsInput::TokenLists(vec![tokens]),
                };
                while let Some(element) = elements.next_element()? {
                    match (&mut input, element) {
                        (EmbeddingsInput::Texts(texts), Element::Text(text)) => texts.push(text),
                        (EmbeddingsInput::Tokens(tokens), Element::Token(token)) => tokens.push(token),
                        (EmbeddingsInput::TokenLists(lists), Element::Tokens(tokens)) => lists.push(tokens),
                        _ => return Err(A::Error::custom("the elements of an array must be of one type")),
                    }
                }
                Ok(input)
            }
        }
        deserializer.deserialize_any(InputVisitor)
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
                let input = request.checked_input().map(|_| ());
                let error = input.and(request.checked_dimensions().map(|_| ())).unwrap_err();
                format!("{}: {error}", error.param)
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_input_has_one_of_four_forms() {
        let input = |json: &str| read(&format!(r#"{{"input":{json}}}"#)).input.unwrap();
        assert_eq!(input(r#""a""#), EmbeddingsInput::Text("a".into()));
        assert_eq!(input(r#"["a","b"]"#), EmbeddingsInput::Texts(vec!["a".into(), "b".into()]));
        assert_eq!(input("[1,2]"), EmbeddingsInput::Tokens(vec![1, 2]));
        assert_eq!(input("[[1],[2,3]]"), EmbeddingsInput::TokenLists(vec![vec![1], vec![2, 3]]));
        assert_eq!(read(r#"{"encoding_format":"base64"}"#).encoding_format, Some(EncodingFormat::Base64));
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
        let vectors = vec![Vector::Floats(vec![0.5, -1.0]), Vector::Base64("AAAAPw==".into())];
        assert_eq!(
            EmbeddingList::new("m".into(), vectors, 3).json(),
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1.0]},{"object":"embedding","index":1,"embedding":"AAAAPw=="}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#
        );
    }
}
