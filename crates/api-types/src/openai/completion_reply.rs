//! `POST /completions`: the whole answer, and the chunks of a streamed one.
//!
//! Owns how the older API tells an answer: the same shape whole and in chunks, and log probabilities as four lists
//! beside each other. It refuses to know where text and log probabilities come from.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::chat_reply::{FinishReason, Letterhead, TokenLogprob, TopLogprob, Usage, UsageChunk, json};

/// What every answer is called.
const OBJECT: &str = "text_completion";

/// One of the answers to a request, or a piece of one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CompletionChoice {
    /// The text, or more of it.
    pub text: String,
    /// Which one, from 0: the prompt's position times the answers to each, and the answer's position.
    pub index: u32,
    /// Log probabilities of this text, if asked for.
    pub logprobs: Option<CompletionLogprobs>,
    /// Why it ended; none in a piece behind which more comes.
    pub finish_reason: Option<FinishReason>,
}

/// The log probabilities of some text: a member is a list, and a position in it a token.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct CompletionLogprobs {
    tokens: Vec<String>,
    /// None for the first token of a prompt, which nothing comes before; so in the list behind it.
    token_logprobs: Vec<Option<f64>>,
    top_logprobs: Vec<Option<TopTokens>>,
    text_offset: Vec<usize>,
}

/// The likeliest tokens in a place, the one that is there among them, as an object.
#[derive(Debug, Clone, PartialEq)]
struct TopTokens(Vec<(String, f64)>);

impl Serialize for TopTokens {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (token, logprob) in &self.0 {
            map.serialize_entry(token, logprob)?;
        }
        map.end()
    }
}

impl TopTokens {
    fn of(token: &TokenLogprob) -> TopTokens {
        let mut top: Vec<(String, f64)> = Vec::with_capacity(token.top_logprobs.len() + 1);
        let given = token
            .top_logprobs
            .iter()
            .map(|TopLogprob { token, logprob, bytes }| (spelling(token, bytes.as_deref()), *logprob));
        let itself = (spelling(&token.token, token.bytes.as_deref()), token.logprob);
        for (spelling, logprob) in given.chain([itself]) {
            // An object has a name once; of two tokens that are spelt alike the likelier counts.
            if !top.iter().any(|(other, _)| *other == spelling) {
                top.push((spelling, logprob));
            }
        }
        TopTokens(top)
    }
}

/// A token as the older API spells it: one that is no text of its own by its bytes, as `bytes:\xf0\x9f`.
fn spelling(token: &str, bytes: Option<&[u8]>) -> String {
    match bytes {
        Some(bytes) if std::str::from_utf8(bytes).is_err() => {
            bytes.iter().fold("bytes:".to_owned(), |text, byte| text + &format!("\\x{byte:02x}"))
        }
        _ => token.to_owned(),
    }
}

/// Follows the tokens of one answer, to tell where in its text each begins.
#[derive(Debug, Clone, Default)]
pub struct TokenOffsets {
    /// How many characters of the text are whole.
    characters: usize,
    /// The beginning of one more, at most three bytes.
    unfinished: Vec<u8>,
}

impl CompletionLogprobs {
    /// Puts those of the text behind it at the end.
    pub fn extend(&mut self, more: CompletionLogprobs) {
        let CompletionLogprobs { tokens, token_logprobs, top_logprobs, text_offset } = more;
        self.tokens.extend(tokens);
        self.token_logprobs.extend(token_logprobs);
        self.top_logprobs.extend(top_logprobs);
        self.text_offset.extend(text_offset);
    }
}

impl TokenOffsets {
    /// The log probabilities of a prompt, with which the answer begins: of its first token, which has none, by its
    /// bytes, and of those behind it.
    pub fn tell_prompt(&mut self, first: &[u8], rest: &[TokenLogprob]) -> CompletionLogprobs {
        let text = String::from_utf8_lossy(first);
        let mut told = CompletionLogprobs {
            tokens: vec![spelling(&text, Some(first))],
            token_logprobs: vec![None],
            top_logprobs: vec![None],
            text_offset: vec![self.characters],
        };
        self.pass(first);
        told.extend(self.tell(rest));
        told
    }

