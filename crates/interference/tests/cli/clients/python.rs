//! The tests of `clients/python` and `clients/python-0.28`, each file beside a server of its own.

use crate::clients::suite::{NEWEST, Python, Served, files};

const WITH_PLUGINS: Python = Python { plugins: &["benchmark", "codspeed", "recording", "syrupy"], ..NEWEST };
const BEFORE_1_0: Python =
    Python { interpreter: "INTERFERENCE_TEST_PYTHON_028", folder: "python-0.28", plugins: &[] };

/// What the suite of LangChain skips. It measures times on a recorded exchange, and there is no recording; and LangChain
/// sends no audio to the Responses API.
const NOT_OF_LANGCHAIN: [&str; 3] = [
    "tests/test_langchain.py::TestChatOpenAI::test_stream_time",
    "tests/test_langchain.py::TestChatOpenAIWithResponses::test_audio_inputs",
    "tests/test_langchain.py::TestChatOpenAIWithResponses::test_stream_time",
];

#[test]
fn chats() {
    Served::script("conversations.toml").pytest(NEWEST, "test_chat.py", &[]);
}

#[test]
fn tools() {
    Served::script("conversations.toml").pytest(NEWEST, "test_tools.py", &[]);
}

#[test]
fn structured_output() {
    Served::script("conversations.toml").pytest(NEWEST, "test_structured.py", &[]);
}

#[test]
fn embeddings() {
    Served::script("conversations.toml").pytest(NEWEST, "test_embeddings.py", &[]);
}

#[test]
fn errors() {
    Served::script("conversations.toml").pytest(NEWEST, "test_errors.py", &[]);
}

#[test]
fn completions() {
    Served::script("conversations.toml").pytest(NEWEST, "test_completions.py", &[]);
}

#[test]
fn responses() {
    Served::script("conversations.toml").pytest(NEWEST, "test_responses.py", &[]);
}

#[test]
fn stored_chats() {
    Served::script("conversations.toml").pytest(NEWEST, "test_stored_chats.py", &[]);
}

#[test]
fn the_standard_tests_of_langchain() {
    Served::script("python/langchain.toml").pytest(WITH_PLUGINS, "test_langchain.py", &NOT_OF_LANGCHAIN);
}

#[test]
fn the_local_model() {
    Served::model().pytest(NEWEST, "test_local_model.py", &[]);
}

#[test]
fn the_sdk_before_1_0() {
    Served::script("conversations.toml").pytest(BEFORE_1_0, "test_before_1_0.py", &[]);
}

#[test]
fn every_file_is_run() {
    let source = include_str!("python.rs");
    for file in [files("python/tests", ".py"), files("python-0.28/tests", ".py")].concat() {
        let run = file == "conftest.py" || source.contains(&format!("\"{file}\""));
        assert!(run, "{file} is not run by a test here");
    }
}
