//! How tokens are chosen: limits, adjustments, alternatives, and several answers to one prompt.

use interference_engine::{PromptLogprobs, TokenLogprobs};

use super::*;

fn poem() -> Vec<TokenId> {
    ENGINE.render_chat(&user("write a poem about a tree"), &[]).unwrap()
}

fn endless(prompt: Vec<TokenId>, max_tokens: usize, adjustments: Adjustments) -> GenerationRequest {
    GenerationRequest { ignore_eos: true, adjustments, ..request(prompt, max_tokens, Sampling::GREEDY) }
}

fn distinct(tokens: &[TokenId]) -> usize {
    tokens.iter().collect::<std::collections::HashSet<_>>().len()
}

/// The tokens of an answer with all that is told of how likely they were.
fn likelihoods(request: GenerationRequest) -> Vec<(TokenId, TokenLogprobs)> {
    let (_handle, progress) = start(&ENGINE, request).unwrap();
    let token = |progress| match progress {
        Progress::Token { id, logprobs } => Some((id, logprobs.expect("asked for"))),
        _ => None,
    };
    progress.iter().map_while(token).collect()
}

#[test]
fn penalties_make_repeated_tokens_rarer() {
    let answer = |adjustments| Answer::of(&ENGINE, endless(poem(), 120, adjustments)).tokens;
    let free = distinct(&answer(Adjustments::default()));
    for penalized in [
        Adjustments { frequency_penalty: 2.0, ..Adjustments::default() },
        Adjustments { presence_penalty: 2.0, ..Adjustments::default() },
        Adjustments { repeat_penalty: 1.3, ..Adjustments::default() },
    ] {
        let found = distinct(&answer(penalized.clone()));
        assert!(found > free + 10, "{found} of 120 tokens are distinct with {penalized:?}, {free} without");
    }
}

#[test]
fn a_bias_forbids_or_forces_a_token() {
    let answer = |bias| {
        let adjustments = Adjustments { bias, ..Adjustments::default() };
        Answer::of(&ENGINE, endless(poem(), 12, adjustments)).tokens
    };
    let free = answer(vec![]);
    let forbidden = answer(free.iter().map(|id| (*id, -100.0)).collect());
    assert!(forbidden.iter().all(|id| !free.contains(id)), "{forbidden:?} has none of {free:?}");
    let tree = ENGINE.encode(" tree")[0];
    assert_eq!(answer(vec![(tree, 100.0)]), [tree; 12]);
    let unknown = Adjustments { bias: vec![(49_152, 1.0)], ..Adjustments::default() };
    let refused = start(&ENGINE, endless(poem(), 1, unknown)).unwrap_err();
    assert_eq!(refused, SubmitError::UnknownToken { token: 49_152 });
}

#[test]
fn what_ends_the_turn_stays_forbidden_where_it_is_ignored() {
    const END: TokenId = 2;
    let adjustments = Adjustments { bias: vec![(END, 100.0)], ..Adjustments::default() };
    let ending = GenerationRequest { ignore_eos: false, ..endless(poem(), 9, adjustments.clone()) };
    assert_eq!(Answer::of(&ENGINE, ending).finish, FinishReason::EndOfTurn);
    assert_eq!(Answer::of(&ENGINE, endless(poem(), 9, adjustments)).tokens.len(), 9);
}

#[test]
fn alternatives_are_the_most_likely_and_come_in_order() {
    let asked =
        |count| GenerationRequest { logprobs: Some(count), ..endless(poem(), 12, Adjustments::default()) };
    let (plain, told) = (likelihoods(asked(0)), likelihoods(asked(20)));
    for ((plain_id, plain), (id, told)) in plain.iter().zip(&told) {
        assert_eq!((plain_id, plain.logprob.to_bits()), (id, told.logprob.to_bits()));
        assert_eq!((plain.top.len(), told.top.len()), (0, 20));
        assert_eq!(told.top[0], (*id, told.logprob), "greedy takes the most likely");
        assert!(told.top.is_sorted_by(|a, b| a.1 > b.1 || a.1 == b.1 && a.0 < b.0), "{:?}", told.top);
        let mass: f64 = told.top.iter().map(|(_, logprob)| libm::exp(f64::from(*logprob))).sum();
        assert!((0.2..1.0 + 1e-6).contains(&mass), "{mass}");
    }
    let few = likelihoods(asked(3));
    assert!(few.iter().zip(&told).all(|((_, few), (_, told))| few.top == told.top[..3]));
}

