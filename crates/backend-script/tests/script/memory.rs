//! States, sessions, and answers in turn.

use interference_backend_script::{LONGEST_SESSION, MOST_SESSIONS};

use crate::exchange::{backend, said, script};

const SESSION: &str = "x-interference-session";

/// What is said to several requests of one session.
async fn told(script: &str, requests: usize) -> Vec<String> {
    let backend = backend(script);
    let mut told = Vec::new();
    for _ in 0..requests {
        told.push(said(&backend, "hello", &[]).await);
    }
    told
}

fn in_turn(then: &str) -> String {
    format!(
        "[answers.b]\ntext = \"b\"\n[[rule]]\nname = \"turns\"\nanswers = [{{ text = \"a\" }}, \"b\"]\n{then}\n\
         [[rule]]\nwhen.stream = false\nanswer = {{ text = \"rest\" }}\n"
    )
}

#[tokio::test]
async fn answers_come_in_turn() {
    let alone = "[[rule]]\nanswers = [{ text = \"a\" }, { text = \"b\" }]\n";
    assert_eq!(told(alone, 4).await, ["a", "b", "b", "b"]);
    assert_eq!(told(&format!("{alone}then = \"last\"\n"), 3).await, ["a", "b", "b"]);
    assert_eq!(told(&format!("{alone}then = \"cycle\"\n"), 5).await, ["a", "b", "a", "b", "a"]);
    assert_eq!(told(&in_turn("then = \"pass\""), 4).await, ["a", "b", "rest", "rest"]);
    let once = "[[rule]]\nanswer = { text = \"a\" }\nthen = \"pass\"\n";
    assert_eq!(
        told(once, 2).await,
        [
            "a",
            "No rule of test.toml matches. The nearest is rule `rule 1` (line 1): all of its answers were given, and \
             `then = \"pass\"`."
        ]
    );
}

const DIALOGUE: &str = "state = \"new\"\n\
    [[rule]]\nname = \"greet\"\nwhen.state = \"new\"\nanswer = { text = \"Who are you?\", next_state = \"asked\" }\n\
    [[rule]]\nname = \"ask\"\nwhen.state = \"asked\"\nanswer = { text = \"Welcome.\", next_state = \"known\" }\n\
    [[rule]]\nname = \"rest\"\nanswer = { template = \"We are {{ state }}.\" }\n";

#[tokio::test]
async fn states_lead_through_a_conversation() {
    assert_eq!(told(DIALOGUE, 4).await, ["Who are you?", "Welcome.", "We are known.", "We are known."]);
}

#[tokio::test]
async fn each_session_has_its_own() {
    let backend = backend(DIALOGUE);
    assert_eq!(said(&backend, "a", &[(SESSION, "one")]).await, "Who are you?");
    assert_eq!(said(&backend, "a", &[(SESSION, "one")]).await, "Welcome.");
    assert_eq!(said(&backend, "a", &[(SESSION, "two")]).await, "Who are you?");
    assert_eq!(said(&backend, "a", &[]).await, "Who are you?");
    assert_eq!(said(&backend, "a", &[(SESSION, "two")]).await, "Welcome.");
    let long = "x".repeat(LONGEST_SESSION + 1);
    assert_eq!(
        said(&backend, "a", &[(SESSION, &long)]).await,
        "The header `x-interference-session` has more than 256 bytes."
    );
}

#[tokio::test]
async fn the_session_that_was_quiet_longest_is_forgotten() {
    let backend = backend(DIALOGUE);
    for session in 0..MOST_SESSIONS {
        said(&backend, "a", &[(SESSION, &session.to_string())]).await;
    }
    assert_eq!(said(&backend, "a", &[(SESSION, "0")]).await, "Welcome.");
    assert_eq!(said(&backend, "a", &[(SESSION, "another")]).await, "Who are you?");
    // 1 was the oldest then; now that it is new again, 2 is.
    assert_eq!(said(&backend, "a", &[(SESSION, "1")]).await, "Who are you?");
    assert_eq!(said(&backend, "a", &[(SESSION, "0")]).await, "We are known.");
    assert_eq!(said(&backend, "a", &[(SESSION, "3")]).await, "Welcome.");
}

#[tokio::test]
async fn another_script_keeps_what_it_knows() {
    let turns = |name: &str, texts: &str| format!("[[rule]]\nname = \"{name}\"\nanswers = [{texts}]\n");
    let backend = backend(&turns("a", "{ text = \"1\" }, { text = \"2\" }"));
    assert_eq!(said(&backend, "a", &[]).await, "1");
    backend.replace(script(&turns("a", "{ text = \"one\" }, { text = \"two\" }, { text = \"three\" }")));
    assert_eq!(said(&backend, "a", &[]).await, "two");
    backend.replace(script(&turns("b", "{ text = \"I\" }, { text = \"II\" }")));
    assert_eq!(said(&backend, "a", &[]).await, "I");
    backend.replace(script(&turns("a", "{ text = \"one\" }, { text = \"two\" }")));
    assert_eq!(said(&backend, "a", &[]).await, "one");

    backend.replace(script(DIALOGUE));
    assert_eq!(said(&backend, "a", &[]).await, "Who are you?");
    backend.replace(script(&format!("{DIALOGUE}# changed\n")));
    assert_eq!(said(&backend, "a", &[]).await, "Welcome.");
    backend.replace(script(&DIALOGUE.replace("known", "met")));
    assert_eq!(said(&backend, "a", &[]).await, "Who are you?");
}
