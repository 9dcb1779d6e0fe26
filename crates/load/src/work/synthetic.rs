//! Prompts that are made up to measure.
//!
//! Owns what a conversation says, turn by turn: drawn words, so that no two prompts are alike and no cache of prefixes
//! helps, but for the beginnings that are meant to be shared. Everything follows from the seed and the number of the
//! arrival, and from nothing else but the server's answers, which later turns repeat.

use std::sync::Arc;
use std::time::Duration;

use super::form::{Form, MadeUp, Message, Speaker};
use super::length::Length;
use super::token_scale::TokenScale;
use super::words::add_words;
use super::{Ask, Conversation, Endpoint, LONGEST_THINKING, MOST_SHARED_TEXTS, MOST_TURNS, Work, WorkError};
use crate::draws::{Draws, Purpose};

/// What made-up prompts are like.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompts {
    /// How many tokens each has, by the server's own usage: with what its template puts around it, and with its shared
    /// beginning. In later turns, how many a new message adds.
    pub tokens: Length,
    /// The beginning that prompts share, if they do.
    pub shared: Option<SharedBeginning>,
    /// Requests of a conversation, from 1 to [`MOST_TURNS`].
    pub turns: u32,
    /// How long a user thinks between an answer and the next request; at most [`LONGEST_THINKING`].
    pub think_time: Duration,
}

/// A beginning that prompts share, as a long system prompt is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedBeginning {
    /// Tokens of it; it has at least one word.
    pub tokens: u32,
    /// How many different ones there are, from 1 to [`MOST_SHARED_TEXTS`]; every arrival draws one.
    pub texts: u32,
}

impl Prompts {
    /// Single requests with prompts of this length that share nothing.
    pub fn of(tokens: Length) -> Prompts {
        Prompts { tokens, shared: None, turns: 1, think_time: Duration::ZERO }
    }
}

/// Work that is made up.
#[derive(Debug, Clone)]
pub struct Synthetic(Arc<Recipe>);

/// What all conversations have in common.
#[derive(Debug)]
struct Recipe {
    form: MadeUp,
    prompts: Prompts,
    scale: TokenScale,
    seed: u64,
    /// Words of the shared beginning; 0 where there is none.
    shared_words: u64,
    /// Tokens of the shortest prompt.
    shortest: u32,
}

impl Synthetic {
    /// Conversations with such prompts, on a server that counts words so.
    ///
    /// # Errors
    /// [`WorkError`], where the form names no model or contradicts itself, a number is out of its bounds, or prompts
    /// would be shorter than what stands around them and one word of their own.
    pub fn new(form: &Form, prompts: Prompts, scale: TokenScale, seed: u64) -> Result<Synthetic, WorkError> {
        let form = form.made_up()?;
        if form.is_endless() {
            return Err(WorkError::NoLimit);
        }
        check(&prompts, form.endpoint)?;
        let shared_words = prompts.shared.map_or(0, |shared| scale.words_of_part(shared.tokens));
        let shortest = scale.shortest(shared_words);
        if prompts.tokens.least() < shortest {
            let made_of = match prompts.shared {
                Some(_) => "the shared beginning and one word",
                None => "one word",
            };
            return Err(WorkError::PromptTooShort { tokens: prompts.tokens.least(), made_of, shortest });
        }
        Ok(Synthetic(Arc::new(Recipe { form, prompts, scale, seed, shared_words, shortest })))
    }
}

/// A request with a prompt of so many words, whose usage tells what they make: see [`TokenScale::fit`]. Its answer is
/// short and comes in one piece.
///
/// # Errors
/// [`WorkError`], where the form names no model or contradicts itself.
pub fn probe(form: &Form, words: u32, seed: u64) -> Result<Ask, WorkError> {
    let form = form.made_up()?.probing();
    let mut text = String::new();
    // No arrival has such a number, so that no probe warms a cache.
    add_words(&mut text, &mut Draws::of(seed, Purpose::Prompt, u64::MAX - u64::from(words)), words.into());
    let body = form.body(&[Message::user(text)], form.max_tokens());
    Ok(Ask { endpoint: form.endpoint, pause: Duration::ZERO, body, streamed: false, wants_text: false })
}