/// A prompt is as likely as it was when the model itself wrote it, to the bit, also where all of it is in the cache.
#[test]
fn a_prompt_is_as_likely_as_the_answer_that_it_was() {
    let asked = |prompt| GenerationRequest { logprobs: Some(3), ..request(prompt, 70, Sampling::GREEDY) };
    let told = likelihoods(asked(poem()));
    let mut prompt = poem();
    prompt.extend(told.iter().map(|(id, _)| *id));
    let continued = Answer::of(&ENGINE, GenerationRequest { max_tokens: Some(5), ..asked(prompt.clone()) });
    for max_tokens in [0, 5, 0] {
        let request = GenerationRequest {
            max_tokens: Some(max_tokens),
            prompt_logprobs: true,
            ..asked(prompt.clone())
        };
        let (_handle, progress) = start(&ENGINE, request).unwrap();
        let mut progress = progress.into_iter();
        let Some(Progress::Prompt(PromptLogprobs { first, rest })) = progress.next() else {
            panic!("the prompt comes first")
        };
        assert_eq!((first, rest.len()), (prompt[0], prompt.len() - 1));
        assert!(rest.iter().map(|(id, _)| id).eq(&prompt[1..]));
        assert_eq!(rest[poem().len() - 1..], told);
        let tokens: Vec<TokenId> = progress
            .by_ref()
            .take(max_tokens)
            .map(|progress| match progress {
                Progress::Token { id, .. } => id,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(tokens, continued.tokens[..max_tokens]);
        assert_eq!(progress.collect::<Vec<_>>(), [Progress::Finished(FinishReason::Length)]);
    }
    let alone = GenerationRequest { max_tokens: Some(0), prompt_logprobs: true, ..asked(vec![7]) };
    let (_handle, progress) = start(&ENGINE, alone).unwrap();
    let nothing = PromptLogprobs { first: 7, rest: vec![] };
    let expected = [Progress::Prompt(nothing), Progress::Finished(FinishReason::Length)];
    assert_eq!(progress.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn log_probabilities_are_those_before_adjustments() {
    let asked = |adjustments| GenerationRequest { logprobs: Some(20), ..endless(poem(), 1, adjustments) };
    let free = likelihoods(asked(Adjustments::default())).remove(0).1;
    let forced = free.top[14];
    let adjustments =
        Adjustments { bias: vec![(forced.0, 100.0)], repeat_penalty: 1.7, ..Adjustments::default() };
    let (id, told) = likelihoods(asked(adjustments)).remove(0);
    assert_eq!(id, forced.0);
    assert_eq!(told, TokenLogprobs { logprob: forced.1, top: free.top });
}

#[test]
fn log_probabilities_know_the_end_that_is_ignored() {
    let mut prompt = ENGINE.render_chat(&user("Hi"), &[]).unwrap();
    let answer = Answer::of(&ENGINE, request(prompt.clone(), 40, Sampling::GREEDY));
    assert_eq!(answer.finish, FinishReason::EndOfTurn);
    prompt.extend(answer.tokens);
    // Here the model would end.
    let asked = GenerationRequest { logprobs: Some(5), ..endless(prompt, 1, Adjustments::default()) };
    let (id, told) = likelihoods(asked).remove(0);
    assert!(
        ENGINE.token_bytes(told.top[0].0).is_empty() && told.top[1] == (id, told.logprob),
        "{id}: {told:?}"
    );
    assert!(told.logprob < told.top[0].1);
}

/// A request that uses all there is, and repeats itself enough to be guessed at.
fn everything() -> GenerationRequest {
    let sampling = Sampling { temperature: 0.8, top_p: 0.95, seed: 11, choice: 2, min_p: 0.02, top_k: 30 };
    let adjustments = Adjustments {
        frequency_penalty: -0.05,
        presence_penalty: -0.2,
        repeat_penalty: 1.05,
        bias: vec![(ENGINE.encode(" tree")[0], 1.5), (ENGINE.encode(" the")[0], -1.0)],
    };
    let prompt =
        ENGINE.render_chat(&user(&"Write line after line: the tree is tall. ".repeat(4)), &[]).unwrap();
    GenerationRequest { logprobs: Some(5), sampling, ..endless(prompt, 80, adjustments) }
}

#[test]
fn an_answer_with_everything_on_is_the_same_in_every_circumstance() {
    let engine_with = |change: &dyn Fn(&mut EngineOptions)| {
        let mut options = EngineOptions { threads: NonZeroUsize::new(2), ..EngineOptions::default() };
        change(&mut options);
        Engine::load(&model_path(), &options).unwrap()
    };
    let unguessed = engine_with(&|options| options.speculation = false);
    let expected = Answer::of(&unguessed, everything());
    assert_eq!(expected.tokens.len(), 80);

    let guessed = engine_with(&|_| {});
    assert_eq!(Answer::of(&guessed, everything()), expected, "with guesses");
    let statistics = guessed.statistics();
    assert!(
        statistics.right_guesses > 5 && statistics.guessed_tokens > statistics.right_guesses + 5,
        "{statistics:?}"
    );

    let portable = engine_with(&|options| options.kernels = Some(InstructionSet::Portable));
    let (beginning, few) =
        (GenerationRequest { max_tokens: Some(20), ..everything() }, &expected.tokens[..20]);
    let on_portable = Answer::of(&portable, beginning);
    assert_eq!((&on_portable.tokens[..], &on_portable.logprobs[..]), (few, &expected.logprobs[..20]));

    // Not all of them find room to the end.
    let small = engine_with(&|options| {
        options.threads = NonZeroUsize::new(1);
        options.cache_bytes = Some(10 << 20);
    });
    let longer = |word: &str| endless(ENGINE.encode(&word.repeat(150)), 120, Adjustments::default());
    // The longer ones come first: who is younger makes room.
    let company = ["mill ", "rye "].map(longer);
    let company_tokens: usize = company.iter().map(|request| request.prompt.len()).sum();
    let prompt_tokens = company_tokens + everything().prompt.len();
    let company = company.map(|request| start(&small, request).unwrap());
    assert_eq!(Answer::of(&small, everything()), expected, "in a small cache, among others");
    for (_handle, progress) in &company {
        assert_eq!(Answer::receive(progress).tokens.len(), 120);
    }
    let statistics = small.statistics();
    let taken_up = statistics.prompt_tokens_computed + statistics.prompt_tokens_cached;
    assert!(taken_up as usize > prompt_tokens, "some were put aside: {statistics:?}");
}

#[test]
fn choices_are_the_answers_of_lone_requests_and_share_their_prompt() {
    let options = EngineOptions { threads: NonZeroUsize::new(2), ..EngineOptions::default() };
    let engine = Engine::load(&model_path(), &options).unwrap();
    let prompt = engine.encode(include_str!("../../../../fixtures/english.txt"))[..200].to_vec();
    let choice = |choice| {
        let sampling = Sampling { temperature: 1.0, seed: 3, choice, ..Sampling::GREEDY };
        request(prompt.clone(), 20, sampling)
    };
    let (sinks, receivers): (Vec<_>, Vec<_>) = (0..4)
        .map(|number| {
            let (sender, receiver) = channel();
            let sink: interference_engine::Sink = Box::new(move |progress| sender.send(progress).unwrap());
            ((choice(number), sink), receiver)
        })
        .unzip();
    let handles = engine.submit_choices(sinks).unwrap();
    assert_eq!(handles.len(), 4);
    let answers: Vec<_> = receivers.iter().map(Answer::receive).collect();
    let computed = engine.statistics().prompt_tokens_computed;
    assert!((200..=200 + 3 * 16).contains(&computed), "{computed} tokens of 4 prompts of 200");
    for (number, answer) in (0..).zip(&answers) {
        assert_eq!(Answer::of(&ENGINE, choice(number)), *answer, "choice {number}");
        assert!(answers[..number as usize].iter().all(|other| other != answer), "choices differ");
    }
}

#[test]
fn of_several_choices_all_find_a_place_or_none() {
    let options = EngineOptions { queue_bound: 3, streams: NonZeroUsize::MIN, ..EngineOptions::default() };
    let engine = Engine::load(&model_path(), &options).unwrap();
    assert_eq!(engine.most_at_once(), 4);
    let (_running, progress) = start(&engine, endless(poem(), 4_000, Adjustments::default())).unwrap();
    progress.recv().unwrap();
    let submit = |count| {
        let choices = (0..count).map(|_| {
            let sink: interference_engine::Sink = Box::new(|_| {});
            (request(poem(), 1, Sampling::GREEDY), sink)
        });
        engine.submit_choices(choices.collect())
    };
    let waiting = submit(2).unwrap();
    assert_eq!(submit(2).unwrap_err(), SubmitError::QueueFull { waiting: 2 });
    assert_eq!(engine.statistics().waiting, 2, "none of the two was let in");
    drop(waiting);
    assert_eq!(submit(4).unwrap_err(), SubmitError::QueueFull { waiting: 0 });
    assert_eq!(submit(3).unwrap().len(), 3);
    assert_eq!(submit(0).unwrap().len(), 0);
}
