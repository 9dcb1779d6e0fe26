//! Many rules, and many requests at once.

use std::sync::Arc;

use crate::exchange::{backend, said};

/// Fewer than a script may have: each is compared with all before it.
const RULES: usize = 2_000;

#[tokio::test]
async fn the_last_of_very_many_rules_is_found() {
    let mut text = String::new();
    for position in 0..RULES {
        text.push_str(&format!(
            "[[rule]]\nwhen.text = \"number {position}!\"\nanswer = {{ text = \"{position}\" }}\n"
        ));
    }
    let backend = backend(&text);
    assert_eq!(said(&backend, "number 1999!", &[]).await, "1999");
    let miss = said(&backend, "number 2000!", &[]).await;
    assert!(miss.contains("The nearest is rule `rule 1` (line 1): `text = \"number 0!\"`"), "{miss}");
}

#[tokio::test]
async fn of_requests_at_once_each_gets_its_own_answer() {
    let texts: Vec<String> = (0..64).map(|position| format!("{{ text = \"{position}\" }}")).collect();
    let backend = Arc::new(backend(&format!("[[rule]]\nanswers = [{}]\n", texts.join(", "))));
    let requests = (0..64).map(|_| {
        let backend = Arc::clone(&backend);
        tokio::spawn(async move { said(&backend, "a", &[]).await })
    });
    let requests: Vec<_> = requests.collect();
    let mut told = Vec::new();
    for request in requests {
        told.push(request.await.unwrap().parse::<usize>().unwrap());
    }
    told.sort_unstable();
    assert_eq!(told, (0..64).collect::<Vec<_>>());
}
