//! What was seen of a client, and the questions that oracles ask of it.
//!
//! Owns the few ways in which an account can be sound: the whole answer, a typed error with what had arrived of it, or
//! either. Each question gives the account, or the objection that names the harm. Knows no case.

use std::time::{Duration, Instant};

use interference_cassette::query_without_secrets;

use crate::account::{Account, NoAccount};
use crate::case::{Harm, Objection};
use crate::evidence::{Attempt, told_break};
use crate::examiner::Asked;
use crate::program::{MOST_STDOUT, Run, RunEnd};

/// Characters of a text that an objection shows.
const SHOWN_CHARACTERS: usize = 80;

/// Why nothing is said of a client of HTTP/1.0: it has no chunks to be sent (RFC 9112, section 6.1), and without them the
/// end of a stream looks like its breaking off.
const OF_OLD: &str = "it asks in HTTP/1.0, whose answers have no chunks; the examiner's are of HTTP/1.1 (nginx as a proxy \
    needs `proxy_http_version 1.1`)";

/// What was seen of a client in one case.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Its requests, in order.
    pub(crate) attempts: &'a [Attempt],
    /// What it said.
    pub(crate) account: Result<Account, NoAccount>,
    /// How its command ended; none for a client that is no command.
    pub(crate) run: Option<&'a Run>,
    /// The time-out that it was told to set.
    pub(crate) timeout: Duration,
}

impl<'a> Seen<'a> {
    /// What a command has done.
    pub(crate) fn of_run(attempts: &'a [Attempt], run: &'a Run, timeout: Duration) -> Seen<'a> {
        Seen { attempts, account: Account::read(&run.stdout), run: Some(run), timeout }
    }

    /// The account.
    ///
    /// # Errors
    /// There is none: the command hung, flooded, or printed something else; or it never asked, or not in HTTP/1.1.
    pub(crate) fn account(&self) -> Result<&Account, Objection> {
        if self.chats().any(is_of_old) {
            return Err(Objection::inconclusive(OF_OLD));
        }
        match self.run.map(|run| (run.end, run.ended_at.duration_since(run.began_at).as_secs())) {
            Some((RunEnd::TimedOut, seconds)) => {
                return Err(Objection::broken(
                    Harm::Hang,
                    format!("it had not ended after {seconds} s, and was killed"),
                ));
            }
            Some((RunEnd::Flooded, _)) => {
                let most = MOST_STDOUT >> 20;
                return Err(Objection::broken(
                    Harm::NoAccount,
                    format!("it printed {most} MiB and more on stdout, and was killed"),
                ));
            }
            Some((RunEnd::Exited(_), _)) | None => {}
        }
        let account = self.account.as_ref().map_err(|reason| {
            let ended = self.run.map_or(String::new(), |run| match run.end {
                RunEnd::Exited(status) if !status.success() => format!(" ({status})"),
                _ => String::new(),
            });
            let last_words = self.run.and_then(last_words).unwrap_or_default();
            Objection::broken(Harm::NoAccount, format!("{reason}{ended}{last_words}"))
        })?;
        if self.chats().next().is_none() {
            let other = self.attempts.first().map_or("it asked for nothing".to_owned(), asked_instead);
            return Err(Objection::inconclusive(format!("no chat completion was asked for: {other}")));
        }
        Ok(account)
    }

    /// The requests for chats.
    pub(crate) fn chats(&self) -> impl Iterator<Item = &'a Attempt> {
        self.attempts.iter().filter(|attempt| attempt.asked == Asked::Chat)
    }

    /// The account of a whole answer: no error, and this text.
    ///
    /// # Errors
    /// It refuses the answer, has lost something of it, or says something else.
    pub(crate) fn whole(&self, text: &str) -> Result<&Account, Objection> {
        let account = self.account()?;
        if let Some(error) = &account.error {
            let harm = if error.typed { Harm::Refusal } else { Harm::ForeignError };
            return Err(Objection::broken(harm, told_error(account)));
        }
        compare(account, text)?;
        Ok(account)
    }

    /// The account of a broken answer: a typed error, and no text that was not sent.
    ///
    /// # Errors
    /// It takes the answer for whole, lets a foreign error escape, or says something else.
    pub(crate) fn typed_error(&self, sent: &str) -> Result<&Account, Objection> {
        let account = self.account()?;
        let Some(error) = &account.error else {
            let told = format!("no error, and the text {}", shown(&account.text));
            return Err(Objection::broken(Harm::SilentLoss, told));
        };
        if !error.typed {
            return Err(Objection::broken(Harm::ForeignError, told_error(account)));
        }
        if !sent.starts_with(&account.text) {
            let told = format!(
                "beside the error it reports {}, which is no beginning of what was sent",
                shown(&account.text)
            );
            return Err(Objection::broken(Harm::Invention, told));
        }
        Ok(account)
    }

    /// The account of an answer that may be taken or refused, but not in part: the whole text without an error, or a
    /// typed error with a beginning of it.
    ///
    /// # Errors
    /// It lost something in silence, or as the other two.
    pub(crate) fn whole_or_typed_error(&self, text: &str) -> Result<&Account, Objection> {
        match &self.account()?.error {
            Some(_) => self.typed_error(text),
            None => self.whole(text),
        }
    }

    /// How long the client stayed, in the last of its chats, after the last byte that it was sent.
    pub(crate) fn stayed(&self) -> Option<Duration> {
        let last = self.chats().last()?;
        let left_at: Option<Instant> = last.left_at.or(self.run.map(|run| run.ended_at));
        Some(left_at?.saturating_duration_since(last.last_write_at()))
    }
}

