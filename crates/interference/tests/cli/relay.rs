//! `serve --upstream`, of the real binary before the real binary: what is passed on, what is mended, and what is here.

mod chain;
mod manual;

use std::net::SocketAddr;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::{Bench, Server};
use crate::exchange::{Answer, Exchange, ask_relayed, get, post, request};

const SCRIPT: &str = r#"
[[rule]]
when = { text = "break" }
answer = { text = "One two three four five six.", faults = { cut = { after_events = 3, by = "reset" } } }

[[rule]]
when = { text = "refuse" }
answer = { error = { status = 422, message = "Not like this.", code = "no" } }

[[rule]]
when = { text = "weather" }
answer = { text = "Let me see.", tool_calls = [{ name = "weather", arguments = { city = "Oslo" } }] }

[[rule]]
answer = { text = "A green tree, 木が一本 🌳." }
"#;

/// A server that answers from the script, and one that passes everything on to it.
struct Chain {
    upstream: Server,
    relay: Server,
    _folder: TempDir,
}

impl Chain {
    fn new(bench: &Bench, arguments: &[&str]) -> Chain {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script.toml");
        std::fs::write(&script, SCRIPT).unwrap();
        let upstream = bench.serve(&["--fixed-ids", "--script", script.to_str().unwrap()]);
        let url = format!("up={}", upstream.base_url());
        let relay = bench.serve(&[&["--upstream", &url], arguments].concat());
        Chain { upstream, relay, _folder: folder }
    }

    /// The same request to both: the upstream's answer first.
    fn both(&self, request: &Value) -> [Answer; 2] {
        [self.upstream.address, self.relay.address].map(|address| ask_relayed(address, request))
    }
}

fn streamed(prompt: &str) -> Value {
    request(prompt, json!({"stream": true, "stream_options": {"include_usage": true}}))
}

/// The models of a server that may pass on what others say.
fn listed(address: SocketAddr) -> Value {
    let request = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    Exchange::undescribed(address, request.as_bytes()).read_whole().0.json()
}

#[test]
fn what_an_upstream_says_arrives_as_it_is() {
    let bench = Bench::take();
    let chain = Chain::new(&bench, &[]);
    let tools = json!({"tools": [{"type": "function", "function": {"name": "weather"}}]});
    for asked in [
        request("a tree", json!({})),
        streamed("a tree"),
        request("the weather", tools.clone()),
        request("please refuse", json!({})),
        request("a tree", json!({"temperature": "hot"})),
    ] {
        let [direct, relayed] = chain.both(&asked);
        assert_eq!((relayed.status, &relayed.body), (direct.status, &direct.body), "{asked}");
        assert_eq!(relayed.header("content-type"), direct.header("content-type"));
        assert_eq!(relayed.header("x-interference-upstream"), Some("up"));
        assert_eq!(relayed.header("x-interference-rule"), direct.header("x-interference-rule"));
    }
    let [direct, relayed] = [chain.upstream.address, chain.relay.address].map(listed);
    assert_eq!(relayed["data"][0]["id"], direct["data"][0]["id"]);
    // An endpoint that nobody here knows is the upstream's to refuse.
    let rerank = Exchange::undescribed(chain.relay.address, post("/v1/rerank", "{}").as_bytes());
    let (refused, _) = rerank.read_whole();
    assert_eq!((refused.status, refused.header("x-interference-upstream")), (404, Some("up")));
}

#[test]
fn a_stream_that_breaks_off_is_mended() {
    let bench = Bench::take();
    let chain = Chain::new(&bench, &[]);
    let mended = ask_relayed(chain.relay.address, &streamed("break it"));
    assert_eq!(mended.status, 200);
    let events: Vec<&str> = mended.body.split_terminator("\n\n").collect();
    let [.., error, done] = events[..] else { panic!("{mended:#?}") };
    assert_eq!((events.len(), done), (5, "data: [DONE]"));
    let error: Value = serde_json::from_str(error.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(error["error"]["code"], "upstream_broke_off");
    let journal = get(chain.relay.address, "/_interference/requests?min=1&ended=true").json();
    assert_eq!(journal["requests"][0]["ended"], "broken_off", "{journal:#}");
}

#[test]
fn faults_apply_to_what_is_relayed() {
    let bench = Bench::take();
    let chain = Chain::new(&bench, &["--allow-faults"]);
    let whole = ask_relayed(chain.relay.address, &streamed("a tree"));
    let mut asked = streamed("a tree");
    asked["model"] = json!("any#cut.after_events=2,cut.by=\"end\"");
    let cut = ask_relayed(chain.relay.address, &asked);
    assert_eq!(cut.body.matches("data: ").count(), 2);
    assert!(cut.header("x-interference-applied").is_some());
    let dropped = post("/v1/chat/completions", &streamed("a tree").to_string())
        .replace("host: ", "x-interference: drop.events = [2], seed = 5\r\nhost: ");
    let (dropped, _) = Exchange::undescribed(chain.relay.address, dropped.as_bytes()).read_whole();
    assert_eq!(
        dropped.body.matches("data: ").count() + 1,
        whole.body.matches("data: ").count(),
        "{dropped:#?}"
    );
}

#[test]
fn a_script_answers_before_an_upstream() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("first.toml");
    std::fs::write(&script, "[[rule]]\nwhen = { text = \"here\" }\nanswer.text = \"It is here.\"\n").unwrap();
    let chain = Chain::new(&bench, &["--script", script.to_str().unwrap()]);
    assert_eq!(ask_relayed(chain.relay.address, &request("is it here?", json!({}))).text(), "It is here.");
    let elsewhere = ask_relayed(chain.relay.address, &request("a tree", json!({})));
    assert_eq!(elsewhere.text(), "A green tree, 木が一本 🌳.");
    assert_eq!(elsewhere.header("x-interference-upstream"), Some("up"));
}

