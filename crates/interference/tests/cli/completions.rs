//! `POST /v1/completions` on the local model, over raw sockets.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::{Bench, Server};
use crate::exchange::{Answer, Exchange, chunks, post};
use crate::parameters::{Kind, Tables, sample};

const PATH: &str = "/v1/completions";
/// What is asked to be continued.
const PROMPT: &str = "A tree is";

/// A greedy request with these members on top.
fn asked(members: Value) -> Value {
    let mut asked = json!({"model": "davinci-002", "prompt": PROMPT, "temperature": 0, "max_tokens": 8});
    asked.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    asked
}

fn begin(server: &Server, members: Value) -> Exchange {
    Exchange::send(server.address, post(PATH, &asked(members).to_string()).as_bytes())
}

fn complete(server: &Server, members: Value) -> Answer {
    begin(server, members).read_whole().0
}

/// The choices of a whole answer, whose indices are in order.
#[track_caller]
fn choices(server: &Server, members: Value) -> Vec<Value> {
    let answer = complete(server, members);
    assert_eq!(answer.status, 200, "{answer:#?}");
    let choices = answer.json()["choices"].as_array().unwrap().clone();
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!(choice["index"], index);
    }
    choices
}

fn texts(choices: &[Value]) -> Vec<&str> {
    choices.iter().map(|choice| choice["text"].as_str().unwrap()).collect()
}

#[track_caller]
fn prompt_tokens(server: &Server, prompt: Value) -> u64 {
    let answer = complete(server, json!({"prompt": prompt, "max_tokens": 1}));
    assert_eq!(answer.status, 200, "{answer:#?}");
    answer.json()["usage"]["prompt_tokens"].as_u64().unwrap()
}

/// As harnesses of evaluation ask: how likely is this text?
#[test]
fn an_echo_has_the_log_probabilities_of_the_prompt() {
    let bench = Bench::take();
    let server = bench.serve(&["--fixed-ids"]);
    let written = &choices(&server, json!({"logprobs": 2, "max_tokens": 12, "temperature": 0}))[0];
    let asked = json!({"logprobs": 2, "max_tokens": 0, "echo": true, "prompt": [PROMPT, format!("{PROMPT}{}", written["text"].as_str().unwrap())]});
    let told = choices(&server, asked.clone());
    assert_eq!(told[1]["finish_reason"], "length");
    let list = |choice: &Value, name: &str| choice["logprobs"][name].as_array().unwrap().clone();
    let prompt = list(&told[0], "tokens").len();
    for name in ["tokens", "token_logprobs", "top_logprobs"] {
        let (whole, answer) = (list(&told[1], name), list(written, name));
        assert_eq!(whole[..prompt], list(&told[0], name)[..], "{name}");
        assert_eq!(whole[prompt..], answer[..], "{name}: as likely as when it was written");
    }
    assert_eq!(
        (&told[0]["logprobs"]["token_logprobs"][0], &told[0]["logprobs"]["top_logprobs"][0]),
        (&Value::Null, &Value::Null)
    );
    for choice in &told {
        let tokens =
            list(choice, "tokens").iter().map(|token| token.as_str().unwrap().to_owned()).collect::<String>();
        assert_eq!(choice["text"], json!(tokens));
    }

    // Streamed, the echo comes with them, and the answer behind it with its own.
    let mut streamed = asked;
    streamed["prompt"] = json!(PROMPT);
    streamed["max_tokens"] = json!(3);
    let whole = choices(&server, streamed.clone()).remove(0);
    streamed["stream"] = json!(true);
    let chunks = chunks(&complete(&server, streamed).body);
    let of_chunks = |name: &str| -> Vec<Value> {
        let lists = chunks.iter().filter_map(|chunk| chunk["choices"][0]["logprobs"][name].as_array());
        lists.flatten().cloned().collect()
    };
    for name in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
        assert_eq!(of_chunks(name), list(&whole, name), "{name}");
    }
    assert_eq!(chunks[0]["choices"][0]["text"], PROMPT);
}

