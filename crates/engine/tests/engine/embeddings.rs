//! Vectors of texts: what they are like, and that nothing but text and model decides them.

use std::time::Duration;

use interference_engine::EngineFailure;

use super::small_model::{SmallModel, Value};
use super::*;

type Vector = Result<Vec<f32>, EngineFailure>;

/// Far longer than any of this takes; only a bug waits so long.
const LONG: Duration = Duration::from_secs(120);

fn start_embedding(
    engine: &Engine,
    tokens: Vec<TokenId>,
) -> Result<(CancelHandle, Receiver<Vector>), SubmitError> {
    let (sender, receiver) = channel();
    // Nobody listens any more where a test has seen enough.
    let handle = engine.submit_embedding(tokens, Box::new(move |vector| drop(sender.send(vector))))?;
    Ok((handle, receiver))
}

fn embed(engine: &Engine, text: &str) -> Vec<f32> {
    let (_handle, receiver) = start_embedding(engine, engine.encode(text)).unwrap();
    receiver.recv_timeout(LONG).unwrap().unwrap()
}

fn similarity(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Of 70 to 130 tokens, which begin alike.
fn text(number: usize) -> String {
    let beginning = "The harbour lay still in the early light, and the boats had not yet left. ".repeat(3);
    beginning + &"A gull cried over the water. ".repeat(number + 1)
}

#[test]
fn a_vector_has_the_length_1_and_equal_texts_have_equal_ones() {
    let vector = embed(&ENGINE, "a tree");
    assert_eq!(vector.len(), ENGINE.model().embedding_length);
    assert!((similarity(&vector, &vector) - 1.0).abs() < 1e-6);
    assert_eq!(embed(&ENGINE, "a tree"), vector);
    assert_ne!(embed(&ENGINE, "a tree."), vector);
}

#[test]
fn related_texts_are_nearer_than_unrelated_ones() {
    let related = [
        ("The cat sleeps on the sofa.", "A kitten is napping on the couch."),
        ("How do I cook pasta?", "What is the best way to boil spaghetti?"),
        ("The stock market fell sharply today.", "Shares dropped a lot on Wall Street."),
    ];
    let vectors = related.map(|(a, b)| (embed(&ENGINE, a), embed(&ENGINE, b)));
    for (number, (a, b)) in vectors.iter().enumerate() {
        for (_, other) in
            vectors.iter().enumerate().filter(|(other, _)| *other != number).map(|(_, pair)| pair)
        {
            let (near, far) = (similarity(a, b), similarity(a, other));
            assert!(near > far, "{}: {near} to its like, {far} to another", related[number].0);
        }
    }
}

#[test]
fn a_vector_is_the_same_in_every_circumstance() {
    let expected: Vec<Vec<f32>> = (0..9).map(|number| embed(&ENGINE, &text(number))).collect();
    let in_company = |options: EngineOptions, beside: &[&str], count: usize| {
        let engine = Engine::load(&model_path(), &options).unwrap();
        let ask = |prompt: &&str| request(engine.encode(prompt), 20, Sampling::GREEDY);
        let _beside: Vec<_> = beside.iter().map(|prompt| start(&engine, ask(prompt)).unwrap()).collect();
        let started: Vec<_> = (0..count)
            .map(|number| start_embedding(&engine, engine.encode(&text(number))).unwrap())
            .collect();
        let vectors: Vec<_> =
            started.iter().map(|(_handle, vector)| vector.recv_timeout(LONG).unwrap().unwrap()).collect();
        assert!(vectors == expected[..count], "{options:?}");
    };
    let options = |threads| EngineOptions { threads: NonZeroUsize::new(threads), ..EngineOptions::default() };
    // Prompts that begin as the texts do have their pages in the cache, or fill them in the same step.
    in_company(options(2), &[&text(0), "Once upon a time", &text(8)], 9);
    in_company(EngineOptions { prefill_tokens: NonZeroUsize::new(7).unwrap(), ..options(1) }, &[], 4);
    in_company(EngineOptions { kernels: Some(InstructionSet::Portable), ..options(4) }, &[], 2);
    // Room for two or three of them: they are put aside and taken up again.
    in_company(EngineOptions { cache_bytes: Some(8 << 20), ..options(2) }, &[&text(3), &text(4)], 6);
}

#[test]
fn an_embedding_is_not_mixed_up_with_what_runs_beside_it() {
    let ask = || request(ENGINE.encode(&text(2)), 30, Sampling::GREEDY);
    let alone = Answer::of(&ENGINE, ask());
    let (_handle, progress) = start(&ENGINE, ask()).unwrap();
    let _embeddings: Vec<_> =
        (0..5).map(|number| start_embedding(&ENGINE, ENGINE.encode(&text(number))).unwrap()).collect();
    assert_eq!(Answer::receive(&progress), alone);
}

#[test]
fn a_cancelled_embedding_is_gone_and_tells_nothing() {
    let options = EngineOptions { queue_bound: 1, streams: NonZeroUsize::MIN, ..EngineOptions::default() };
    let engine = Engine::load(&model_path(), &options).unwrap();
    let long = engine.encode(&"mill ".repeat(6_000));
    let (running, vector) = start_embedding(&engine, long.clone()).unwrap();
    while engine.statistics().prompt_tokens_computed == 0 {
        std::thread::yield_now();
    }
    let (waiting, waiting_vector) = start_embedding(&engine, long.clone()).unwrap();
    assert_eq!(start_embedding(&engine, long).map(drop).unwrap_err(), SubmitError::QueueFull { waiting: 1 });
    drop(waiting);
    drop(running);
    assert_eq!(embed(&engine, "a tree"), embed(&ENGINE, "a tree"));
    assert!(vector.recv().is_err() && waiting_vector.recv().is_err(), "the sinks are gone, unused");
    let statistics = engine.statistics();
    assert!(statistics.prompt_tokens_computed < 6_000, "{statistics:?}");
    assert_eq!(statistics.cache_positions_in_use, 0);
}

#[test]
fn what_waits_or_runs_when_the_engine_ends_fails() {
    let options = EngineOptions { streams: NonZeroUsize::MIN, ..EngineOptions::default() };
    let engine = Engine::load(&model_path(), &options).unwrap();
    let long = engine.encode(&"mill ".repeat(6_000));
    let started = [start_embedding(&engine, long.clone()).unwrap(), start_embedding(&engine, long).unwrap()];
    drop(engine);
    for (_handle, vector) in started {
        assert_eq!(vector.recv().unwrap(), Err(EngineFailure::Stopped));
    }
}

fn small_engine(change: impl FnOnce(&mut SmallModel)) -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.gguf");
    let mut model = SmallModel::new();
    change(&mut model);
    std::fs::write(&path, model.encode()).unwrap();
    Engine::load(&path, &EngineOptions::default()).unwrap()
}