/// What no rule matches is the upstream's to judge, with whatever is wrong or unheard of in it.
#[test]
fn a_script_refuses_nothing_that_no_rule_matches() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("first.toml");
    std::fs::write(&script, "[[rule]]\nwhen = { text = \"here\" }\nanswer.text = \"It is here.\"\n").unwrap();
    let chain = Chain::new(&bench, &["--strict", "--script", script.to_str().unwrap()]);
    let video = json!([{"type": "video_url", "video_url": {"url": "x"}}]);
    for asked in [
        json!({"temperature": 5}),
        json!({"n": 1000}),
        json!({"guided_json": {}}),
        json!({"messages": [{"role": "narrator", "content": "a tree"}]}),
        json!({"messages": [{"role": "user", "content": video}]}),
        json!({"model": null}),
    ] {
        let answer = ask_relayed(chain.relay.address, &request("a tree", asked.clone()));
        assert_eq!(answer.header("x-interference-upstream"), Some("up"), "{asked}: {answer:#?}");
        if asked.get("messages").is_none() && asked.get("model").is_none() {
            let answer = ask_relayed(chain.relay.address, &request("is it here?", asked.clone()));
            assert_eq!((answer.status, answer.header("x-interference-upstream")), (400, None), "{asked}");
        }
    }
    assert_eq!(
        get(chain.relay.address, "/v1/models/scripted").json(),
        listed(chain.relay.address)["data"][0]
    );
    let embeddings = post("/v1/embeddings", r#"{"model":"any","input":[{"text":"a tree"}]}"#);
    let (answer, _) = Exchange::undescribed(chain.relay.address, embeddings.as_bytes()).read_whole();
    assert_eq!(answer.header("x-interference-upstream"), Some("up"), "{answer:#?}");
}

/// A model here has its own name; an alias of it, or any other name, is for the upstream.
#[test]
fn a_model_of_this_machine_answers_to_its_own_name() {
    let bench = Bench::take();
    let chain = Chain::new(&bench, &["-m", "smollm2-135m-instruct"]);
    let asked = |model: &str| request("a tree", json!({"model": model, "max_tokens": 2}));
    let local = ask_relayed(chain.relay.address, &asked("smollm2-135m-instruct"));
    assert_eq!((local.status, local.header("x-interference-upstream")), (200, None));
    let elsewhere = ask_relayed(chain.relay.address, &asked("gpt-4o-mini"));
    assert_eq!(elsewhere.header("x-interference-upstream"), Some("up"));
    let models = listed(chain.relay.address);
    let ids: Vec<&Value> = models["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(ids, ["smollm2-135m-instruct", "scripted"]);
    assert_eq!(get(chain.relay.address, "/v1/models/smollm2-135m-instruct").json(), models["data"][0]);
    let theirs = "GET /v1/models/scripted HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let (theirs, _) = Exchange::undescribed(chain.relay.address, theirs.as_bytes()).read_whole();
    assert_eq!(theirs.header("x-interference-upstream"), Some("up"), "{theirs:#?}");
}

#[test]
fn nobody_listens_there() {
    let bench = Bench::take();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let relay = bench.serve(&["--upstream", &format!("gone=http://127.0.0.1:{port}/v1")]);
    let refused = ask_relayed(relay.address, &request("a tree", json!({})));
    assert_eq!(refused.status, 502);
    let error = &refused.json()["error"];
    assert_eq!(error["code"], "upstream_unreachable");
    assert!(error["message"].as_str().unwrap().contains("`gone`"), "{error}");
}

#[test]
fn what_is_no_upstream_is_told() {
    let bench = Bench::take();
    for (arguments, told) in [
        (&["--upstream", "http://localhost:8000/v1"][..], "it has no `=`"),
        (&["--upstream", "a=localhost:8000"], "must begin with `http://`"),
        (&["--upstream", "a=http://localhost/v1", "--upstream", "a=http://localhost/v1"], "named `a`"),
        (&["--upstreams", "no-such-file.toml"], "no-such-file.toml"),
        (&["--record", "cassettes"], "`--record` needs an upstream"),
        (&["-m", "smollm2-135m-instruct", "--record", "cassettes"], "recorded by a second server before it"),
        (&["--replay", "no-such-folder"], "no-such-folder"),
        (&["--replay-pace", "2x"], "--replay"),
    ] {
        let finished = bench.run(&[&["serve", "--listen", "localhost:0"], arguments].concat());
        assert_eq!(finished.code, Some(2), "{finished:#?}");
        assert!(finished.stderr.contains(told), "{finished:#?}");
    }
}
