//! The golden table: what the default model answers, by hash. A change of it is a change of every user's snapshots.

use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::*;

/// Written once; the test prints what it found where it differs.
const TABLE: &str = include_str!("../../../../fixtures/golden/smollm2-135m-instruct-q4_1.txt");
const TOKENS: usize = 40;

fn prompts() -> Vec<(&'static str, Vec<ChatMessage>)> {
    let long = "The river carried the boats past the mill, and the miller counted them. ".repeat(40);
    vec![
        ("poem", user("write a poem about a tree")),
        ("word", user("Hi")),
        ("code", user("Write a Python function that reverses a string.")),
        ("numbers", user("What is 17 + 25? Then list the first ten prime numbers: 2, 3, 5,")),
        ("french", user("Raconte-moi une histoire très courte à propos d'un château.")),
        ("signs", user("Explain this: 日本語 😀 <|im_end|> \u{0}\t\r\n {{ template }}")),
        (
            "system",
            vec![message("system", "Answer like a pirate."), message("user", "Where is the treasure?")],
        ),
        (
            "turns",
            vec![
                message("user", "My name is Ada."),
                message("assistant", "Hello Ada, how can I help you?"),
                message("user", "What is my name?"),
            ],
        ),
        ("spaces", user("   leading,\n\n\n   middle      and trailing   \n")),
        ("long", user(&format!("{long}\nHow many boats were there?"))),
        ("list", user("List the planets of the solar system, one on each line.")),
        ("json", user("Answer with JSON only: a book with a title, an author and a year.")),
        ("repeat", user("Repeat after me, five times: the quick brown fox jumps over the lazy dog.")),
        ("german", user("Schreibe einen Satz über Bäume im Herbst, mit Umlauten: äöüß.")),
        ("sum", user("Add: 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 =")),
        ("quote", user("He said: \"It's 5 o'clock — isn't it?\" Explain the punctuation.")),
        ("shell", user("```sh\nfor f in *.txt; do echo \"$f\"; done\n```\nWhat does this print?")),
        (
            "assistant",
            vec![
                message("system", "You answer in one short sentence."),
                message("user", "Is water wet?"),
                message("assistant", "Yes, it makes other things wet."),
                message("user", "And ice?"),
            ],
        ),
        ("prefix", user(&format!("{long}\nWho counted them?"))),
        ("letters", user("a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g")),
    ]
}

