//! Generations that run together: what they share, and what they owe each other.

use std::time::{Duration, Instant};

use super::*;

/// Far longer than any of this takes; only a bug waits so long.
const LONG: Duration = Duration::from_secs(120);

fn engine_with(change: impl FnOnce(&mut EngineOptions)) -> Engine {
    let mut options = EngineOptions { threads: NonZeroUsize::new(2), ..EngineOptions::default() };
    change(&mut options);
    Engine::load(&model_path(), &options).unwrap()
}

fn words(engine: &Engine, word: &str, count: usize) -> Vec<TokenId> {
    engine.encode(&format!("{word} ").repeat(count))
}

fn time_to_first_token(engine: &Engine, prompt: &[TokenId]) -> Duration {
    let asked = Instant::now();
    let (_handle, progress) = start(engine, request(prompt.to_vec(), 4, Sampling::GREEDY)).unwrap();
    assert!(matches!(progress.recv_timeout(LONG), Ok(Progress::Token { .. })));
    asked.elapsed()
}

#[test]
fn a_common_beginning_is_computed_once() {
    let engine = engine_with(|_| {});
    let mut prompt = words(&engine, "river", 800);
    assert!(prompt.len() >= 800);
    let first = time_to_first_token(&engine, &prompt);
    prompt.extend(words(&engine, "boat", 3));
    let second = time_to_first_token(&engine, &prompt);
    let statistics = engine.statistics();
    assert!(statistics.prompt_tokens_cached >= 784, "{statistics:?}");
    assert!(second * 10 <= first, "{first:?}, then {second:?}");
}

/// Prompts that come at the same time and begin alike are computed once as well.
#[test]
fn a_common_beginning_is_shared_while_it_is_computed() {
    let engine = engine_with(|_| {});
    let prompt = words(&engine, "river", 400);
    let started: Vec<_> = (0..8)
        .map(|number| {
            let prompt = [&prompt[..], &words(&engine, "boat", number + 1)].concat();
            start(&engine, request(prompt, 3, Sampling::GREEDY)).unwrap()
        })
        .collect();
    for (_handle, progress) in &started {
        Answer::receive(progress);
    }
    let statistics = engine.statistics();
    let own = 8 * (16 + 8) + 64;
    assert!(statistics.prompt_tokens_computed <= (prompt.len() + own) as u64, "{statistics:?}");
}

/// A step beside streams that decode holds no more than a small piece of a prompt, so they go on all the while.
#[test]
fn a_long_prompt_does_not_hold_up_what_runs() {
    let engine = engine_with(|_| {});
    let decoding = request(words(&engine, "tree", 3), 4_000, Sampling::GREEDY);
    let (_running, progress) = start(&engine, GenerationRequest { ignore_eos: true, ..decoding }).unwrap();
    assert!(matches!(progress.recv_timeout(LONG), Ok(Progress::Token { .. })));
    let long = words(&engine, "mill", 1_500);
    let before = engine.statistics();
    let (_handle, long_progress) = start(&engine, request(long.clone(), 1, Sampling::GREEDY)).unwrap();
    assert!(matches!(long_progress.recv_timeout(LONG), Ok(Progress::Token { .. })));
    let after = engine.statistics();
    let (steps, tokens) = (after.steps - before.steps, after.generated_tokens - before.generated_tokens);
    assert!(steps as usize >= long.len() / 32, "{steps} steps for {} tokens", long.len());
    // Every step gave the running stream a token, but for those at the ends of what was observed.
    assert!(tokens + 2 >= steps, "{tokens} tokens in {steps} steps");
}

#[test]
fn the_end_of_the_turn_can_be_ignored() {
    let prompt = ENGINE.render_chat(&user("Hi"), &[]).unwrap();
    let ending = request(prompt, 40, Sampling::GREEDY);
    let answer = Answer::of(&ENGINE, ending.clone());
    assert!(answer.tokens.len() < 40 && answer.finish == FinishReason::EndOfTurn);
    let endless = Answer::of(&ENGINE, GenerationRequest { ignore_eos: true, ..ending });
    assert_eq!((endless.tokens.len(), endless.finish), (40, FinishReason::Length));
    assert_eq!(endless.tokens[..answer.tokens.len()], answer.tokens);
}

/// With every place taken, one that is cancelled is gone after the step at hand, whose size is bounded.
#[test]
fn among_31_others_a_cancelled_generation_is_gone_after_a_step() {
    let engine = engine_with(|_| {});
    let endless = |prompt| GenerationRequest { ignore_eos: true, ..request(prompt, 4_000, Sampling::GREEDY) };
    let long = words(&engine, "mill", 6_000);
    let mut running: Vec<_> =
        (0..31).map(|number| start(&engine, endless(words(&engine, "tree", 3 + number))).unwrap()).collect();
    for (_handle, progress) in &running {
        assert!(matches!(progress.recv_timeout(LONG), Ok(Progress::Token { .. })), "it decodes");
    }
    running.push(start(&engine, endless(long)).unwrap());
    let until = |is_so: &dyn Fn(&EngineStatistics) -> bool| {
        let started = Instant::now();
        while !is_so(&engine.statistics()) {
            assert!(started.elapsed() < LONG, "{:?}", engine.statistics());
            std::thread::yield_now();
        }
    };
    until(&|statistics| statistics.running == 32);
    // The one in prefill, and one that decodes.
    for victim in [31, 7] {
        let (before, cancelled) = (engine.statistics(), Instant::now());
        drop(running.remove(victim));
        until(&|statistics| statistics.running < before.running);
        let steps = engine.statistics().steps - before.steps;
        println!("gone after {:?}, {steps} steps", cancelled.elapsed());
        assert!(steps <= 2, "{steps} steps");
    }
}

/// One that is cancelled among others leaves its place, and the others do not notice.
#[test]
fn a_cancelled_generation_leaves_the_others_alone() {
    let engine = engine_with(|options| options.streams = NonZeroUsize::new(3).unwrap());
    let ask = |number: usize| request(words(&engine, "tree", number), 30, Sampling::GREEDY);
    let alone = [5, 9].map(|number| Answer::of(&engine, ask(number)));
    let [first, cancelled, second] = [5, 7, 9].map(|number| start(&engine, ask(number)).unwrap());
    assert!(matches!(cancelled.1.recv_timeout(LONG), Ok(Progress::Token { .. })));
    drop(cancelled);
    assert_eq!([first, second].map(|(_handle, progress)| Answer::receive(&progress)), alone);
    assert_eq!(engine.statistics().cache_positions_in_use, 0);
}