fn check(prompts: &Prompts, endpoint: Endpoint) -> Result<(), WorkError> {
    let Prompts { shared, turns, think_time: pause, .. } = *prompts;
    if !(1..=MOST_TURNS).contains(&turns) {
        return Err(WorkError::Turns { turns });
    }
    if turns > 1 && matches!(endpoint, Endpoint::Completions | Endpoint::Embeddings) {
        return Err(WorkError::NotOfEndpoint { what: "several turns", endpoint });
    }
    if pause > LONGEST_THINKING {
        return Err(WorkError::Thinking { pause });
    }
    match shared {
        Some(SharedBeginning { texts, .. }) if !(1..=MOST_SHARED_TEXTS).contains(&texts) => {
            Err(WorkError::SharedTexts { texts })
        }
        _ => Ok(()),
    }
}

impl Work for Synthetic {
    fn conversation(&self, arrival: u64) -> Box<dyn Conversation> {
        self.conversation_of(0, arrival)
    }

    fn conversation_of(&self, run: u32, arrival: u64) -> Box<dyn Conversation> {
        let recipe = Arc::clone(&self.0);
        let draws = Draws::of_run(run, recipe.seed, Purpose::Prompt, arrival);
        Box::new(MadeUpConversation { recipe, draws, messages: Vec::new(), turn: 0 })
    }

    fn describe(&self) -> String {
        let Recipe { form, prompts, .. } = &*self.0;
        let mut words = format!("synthetic prompts of {} tokens", prompts.tokens.words());
        match prompts.shared {
            Some(SharedBeginning { tokens, texts: 1 }) => {
                words += &format!(", the first {tokens} shared by all")
            }
            Some(SharedBeginning { tokens, texts }) => {
                words += &format!(", the first {tokens} from one of {texts} shared beginnings");
            }
            None => {}
        }
        if let Some(limit) = form.max_tokens() {
            words += &format!(", answers of at most {limit}");
        }
        if prompts.turns > 1 {
            words += &format!(", in conversations of {} turns", prompts.turns);
        }
        if !prompts.think_time.is_zero() {
            let of = if prompts.turns > 1 { "" } else { ", users" };
            words += &format!("{of} with {} between", humantime::format_duration(prompts.think_time));
        }
        words
    }

    fn think_time(&self) -> Duration {
        self.0.prompts.think_time
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        vec![self.0.form.endpoint]
    }
}

/// A conversation as far as it has come.
struct MadeUpConversation {
    recipe: Arc<Recipe>,
    draws: Draws,
    messages: Vec<Message>,
    /// Requests that were given out.
    turn: u32,
}

impl Conversation for MadeUpConversation {
    fn next(&mut self, answer: &str) -> Option<Ask> {
        let recipe = Arc::clone(&self.recipe);
        let Prompts { turns, think_time, .. } = recipe.prompts;
        if self.turn == turns {
            return None;
        }
        let pause = if self.turn == 0 { Duration::ZERO } else { think_time };
        let text = if self.turn == 0 { self.opening() } else { self.follow_up() };
        if self.turn > 0 {
            self.messages.push(Message { speaker: Speaker::Assistant, text: answer.to_owned() });
        }
        self.messages.push(Message::user(text));
        self.turn += 1;
        Some(Ask {
            endpoint: recipe.form.endpoint,
            pause,
            body: recipe.form.body(&self.messages, recipe.form.max_tokens()),
            streamed: recipe.form.streamed(),
            wants_text: self.turn < turns,
        })
    }
}

impl MadeUpConversation {
    /// The first prompt: a shared beginning, if there is one, and words of its own.
    fn opening(&mut self) -> String {
        let Recipe { prompts, scale, seed, shared_words, shortest, .. } = &*self.recipe;
        let mut text = String::new();
        if let Some(shared) = prompts.shared {
            let number = self.draws.below(shared.texts.into());
            add_words(&mut text, &mut Draws::of(*seed, Purpose::SharedText, number), *shared_words);
        }
        let words = scale.words_of_prompt(prompts.tokens.draw(&mut self.draws, *shortest));
        add_words(&mut text, &mut self.draws, words.saturating_sub(*shared_words).max(1));
        text
    }

