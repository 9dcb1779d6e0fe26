//! What is reported of a client: its own account, or what a person saw of it.
//!
//! Owns how a report is read, and what a person's words mean to an oracle: the account of a client that would have shown
//! just that. Refuses to know who reports, and which case it is about.

use std::time::{Duration, Instant};

use interference_report::{CaseVerdict, Verdict, milliseconds};
use serde_json::Value;

use super::reading::served;
use super::reply::Problem;
use crate::account::{Account, AccountError};
use crate::case::{Case, Harm, Objection, Outcome, Tools};
use crate::evidence::{Attempt, exchanges, report as reported};
use crate::judge::judged;
use crate::oracle::Seen;

/// Bytes of a report.
pub(super) const LONGEST_REPORT: usize = 8 << 20;

/// The members of an account, of which a report has at least one.
const ACCOUNT: [&str; 5] = ["text", "finish_reason", "tool_calls", "usage", "error"];

/// A report.
#[derive(Debug, Clone)]
pub(super) struct Report<'a> {
    /// As it came.
    words: &'a [u8],
    came_at: Instant,
    /// The client that it names.
    pub(super) client: Option<String>,
    said: Said,
}

#[derive(Debug, Clone, PartialEq)]
enum Said {
    Account(Box<Account>),
    Saw(Sight),
}

/// What a person saw of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// All of the text, and no error.
    Whole,
    /// A part of the text, and no error.
    Part,
    /// An error, made for people to read.
    Error,
    /// Neither text nor error.
    Nothing,
    /// It never ended.
    Hang,
}

