//! Bugs in who is let in: an endpoint that its guard has forgotten.

use super::KEY;
use super::mutant::{Asked, Fails, MEANT, Mutant};

const NOT_GUARDED: &str = "where no key is looked at, a wrong one is as good";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "models-for-everybody",
        "who asks for the list of models needs no key",
        &[Fails("errors.key-for-models", MEANT)],
    )
    .ask(|asked| {
        if asked.is_for("/models") {
            let_in(asked);
        }
    }),
    Mutant::new(
        "completions-forgotten",
        "the guard knows its endpoints by name, and not the oldest of them",
        &[Fails("errors.no-key", MEANT), Fails("errors.wrong-key", NOT_GUARDED)],
    )
    .ask(|asked| {
        if asked.is_for("/completions") {
            let_in(asked);
        }
    }),
    Mutant::new(
        "responses-for-those-without-a-key",
        "the newest endpoint takes a request without a key for one from inside",
        &[Fails("errors.no-key", MEANT)],
    )
    .ask(|asked| {
        if asked.is_for("/responses") && asked.header("authorization").is_none() {
            let_in(asked);
        }
    }),
    Mutant::new(
        "embeddings-for-any-key",
        "embeddings come from another service, which looks whether there is a key, and not which",
        &[Fails("errors.wrong-key", MEANT)],
    )
    .ask(|asked| {
        if asked.is_for("/embeddings") && asked.header("authorization").is_some() {
            let_in(asked);
        }
    }),
];

/// With the right key, whatever it came with.
fn let_in(asked: &mut Asked) {
    asked.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
    asked.headers.push(("authorization".to_owned(), format!("Bearer {KEY}")));
}
