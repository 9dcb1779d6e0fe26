//! Puts a whole answer together from the chunks of a stream: what was streamed is what is kept.
//!
//! Owns how pieces add up: texts and lists grow, calls are told apart by their index, and of everything else the last word
//! counts. What it does not know of a message is kept, too; numbers of log probabilities stay as they were written. It
//! refuses to know where chunks come from, and what becomes of the answer.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::chat_answer::{DONE, LONGEST_WHOLE, or_default};

/// The members of a message that come in pieces.
const TEXTS: [&str; 5] = ["content", "refusal", "reasoning_content", "reasoning", "arguments"];

/// How far an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Speaking,
    /// Every choice has its finish reason. The usage may follow.
    Finished,
    /// The stream has ended as it should.
    Over,
}

/// Why an answer is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It says so itself, makes no sense, or ends before its time.
    BrokenOff,
    /// There is too much of it.
    TooLong { bytes: u64, limit: u64 },
}

/// An answer as far as it was told.
#[derive(Debug)]
pub(super) struct Assembly {
    answer: Answer,
    /// How many choices there will be.
    choices: u64,
    /// The length of all chunks.
    bytes: usize,
}

/// A chunk, and all of them together.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    id: Option<String>,
    created: Option<u64>,
    model: Option<String>,
    system_fingerprint: Option<String>,
    service_tier: Option<String>,
    #[serde(deserialize_with = "or_default")]
    choices: Vec<Choice>,
    usage: Option<Value>,
    error: Option<Value>,
}

/// A choice, or a piece of one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice {
    index: u64,
    #[serde(deserialize_with = "or_default")]
    delta: Map<String, Value>,
    logprobs: Option<Logprobs>,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Logprobs {
    content: Option<Vec<Box<RawValue>>>,
    refusal: Option<Vec<Box<RawValue>>>,
}

impl Assembly {
    /// Of an answer in so many choices, of which nothing was told yet.
    pub(super) fn new(choices: u64) -> Assembly {
        Assembly { answer: Answer::default(), choices, bytes: 0 }
    }

    /// Takes the data of an event.
    ///
    /// # Errors
    /// The answer cannot be kept.
    pub(super) fn take(&mut self, data: &str) -> Result<Stage, Flaw> {
        if data == DONE {
            return if self.is_finished() { Ok(Stage::Over) } else { Err(Flaw::BrokenOff) };
        }
        self.bytes += data.len();
        if self.bytes > LONGEST_WHOLE {
            return Err(Flaw::TooLong { bytes: self.bytes as u64, limit: LONGEST_WHOLE as u64 });
        }
        let chunk: Answer = serde_json::from_str(data).map_err(|_| Flaw::BrokenOff)?;
        if chunk.error.is_some() {
            return Err(Flaw::BrokenOff);
        }
        self.answer.add(chunk);
        Ok(if self.is_finished() { Stage::Finished } else { Stage::Speaking })
    }

    fn is_finished(&self) -> bool {
        let choices = &self.answer.choices;
        choices.len() as u64 >= self.choices && choices.iter().all(|choice| choice.finish_reason.is_some())
    }

    /// The JSON of the whole answer.
    pub(super) fn completion(self) -> String {
        #[derive(Serialize)]
        struct Completion {
            id: Option<String>,
            object: &'static str,
            created: Option<u64>,
            model: Option<String>,
            choices: Vec<WholeChoice>,
            #[serde(skip_serializing_if = "Option::is_none")]
            usage: Option<Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            service_tier: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            system_fingerprint: Option<String>,
        }
        let Answer { id, created, model, system_fingerprint, service_tier, mut choices, usage, error: _ } =
            self.answer;
        choices.sort_by_key(|choice| choice.index);
        let choices = choices.into_iter().map(WholeChoice::from).collect();
        let object = "chat.completion";
        let completion =
            Completion { id, object, created, model, choices, usage, service_tier, system_fingerprint };
        serde_json::to_string(&completion).unwrap_or_default()
    }
}

impl Answer {
    fn add(&mut self, chunk: Answer) {
        let Answer { id, created, model, system_fingerprint, service_tier, choices, usage, error: _ } = chunk;
        self.id = id.or(self.id.take());
        self.created = created.or(self.created);
        self.model = model.or(self.model.take());
        self.system_fingerprint = system_fingerprint.or(self.system_fingerprint.take());
        self.service_tier = service_tier.or(self.service_tier.take());
        self.usage = usage.or(self.usage.take());
        for piece in choices {
            match self.choices.iter_mut().find(|choice| choice.index == piece.index) {
                Some(choice) => choice.add(piece),
                None => {
                    let mut choice = Choice { index: piece.index, ..Choice::default() };
                    choice.add(piece);
                    self.choices.push(choice);
                }
            }
        }
    }
}

impl Choice {
    fn add(&mut self, piece: Choice) {
        add_members(&mut self.delta, piece.delta);
        self.finish_reason = piece.finish_reason.or(self.finish_reason.take());
        if let Some(more) = piece.logprobs {
            let logprobs = self.logprobs.get_or_insert_default();
            for (tokens, more) in
                [(&mut logprobs.content, more.content), (&mut logprobs.refusal, more.refusal)]
            {
                if let Some(more) = more {
                    tokens.get_or_insert_default().extend(more);
                }
            }
        }
    }
}