impl Sight {
    const ALL: [(&'static str, Sight); 5] = [
        ("whole", Sight::Whole),
        ("part", Sight::Part),
        ("error", Sight::Error),
        ("nothing", Sight::Nothing),
        ("hang", Sight::Hang),
    ];

    /// The account of a client that shows this of an answer; none of one that shows no end.
    fn account(self, attempts: &[Attempt]) -> Account {
        let whole = || attempts.iter().rev().find_map(served).unwrap_or_default();
        match self {
            Sight::Whole => whole(),
            Sight::Part => {
                let mut account = whole();
                account.text.pop();
                account
            }
            Sight::Error => {
                let message = "an error, as a person saw it".to_owned();
                let error = AccountError { kind: String::new(), message, typed: true };
                Account { error: Some(error), ..Account::default() }
            }
            Sight::Nothing | Sight::Hang => Account::default(),
        }
    }
}

impl<'a> Report<'a> {
    /// Reads a report.
    ///
    /// # Errors
    /// It is too long, no JSON object, no account, or two things at once.
    pub(super) fn read(words: &'a [u8]) -> Result<Report<'a>, Problem> {
        let came_at = Instant::now();
        if words.len() > LONGEST_REPORT {
            return Err(Problem::too_large("a report", LONGEST_REPORT));
        }
        let object = serde_json::from_slice::<Value>(words).ok().filter(Value::is_object);
        let object = object.ok_or_else(|| Problem::malformed("a report is one JSON object"))?;
        let client = match object.get("client") {
            None | Some(Value::Null) => None,
            Some(Value::String(client)) => Some(super::place::name(client)?.to_owned()),
            Some(_) => return Err(Problem::malformed("member `client` of the report is not a string")),
        };
        let is_account = ACCOUNT.iter().any(|member| object.get(member).is_some());
        let said = match (object.get("saw"), is_account) {
            (None, true) => {
                let account = Account::from_value(&object);
                Said::Account(Box::new(account.map_err(|reason| Problem::malformed(reason.to_string()))?))
            }
            (Some(saw), false) => Said::Saw(sight(saw)?),
            (Some(_), true) => {
                let message =
                    "a report has what the client got, or what a person saw of it (`saw`), not both";
                return Err(Problem::malformed(message));
            }
            (None, false) => {
                let message = format!("a report has one of the members {} at least", ACCOUNT.join(", "));
                return Err(Problem::malformed(message));
            }
        };
        Ok(Report { words, came_at, client, said })
    }

    /// Whether it can be about this case.
    ///
    /// # Errors
    /// Calls of tools are nothing that a person sees.
    pub(super) fn fits(&self, case: &Case) -> Result<(), Problem> {
        match (&self.said, case.tools) {
            (Said::Saw(_), Tools::Weather) => {
                let message =
                    "this case is about calls of tools, which a person cannot see whole: report an account";
                Err(Problem::malformed(message))
            }
            _ => Ok(()),
        }
    }

    /// The verdict on a client that was served this.
    pub(super) fn verdict(
        &self,
        case: &'static Case,
        attempts: &[Attempt],
        timeout: Duration,
        repeat: String,
    ) -> CaseVerdict {
        let (verdict, seen) = match self.outcome(case, attempts, timeout) {
            Ok(seen) => (Verdict::Pass, seen),
            Err(objection) => (objection.verdict(case.level), objection.seen),
        };
        let seen = match self.said {
            Said::Account(_) => seen,
            Said::Saw(_) => format!("{seen} (as a person saw it)"),
        };
        let began_at = attempts.first().map_or(self.came_at, |attempt| attempt.came_at);
        let mut evidence = exchanges(attempts, &repeat);
        evidence.push(reported(self.words, self.came_at, began_at, &repeat));
        CaseVerdict {
            seen,
            requests: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
            duration_ms: milliseconds(began_at, self.came_at.max(began_at)),
            evidence,
            ..case.unjudged(verdict, repeat)
        }
    }

    fn outcome(&self, case: &'static Case, attempts: &[Attempt], timeout: Duration) -> Outcome {
        let account = match &self.said {
            Said::Account(account) => (**account).clone(),
            Said::Saw(sight) => sight.account(attempts),
        };
        let seen = Seen { attempts, account: Ok(account), run: None, timeout };
        if self.said == Said::Saw(Sight::Hang) {
            seen.account()?;
            return Err(Objection::broken(Harm::Hang, "it did not end"));
        }
        let text_was_seen = matches!(self.said, Said::Saw(Sight::Whole | Sight::Part));
        match judged(case, &seen) {
            // It may be what the model thought, shown as what it is or as the answer.
            Ok(_)
                if text_was_seen
                    && attempts.iter().filter_map(served).all(|answer| answer.text.is_empty()) =>
            {
                let seen = "a text was seen, and the answer has none: report an account";
                Err(Objection::inconclusive(seen))
            }
            // Nobody has said what the error says, and what of the text stands beside it.
            Err(lost) if self.said == Said::Saw(Sight::Error) && lost.harm() == Some(Harm::SilentLoss) => {
                let seen =
                    "an error, and this case is about its words, or the text beside it: report an account";
                Err(Objection::inconclusive(seen))
            }
            // Which part they saw, nobody has said.
            Err(lost) if self.said == Said::Saw(Sight::Part) && lost.harm() == Some(Harm::SilentLoss) => {
                Err(Objection::broken(Harm::SilentLoss, "a part of the text, and no error"))
            }
            outcome => outcome,
        }
    }
}

fn sight(saw: &Value) -> Result<Sight, Problem> {
    let found = Sight::ALL.iter().find(|(word, _)| saw == word);
    found.map(|(_, sight)| *sight).ok_or_else(|| {
        let words: Vec<&str> = Sight::ALL.iter().map(|(word, _)| *word).collect();
        Problem::malformed(format!("member `saw` of the report is none of {}", words.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use interference_wire::{ConnectionEnd, Progress, ReadLimits, RequestParser};

    use super::*;
    use crate::cases::{CATALOGUE, cases};
    use crate::examiner::Asked;

    /// A chat, and its answer as this case has it.
    fn attempt(case: &Case, timeout: Duration) -> Attempt {
        let mut parser = RequestParser::new(ReadLimits::default());
        let now = Instant::now();
        let chat = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(parser.push(chat, now), Progress::Ended);
        let turn = crate::case::Turn { before: 0, now: std::time::SystemTime::now(), timeout };
        Attempt {
            number: 0,
            asked: Asked::Chat,
            request: parser.finish(ConnectionEnd::Abandoned),
            came_at: now,
            steps: (case.answer)(turn),
            bytes: 0,
            writes: Vec::new(),
            left_at: None,
        }
    }

    fn outcome(case: &'static Case, words: &str) -> Outcome {
        let timeout = Duration::from_secs(2);
        let report = Report::read(words.as_bytes()).unwrap();
        report.outcome(case, &[attempt(case, timeout)], timeout)
    }

    #[test]
    fn who_sees_an_ordinary_or_a_legal_stream_whole_is_sound_and_nobody_else() {
        for case in CATALOGUE.iter().take(2).flat_map(|group| group.cases) {
            let passes = |saw: &str| outcome(case, &format!(r#"{{"saw": "{saw}"}}"#));
            assert!(passes("whole").is_ok(), "{}: {:?}", case.slug, passes("whole"));
            for (saw, harm) in [
                ("part", Harm::SilentLoss),
                ("nothing", Harm::SilentLoss),
                ("error", Harm::Refusal),
                ("hang", Harm::Hang),
            ] {
                assert_eq!(passes(saw).unwrap_err().harm(), Some(harm), "{}", case.slug);
            }
        }
    }

    /// Whoever sees what the answer has, has seen it whole, whatever the answer looks like.
    #[test]
    fn who_sees_the_text_of_a_sound_answer_whole_is_sound() {
        let case = cases().find(|case| case.slug == "types.json-completion").unwrap();
        assert_eq!(outcome(case, r#"{"saw": "whole"}"#).map(drop), Ok(()));
        let lost = outcome(case, r#"{"saw": "part"}"#).unwrap_err();
        assert_eq!(lost.harm(), Some(Harm::SilentLoss));
    }

    #[test]
    fn who_sees_a_text_where_there_is_none_is_asked_for_more() {
        let case = cases().find(|case| case.slug == "chunks.reasoning-only").unwrap();
        assert!(outcome(case, r#"{"saw": "nothing"}"#).is_ok());
        for saw in ["whole", "part"] {
            let objection = outcome(case, &format!(r#"{{"saw": "{saw}"}}"#)).unwrap_err();
            assert_eq!(objection.harm(), None, "{}", objection.seen);
        }
    }

    #[test]
    fn what_stands_in_an_error_a_person_has_not_told() {
        for slug in ["errors.message-kept", "ends.text-kept"] {
            let case = cases().find(|case| case.slug == slug).unwrap();
            let objection = outcome(case, r#"{"saw": "error"}"#).unwrap_err();
            assert_eq!(objection.harm(), None, "{slug}: {}", objection.seen);
        }
    }

    #[test]
    fn what_a_person_did_not_tell_is_not_told() {
        let lost = outcome(crate::cases::first(), r#"{"saw": "part"}"#).unwrap_err();
        assert_eq!(lost.seen, "silent loss: a part of the text, and no error");
    }

    #[test]
    fn a_hang_is_sound_nowhere() {
        for case in cases().filter(|case| case.tools == Tools::None) {
            assert_eq!(
                outcome(case, r#"{"saw": "hang"}"#).unwrap_err().harm(),
                Some(Harm::Hang),
                "{}",
                case.slug
            );
        }
    }

    #[test]
    fn what_is_no_report_is_told() {
        for (words, part) in [
            ("", "a report is one JSON object"),
            ("[]", "a report is one JSON object"),
            ("{}", "one of the members text, finish_reason, tool_calls, usage, error"),
            (r#"{"text": 1}"#, "member `text` of its account is not a string"),
            (r#"{"text": "", "client": 1}"#, "member `client` of the report is not a string"),
            (r#"{"text": "", "client": "a b"}"#, "a client's name has 1 to 64 letters"),
            (r#"{"saw": "stars"}"#, "none of whole, part, error, nothing, hang"),
            (r#"{"saw": "whole", "text": ""}"#, "not both"),
        ] {
            let problem = format!("{:?}", Report::read(words.as_bytes()).unwrap_err());
            assert!(problem.contains(part), "{words}: {problem}");
        }
        assert!(Report::read(&vec![b' '; LONGEST_REPORT + 1]).is_err());
    }
}
