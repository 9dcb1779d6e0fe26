//! What the server does, by its script: the same answer to everybody, each piece at its time.
//!
//! Every answer lasts one second, so that as many streams are open as begin in a second. With one piece every
//! 10 ms, a thousand streams are some 90,000 events a second.

use serde_json::json;

/// The name of the model that is asked for.
pub(super) const MODEL: &str = "scripted";
/// From the request to its first piece of text, in milliseconds.
pub(super) const FIRST_MS: f64 = 100.0;
/// From each piece to the next, in milliseconds.
pub(super) const BETWEEN_MS: f64 = 10.0;
/// Pieces of text in an answer.
pub(super) const PIECES: usize = 91;

/// The script. A piece is one word, which tokenizers count as one token or as few.
pub(super) fn script() -> String {
    let text = json!(vec!["tree "; PIECES]);
    format!(
        "models = [\"{MODEL}\"]\nlatency = {{ first_token = \"{FIRST_MS}ms\", between_tokens = \"{BETWEEN_MS}ms\" }}\n\n\
         [[rule]]\nanswer = {{ text = {text} }}\n"
    )
}

/// When a piece is due, in milliseconds after the request; they count from 0.
pub(super) fn due_ms(piece: usize) -> f64 {
    FIRST_MS + BETWEEN_MS * piece as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_lasts_one_second_and_has_its_pieces() {
        assert_eq!(due_ms(PIECES - 1), 1_000.0);
        assert!(script().starts_with(
            "models = [\"scripted\"]\nlatency = { first_token = \"100ms\", between_tokens = \"10ms\" }\n\n\
             [[rule]]\nanswer = { text = [\"tree \",\"tree \""
        ));
        assert_eq!(script().matches("tree ").count(), PIECES);
    }
}
