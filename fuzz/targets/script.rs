//! Any text as a script: mistakes that are told at places within it and in few words, or a script that has a rule and a
//! model that reaches it.

#![no_main]

use interference_backend_script::{MOST_PROBLEMS, Script, ScriptError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let script = match Script::parse(text, "script.toml") {
        Ok(script) => script,
        Err(mistake) => return check_mistake(&mistake, text),
    };
    assert!(script.rule_count() > 0);
    let models = script.models(0);
    assert!(models.iter().all(|model| script.takes_model(&model.id)) && !models.is_empty());
});

fn check_mistake(mistake: &ScriptError, text: &str) {
    let ScriptError::Invalid { problems, .. } = mistake else { panic!("{mistake}") };
    assert!((1..=MOST_PROBLEMS).contains(&problems.len()), "{} problems", problems.len());
    let lines = text.split('\n').count();
    for problem in problems {
        assert!((1..=lines).contains(&problem.line), "{problem}");
        assert!(problem.mark.start <= problem.excerpt.chars().count(), "{problem}");
        // A word of the text may be told twice, once with its characters escaped.
        assert!(problem.message.len() < 2_000 + 10 * text.len(), "{problem}");
    }
}