    /// The log probabilities of the next tokens of the answer. A token that begins inside a character has the offset
    /// of that character.
    pub fn tell(&mut self, tokens: &[TokenLogprob]) -> CompletionLogprobs {
        let mut told = CompletionLogprobs::default();
        for token in tokens {
            let bytes = token.bytes.as_deref().unwrap_or(token.token.as_bytes());
            told.text_offset.push(self.beginning(bytes));
            told.tokens.push(spelling(&token.token, token.bytes.as_deref()));
            told.token_logprobs.push(Some(token.logprob));
            told.top_logprobs.push(Some(TopTokens::of(token)));
            self.pass(bytes);
        }
        told
    }

    /// Where a token of these bytes begins: behind an unfinished character that it does not go on with, which is then
    /// told as one.
    fn beginning(&self, bytes: &[u8]) -> usize {
        let together = [&self.unfinished, bytes].concat();
        let first = together.utf8_chunks().next();
        let is_ended =
            first.is_some_and(|first| first.valid().is_empty() && first.invalid() == self.unfinished);
        self.characters + usize::from(is_ended && !self.unfinished.is_empty() && !bytes.is_empty())
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.unfinished.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.unfinished);
        for chunk in held.utf8_chunks() {
            self.characters += chunk.valid().chars().count() + usize::from(!self.unfinished.is_empty());
            self.unfinished = chunk.invalid().to_vec();
        }
        // What can never become a character is told as one all the same.
        if std::str::from_utf8(&self.unfinished).is_err_and(|error| error.error_len().is_some()) {
            self.unfinished.clear();
            self.characters += 1;
        }
    }
}

/// The JSON of a whole answer.
pub fn completion(letterhead: &Letterhead, choices: &[CompletionChoice], usage: Usage) -> String {
    let head = letterhead.head(OBJECT);
    [head.as_str(), &json(&choices), ",\"usage\":", &json(&usage), "}"].concat()
}

/// Makes the JSON of an answer's chunks.
#[derive(Debug, Clone)]
pub struct CompletionChunks {
    /// From the opening brace to the bracket of the choices.
    head: String,
    usage: UsageChunk,
}

impl CompletionChunks {
    /// Of the answer with this letterhead.
    pub fn new(letterhead: &Letterhead, usage: UsageChunk) -> CompletionChunks {
        let mut head = letterhead.head(OBJECT);
        head.push('[');
        CompletionChunks { head, usage }
    }

    /// A piece of text of a choice.
    pub fn text(&self, index: u32, text: impl Into<String>, logprobs: Option<CompletionLogprobs>) -> String {
        self.choice(&CompletionChoice { text: text.into(), index, logprobs, finish_reason: None })
    }

    /// The last chunk of a choice: why it ended.
    pub fn finish(&self, index: u32, reason: FinishReason) -> String {
        let text = String::new();
        self.choice(&CompletionChoice { text, index, logprobs: None, finish_reason: Some(reason) })
    }

    /// The chunk that tells the usage, behind the last of all choices; none unless the request includes it.
    pub fn usage(&self, usage: Usage) -> Option<String> {
        (self.usage == UsageChunk::Included)
            .then(|| [&self.head, "],\"usage\":", json(&usage).as_str(), "}"].concat())
    }

