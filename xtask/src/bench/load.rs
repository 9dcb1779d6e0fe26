//! What is put on a server: some streams at once, each with a prompt of its own.

use anyhow::Context;

use super::chat_server::{Answer, ChatServer};
use super::hinted;

/// A load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// One stream.
    OneStream,
    /// Sixteen streams at once.
    SixteenStreams,
    /// One stream with a prompt of some 840 tokens.
    LongPrompt,
}

/// What a load came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Outcome {
    /// Of all streams, from the first question to the last end.
    pub(crate) tokens_per_second: f64,
    /// Until the first text of the stream that waited longest for it.
    pub(crate) first_content_ms: f64,
    /// Of the longest prompt.
    pub(crate) prompt_tokens: u64,
    /// Of all streams.
    pub(crate) completion_tokens: u64,
}

impl Load {
    /// All of them, in the order in which they are put.
    pub(crate) const ALL: [Load; 3] = [Load::OneStream, Load::SixteenStreams, Load::LongPrompt];

    /// Streams at once.
    pub(crate) fn streams(self) -> usize {
        match self {
            Load::OneStream | Load::LongPrompt => 1,
            Load::SixteenStreams => 16,
        }
    }

    /// The prompt of a stream. `tag` makes it another than all before, so that no cache of prompts helps.
    fn prompt(self, tag: &str, stream: usize) -> String {
        let words = match self {
            Load::OneStream | Load::SixteenStreams => 0,
            Load::LongPrompt => 395,
        };
        let padding = format!("word{stream} ").repeat(words);
        format!("[{tag}.{}.{stream}] {padding}write a long poem about a tree", self as usize)
    }

    /// Puts it on a server. All streams run to their ends, also where one fails.
    pub(crate) fn put_on(self, server: &ChatServer, tag: &str) -> anyhow::Result<Outcome> {
        let ask = |stream| server.ask(&self.prompt(tag, stream), 100 + stream as u64);
        let answers: anyhow::Result<Vec<Answer>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..self.streams()).map(|stream| scope.spawn(move || ask(stream))).collect();
            let answers = threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            answers.collect()
        });
        Outcome::of(&answers?)
    }
}

impl Outcome {
    fn of(answers: &[Answer]) -> anyhow::Result<Outcome> {
        let asked = answers.iter().map(|answer| answer.asked).min().context("there are no answers")?;
        let ended = answers.iter().map(|answer| answer.ended).max().context("there are no answers")?;
        let first_contents = answers.iter().map(|answer| {
            let first =
                answer.first_content.map(|first| 1e3 * first.duration_since(answer.asked).as_secs_f64());
            first.ok_or_else(|| hinted("a stream came without text", "the model must answer with text"))
        });
        let first_contents: Vec<f64> = first_contents.collect::<anyhow::Result<_>>()?;
        let completion_tokens = answers.iter().map(|answer| answer.usage.completion_tokens).sum();
        Ok(Outcome {
            tokens_per_second: completion_tokens as f64 / ended.duration_since(asked).as_secs_f64(),
            first_content_ms: first_contents.into_iter().fold(0.0, f64::max),
            prompt_tokens: answers.iter().map(|answer| answer.usage.prompt_tokens).max().unwrap_or(0),
            completion_tokens,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::{Duration, Instant};

    use super::super::chat_server::Usage;
    use super::*;

    #[test]
    fn no_two_prompts_of_a_run_are_alike() {
        let mut prompts = HashSet::new();
        for tag in ["1.0", "1.1", "2.0"] {
            for load in Load::ALL {
                assert!((0..load.streams()).all(|stream| prompts.insert(load.prompt(tag, stream))));
            }
        }
        assert_eq!(Load::OneStream.prompt("7.1", 0), "[7.1.0.0] write a long poem about a tree");
    }

    #[test]
    fn streams_count_from_the_first_question_to_the_last_end() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let answer = |asked, first: Option<u64>, ended, completion_tokens| Answer {
            asked: at(asked),
            first_content: first.map(at),
            ended: at(ended),
            usage: Usage { prompt_tokens: 10 + asked, completion_tokens },
        };
        let outcome = Outcome::of(&[answer(0, Some(30), 900, 128), answer(5, Some(45), 1_000, 72)]).unwrap();
        let expected = Outcome {
            tokens_per_second: 200.0,
            first_content_ms: 40.0,
            prompt_tokens: 15,
            completion_tokens: 200,
        };
        assert_eq!(outcome, expected);
        assert!(Outcome::of(&[answer(0, None, 900, 128)]).is_err());
        assert!(Outcome::of(&[]).is_err());
    }
}