fn hash(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether generations run one after another, or all at once.
#[derive(Clone, Copy, PartialEq)]
enum Company {
    Alone,
    Among,
}

/// A generation of the table: its name, the length of its prompt, and what is asked.
struct Row {
    name: String,
    request: GenerationRequest,
}

fn rows(engine: &Engine, wanted: fn(&str) -> bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for (number, (name, messages)) in (1_u64..).zip(prompts()) {
        let prompt = engine.render_chat(&messages, &[]).unwrap();
        let sampled = Sampling { temperature: 0.9, top_p: 0.95, seed: number, choice: 0, ..Sampling::GREEDY };
        for (kind, sampling) in [("greedy", Sampling::GREEDY), ("sampled", sampled)] {
            if wanted(&format!("{name} {kind}")) {
                let request = request(prompt.clone(), TOKENS, sampling);
                rows.push(Row { name: format!("{name:11} {kind:7}"), request });
            }
        }
    }
    rows
}

fn table(engine: &Engine, company: Company, wanted: fn(&str) -> bool) -> String {
    let rows = rows(engine, wanted);
    let answers: Vec<Answer> = match company {
        Company::Alone => rows.iter().map(|row| Answer::of(engine, row.request.clone())).collect(),
        Company::Among => {
            let started: Vec<_> =
                rows.iter().map(|row| start(engine, row.request.clone()).unwrap()).collect();
            started.iter().map(|(_handle, progress)| Answer::receive(progress)).collect()
        }
    };
    let mut lines = String::new();
    for (Row { name, request }, answer) in rows.iter().zip(answers) {
        let text = answer.text(engine);
        let logprobs: Vec<u8> = answer.logprobs.iter().flat_map(|value| value.to_le_bytes()).collect();
        let start: String = text.chars().take(40).collect();
        lines += &format!(
            "{name} {:4} prompt tokens, {:2} tokens, text {}, logprobs {}  {start:?}\n",
            request.prompt.len(),
            answer.tokens.len(),
            hash(&text),
            hash(&logprobs)
        );
    }
    lines
}

/// Tables are made one after another: pools that compete for the processors only slow each other down.
static ALONE: Mutex<()> = Mutex::new(());

/// Makes the table so many times on one engine: the second time, prompts are in the cache, where there is one.
fn check(options: EngineOptions, company: Company, times: usize, wanted: fn(&str) -> bool) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let engine = Engine::load(&model_path(), &options).unwrap();
    let is_wanted = |line: &&str| wanted(&line.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
    let expected: Vec<&str> = TABLE.lines().filter(is_wanted).collect();
    assert!(expected.len() >= 20, "the table is there");
    for time in 1..=times {
        let found = table(&engine, company, wanted);
        let lines: Vec<&str> = found.lines().collect();
        assert_eq!(expected, lines, "{options:?}, time {time}; found:\n{found}");
    }
    let statistics = engine.statistics();
    assert_eq!(statistics.prompt_tokens_cached > 0, options.prefix_cache, "{statistics:?}");
    if company == Company::Alone || !options.speculation {
        assert_eq!(statistics.guessed_tokens > 0, options.speculation, "{statistics:?}");
    }
}

fn options(threads: usize) -> EngineOptions {
    EngineOptions { threads: NonZeroUsize::new(threads), ..EngineOptions::default() }
}

fn everything(_: &str) -> bool {
    true
}

#[test]
fn the_table_holds_alone_with_guesses() {
    check(options(2), Company::Alone, 1, everything);
}

#[test]
fn the_table_holds_among_others_and_again_with_prompts_in_the_cache() {
    check(options(2), Company::Among, 2, everything);
}

#[test]
fn the_table_holds_on_one_thread_without_cache_in_small_pieces() {
    let prefill_tokens = NonZeroUsize::new(7).unwrap();
    let options = EngineOptions { prefill_tokens, prefix_cache: false, speculation: false, ..options(1) };
    check(options, Company::Among, 1, everything);
}

#[test]
fn the_table_holds_on_more_threads_than_processors_in_large_pieces() {
    let prefill_tokens = NonZeroUsize::new(1_000).unwrap();
    check(EngineOptions { prefill_tokens, ..options(4) }, Company::Among, 1, everything);
}

/// With a cache for two long prompts, streams are put aside and taken up again all the time.
#[test]
fn the_table_holds_in_a_small_cache() {
    check(EngineOptions { cache_bytes: Some(48 << 20), ..options(2) }, Company::Among, 1, everything);
}

/// The best kernels of the machine make the other tables; where that is AVX-512, AVX2 has one of its own.
#[test]
fn the_table_holds_on_avx2() {
    let kernels = Some(InstructionSet::Avx2);
    if InstructionSet::Avx2.is_available() && InstructionSet::detect() != InstructionSet::Avx2 {
        check(EngineOptions { kernels, ..options(2) }, Company::Among, 1, everything);
    }
}

#[test]
fn the_table_holds_on_portable_kernels() {
    // Every prompt in one of the two ways: portable kernels are slow.
    let options = EngineOptions { kernels: Some(InstructionSet::Portable), ..options(2) };
    check(options, Company::Among, 1, |line| {
        let sampled = ["poem", "code", "french", "signs", "turns", "json", "german", "sum", "prefix"];
        sampled.iter().any(|name| line.starts_with(name)) == line.ends_with("sampled")
    });
}
