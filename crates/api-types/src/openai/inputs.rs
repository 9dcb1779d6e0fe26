//! Texts that a request hands over as they are, to be continued or embedded.
//!
//! Owns the four forms that they may have. It refuses to know how many there may be, and what tokens stand for.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// One text or several, as text or as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inputs {
    /// One text.
    Text(String),
    /// Several texts. Also an empty array.
    Texts(Vec<String>),
    /// One text as tokens.
    Tokens(Vec<u64>),
    /// Several texts as tokens.
    TokenLists(Vec<Vec<u64>>),
}

/// One of [`Inputs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// As text.
    Text(&'a str),
    /// As tokens.
    Tokens(&'a [u64]),
}

impl Input<'_> {
    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        match self {
            Input::Text(text) => text.is_empty(),
            Input::Tokens(tokens) => tokens.is_empty(),
        }
    }
}

impl Inputs {
    /// All of them, in order.
    pub fn all(&self) -> Vec<Input<'_>> {
        match self {
            Inputs::Text(text) => vec![Input::Text(text)],
            Inputs::Texts(texts) => texts.iter().map(|text| Input::Text(text)).collect(),
            Inputs::Tokens(tokens) => vec![Input::Tokens(tokens)],
            Inputs::TokenLists(lists) => lists.iter().map(|tokens| Input::Tokens(tokens)).collect(),
        }
    }
}

/// An element of inputs that are an array.
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

impl<'de> Deserialize<'de> for Inputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InputsVisitor;
        impl<'de> Visitor<'de> for InputsVisitor {
            type Value = Inputs;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string, an array of strings, an array of tokens, or an array of those")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Inputs, E> {
                Ok(Inputs::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Inputs, A::Error> {
                let mut inputs = match elements.next_element()? {
                    None => return Ok(Inputs::Texts(Vec::new())),
                    Some(Element::Text(text)) => Inputs::Texts(vec![text]),
                    Some(Element::Token(token)) => Inputs::Tokens(vec![token]),
                    Some(Element::Tokens(tokens)) => Inputs::TokenLists(vec![tokens]),
                };
                while let Some(element) = elements.next_element()? {
                    match (&mut inputs, element) {
                        (Inputs::Texts(texts), Element::Text(text)) => texts.push(text),
                        (Inputs::Tokens(tokens), Element::Token(token)) => tokens.push(token),
                        (Inputs::TokenLists(lists), Element::Tokens(tokens)) => lists.push(tokens),
                        _ => return Err(A::Error::custom("the elements of an array must be of one type")),
                    }
                }
                Ok(inputs)
            }
        }
        deserializer.deserialize_any(InputsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Inputs, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn inputs_have_one_of_four_forms() {
        assert_eq!(read(r#""a""#), Ok(Inputs::Text("a".into())));
        assert_eq!(read("[]"), Ok(Inputs::Texts(vec![])));
        assert_eq!(read(r#"["a","b"]"#), Ok(Inputs::Texts(vec!["a".into(), "b".into()])));
        assert_eq!(read("[1,2]"), Ok(Inputs::Tokens(vec![1, 2])));
        assert_eq!(read("[[1],[2,3]]"), Ok(Inputs::TokenLists(vec![vec![1], vec![2, 3]])));
        assert_eq!(
            read("[[1],2]").unwrap_err(),
            "the elements of an array must be of one type at line 1 column 7"
        );
    }

    #[test]
    fn each_is_found_in_its_place() {
        let all = |json: &str| read(json).unwrap().all().len();
        assert_eq!(
            (all(r#""a""#), all("[]"), all(r#"["a",""]"#), all("[1,2]"), all("[[1],[],[2]]")),
            (1, 0, 2, 1, 3)
        );
        let lists = read("[[1],[]]").unwrap();
        assert_eq!(lists.all(), [Input::Tokens(&[1]), Input::Tokens(&[])]);
        assert!(!lists.all()[0].is_empty() && lists.all()[1].is_empty());
    }
}