#[test]
fn a_text_is_continued_whole_and_streamed_alike() {
    let bench = Bench::take();
    let server = bench.serve(&["--fixed-ids"]);
    let answer = complete(&server, json!({}));
    let whole = answer.json();
    assert_eq!(answer.body, complete(&server, json!({})).body, "twice the same");
    let text = whole["choices"][0]["text"].as_str().unwrap();
    let head = |object: &Value| {
        let members = ["id", "object", "created", "model", "system_fingerprint"];
        members.map(|member| object[member].clone())
    };
    assert_eq!(
        head(&whole),
        [
            json!("cmpl-interference"),
            json!("text_completion"),
            json!(1_735_689_600),
            json!("smollm2-135m-instruct"),
            json!("fp_b179c9523d0e_a1"),
        ]
    );
    let choice = json!([{"text": text, "index": 0, "logprobs": null, "finish_reason": "length"}]);
    assert_eq!(whole["choices"], choice);
    assert_eq!(whole["usage"], json!({"prompt_tokens": 3, "completion_tokens": 8, "total_tokens": 11}));
    assert!(text.starts_with(' '), "the words go on: {text:?}");

    let streamed =
        complete(&server, json!({"echo": true, "stream": true, "stream_options": {"include_usage": true}}));
    let chunks = chunks(&streamed.body);
    assert!(chunks.iter().all(|chunk| head(chunk) == head(&whole)));
    let (usage, rest) = chunks.split_last().unwrap();
    assert_eq!((&usage["choices"], &usage["usage"]), (&json!([]), &whole["usage"]));
    assert!(rest.iter().all(|chunk| chunk["usage"].is_null()));
    assert_eq!(rest[0]["choices"][0]["text"], "A tree is");
    let joined: String = rest.iter().map(|chunk| chunk["choices"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(joined, format!("A tree is{text}"));
    let reasons: Vec<&Value> = rest.iter().map(|chunk| &chunk["choices"][0]["finish_reason"]).collect();
    let (last, before) = reasons.split_last().unwrap();
    assert_eq!(**last, json!("length"));
    assert!(before.iter().all(|reason| reason.is_null()), "{reasons:?}");
}

#[test]
fn each_prompt_has_its_answers_as_if_it_came_alone() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let drawn = json!({"temperature": 1, "seed": 7, "n": 2, "echo": true});
    let with = |prompt: Value| {
        let mut members = drawn.clone();
        members["prompt"] = prompt;
        members
    };
    let both = choices(&server, with(json!(["A tree is", "The sea was"])));
    let (trees, seas) =
        (choices(&server, with(json!("A tree is"))), choices(&server, with(json!(["The sea was"]))));
    assert_eq!(texts(&both), [texts(&trees), texts(&seas)].concat());
    assert!(trees[0]["text"] != trees[1]["text"], "{trees:?}");
    assert!(texts(&both[2..]).iter().all(|text| text.starts_with("The sea was")), "{both:?}");

    let usage = complete(&server, with(json!(["A tree is", "The sea was"]))).json()["usage"].clone();
    assert_eq!(usage, json!({"prompt_tokens": 6, "completion_tokens": 32, "total_tokens": 38}));
    let many = complete(&server, json!({"prompt": vec!["a"; 128]}));
    assert_eq!(many.json()["error"]["param"], "prompt", "{many:#?}");
}

#[test]
fn prompts_are_plain_text_or_tokens() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    // As a control token it would be 1.
    assert_eq!(prompt_tokens(&server, json!("<|im_end|>")), 7);
    // An empty prompt is the token that begins a text.
    for empty in [Value::Null, json!(""), json!([""])] {
        assert_eq!(prompt_tokens(&server, empty), 1);
    }
    assert_eq!(prompt_tokens(&server, json!([504, 3767])), 2);
    assert_eq!(prompt_tokens(&server, json!([[504], [504, 3767]])), 3);
    let echoed = choices(&server, json!({"prompt": [[504, 3767], [3767]], "echo": true}));
    let [all, last] = texts(&echoed)[..] else { panic!("{echoed:?}") };
    assert!(all.starts_with("Thebook") && last.starts_with("book"), "{echoed:?}");
    let alone = choices(&server, json!({"prompt": [3767]}));
    assert_eq!(format!("book{}", texts(&alone)[0]), last);
}