    /// What is said to an answer.
    fn follow_up(&mut self) -> String {
        let Recipe { prompts, scale, .. } = &*self.recipe;
        let words = scale.words_of_part(prompts.tokens.draw(&mut self.draws, 1));
        let mut text = String::new();
        add_words(&mut text, &mut self.draws, words);
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::work::form::Ending;

    const SCALE: TokenScale = TokenScale { base: 10.0, per_word: 2.0 };

    fn form(endpoint: Endpoint) -> Form {
        Form { endpoint: Some(endpoint), model: Some("m".to_owned()), ..Form::default() }
    }

    fn synthetic(prompts: Prompts) -> Synthetic {
        Synthetic::new(&form(Endpoint::Chat), prompts, SCALE, 42).unwrap()
    }

    fn first_text(work: &Synthetic, arrival: u64) -> String {
        let body: Value = serde_json::from_slice(&work.conversation(arrival).next("").unwrap().body).unwrap();
        body["messages"][0]["content"].as_str().unwrap().to_owned()
    }

    #[test]
    fn prompts_that_cannot_be_made_are_refused() {
        let told =
            |endpoint, prompts| Synthetic::new(&form(endpoint), prompts, SCALE, 42).unwrap_err().to_string();
        let single = |length: &str| Prompts::of(length.parse().unwrap());
        assert_eq!(
            told(Endpoint::Chat, single("11..50")),
            "prompts of 11 tokens cannot be had: a prompt of one word has 12 on this server; write 12 or more"
        );
        let shared = Some(SharedBeginning { tokens: 100, texts: 1 });
        assert_eq!(
            told(Endpoint::Chat, Prompts { shared, ..single("100") }),
            "prompts of 100 tokens cannot be had: a prompt of the shared beginning and one word has 112 on this \
             server; write 112 or more"
        );
        assert_eq!(
            told(Endpoint::Completions, Prompts { turns: 2, ..single("100") }),
            "requests for completions have no use for several turns; leave that out, or ask another endpoint"
        );
        assert_eq!(
            told(Endpoint::Chat, Prompts { turns: 0, ..single("100") }),
            "0 turns are not from 1 to 1000"
        );
        let think_time = Duration::from_secs(3_601);
        assert_eq!(
            told(Endpoint::Chat, Prompts { think_time, ..single("100") }),
            "3601 s between two turns are more than 3600 s"
        );
        let shared = Some(SharedBeginning { tokens: 10, texts: 0 });
        assert_eq!(
            told(Endpoint::Chat, Prompts { shared, ..single("100") }),
            "0 shared beginnings are not from 1 to 1000000"
        );
        let endless = Form { ending: Ending::AtLimit, ..form(Endpoint::Chat) };
        assert_eq!(
            Synthetic::new(&endless, single("100"), SCALE, 42).unwrap_err().to_string(),
            "answers that go on to their limit need one; say how many tokens they may have"
        );
        assert!(matches!(probe(&Form::default(), 16, 42), Err(WorkError::NoModel)));
    }

    #[test]
    fn a_prompt_is_the_same_on_every_machine() {
        let text = first_text(&synthetic(Prompts::of(Length::Exactly(24))), 3);
        assert_eq!(text, "crown corner poor mate lady since extreme");
    }

    #[test]
    fn prompts_have_the_words_that_make_their_tokens_and_no_two_are_alike() {
        let work = synthetic(Prompts::of(Length::Exactly(110)));
        let texts: std::collections::BTreeSet<String> =
            (0..1_000).map(|arrival| first_text(&work, arrival)).collect();
        assert_eq!(texts.len(), 1_000);
        assert!(texts.iter().all(|text| text.split(' ').count() == 50));

        let work = synthetic(Prompts::of(Length::Between(12, 14)));
        let counts: std::collections::BTreeSet<usize> =
            (0..100).map(|arrival| first_text(&work, arrival).split(' ').count()).collect();
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn as_many_beginnings_are_shared_as_there_are() {
        let shared = Some(SharedBeginning { tokens: 60, texts: 3 });
        let work = synthetic(Prompts { shared, ..Prompts::of(Length::Exactly(110)) });
        let texts: Vec<String> = (0..300).map(|arrival| first_text(&work, arrival)).collect();
        let parts = |text: &String| {
            let words: Vec<&str> = text.split(' ').collect();
            assert_eq!(words.len(), 50);
            (words[..30].join(" "), words[30..].join(" "))
        };
        let (beginnings, ends): (Vec<_>, Vec<_>) = texts.iter().map(parts).unzip();
        let different =
            |texts: Vec<String>| texts.into_iter().collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!((different(beginnings), different(ends)), (3, 300));
    }

    #[test]
    fn a_conversation_repeats_what_was_answered() {
        let think_time = Duration::from_secs(2);
        let work = synthetic(Prompts { turns: 3, think_time, ..Prompts::of(Length::Exactly(20)) });
        let mut conversation = work.conversation(7);
        let asks: Vec<Ask> = ["", "first", "second"].map(|answer| conversation.next(answer).unwrap()).into();
        assert_eq!(conversation.next("third"), None);
        assert_eq!(asks.iter().map(|ask| ask.pause.as_secs()).collect::<Vec<_>>(), [0, 2, 2]);
        assert_eq!(asks.iter().map(|ask| ask.wants_text).collect::<Vec<_>>(), [true, true, false]);
        assert!(asks.iter().all(|ask| ask.streamed && ask.endpoint == Endpoint::Chat));

        let messages = |ask: &Ask| -> Vec<Value> {
            let body: Value = serde_json::from_slice(&ask.body).unwrap();
            body["messages"].as_array().unwrap().clone()
        };
        let last = messages(&asks[2]);
        assert_eq!(last[..3], messages(&asks[1]));
        assert_eq!(last[..1], messages(&asks[0]));
        let spoken = |position: usize| (last[position]["role"].as_str(), last[position]["content"].as_str());
        assert_eq!(spoken(1), (Some("assistant"), Some("first")));
        assert_eq!(spoken(3), (Some("assistant"), Some("second")));
        // 20 tokens, 10 of which stand around the first.
        let words = |position: usize| spoken(position).1.unwrap().split(' ').count();
        assert_eq!([words(0), words(2), words(4)], [5, 10, 10]);
    }

    #[test]
    fn a_probe_has_words_that_no_prompt_has() {
        let ask = probe(&form(Endpoint::Embeddings), 128, 42).unwrap();
        let body: Value = serde_json::from_slice(&ask.body).unwrap();
        assert_eq!(body["input"].as_str().unwrap().split(' ').count(), 128);
        assert!(!ask.streamed && !ask.wants_text);
        assert_ne!(ask, probe(&form(Endpoint::Embeddings), 128, 43).unwrap());
    }

    #[test]
    fn it_says_what_it_asks() {
        let prompts = Prompts::of(Length::Exactly(512));
        let of = |form: &Form, prompts| Synthetic::new(form, prompts, SCALE, 42).unwrap().describe();
        let limited = Form { max_tokens: Some(128), ..form(Endpoint::Responses) };
        assert_eq!(of(&limited, prompts.clone()), "synthetic prompts of 512 tokens, answers of at most 128");
        let many = Prompts {
            tokens: "normal(512,64)".parse().unwrap(),
            shared: Some(SharedBeginning { tokens: 256, texts: 4 }),
            turns: 5,
            think_time: Duration::from_millis(1_500),
        };
        assert_eq!(
            of(&form(Endpoint::Chat), many),
            "synthetic prompts of about 512 (deviation 64) tokens, the first 256 from one of 4 shared beginnings, in \
             conversations of 5 turns with 1s 500ms between"
        );
        let shared = Some(SharedBeginning { tokens: 64, texts: 1 });
        assert_eq!(
            of(&form(Endpoint::Chat), Prompts { tokens: Length::Between(100, 200), shared, ..prompts }),
            "synthetic prompts of 100 to 200 tokens, the first 64 shared by all"
        );
        assert_eq!(synthetic(Prompts::of(Length::Exactly(512))).endpoints(), [Endpoint::Chat]);
    }
}
