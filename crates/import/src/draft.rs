//! A script that is being made: rules as they will be written, and the text of all of them.
//!
//! Owns how rules are written, and the proof that they can be read: what `backend-script` refuses is taken out again
//! and noted, so that the text that is handed over always loads. It refuses to know where the rules come from.

use std::collections::BTreeMap;

use interference_backend_script::{LONGEST_NAME, MOST_RULES, Script, ScriptError};
use toml::{Table, Value};

use crate::notes::{Extent, LeftOut, Origin};

/// How often a script is read anew after rules were taken out of it.
const MOST_READINGS: usize = 100;

/// What a rule does when all of its answers have been given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Then {
    /// The last one again.
    #[default]
    Last,
    /// The first one again.
    Cycle,
    /// Nothing: the next rules have the request.
    Pass,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// What sets it apart from other rules of the same origin; empty for the only one.
    pub(crate) suffix: String,
    pub(crate) when: Table,
    /// At least one.
    pub(crate) answers: Vec<Table>,
    pub(crate) then: Then,
}

/// A script that loads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// None when no rule is left.
    pub(crate) text: Option<String>,
    /// How many rules it has.
    pub(crate) rules: usize,
    /// The rules that could not be read.
    pub(crate) left_out: Vec<LeftOut>,
}

/// Writes these rules, in their order. `state` is the first of a session, where they speak of states.
pub(crate) fn write(mut rules: Vec<Rule>, state: Option<&str>) -> Written {
    let mut left_out: Vec<LeftOut> = Vec::new();
    let mut leave_out =
        |rule: Rule, reason: &str| left_out.push(rule.origin.left_out(Extent::Whole, reason.to_owned()));
    for rule in rules.split_off(rules.len().min(MOST_RULES)) {
        leave_out(rule, &format!("a script has at most {MOST_RULES} rules"));
    }
    let mut text = None;
    for _ in 0..MOST_READINGS {
        let (candidate, first_lines) = written(&rules, state);
        match reasons(&candidate, &first_lines) {
            Ok(reasons) if reasons.is_empty() => {
                text = (!rules.is_empty()).then_some(candidate);
                break;
            }
            Ok(reasons) => {
                let kept = rules.into_iter().enumerate().filter_map(|(position, rule)| {
                    match reasons.get(&position) {
                        Some(reason) => {
                            leave_out(rule, reason);
                            None
                        }
                        None => Some(rule),
                    }
                });
                rules = kept.collect();
            }
            Err(error) => {
                for rule in rules.drain(..) {
                    leave_out(rule, &error.to_string());
                }
            }
        }
    }
    if text.is_none() {
        for rule in rules.drain(..) {
            leave_out(rule, "too many of the fixtures around it cannot be rules; import it alone");
        }
    }
    Written { text, rules: rules.len(), left_out }
}

/// Why which of the rules cannot be read; nothing where the script can be.
///
/// # Errors
/// Where the script as a whole cannot be.
fn reasons(text: &str, first_lines: &[usize]) -> Result<BTreeMap<usize, String>, ScriptError> {
    if first_lines.is_empty() {
        return Ok(BTreeMap::new());
    }
    let problems = match Script::parse(text, "script") {
        Ok(_) => return Ok(BTreeMap::new()),
        Err(ScriptError::Invalid { problems, .. }) => problems,
        Err(error) => return Err(error),
    };
    let mut reasons = BTreeMap::new();
    for problem in problems {
        let position = first_lines.partition_point(|line| *line <= problem.line).saturating_sub(1);
        reasons.entry(position).or_insert(problem.message);
    }
    Ok(reasons)
}