    fn choice(&self, choice: &CompletionChoice) -> String {
        [&self.head, json(choice).as_str(), self.usage.tail()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letterhead() -> Letterhead {
        Letterhead { id: "cmpl-1".into(), created: 7, model: "m".into(), system_fingerprint: "fp".into() }
    }

    /// A token of these bytes, with alternatives.
    fn token(bytes: &[u8], logprob: f64, top: &[(&[u8], f64)]) -> TokenLogprob {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let top_logprobs = top.iter().map(|(bytes, logprob)| TopLogprob {
            token: text(bytes),
            logprob: *logprob,
            bytes: Some(bytes.to_vec()),
        });
        TokenLogprob {
            token: text(bytes),
            logprob,
            bytes: Some(bytes.to_vec()),
            top_logprobs: top_logprobs.collect(),
        }
    }

    const HEAD: &str = r#"{"id":"cmpl-1","object":"text_completion","created":7,"model":"m","system_fingerprint":"fp","choices":["#;

    #[test]
    fn a_whole_answer_reads_as_the_api_has_it() {
        let logprobs =
            TokenOffsets::default().tell(&[token(b" a", -0.5, &[(b" a", -0.5)]), token(b"b", -2.0, &[])]);
        let choices = [
            CompletionChoice {
                text: " ab".into(),
                index: 0,
                logprobs: Some(logprobs),
                finish_reason: Some(FinishReason::Stop),
            },
            CompletionChoice {
                text: "c".into(),
                index: 1,
                logprobs: None,
                finish_reason: Some(FinishReason::Length),
            },
        ];
        assert_eq!(
            completion(&letterhead(), &choices, Usage::new(2, 3)),
            [
                HEAD,
                r#"{"text":" ab","index":0,"logprobs":{"tokens":[" a","b"],"token_logprobs":[-0.5,-2.0],"top_logprobs":[{" a":-0.5},{"b":-2.0}],"text_offset":[0,2]},"finish_reason":"stop"},"#,
                r#"{"text":"c","index":1,"logprobs":null,"finish_reason":"length"}],"#,
                r#""usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}}"#,
            ]
            .concat()
        );
    }

    #[test]
    fn chunks_read_as_the_api_has_them() {
        let chunks = CompletionChunks::new(&letterhead(), UsageChunk::Absent);
        assert_eq!(
            chunks.text(1, "a \"tree\"", None),
            format!(r#"{HEAD}{{"text":"a \"tree\"","index":1,"logprobs":null,"finish_reason":null}}]}}"#)
        );
        assert_eq!(
            chunks.finish(0, FinishReason::Length),
            format!(r#"{HEAD}{{"text":"","index":0,"logprobs":null,"finish_reason":"length"}}]}}"#)
        );
        assert_eq!(chunks.usage(Usage::new(1, 2)), None);

        let chunks = CompletionChunks::new(&letterhead(), UsageChunk::Included);
        assert!(chunks.text(0, "a", None).ends_with(r#""finish_reason":null}],"usage":null}"#));
        assert_eq!(
            chunks.usage(Usage::new(1, 2)).unwrap(),
            format!(r#"{HEAD}],"usage":{{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}}}"#)
        );
    }

    #[test]
    fn offsets_count_characters_and_tokens_inside_one_have_its_offset() {
        let mut offsets = TokenOffsets::default();
        // An é, a tree over three tokens with a letter behind it, and a byte that is no text at all.
        let pieces: [&[u8]; 7] = ["é ".as_bytes(), b"\xf0\x9f", b"\x8c", b"\xb3b", b"", b"\xff", b"c"];
        let told: Vec<CompletionLogprobs> =
            pieces.iter().map(|bytes| offsets.tell(&[token(bytes, -1.0, &[])])).collect();
        let starts: Vec<usize> = told.iter().map(|logprobs| logprobs.text_offset[0]).collect();
        assert_eq!(starts, [0, 2, 2, 2, 4, 4, 5]);
        let spelt: Vec<&str> = told.iter().map(|logprobs| logprobs.tokens[0].as_str()).collect();
        assert_eq!(
            spelt,
            ["é ", r"bytes:\xf0\x9f", r"bytes:\x8c", r"bytes:\xb3\x62", "", r"bytes:\xff", "c"]
        );
    }

    #[test]
    fn a_token_behind_a_broken_character_begins_behind_it() {
        let starts = |pieces: &[&[u8]]| {
            let mut offsets = TokenOffsets::default();
            let told = pieces.iter().map(|bytes| offsets.tell(&[token(bytes, -1.0, &[])]).text_offset[0]);
            told.collect::<Vec<usize>>()
        };
        assert_eq!(starts(&[b"\xcb", b"-", b"1"]), [0, 1, 2]);
        assert_eq!(starts(&[b"\xcb", b"\xcb", b"a"]), [0, 1, 2]);
        assert_eq!(starts(&[b"\xf0\x9f", b"a", b"b"]), [0, 1, 2]);
        assert_eq!(starts(&[b"\xf0\x9f", b"", b"\x8c\xb3", b"a"]), [0, 0, 0, 1]);
    }

    #[test]
    fn the_token_itself_is_among_the_likeliest_once() {
        let tops = |given: &[(&[u8], f64)]| {
            json(&TokenOffsets::default().tell(&[token(b"a", -3.0, given)]).top_logprobs)
        };
        assert_eq!(tops(&[(b"b", -1.0), (b"c", -2.0)]), r#"[{"b":-1.0,"c":-2.0,"a":-3.0}]"#);
        assert_eq!(tops(&[(b"a", -3.0), (b"b", -4.0)]), r#"[{"a":-3.0,"b":-4.0}]"#);
        assert_eq!(tops(&[]), r#"[{"a":-3.0}]"#);
        assert_eq!(
            tops(&[(b"\xf0", -1.0), (b"\x9f", -2.0)]),
            r#"[{"bytes:\\xf0":-1.0,"bytes:\\x9f":-2.0,"a":-3.0}]"#
        );
    }
}