#[test]
fn log_probabilities_are_those_of_the_text() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let choice = &choices(&server, json!({"logprobs": 2}))[0];
    let logprobs = &choice["logprobs"];
    let list = |name: &str| logprobs[name].as_array().unwrap().clone();
    let (tokens, offsets) = (list("tokens"), list("text_offset"));
    assert_eq!(tokens.len(), 8);
    let mut passed = 0;
    for (token, offset) in tokens.iter().zip(&offsets) {
        assert_eq!(*offset, passed, "{logprobs}");
        passed += token.as_str().unwrap().chars().count();
    }
    let joined: String = tokens.iter().map(|token| token.as_str().unwrap()).collect();
    assert_eq!(joined, choice["text"].as_str().unwrap());
    for ((token, logprob), top) in tokens.iter().zip(list("token_logprobs")).zip(list("top_logprobs")) {
        assert_eq!(top.as_object().unwrap().len(), 2, "{top}");
        // A greedy answer has the likeliest tokens.
        assert_eq!(top[token.as_str().unwrap()], logprob, "{top}");
        assert!(top.as_object().unwrap().values().all(|other| other.as_f64() <= logprob.as_f64()), "{top}");
    }

    let chunks = chunks(&complete(&server, json!({"logprobs": 2, "stream": true})).body);
    let of_all = |name: &str| -> Vec<Value> {
        let lists = chunks.iter().filter_map(|chunk| chunk["choices"][0]["logprobs"][name].as_array());
        lists.flatten().cloned().collect()
    };
    for name in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
        assert_eq!(of_all(name), list(name), "{name}");
    }
}

#[test]
fn what_is_wrong_is_told() {
    let bench = Bench::take();
    let server = bench.serve(&["--queue", "1", "--streams", "2"]);
    let long = "tree ".repeat(9000);
    let table = [
        (json!({"prompt": ["a", long]}), "prompt[1]", "context_length_exceeded"),
        (json!({"prompt": vec![504; 8192]}), "prompt", "context_length_exceeded"),
        (json!({"prompt": [[504], [49152]]}), "prompt[1]", "invalid_value"),
        (json!({"prompt": [4_294_967_800_u64]}), "prompt", "invalid_value"),
        (json!({"prompt": [[504], []]}), "prompt[1]", "invalid_value"),
        (json!({"prompt": ["a", 1]}), "prompt", "invalid_value"),
        (json!({"prompt": []}), "prompt", "invalid_value"),
        (json!({"prompt": {"text": "a"}}), "prompt", "invalid_value"),
        (json!({"prompt": ["a", "b"], "n": 2}), "n", "unsupported_value"),
        (json!({"prompt": ["a", "b", "c", "d"]}), "prompt", "unsupported_value"),
        (json!({"logprobs": 6}), "logprobs", "invalid_value"),
        (json!({"logit_bias": {"49152": 1}}), "logit_bias", "invalid_value"),
    ];
    for (members, param, code) in table {
        let answer = complete(&server, members);
        assert_eq!(answer.status, 400, "{param}: {answer:#?}");
        let error = &answer.json()["error"];
        assert_eq!((&error["param"], &error["code"]), (&json!(param), &json!(code)), "{error}");
    }
    let unknown = complete(&server, json!({"model": "no-such-model"}));
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &json!("model_not_found")));
}

/// What a place may take to become free; see the tests of clients that go away.
const FREE_WITHIN: Duration = Duration::from_millis(1500);

#[test]
fn a_client_that_goes_away_frees_the_places_of_all_its_answers() {
    let bench = Bench::take();
    let server = bench.serve(&["--queue", "1", "--streams", "1"]);
    let members = json!({"prompt": ["A tree is", "The sea was"], "max_tokens": 4000, "ignore_eos": true, "stream": true});
    let mut running = begin(&server, members);
    running.read_until("\"text\":");
    assert_eq!(complete(&server, json!({})).status, 429);
    drop(running);
    let left = Instant::now();
    while complete(&server, json!({"max_tokens": 1})).status != 200 {
        assert!(left.elapsed() < FREE_WITHIN, "the places are still taken");
    }
}

/// Members of a request in which the parameter is not as good as absent.
fn members(kind: Kind, name: &str) -> Value {
    match name {
        "prompt" => json!({"prompt": ["a"]}),
        "echo" => json!({"echo": true}),
        "logprobs" => json!({"logprobs": 5}),
        "suffix" => json!({"suffix": "b"}),
        "best_of" => json!({"best_of": 2}),
        name => sample(kind, name),
    }
}

#[test]
fn every_parameter_of_the_api_has_a_row_that_says_what_the_server_does() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let tables = Tables(include_str!("../../../../docs/completions.md"));
    tables.check_names(
        "CreateCompletionRequest",
        &[
            "ignore_eos",
            "min_p",
            "top_k",
            "repeat_penalty",
            "repetition_penalty",
            "response_format",
            "grammar",
            "json_schema",
            "guided_json",
            "guided_regex",
            "guided_choice",
            "guided_grammar",
            "structured_outputs",
        ],
    );
    tables.check_rows(|kind, name| complete(&server, members(kind, name)));
}