/// The text of a script, and the line that each rule begins in.
fn written(rules: &[Rule], state: Option<&str>) -> (String, Vec<usize>) {
    let mut text = String::new();
    let mut lines = 1;
    let mut first_lines = Vec::new();
    let mut add = |line: String| {
        lines += line.matches('\n').count();
        text.push_str(&line);
        lines
    };
    if let Some(state) = state {
        add(format!("state = {}\n\n", Value::from(state)));
    }
    for (position, rule) in rules.iter().enumerate() {
        first_lines.push(add(if position == 0 { String::new() } else { "\n".to_owned() }));
        add(format!("[[rule]]\nname = {}\n", Value::from(rule.name())));
        if !rule.when.is_empty() {
            add(format!("when = {}\n", Value::from(rule.when.clone())));
        }
        match rule.answers.as_slice() {
            [answer] => add(format!("answer = {}\n", Value::from(answer.clone()))),
            answers => {
                let answers: Vec<String> =
                    answers.iter().map(|answer| format!("    {},\n", Value::from(answer.clone()))).collect();
                add(format!("answers = [\n{}]\n", answers.concat()))
            }
        };
        match rule.then {
            Then::Last => {}
            Then::Cycle => drop(add("then = \"cycle\"\n".to_owned())),
            Then::Pass => drop(add("then = \"pass\"\n".to_owned())),
        }
    }
    (text, first_lines)
}

impl Rule {
    /// Unlike that of any other rule; long names of files are cut in front.
    fn name(&self) -> String {
        let Origin { file, number, .. } = &self.origin;
        let tail = format!(" {number}{}", self.suffix);
        let room = LONGEST_NAME.saturating_sub(tail.len());
        let start = (file.len().saturating_sub(room)..file.len()).find(|start| file.is_char_boundary(*start));
        format!("{}{tail}", &file[start.unwrap_or(file.len())..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    fn rule(number: usize, when: Table, answer: Table) -> Rule {
        let origin = Origin { file: "a.json".to_owned(), line: None, noun: "fixture", number };
        Rule { origin, suffix: String::new(), when, answers: vec![answer], then: Then::Last }
    }

    #[test]
    fn rules_are_written_as_a_person_would() {
        let hello = rule(1, table("text = \"hello\""), table("text = \"Line 1\\n\\\"Line 2\\\"\""));
        let mut several = rule(2, Table::new(), table("text = \"one\""));
        several.answers.push(table("error = { status = 429, message = \"Slow down.\" }"));
        several.then = Then::Cycle;
        let written = write(vec![hello, several], Some("start"));
        assert_eq!(
            written.text.unwrap(),
            "state = \"start\"\n\n[[rule]]\nname = \"a.json 1\"\nwhen = { text = \"hello\" }\n\
             answer = { text = \"\"\"\nLine 1\n\"Line 2\"\"\"\" }\n\n\
             [[rule]]\nname = \"a.json 2\"\nanswers = [\n    { text = \"one\" },\n    \
             { error = { message = \"Slow down.\", status = 429 } },\n]\nthen = \"cycle\"\n"
        );
        assert_eq!((written.rules, written.left_out.len()), (2, 0));
    }

    #[test]
    fn what_cannot_be_read_is_taken_out_and_told() {
        let answer = || table("text = \"yes\"");
        let rules = vec![
            rule(1, table("regex = \"(\""), answer()),
            rule(2, table("text = \"sun\""), answer()),
            rule(3, table("text = \"sunny\""), answer()),
            rule(4, table("state = \"nowhere\"\ntext = \"a\""), answer()),
            rule(5, Table::new(), table("text = \"no\"\nusage = { prompt_tokens = -1 }")),
            rule(6, Table::new(), answer()),
        ];
        let written = write(rules, None);
        assert_eq!(written.rules, 2);
        let told: Vec<String> = written.left_out.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 4);
        assert!(told[0].starts_with("a.json: fixture 1: left out: `regex` is not valid"), "{}", told[0]);
        let numbers: Vec<&str> = written.left_out.iter().filter_map(|one| one.entry.as_deref()).collect();
        assert_eq!(numbers, ["fixture 1", "fixture 3", "fixture 5", "fixture 4"]);
        Script::parse(&written.text.unwrap(), "s").unwrap();
    }

    #[test]
    fn no_rules_are_no_script() {
        assert_eq!(write(Vec::new(), None), Written { text: None, rules: 0, left_out: Vec::new() });
        let written = write(vec![rule(1, table("regex = \"(\""), table("text = \"\""))], None);
        assert_eq!((written.text, written.rules, written.left_out.len()), (None, 0, 1));
    }

    #[test]
    fn names_fit() {
        let mut rule = rule(7, Table::new(), table("text = \"\""));
        rule.origin.file = format!("a{}", "é".repeat(200));
        assert!(rule.name().len() <= LONGEST_NAME);
        assert!(rule.name().ends_with("é 7"));
    }
}
