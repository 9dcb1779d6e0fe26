//! A document that has everything: every verdict, every level, a baseline, evidence, and text that is out to do harm.

use interference_report::{
    CaseVerdict, Clause, Direction, Exchange, FORMAT, Finding, Level, Summary, Tool, Verdict, Verdicts,
    WireEntry,
};

/// What a hostile target would like to see in a report as it is.
pub(crate) const HOSTILE: &str = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)> ]]>&amp; \u{1b}[2J\u{202e} | `x` \u{0}";

/// The sample.
pub(crate) fn rich() -> Verdicts {
    let cases = vec![
        case("sse.content-type", Level::Must, Verdict::Pass, "text/event-stream"),
        done_last(),
        CaseVerdict {
            in_baseline: true,
            ..case("sse.one-json", Level::Must, Verdict::Fail, "event 3 is `{\"id\":`, which is no JSON")
        },
        case("sse.cache-control", Level::Should, Verdict::NonStrict, "no `cache-control` header"),
        case(
            "sse.incremental",
            Level::Must,
            Verdict::Inconclusive,
            "answers of 3 tokens, 3 times; 32 are needed",
        ),
        role(),
        case("chunk.n-two", Level::Must, Verdict::HarnessError, "the wire log was full after 262,144 reads"),
        case("embeddings.order", Level::Must, Verdict::Unsupported, "404: this server has no embeddings"),
        case("embeddings.usage", Level::Must, Verdict::Unsupported, "404: this server has no embeddings"),
        case("errors.no-key", Level::Must, Verdict::NotApplicable, "the server asks for no key"),
        case("life.slow-reader", Level::Must, Verdict::Skip, "--skip life.*"),
        case("life.healthy-after", Level::Must, Verdict::Pass, "200 within 3 ms"),
    ];
    let mut verdicts = document(cases);
    verdicts.stale_baseline = vec!["life.healthy-after".to_owned()];
    verdicts.recount();
    verdicts
}

/// A document with these cases.
pub(crate) fn document(cases: Vec<CaseVerdict>) -> Verdicts {
    let finding = |name: &str, value: &str| Finding { name: name.to_owned(), value: value.to_owned() };
    let mut verdicts = Verdicts {
        format: FORMAT.to_owned(),
        tool: Tool { name: "interference".to_owned(), version: "0.1.0".to_owned() },
        command: "interference check http://localhost:8080/v1 --baseline known.txt".to_owned(),
        target: "http://localhost:8080/v1".to_owned(),
        target_name: Some("example-server 2.4".to_owned()),
        started_at: "2026-11-26T09:30:00Z".to_owned(),
        duration_ms: 8_215.4,
        level: Level::Must,
        findings: vec![
            finding("model", "tiny-chat-0.5b"),
            finding("streaming", "yes"),
            finding("tools", "yes, forced too"),
            finding("keys", "none asked for"),
        ],
        summary: Summary::default(),
        stale_baseline: Vec::new(),
        cases,
    };
    verdicts.recount();
    verdicts
}

/// A case of which nothing else matters.
pub(crate) fn case(slug: &str, level: Level, verdict: Verdict, seen: &str) -> CaseVerdict {
    let (section, _) = slug.split_once('.').expect("slugs have sections");
    CaseVerdict {
        slug: slug.to_owned(),
        section: section.to_owned(),
        level,
        requirement: format!("The requirement of {slug} holds for every answer."),
        clauses: vec![clause("OpenAI API description", "createChatCompletion", "")],
        trigger: "a streamed chat of one message".to_owned(),
        verdict,
        expected: format!("what {slug} demands"),
        seen: seen.to_owned(),
        in_baseline: false,
        requests: 1,
        duration_ms: 12.5,
        repeat: format!("interference check http://localhost:8080/v1 --only {slug}"),
        evidence: Vec::new(),
    }
}

fn clause(source: &str, place: &str, quote: &str) -> Clause {
    Clause { source: source.to_owned(), place: place.to_owned(), quote: quote.to_owned() }
}

fn done_last() -> CaseVerdict {
    CaseVerdict {
        requirement: "The last event of a stream is `[DONE]`, and nothing follows on it.".to_owned(),
        clauses: vec![
            clause(
                "OpenAI API description",
                "createChatCompletion, stream",
                "tokens will be sent as data-only server-sent events as they become available, with the stream \
                 terminated by a data: [DONE] message",
            ),
            clause("openai-python", "_streaming.py, Stream.__stream__", ""),
        ],
        expected: "`data: [DONE]`, a blank line, the end of the body".to_owned(),
        seen: "the body ended after event 4, `data: {\"choices\":[…]}`, without `[DONE]`; the connection was closed \
               1,204 ms after the event before it, in the middle of a chunk of 64 bytes of which 20 had arrived"
            .to_owned(),
        evidence: vec![Exchange {
            title: "a streamed chat".to_owned(),
            curl: "curl -N http://localhost:8080/v1/chat/completions \\\n  -H \"authorization: Bearer \
                   $OPENAI_API_KEY\" \\\n  -H 'content-type: application/json' \\\n  -d \
                   '{\"model\":\"tiny-chat-0.5b\",\"stream\":true}'"
                .to_owned(),
            wire: wire(),
        }],
        ..case("sse.done-last", Level::Must, Verdict::Fail, "")
    }
}

fn wire() -> Vec<WireEntry> {
    let entry = |at_ms, direction, offset, text: &str| WireEntry {
        at_ms,
        direction,
        offset,
        bytes: if direction == Direction::Event { 0 } else { text.len() },
        text: text.to_owned(),
    };
    vec![
        entry(-0.4, Direction::Event, 0, "connected to 127.0.0.1:8080"),
        entry(
            0.0,
            Direction::Sent,
            0,
            "POST /v1/chat/completions HTTP/1.1\\r\\nhost: localhost:8080\\r\\nauthorization: Bearer ████\\r\\n\\r\\n",
        ),
        entry(
            41.7,
            Direction::Received,
            0,
            "HTTP/1.1 200 OK\\r\\ncontent-type: text/event-stream\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n",
        ),
        entry(
            42.3,
            Direction::Received,
            92,
            "40\\r\\ndata: {\"choices\":[{\"delta\":{\"content\":\"The\"}}]}\\n\\n\\r\\n",
        ),
        entry(
            55.0,
            Direction::Received,
            153,
            "40\\r\\ndata: {\"choices\":[{\"delta\":{\"content\":\" oak\"}}]}\\n\\n\\r\\n",
        ),
        entry(1_259.0, Direction::Received, 215, "40\\r\\ndata: {\"choices\":[…]}"),
        entry(1_263.1, Direction::Event, 0, "the connection was closed in the middle of a chunk"),
    ]
}

fn role() -> CaseVerdict {
    CaseVerdict {
        seen: format!("the role is {HOSTILE}"),
        evidence: vec![Exchange {
            title: format!("a chat {HOSTILE}"),
            curl: format!("curl {HOSTILE}"),
            wire: vec![WireEntry {
                at_ms: 3.0,
                direction: Direction::Received,
                offset: 0,
                bytes: HOSTILE.len(),
                text: HOSTILE.to_owned(),
            }],
        }],
        ..case("chunk.role-once-first", Level::Must, Verdict::Fail, "")
    }
}