fn add_members(old: &mut Map<String, Value>, new: Map<String, Value>) {
    for (name, value) in new {
        let is_text = TEXTS.contains(&name.as_str());
        let member = old.entry(name).or_insert(Value::Null);
        match (member, value) {
            (_, Value::Null) => {}
            (Value::String(text), Value::String(more)) if is_text => text.push_str(&more),
            (Value::Object(members), Value::Object(more)) => add_members(members, more),
            (Value::Array(elements), Value::Array(more)) => add_elements(elements, more),
            (member, Value::Array(more)) => {
                let mut elements = Vec::new();
                add_elements(&mut elements, more);
                *member = Value::Array(elements);
            }
            (member, value) => *member = value,
        }
    }
}

/// Elements with an index are pieces of one another.
fn add_elements(old: &mut Vec<Value>, new: Vec<Value>) {
    for element in new {
        let index = element.get("index");
        let known = old.iter_mut().find(|known| index.is_some() && known.get("index") == index);
        match (known, element) {
            (Some(Value::Object(members)), Value::Object(more)) => add_members(members, more),
            (_, element) => old.push(element),
        }
    }
}

/// A choice of a whole answer.
#[derive(Serialize)]
struct WholeChoice {
    index: u64,
    message: Map<String, Value>,
    logprobs: Option<Logprobs>,
    finish_reason: Option<String>,
}

impl From<Choice> for WholeChoice {
    fn from(choice: Choice) -> WholeChoice {
        let Choice { index, mut delta, logprobs, finish_reason } = choice;
        let role = delta.shift_remove("role").unwrap_or_else(|| json!("assistant"));
        let refusal = delta.shift_remove("refusal").unwrap_or(Value::Null);
        let calls = delta.get_mut("tool_calls").and_then(Value::as_array_mut);
        let is_called = calls.as_ref().is_some_and(|calls| !calls.is_empty());
        for call in calls.into_iter().flatten().filter_map(Value::as_object_mut) {
            // Calls of a whole answer stand in their order.
            call.shift_remove("index");
        }
        // A stream begins with an empty text, whatever follows.
        let content = delta
            .shift_remove("content")
            .filter(|content| content.as_str() != Some("") || !is_called && refusal.is_null());
        let head = [("role", role), ("content", content.unwrap_or(Value::Null)), ("refusal", refusal)];
        let mut message = Map::from_iter(head.map(|(name, value)| (name.to_owned(), value)));
        message.extend(delta);
        WholeChoice { index, message, logprobs, finish_reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of a stream's events, in which texts and arguments come in pieces of this many characters.
    fn stream(size: usize) -> Vec<String> {
        let chunk = |delta: Value, finish_reason: Option<&str>| {
            let choice =
                json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
            json!({"id": "a", "created": 1, "model": "m", "choices": [choice], "usage": null}).to_string()
        };
        let pieces = |text: &str| -> Vec<String> {
            text.chars().collect::<Vec<_>>().chunks(size).map(String::from_iter).collect()
        };
        let mut data = vec![chunk(json!({"role": "assistant", "content": ""}), None)];
        data.extend(pieces("Ein Bäumchen 🌳").into_iter().map(|text| chunk(json!({"content": text}), None)));
        let call =
            json!({"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}});
        data.push(chunk(json!({"tool_calls": [call]}), None));
        data.extend(
            pieces("{\"x\":[1,2]}").into_iter().map(|text| {
                chunk(json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]}), None)
            }),
        );
        data.push(chunk(json!({}), Some("tool_calls")));
        data
    }

    #[test]
    fn pieces_of_any_size_make_the_same_answer() {
        let whole = r#"{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Ein Bäumchen 🌳","refusal":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"x\":[1,2]}"}}]},"logprobs":null,"finish_reason":"tool_calls"}]}"#;
        for size in 1..=20 {
            let mut assembly = Assembly::new(1);
            let data = stream(size);
            let (end, pieces) = data.split_last().unwrap();
            for piece in pieces {
                assert_eq!(assembly.take(piece), Ok(Stage::Speaking), "{piece}");
            }
            assert_eq!(assembly.take(DONE), Err(Flaw::BrokenOff), "there is no finish reason yet");
            assert_eq!(assembly.take(end), Ok(Stage::Finished));
            assert_eq!(assembly.take(DONE), Ok(Stage::Over));
            assert_eq!(assembly.completion(), whole, "in pieces of {size}");
        }
    }

    #[test]
    fn an_answer_is_bounded() {
        let mut assembly = Assembly::new(1);
        let short = stream(20).swap_remove(0);
        assert_eq!(assembly.take(&short), Ok(Stage::Speaking));
        let long = "x".repeat(LONGEST_WHOLE);
        let bytes = (short.len() + long.len()) as u64;
        let too_long = Flaw::TooLong { bytes, limit: LONGEST_WHOLE as u64 };
        assert_eq!(assembly.take(&long), Err(too_long));
    }
}
