//! Processes of the binary: a server that ends with its test, and commands that run to their end.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing here takes this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

static MACHINE: RwLock<()> = RwLock::new(());

/// Variables that would change what the binary does, were they set where the tests run.
const MEANINGFUL_VARIABLES: [&str; 10] = [
    "OPENAI_BASE_URL",
    "OPENAI_API_KEY",
    "INTERFERENCE_KERNELS",
    "INTERFERENCE_QUEUE",
    "INTERFERENCE_STREAMS",
    "INTERFERENCE_THREADS",
    "NO_COLOR",
    "RUST_LOG",
    "http_proxy",
    "HTTP_PROXY",
];

/// The right to run processes: alone, or beside others that do not mind.
pub(crate) struct Bench {
    _turn: Turn,
}

/// Held for its end.
#[expect(dead_code, reason = "what a guard does it does when it is dropped")]
enum Turn {
    Alone(RwLockWriteGuard<'static, ()>),
    Beside(RwLockReadGuard<'static, ()>),
}

impl Bench {
    /// Waits for the machine: no other test runs processes meanwhile.
    pub(crate) fn take() -> Bench {
        // A test that failed leaves nothing behind that another could stumble over.
        Bench { _turn: Turn::Alone(MACHINE.write().unwrap_or_else(PoisonError::into_inner)) }
    }

    /// Waits for a part of it, for a test that keeps to its own ports and files, and to which it does not matter how long
    /// things take.
    pub(crate) fn share() -> Bench {
        Bench { _turn: Turn::Beside(MACHINE.read().unwrap_or_else(PoisonError::into_inner)) }
    }

    /// The binary with these arguments, and nothing in its environment that changes it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_interference"));
        command.args(arguments);
        command
    }

    /// Any program that may run the binary, with the same environment.
    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for variable in MEANINGFUL_VARIABLES {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null());
        command
    }

    /// A server with the default model on a free port of `localhost`, ready to answer.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Server {
        let server = self.serve_with(arguments, &[]);
        server.until_said("ready");
        server
    }

    /// The same, with variables, and perhaps not yet ready.
    pub(crate) fn serve_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
        let mut command = self.command(&["serve", "--listen", "localhost:0"]);
        Server::start(command.args(arguments).envs(variables.iter().copied()))
    }

    /// A server that a script of the shell starts, which ends with `exec "$@"`.
    pub(crate) fn serve_in_shell(&self, script: &str, arguments: &[&str]) -> Server {
        let mut command = self.program("sh");
        let serve = ["sh", env!("CARGO_BIN_EXE_interference"), "serve", "--listen", "localhost:0"];
        Server::start(command.arg("-c").arg(script).args(serve).args(arguments))
    }

    /// An examiner on a free port of `localhost`, to which clients come.
    pub(crate) fn listen(&self, arguments: &[&str]) -> Server {
        let mut command = self.command(&["check-client", "--listen", "localhost:0"]);
        Server::start(command.args(arguments))
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        finish(&mut self.command(arguments))
    }
}

/// What a test gets from `cargo xtask test`.
pub(crate) fn from_xtask(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(value) => value.into(),
        None => panic!("{variable} is not set, which this test needs: run `cargo xtask test`"),
    }
}

/// Runs any program to its end.
pub(crate) fn finish(command: &mut Command) -> Finished {
    let program = command.get_program().to_owned();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    Running { child: child.unwrap_or_else(|error| panic!("{}: {error}", program.display())) }.finish()
}

/// A program that runs, and is killed if its test ends before.
pub(crate) struct Running {
    pub(crate) child: Child,
}

impl Running {
    /// Waits for its end, and collects what it still writes to the pipes that it has.
    pub(crate) fn finish(mut self) -> Finished {
        let stdout = collect(self.child.stdout.take());
        let stderr = collect(self.child.stderr.take());
        let [stdout, stderr] =
            [stdout, stderr].map(|pipe| pipe.recv_timeout(PATIENCE).expect("it ends in time"));
        Finished { code: self.child.wait().unwrap().code(), stdout, stderr }
    }

    /// Sends it a signal, by its name without `SIG`.
    pub(crate) fn signal(&self, signal: &str) {
        send_signal(&self.child, signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// None when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// What it wrote to stdout, if all went well.
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }

    /// What it wrote to stderr, if it failed as it should: with this code, a hint, and no panic.
    #[track_caller]
    pub(crate) fn failed_with(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        assert!(self.stderr.lines().any(|line| line.starts_with("error: ")), "{self:#?}");
        assert!(self.stderr.lines().any(|line| line.starts_with("hint: ")), "{self:#?}");
        &self.stderr
    }
}

/// A `serve` that runs. It is killed with its test.
pub(crate) struct Server {
    child: Child,
    /// On 127.0.0.1.
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<String>>,
    lines: Receiver<String>,
}

impl Server {
    /// Starts it, and waits until it has told all its addresses.
    fn start(command: &mut Command) -> Server {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let said = Arc::new(Mutex::new(String::new()));
        let (stderr, keep) = (child.stderr.take().unwrap(), Arc::clone(&said));
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                keep.lock().unwrap().push_str(&format!("{line}\n"));
                drop(sender.send(line));
            }
        });
        let mut server = Server { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), said, lines };
        let line = server.until_said("listening on http://127.0.0.1:");
        let address = line.trim_start_matches("listening on http://").trim_end_matches("/v1");
        server.address = address.parse().unwrap();
        server
    }

    /// Waits for a line on stderr that begins so.
    #[track_caller]
    pub(crate) fn until_said(&self, beginning: &str) -> String {
        self.until_line(beginning, |line| line.starts_with(beginning))
    }

    /// Waits for a line on stderr that has this in it.
    #[track_caller]
    pub(crate) fn until_said_with(&self, part: &str) -> String {
        self.until_line(part, |line| line.contains(part))
    }

    #[track_caller]
    fn until_line(&self, awaited: &str, is_it: impl Fn(&str) -> bool) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if is_it(&line) => return line,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("the server never said `{awaited}`, but:\n{}", self.said());
                }
            }
        }
    }

    /// All that it has written to stderr.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// As SDKs take it.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Sends it a signal, by its name without `SIG`.
    pub(crate) fn signal(&self, signal: &str) {
        send_signal(&self.child, signal);
    }

    /// Waits for its end, and gives its exit code.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok() {}
        assert!(Instant::now() < deadline, "the server does not end; it said:\n{}", self.said());
        self.child.wait().unwrap().code()
    }

    /// A value of `/proc/PID/status` in bytes.
    pub(crate) fn memory_bytes(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
        if thread::panicking() {
            println!("the server said:\n{}", self.said());
        }
    }
}

fn send_signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args(["-s", signal]).arg(child.id().to_string()).status().unwrap();
    assert!(sent.success(), "{signal} could not be sent");
}

fn end(child: &mut Child) {
    // It may have ended by itself.
    let _gone = child.kill();
    let _reaped = child.wait();
}

/// Reads a pipe to its end, beside the caller.
fn collect(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut text).unwrap();
        }
        drop(sender.send(String::from_utf8(text).unwrap()));
    });
    receiver
}
