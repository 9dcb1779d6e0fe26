//! A script that is being made: rules as they will be written, and the text of all of them.
//!
//! Owns how rules are written, and the proof that they can be read: what `backend-script` refuses is taken out again
//! and noted, so that the text that is handed over always loads. It refuses to know where the rules come from.

use std::collections::{BTreeMap, BTreeSet};

use interference_backend_script::{LONGEST_NAME, MOST_RULES, Script, ScriptError};
use toml::{Table, Value};

use crate::Made;
use crate::notes::{Extent, Listing, Origin};

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

/// The script of these rules, in their order; none where no rule is left. `state` is the first of a session, where they
/// speak of states.
pub(crate) fn script(mut rules: Vec<Rule>, state: Option<&str>, listing: &mut Listing) -> Option<Made> {
    let mut leave_out = |rule: Rule, reason: &str| {
        listing.push(rule.origin.left_out(Extent::Whole, reason.to_owned()));
    };
    for rule in rules.split_off(rules.len().min(MOST_RULES)) {
        leave_out(rule, &format!("a script has at most {MOST_RULES} rules"));
    }
    for _ in 0..MOST_READINGS {
        if rules.is_empty() {
            return None;
        }
        let (text, first_lines) = written(&rules, state);
        match reasons(&text, &first_lines) {
            Ok(reasons) if reasons.is_empty() => return Some(Made::Script { text, rules: rules.len() }),
            Ok(reasons) => {
                let mut kept = Vec::new();
                for (position, rule) in rules.into_iter().enumerate() {
                    match reasons.get(&position) {
                        Some(reason) => leave_out(rule, reason),
                        None => kept.push(rule),
                    }
                }
                rules = kept;
            }
            Err(error) => {
                rules.into_iter().for_each(|rule| leave_out(rule, &error.to_string()));
                return None;
            }
        }
    }
    let reason = "too many of the fixtures around it cannot be rules; import it alone";
    rules.into_iter().for_each(|rule| leave_out(rule, reason));
    None
}

/// Why which of the rules cannot be read; nothing where the script can be.
///
/// # Errors
/// Where the script as a whole cannot be.
fn reasons(text: &str, first_lines: &[usize]) -> Result<BTreeMap<usize, String>, ScriptError> {
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
    let labels = labels(rules);
    for (position, rule) in rules.iter().enumerate() {
        first_lines.push(add(if position == 0 { String::new() } else { "\n".to_owned() }));
        add(format!("[[rule]]\nname = {}\n", Value::from(rule.name(&labels))));
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

/// What names of rules call each file: as it is called in its folder, if no other file is.
fn labels(rules: &[Rule]) -> BTreeMap<&str, &str> {
    let files: BTreeSet<&str> = rules.iter().map(|rule| rule.origin.file.as_str()).collect();
    let mut called: BTreeMap<&str, usize> = BTreeMap::new();
    for file in &files {
        *called.entry(in_folder(file)).or_default() += 1;
    }
    let is_unlike_others = |file: &str| called.get(in_folder(file)) == Some(&1);
    files.iter().map(|file| (*file, if is_unlike_others(file) { in_folder(file) } else { file })).collect()
}

/// How a file is called in its folder.
fn in_folder(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

impl Rule {
    /// Unlike that of any other rule; long names of files are cut in front.
    fn name(&self, labels: &BTreeMap<&str, &str>) -> String {
        let Origin { file, number, .. } = &self.origin;
        let label = labels.get(file.as_str()).copied().unwrap_or(file);
        let tail = format!(" {number}{}", self.suffix);
        let room = LONGEST_NAME.saturating_sub(tail.len());
        let start =
            (label.len().saturating_sub(room)..label.len()).find(|start| label.is_char_boundary(*start));
        format!("{}{tail}", &label[start.unwrap_or(label.len())..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    /// The text of a script that loads, and what is told of the rules that are not in it.
    fn made(rules: Vec<Rule>, state: Option<&str>) -> (String, Vec<String>) {
        let mut listing = Listing::default();
        let text = match script(rules, state, &mut listing) {
            Some(Made::Script { text, .. }) => {
                Script::parse(&text, "script").unwrap();
                text
            }
            _ => String::new(),
        };
        (text, listing.told.iter().map(ToString::to_string).collect())
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
        let (text, told) = made(vec![hello, several], Some("start"));
        assert_eq!(
            text,
            "state = \"start\"\n\n[[rule]]\nname = \"a.json 1\"\nwhen = { text = \"hello\" }\n\
             answer = { text = \"\"\"\nLine 1\n\"Line 2\"\"\"\" }\n\n\
             [[rule]]\nname = \"a.json 2\"\nanswers = [\n    { text = \"one\" },\n    \
             { error = { message = \"Slow down.\", status = 429 } },\n]\nthen = \"cycle\"\n"
        );
        assert_eq!(told, [""; 0]);
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
        let (text, told) = made(rules, None);
        assert_eq!(text.matches("[[rule]]").count(), 2);
        assert!(told[0].starts_with("a.json: fixture 1: left out: `regex` is not valid"), "{}", told[0]);
        let numbers = told.iter().map(|one| one.split(": ").nth(1).unwrap());
        assert_eq!(numbers.collect::<Vec<_>>(), ["fixture 1", "fixture 3", "fixture 5", "fixture 4"]);
    }

    #[test]
    fn no_rules_are_no_script() {
        assert_eq!(made(Vec::new(), None), (String::new(), Vec::new()));
        let (text, told) = made(vec![rule(1, table("regex = \"(\""), table("text = \"\""))], None);
        assert_eq!((text.as_str(), told.len()), ("", 1));
    }

    #[test]
    fn names_fit_and_differ() {
        let from = |file: &str| {
            let mut rule = rule(7, Table::new(), table("text = \"\""));
            rule.origin.file = file.to_owned();
            rule
        };
        let long = format!("a{}", "é".repeat(200));
        let rules = ["one/a.json", "two/a.json", "two/b.json", &long].map(from);
        let labels = labels(&rules);
        let names = rules.each_ref().map(|rule| rule.name(&labels));
        assert_eq!(names[..3], ["one/a.json 7", "two/a.json 7", "b.json 7"]);
        assert!(names[3].len() <= LONGEST_NAME && names[3].ends_with("é 7"), "{}", names[3]);
    }
}
