//! `POST /v1/embeddings` on the local model, over raw sockets.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::{Bench, Server};
use crate::exchange::{Answer, Exchange, get, post};
use crate::parameters::{Tables, sample};

/// Of the default model's vectors.
const DIMENSIONS: usize = 576;

fn begin(server: &Server, input: Value, members: Value) -> Exchange {
    let mut asked = json!({"model": "text-embedding-3-small", "input": input});
    asked.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    Exchange::send(server.address, post("/v1/embeddings", &asked.to_string()).as_bytes())
}

fn embed(server: &Server, input: Value, members: Value) -> Answer {
    begin(server, input, members).read_whole().0
}

/// The vectors of an answer, which are in order.
#[track_caller]
fn vectors(answer: &Answer) -> Vec<Vec<f64>> {
    assert_eq!(answer.status, 200, "{answer:#?}");
    let answer = answer.json();
    assert_eq!((&answer["object"], &answer["model"]), (&json!("list"), &json!("smollm2-135m-instruct")));
    let numbers = |(index, object): (usize, &Value)| {
        assert_eq!((&object["object"], &object["index"]), (&json!("embedding"), &json!(index)));
        let numbers = object["embedding"].as_array().unwrap();
        numbers.iter().map(|number| number.as_f64().unwrap()).collect()
    };
    answer["data"].as_array().unwrap().iter().enumerate().map(numbers).collect()
}

fn product(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

#[test]
fn vectors_have_length_one_and_related_texts_lie_nearer() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let texts = json!([
        "The oak is a large tree with acorns.",
        "Birches and oaks are trees that lose their leaves.",
        "The bank raised its interest rate for loans."
    ]);
    let answer = embed(&server, texts, json!({}));
    let vectors = vectors(&answer);
    for vector in &vectors {
        assert_eq!(vector.len(), DIMENSIONS);
        let length = product(vector, vector).sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
    let [oak, birch, bank] = &vectors[..] else { panic!("{vectors:?}") };
    let (near, far) = (product(oak, birch), product(oak, bank));
    assert!(near > far, "trees: {near}, a tree and a bank: {far}");
    let usage = answer.json()["usage"].clone();
    assert_eq!(usage["prompt_tokens"], usage["total_tokens"]);
    assert!(usage["prompt_tokens"].as_u64().unwrap() > 20, "{usage}");
}

#[test]
fn a_vector_is_the_same_alone_in_company_and_as_base64() {
    let bench = Bench::take();
    // Fewer places than texts: the others wait inside the request.
    let server = bench.serve(&["--queue", "1", "--streams", "2"]);
    let texts: Vec<String> = (0..20).map(|number| format!("{number} trees")).collect();
    let together = vectors(&embed(&server, json!(texts), json!({})));
    assert_eq!(together.len(), 20);
    assert!(together[3] != together[4]);
    for position in [0, 7, 19] {
        let alone = vectors(&embed(&server, json!(texts[position]), json!({"dimensions": DIMENSIONS})));
        assert_eq!(alone, together[position..=position]);
    }
    let tokens = vectors(&embed(&server, json!([[504, 3767], [3767]]), json!({})));
    assert_eq!(tokens[1..], vectors(&embed(&server, json!([3767]), json!({}))));

    let answer = embed(&server, json!(texts[7]), json!({"encoding_format": "base64"})).json();
    let bytes = from_base64(answer["data"][0]["embedding"].as_str().unwrap());
    let numbers = bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    let told: Vec<f32> = together[7].iter().map(|number| *number as f32).collect();
    assert_eq!(numbers.collect::<Vec<f32>>(), told);
}

fn from_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=').bytes();
    let values = digits.map(|digit| DIGITS.iter().position(|known| *known == digit).unwrap());
    let bits: Vec<u8> =
        values.flat_map(|value| (0..6).rev().map(move |bit| (value >> bit & 1) as u8)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit)).collect()
}

#[test]
fn what_is_wrong_is_told() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let long = "tree ".repeat(9000);
    let table = [
        (json!(["a", long]), json!({}), "input[1]", "context_length_exceeded"),
        (json!(vec![504; 8193]), json!({}), "input", "context_length_exceeded"),
        (json!(vec![vec![504; 8192]; 37]), json!({}), "input", "max_tokens_per_request"),
        (json!([[504], [49152]]), json!({}), "input[1]", "invalid_value"),
        (json!(["a", ""]), json!({}), "input", "invalid_value"),
        (json!([]), json!({}), "input", "invalid_value"),
        (Value::Null, json!({}), "input", "missing_required_parameter"),
        (json!(vec!["a"; 2049]), json!({}), "input", "invalid_value"),
        (json!("a"), json!({"dimensions": 256}), "dimensions", "unsupported_value"),
        (json!("a"), json!({"encoding_format": "hex"}), "encoding_format", "invalid_value"),
    ];
    for (input, members, param, code) in table {
        let answer = embed(&server, input, members);
        assert_eq!(answer.status, 400, "{param}: {answer:#?}");
        let error = &answer.json()["error"];
        assert_eq!((&error["param"], &error["code"]), (&json!(param), &json!(code)), "{error}");
    }
}

/// What a place may take to become free; see the tests of clients that go away.
const FREE_WITHIN: Duration = Duration::from_millis(1500);

#[test]
fn a_client_that_goes_away_frees_its_places() {
    let bench = Bench::take();
    let server = bench.serve(&["--queue", "1", "--streams", "1"]);
    // Many seconds of work.
    let running = begin(&server, json!(vec!["tree ".repeat(6000); 8]), json!({}));
    let begun = Instant::now();
    let waits =
        |server: &Server| get(server.address, "/metrics").body.contains("interference_requests_waiting 1");
    while !waits(&server) {
        assert!(begun.elapsed() < crate::bench::PATIENCE, "it never began");
    }
    assert_eq!(embed(&server, json!("a"), json!({})).status, 429);
    drop(running);
    let left = Instant::now();
    while embed(&server, json!("a"), json!({})).status != 200 {
        assert!(left.elapsed() < FREE_WITHIN, "the places are still taken");
    }
}

#[test]
fn every_parameter_of_the_api_has_a_row_that_says_what_the_server_does() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let tables = Tables(include_str!("../../../../docs/embeddings.md"));
    tables.check_names("CreateEmbeddingRequest", &[]);
    tables.check_rows(|kind, name| {
        let members = match name {
            "input" => json!({}),
            "encoding_format" => json!({"encoding_format": "base64"}),
            "dimensions" => json!({"dimensions": DIMENSIONS}),
            name => sample(kind, name),
        };
        embed(&server, json!("a"), members)
    });
}
