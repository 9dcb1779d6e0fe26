//! Waiting, running and cancelling.

use std::time::{Duration, Instant};

use super::*;

/// Far longer than any of this takes; only a bug waits so long.
const LONG: Duration = Duration::from_secs(60);

fn prompt(words: usize) -> Vec<TokenId> {
    ENGINE.encode(&"tree ".repeat(words))
}

fn small_queue() -> Engine {
    let options = EngineOptions { queue_bound: 2, streams: NonZeroUsize::MIN, ..EngineOptions::default() };
    Engine::load(&model_path(), &options).unwrap()
}

#[test]
fn an_answer_is_the_same_alone_and_among_others() {
    let sampling = Sampling { temperature: 0.8, top_p: 0.9, seed: 5, choice: 0, ..Sampling::GREEDY };
    let wanted = request(ENGINE.render_chat(&user("Name three trees."), &[]).unwrap(), 24, sampling);
    let alone = Answer::of(&ENGINE, wanted.clone());
    let others: Vec<_> = (1..9)
        .map(|number| {
            let sampling = Sampling { seed: number, ..sampling };
            start(&ENGINE, request(prompt(number as usize * 7), 9, sampling)).unwrap()
        })
        .collect();
    assert_eq!(Answer::of(&ENGINE, wanted), alone);
    for (_handle, receiver) in &others {
        Answer::receive(receiver);
    }
}

#[test]
fn seeds_and_choices_differ() {
    let prompt = ENGINE.render_chat(&user("Invent a name for a ship."), &[]).unwrap();
    let sampling = Sampling { temperature: 1.0, top_p: 1.0, seed: 1, choice: 0, ..Sampling::GREEDY };
    let answer = |sampling| Answer::of(&ENGINE, request(prompt.clone(), 16, sampling)).tokens;
    assert_ne!(answer(sampling), answer(Sampling { seed: 2, ..sampling }));
    assert_ne!(answer(sampling), answer(Sampling { choice: 1, ..sampling }));
    assert_eq!(answer(sampling), answer(sampling));
}

#[test]
fn the_queue_is_bounded_and_a_place_is_free_as_soon_as_its_owner_goes() {
    let engine = small_queue();
    let (running, progress) = start(&engine, request(prompt(10), 4_000, Sampling::GREEDY)).unwrap();
    assert!(matches!(progress.recv_timeout(LONG), Ok(Progress::Token { .. })), "it runs");
    let ask = || start(&engine, request(prompt(3), 2, Sampling::GREEDY));
    let (first, second) = (ask().unwrap(), ask().unwrap());
    assert_eq!(ask().unwrap_err(), SubmitError::QueueFull { waiting: 2 });
    drop(first);
    let third = ask().unwrap();
    assert_eq!(ask().unwrap_err(), SubmitError::QueueFull { waiting: 2 });
    drop(running);
    let fourth = ask().unwrap();
    for (_handle, progress) in [second, third, fourth] {
        assert_eq!(Answer::receive(&progress).tokens.len(), 2);
    }
}

/// Cancelled in prefill and while decoding, the engine turns to the next generation at once.
#[test]
fn a_cancelled_generation_is_gone_within_50_ms() {
    let engine = small_queue();
    let lone = Instant::now();
    Answer::of(&engine, request(prompt(3), 1, Sampling::GREEDY));
    let one_token = lone.elapsed();
    for words in [6_000, 5] {
        let (handle, progress) = start(&engine, request(prompt(words), 4_000, Sampling::GREEDY)).unwrap();
        if words == 5 {
            assert!(matches!(progress.recv_timeout(LONG), Ok(Progress::Token { .. })), "it decodes");
        } else {
            assert!(progress.recv_timeout(one_token * 5).is_err(), "it is in prefill");
        }
        let (_next, next_progress) = start(&engine, request(prompt(3), 1, Sampling::GREEDY)).unwrap();
        let cancelled = Instant::now();
        drop(handle);
        assert!(matches!(next_progress.recv_timeout(LONG), Ok(Progress::Token { .. })));
        let waited = cancelled.elapsed().saturating_sub(one_token);
        assert!(
            waited < Duration::from_millis(50),
            "{words} words: {waited:?} beside {one_token:?} for its token"
        );
        assert!(
            progress.iter().all(|progress| matches!(progress, Progress::Token { .. })),
            "nothing is told after it"
        );
    }
}

#[test]
fn prompts_that_leave_no_room_are_refused_and_the_last_position_is_used() {
    let context = ENGINE.model().context_length;
    let refused = start(&ENGINE, request(vec![5; context], 1, Sampling::GREEDY)).unwrap_err();
    assert_eq!(refused, SubmitError::PromptTooLong { prompt_tokens: context, context_length: context });
    assert_eq!(start(&ENGINE, request(vec![], 1, Sampling::GREEDY)).unwrap_err(), SubmitError::EmptyPrompt);
    let unknown = start(&ENGINE, request(vec![49_152], 1, Sampling::GREEDY)).unwrap_err();
    assert_eq!(unknown, SubmitError::UnknownToken { token: 49_152 });
    let none = Answer::of(&ENGINE, request(prompt(3), 0, Sampling::GREEDY));
    assert_eq!((none.tokens.len(), none.finish), (0, FinishReason::Length));
}

#[test]
fn what_runs_when_the_engine_ends_fails() {
    let engine = small_queue();
    let endless = GenerationRequest { ignore_eos: true, ..request(prompt(10), 8_000, Sampling::GREEDY) };
    let (_running, running) = start(&engine, endless).unwrap();
    let (_waiting, waiting) = start(&engine, request(prompt(10), 4_000, Sampling::GREEDY)).unwrap();
    assert!(matches!(running.recv_timeout(LONG), Ok(Progress::Token { .. })));
    drop(engine);
    for progress in [running, waiting] {
        assert!(matches!(progress.iter().last(), Some(Progress::Failed(_))));
    }
}
