//! What the servers are told to answer: the same text, in as many pieces, each in its own language.
//!
//! The text is one word again and again. It has four letters and a space, so that a server that cuts at words and one
//! that cuts after so many characters make the same pieces of it. A request that says `pace` gets the paced answer.

use std::path::Path;

use serde_json::{Value, json};

/// One piece.
const PIECE: &str = "tree ";
/// Our script.
pub(super) const SCRIPT: &str = "script.toml";
/// llmposter's fixtures. JSON is YAML, too.
pub(super) const LLMPOSTER: &str = "llmposter.yaml";
/// vidaimock's settings, and the folder of its templates.
pub(super) const VIDAIMOCK: &str = "vidaimock.toml";
pub(super) const VIDAIMOCK_FOLDER: &str = "vidaimock";

/// Writes all of them.
pub(super) fn write(
    folder: &Path,
    pieces: usize,
    paced_pieces: usize,
    between_ms: u64,
) -> std::io::Result<()> {
    let providers = folder.join(VIDAIMOCK_FOLDER).join("providers");
    let templates = folder.join(VIDAIMOCK_FOLDER).join("templates").join("bench");
    for folder in [&providers, &templates] {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(folder.join(SCRIPT), script(pieces, paced_pieces, between_ms))?;
    std::fs::write(folder.join(LLMPOSTER), llmposter(pieces, paced_pieces, between_ms).to_string())?;
    std::fs::write(folder.join(VIDAIMOCK), VIDAIMOCK_SETTINGS)?;
    std::fs::write(providers.join("openai.yaml"), vidaimock_provider().to_string())?;
    std::fs::write(templates.join("whole.json.j2"), vidaimock_whole(pieces, paced_pieces))?;
    std::fs::write(templates.join("start.j2"), vidaimock_event(r#"{"role":"assistant","content":""}"#))?;
    std::fs::write(templates.join("chunk.j2"), vidaimock_event(r#"{"content":"{{ chunk }}"}"#))?;
    std::fs::write(templates.join("stop.j2"), VIDAIMOCK_STOP)
}

fn script(pieces: usize, paced_pieces: usize, between_ms: u64) -> String {
    let list = |pieces: usize| json!(vec![PIECE; pieces]);
    let (fast, paced) = (list(pieces), list(paced_pieces));
    format!(
        "[[rule]]\nwhen = {{ text = \"pace\" }}\nanswer = {{ text = {paced}, latency = {{ first_token = \
         \"{between_ms}ms\", between_tokens = \"{between_ms}ms\" }} }}\n\n[[rule]]\nanswer = {{ text = {fast} }}\n"
    )
}

fn llmposter(pieces: usize, paced_pieces: usize, between_ms: u64) -> Value {
    let streaming = |latency: u64| json!({"latency": latency, "chunk_size": PIECE.len()});
    json!({"fixtures": [
        {"match": {"user_message": "pace"}, "response": {"content": PIECE.repeat(paced_pieces)},
            "streaming": streaming(between_ms)},
        {"response": {"content": PIECE.repeat(pieces)}, "streaming": streaming(0)},
    ]})
}

/// A pause of nothing means its default, 20 ms; this is the shortest.
const VIDAIMOCK_SETTINGS: &str = "[chaos]\ntrickle_ms = 1\n";

/// Templates in files are compiled once; those that stand here would be compiled for every chunk.
fn vidaimock_provider() -> Value {
    json!({
        "name": "openai",
        "matcher": "^/v1/chat/completions$",
        "priority": 100,
        "response_template": "bench/whole.json.j2",
        "stream": {"enabled": true, "frame_format": "raw", "lifecycle": {
            "on_start": {"template_path": "bench/start.j2"},
            "on_chunk": {"template_path": "bench/chunk.j2"},
            "on_stop": {"template_path": "bench/stop.j2"},
        }},
    })
}

fn vidaimock_whole(pieces: usize, paced_pieces: usize) -> String {
    let (fast, paced) = (PIECE.repeat(pieces), PIECE.repeat(paced_pieces));
    format!(
        r#"{{"id":"chatcmpl-{{{{ uuid() }}}}","object":"chat.completion","created":{{{{ timestamp() }}}},"model":"{{{{ json.model }}}}","choices":[{{"index":0,"message":{{"role":"assistant","content":"{{% if json.messages.0.content == "pace" %}}{paced}{{% else %}}{fast}{{% endif %}}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}}}"#
    )
}

fn vidaimock_event(delta: &str) -> String {
    format!(
        r#"data: {{"id":"chatcmpl-mock","object":"chat.completion.chunk","created":1699000000,"model":"{{{{ json.model }}}}","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#
    )
}

const VIDAIMOCK_STOP: &str = r#"data: {"id":"chatcmpl-mock","object":"chat.completion.chunk","created":1699000000,"model":"{{ json.model }}","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: [DONE]
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_script_has_a_paced_rule_and_one_without_delays() {
        assert_eq!(
            script(2, 3, 20),
            r#"[[rule]]
when = { text = "pace" }
answer = { text = ["tree ","tree ","tree "], latency = { first_token = "20ms", between_tokens = "20ms" } }

[[rule]]
answer = { text = ["tree ","tree "] }
"#
        );
    }

    #[test]
    fn the_peers_are_told_the_same_text() {
        assert_eq!(
            llmposter(2, 3, 20).to_string(),
            r#"{"fixtures":[{"match":{"user_message":"pace"},"response":{"content":"tree tree tree "},"streaming":{"latency":20,"chunk_size":5}},{"response":{"content":"tree tree "},"streaming":{"latency":0,"chunk_size":5}}]}"#
        );
        let whole = vidaimock_whole(2, 3);
        assert!(
            whole.contains(
                r#""content":"{% if json.messages.0.content == "pace" %}tree tree tree {% else %}tree tree {% endif %}""#
            ),
            "{whole}"
        );
        assert!(vidaimock_event(r#"{"content":"{{ chunk }}"}"#).contains(r#""model":"{{ json.model }}""#));
    }
}
