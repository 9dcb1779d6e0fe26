//! Bugs in text completions.

use serde_json::{Value, json};

use super::mutant::{Asked, Fails, MEANT, Mutant, Piece, Told};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "completion-as-chat",
        "whole completions are said to be chat completions",
        &[Fails("completions.object", MEANT)],
    )
    .tell(|asked, told| on_whole(asked, told, |body| body["object"] = json!("chat.completion"))),
    Mutant::new(
        "completion-chunks",
        "the events of a streamed completion are of a type of their own",
        &[Fails("completions.object", MEANT)],
    )
    .tell(|asked, told| {
        if asked.is_for("/completions") {
            told.edit_events(|_, value| value["object"] = json!("text_completion.chunk"));
        }
    }),
    Mutant::new(
        "completion-without-an-end",
        "a streamed completion just ends",
        &[Fails("completions.stream-done", MEANT)],
    )
    .tell(|asked, told| {
        if let Some(done) = told.done().filter(|_| asked.is_for("/completions")) {
            told.pieces.remove(done);
        }
    }),
    Mutant::new(
        "completion-never-streamed",
        "a completion comes whole, whether or not it is to be streamed",
        &[Fails("completions.stream-done", MEANT)],
    )
    .ask(|asked| on_request(asked, |body| _ = body.shift_remove("stream"))),
    Mutant::new(
        "usage-after-the-end",
        "the usage of a streamed completion follows its end",
        &[Fails("completions.stream-done", MEANT)],
    )
    .tell(|asked, told| {
        if asked.is_for("/completions") && told.done().is_some() {
            told.pieces.push(Piece::new(
                "data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1,\"model\":\"scripted\",\"choices\":[]}\n\n",
            ));
        }
    }),
    Mutant::new("no-echo", "echo is passed over", &[Fails("completions.echo", MEANT)])
        .ask(|asked| on_request(asked, |body| _ = body.shift_remove("echo"))),
    Mutant::new("prompts-joined", "several prompts become one", &[Fails("completions.prompt-array", MEANT)]).ask(
        |asked| {
            on_request(asked, |body| {
                if let Some(prompts) = body.get("prompt").and_then(Value::as_array) {
                    let texts: Vec<&str> = prompts.iter().filter_map(Value::as_str).collect();
                    body.insert("prompt".to_owned(), json!(texts.join("\n")));
                }
            });
        },
    ),
    Mutant::new(
        "prompts-as-they-are-ready",
        "choices are numbered in the order in which they are ready",
        &[Fails("completions.prompt-array", MEANT)],
    )
    .tell(|asked, told| {
        on_whole(asked, told, |body| {
            if let Some(choices) = body.get_mut("choices").and_then(Value::as_array_mut) {
                choices.reverse();
                choices.iter_mut().enumerate().for_each(|(position, choice)| choice["index"] = json!(position));
            }
        });
    }),
    Mutant::new(
        "logprobs-of-chats",
        "log probabilities have the form of chats",
        &[Fails("completions.logprobs", MEANT)],
    )
    .tell(|asked, told| {
        each_logprobs(asked, told, |logprobs| {
            let token = json!({"token": " stood", "logprob": -0.5, "bytes": null, "top_logprobs": []});
            *logprobs = json!({"content": [token]});
        });
    }),
    Mutant::new("logprobs-ignored", "log probabilities are null", &[Fails("completions.logprobs", MEANT)])
        .tell(|asked, told| each_logprobs(asked, told, |logprobs| *logprobs = Value::Null)),
    Mutant::new(
        "completion-probabilities",
        "probabilities stand where their logarithms are due",
        &[Fails("completions.logprobs", MEANT)],
    )
    .tell(|asked, told| {
        each_logprobs(asked, told, |logprobs| {
            for value in logprobs["token_logprobs"].as_array_mut().into_iter().flatten() {
                *value = json!(value.as_f64().map(f64::exp));
            }
        });
    }),
];

fn on_request(asked: &mut Asked, edit: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    if asked.is_for("/completions") {
        asked.edit(edit);
    }
}

fn on_whole(asked: &Asked, told: &mut Told, edit: impl FnOnce(&mut Value)) {
    if asked.is_for("/completions") && told.is_success() {
        told.edit(edit);
    }
}

/// Those of each choice, where there are any.
fn each_logprobs(asked: &Asked, told: &mut Told, edit: impl Fn(&mut Value)) {
    on_whole(asked, told, |body| {
        let choices = body.get_mut("choices").and_then(Value::as_array_mut);
        let logprobs = choices.into_iter().flatten().filter_map(|choice| choice.get_mut("logprobs"));
        logprobs.filter(|logprobs| logprobs.is_object()).for_each(edit);
    });
}