#[test]
fn a_text_may_fill_the_context_and_no_more() {
    let engine = small_engine(|_| {});
    let context_length = engine.model().context_length;
    let (_handle, vector) = start_embedding(&engine, vec![3; context_length]).unwrap();
    assert_eq!(vector.recv_timeout(LONG).unwrap().unwrap().len(), engine.model().embedding_length);
    let refused = |tokens| start_embedding(&engine, tokens).map(drop).unwrap_err();
    let prompt_tokens = context_length + 1;
    assert_eq!(refused(vec![3; prompt_tokens]), SubmitError::PromptTooLong { prompt_tokens, context_length });
    assert_eq!(refused(vec![]), SubmitError::EmptyPrompt);
    assert_eq!(refused(vec![3, 999]), SubmitError::UnknownToken { token: 999 });
}

#[test]
fn a_value_that_is_not_finite_fails_its_own_text_alone() {
    // The row of the token 4 in the embedding matrix: one block, whose scale becomes infinite.
    let engine = small_engine(|model| {
        model.tensor("token_embd.weight").bytes[4 * 18..][..2].copy_from_slice(&[0x00, 0x7c]);
        model.set("llama.context_length", Value::U32(32));
    });
    let texts = [vec![3, 5, 6], vec![3, 5, 4, 6], vec![7, 8]];
    let [sound, broken, other] = texts.map(|tokens| start_embedding(&engine, tokens).unwrap());
    assert_eq!(broken.1.recv_timeout(LONG).unwrap(), Err(EngineFailure::NotFinite { position: 2 }));
    for (_handle, vector) in [sound, other] {
        assert!(vector.recv_timeout(LONG).unwrap().is_ok());
    }
}

#[test]
fn states_that_overflow_or_are_all_zero_fail() {
    let outcome = |weight: f32| {
        let engine = small_engine(|model| {
            model.tensor("output_norm.weight").bytes = weight.to_le_bytes().repeat(32);
        });
        let (_handle, vector) = start_embedding(&engine, vec![3, 5]).unwrap();
        vector.recv_timeout(LONG).unwrap()
    };
    assert_eq!(outcome(f32::MAX), Err(EngineFailure::NotFinite { position: 0 }));
    assert_eq!(outcome(0.0), Err(EngineFailure::NoDirection));
    assert!(outcome(0.5).is_ok());
}