/// The last line that a command has written on stderr, where languages tell why they could not go on.
fn last_words(run: &Run) -> Option<String> {
    let lines = run.stderr.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let last = lines.rev().find(|line| !line.is_empty())?;
    let line = String::from_utf8_lossy(last);
    let line: String = line.chars().take(2 * SHOWN_CHARACTERS).collect();
    Some(format!("; its stderr ends with {}", shown(&line)))
}

/// In a few words, how a sound account reads.
pub(crate) fn told(account: &Account) -> String {
    match &account.error {
        Some(_) => format!("{}, after the text {}", told_error(account), shown(&account.text)),
        None => format!(
            "the text {}, finish reason {}",
            shown(&account.text),
            account.finish_reason.as_deref().map_or("null".to_owned(), cut)
        ),
    }
}

/// A word of the client's, in part if it is long.
pub(crate) fn cut(word: &str) -> String {
    word.chars().take(SHOWN_CHARACTERS).collect()
}

/// A text in quotes, in part if it is long.
pub(crate) fn shown(text: &str) -> String {
    let mut characters = text.chars();
    let beginning: String = characters.by_ref().take(SHOWN_CHARACTERS).collect();
    let quoted = format!("{beginning:?}");
    match characters.count() {
        0 => quoted,
        more => format!("{quoted} and {more} characters more"),
    }
}

fn told_error(account: &Account) -> String {
    let Some(error) = &account.error else { return "no error".to_owned() };
    let kind = if error.kind.is_empty() { "an error".to_owned() } else { cut(&error.kind) };
    let typed = if error.typed { "" } else { ", which is none of its own" };
    format!("{kind}{typed}: {}", shown(&error.message))
}

fn compare(account: &Account, text: &str) -> Result<(), Objection> {
    if account.text == text {
        return Ok(());
    }
    let told = format!("the text is {}, not {}", shown(&account.text), shown(text));
    let harm = if is_part(&account.text, text) { Harm::SilentLoss } else { Harm::Invention };
    Err(Objection::broken(harm, told))
}

/// Whether a text is another with pieces left out.
fn is_part(part: &str, whole: &str) -> bool {
    let mut left = whole.chars();
    part.chars().all(|wanted| left.any(|character| character == wanted))
}

/// Whether a request is of HTTP/1.0.
fn is_of_old(attempt: &Attempt) -> bool {
    attempt.request.head.as_ref().is_some_and(|head| head.minor_version == 0)
}

fn asked_instead(attempt: &Attempt) -> String {
    match &attempt.request.head {
        Some(head) if attempt.asked != Asked::Broken => {
            let [method, target] = [&head.method, &head.target].map(|word| String::from_utf8_lossy(word));
            let target = match target.split_once('?') {
                Some((path, query)) => format!("{path}?{}", query_without_secrets(query)),
                None => target.into_owned(),
            };
            format!("it asked for {} instead", shown(&format!("{method} {target}")))
        }
        _ => told_break(&attempt.request.received.ending).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_nothing_that_the_whole_has_not() {
        assert!(is_part("", "oak"));
        assert!(is_part("ok", "oak"));
        assert!(!is_part("oaak", "oak"));
        assert!(!is_part("ko", "oak"));
    }

    #[test]
    fn a_long_text_is_shown_in_part() {
        assert_eq!(shown("a\nb"), r#""a\nb""#);
        let told = shown(&"é".repeat(90));
        assert!(told.ends_with("\" and 10 characters more"), "{told}");
    }
}
