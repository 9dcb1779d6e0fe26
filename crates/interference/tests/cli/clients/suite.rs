//! A file of tests in another language, run by its own runner against a real server.
//!
//! Owns how the runners are called and what counts as a success: every test of the file ran and passed, or failed where
//! the file itself says why it must. A file without tests fails, and so does a test that was skipped, unless the caller
//! names it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::{Bench, Server, finish, from_xtask};
use crate::clients::clients;

/// The servers of these tests have a key, so that every client shows that it sends it.
const KEY: &str = "secret";

/// A server, and the right to run what tests it.
pub(crate) struct Served {
    server: Server,
    bench: Bench,
    /// Who answers in truth, if it is somebody else.
    upstream: Option<Server>,
}

/// A Python environment with its folder of clients.
#[derive(Clone, Copy)]
pub(crate) struct Python {
    /// The variable that tells the interpreter.
    pub(crate) interpreter: &'static str,
    pub(crate) folder: &'static str,
    /// What pytest must load that the folder's settings leave out.
    pub(crate) plugins: &'static [&'static str],
}

/// That of the newest clients.
pub(crate) const NEWEST: Python =
    Python { interpreter: "INTERFERENCE_TEST_PYTHON", folder: "python", plugins: &[] };

impl Served {
    /// Answers from a script in the folder of the clients, and has no model.
    pub(crate) fn script(script: &str) -> Served {
        Served::with(&["--script", clients().join(script).to_str().unwrap()])
    }

    /// Answers from the default model.
    pub(crate) fn model() -> Served {
        Served::with(&[])
    }

    /// Passes everything on to a server that answers from a script in the folder of the clients, and keeps all of it in
    /// this folder.
    pub(crate) fn recorded(script: &str, cassettes: &str) -> Served {
        let bench = Bench::share();
        let script = clients().join(script);
        let upstream = bench.serve(&["--api-key", KEY, "--script", script.to_str().unwrap()]);
        let url = format!("up={}", upstream.base_url());
        let arguments = ["--api-key", KEY, "--upstream", &url, "--record", cassettes];
        let server = bench.serve_with(&arguments, &[("UP_API_KEY", KEY)]);
        server.until_said("ready");
        Served { server, bench, upstream: Some(upstream) }
    }

    /// Answers from the recordings in this folder.
    pub(crate) fn replayed(cassettes: &str) -> Served {
        Served::with(&["--replay", cassettes, "--replay-pace", "at-once"])
    }

    fn with(arguments: &[&str]) -> Served {
        let bench = Bench::share();
        let server = bench.serve(&[&["--api-key", KEY], arguments].concat());
        Served { server, bench, upstream: None }
    }

    /// Ends it in order: what is to be kept is on the disk then.
    #[track_caller]
    pub(crate) fn end(mut self) {
        self.server.signal("TERM");
        assert_eq!(self.server.exit_code(), Some(0));
        drop(self.upstream);
    }

    /// Runs a file of tests with pytest; these tests of it may be skipped, and must be.
    #[track_caller]
    pub(crate) fn pytest(&self, python: Python, file: &str, skipped: &[&str]) {
        let mut pytest = self.client(&from_xtask(python.interpreter), clients().join(python.folder));
        pytest.args(["-m", "pytest", "--quiet", "--color=no"]).arg(format!("tests/{file}"));
        pytest.args(python.plugins.iter().flat_map(|plugin| ["-p", plugin]));
        // pytest ends with 5 when it has found no test.
        let printed = succeeded(pytest.env("PYTHONDONTWRITEBYTECODE", "1"));
        let found = printed.lines().filter_map(|line| line.strip_prefix("SKIPPED ")?.split(' ').next());
        assert_eq!(
            found.collect::<Vec<_>>(),
            skipped,
            "other tests were skipped than those named:\n{printed}"
        );
    }

    /// Runs a file of tests with Node's own runner.
    #[track_caller]
    pub(crate) fn node_test(&self, file: &str) {
        run_node_test(&mut self.client(Path::new("node"), from_xtask("INTERFERENCE_TEST_NODE_CLIENT")), file);
    }

    /// Runs a program that tests by itself.
    #[track_caller]
    pub(crate) fn program(&self, program: &Path) {
        assert_eq!(succeeded(&mut self.client(program, clients())), "all well\n");
    }

    /// Runs a program that prints what it got, and gives that.
    #[track_caller]
    pub(crate) fn printed(&self, program: &Path, arguments: &[&str]) -> String {
        succeeded(self.client(program, clients()).args(arguments))
    }

    /// Any program, with the server's address and its key.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.bench.program(program);
        command.env("OPENAI_BASE_URL", self.server.base_url()).env("OPENAI_API_KEY", KEY);
        command
    }

    fn client(&self, program: &Path, folder: PathBuf) -> Command {
        let mut client = self.command(program.to_str().unwrap());
        client.current_dir(folder);
        client
    }
}

/// Runs a file of tests with this Node, below the folder in which it is to run.
#[track_caller]
pub(crate) fn run_node_test(node: &mut Command, file: &str) {
    let printed = succeeded(node.args(["--test", "--test-reporter=tap"]).arg(format!("tests/{file}")));
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines.contains(&"# skipped 0") && lines.contains(&"# todo 0"), "a test was not run:\n{printed}");
    // A file without tests counts as one, of its own name.
    let empty = lines.iter().any(|line| line.starts_with("ok ") && line.ends_with(file));
    assert!(!empty, "there is no test in {file}:\n{printed}");
}

/// The names of the files with this ending in a folder of clients.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(clients().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(ending)).collect()
}

/// What a runner printed, if it ended well.
#[track_caller]
fn succeeded(runner: &mut Command) -> String {
    let finished = finish(runner);
    // As it was printed: what failed is told there, for people.
    assert_eq!(finished.code, Some(0), "{runner:?}\n{}\n{}", finished.stdout, finished.stderr);
    finished.stdout
}
