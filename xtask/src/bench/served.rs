//! A program as a server, started for a measurement and ended with it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::http::{BaseUrl, Request, exchange};
use crate::last_words::LastWords;
use crate::matrix::process::Process;

/// Until it listens, and then until it is ready.
const LONGEST_START: Duration = Duration::from_secs(120);
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(50);
/// Until the next line of a program that has ended: whatever it started may hold its outputs open.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A server on a port of its own. Dropping it ends it, and whatever it started.
pub(crate) struct Served {
    /// None once it is being ended.
    process: Option<Process>,
    /// Reads what it says, to the end, so that it can always say it.
    reader: Option<JoinHandle<()>>,
    last_words: Arc<Mutex<LastWords>>,
    /// Empty until it is known.
    url: String,
}

impl Served {
    /// Starts `interference serve` with a model, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Served::start`].
    pub(crate) fn with_model(program: &Path, model: &Path, threads: usize) -> anyhow::Result<Served> {
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--threads", &threads.to_string(), "--model"]);
        Served::start("`interference serve`", command.arg(model))
    }

    /// Starts a server that says its URL, on whichever of its outputs, and waits until `GET /health` is answered well.
    ///
    /// # Errors
    /// When it cannot be started, ends, or is not ready in two minutes; with what it said last.
    pub(crate) fn start(name: &str, command: &mut Command) -> anyhow::Result<Served> {
        Served::begin(name, command, "", "/health")
    }

    /// Starts a server that does not say its URL, and waits until `GET` of a path behind that is answered well.
    ///
    /// # Errors
    /// As [`Served::start`].
    pub(crate) fn start_at(
        name: &str,
        command: &mut Command,
        url: &str,
        ready: &'static str,
    ) -> anyhow::Result<Served> {
        Served::begin(name, command, url, ready)
    }

    fn begin(name: &str, command: &mut Command, url: &str, ready: &'static str) -> anyhow::Result<Served> {
        let (output, input) = std::io::pipe()?;
        // From here on whatever fails ends the process.
        let process = Process::start_with(command, input.try_clone()?, input)?;
        let last_words = Arc::default();
        let (sender, said) = channel();
        let reader = listen(output, Arc::clone(&last_words), sender);
        let (process, reader) = (Some(process), Some(reader));
        let mut served = Served { process, reader, last_words, url: url.to_owned() };
        served
            .wait_until_ready(&said, ready)
            .with_context(|| format!("{name} did not start; it said: {}", served.last_words()))?;
        Ok(served)
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Process::pid)
    }

    /// Its base URL, as an SDK takes it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What it said last.
    pub(crate) fn last_words(&self) -> String {
        self.last_words.lock().unwrap_or_else(PoisonError::into_inner).quoted()
    }

    fn wait_until_ready(&mut self, said: &Receiver<String>, ready: &'static str) -> anyhow::Result<()> {
        let deadline = Instant::now() + LONGEST_START;
        while self.url.is_empty() {
            match said.recv_timeout(BETWEEN_QUESTIONS) {
                Ok(line) => url_in(&line).unwrap_or_default().clone_into(&mut self.url),
                Err(_) => self.require_running(said)?,
            }
            ensure!(Instant::now() < deadline, "it does not listen after {LONGEST_START:?}");
        }
        let base = BaseUrl::parse(&self.url)?;
        while let Err(error) =
            exchange(&base, Request { method: "GET", path: ready, body: "" }, |_, _| Ok(()))
        {
            self.require_running(said)?;
            if Instant::now() > deadline {
                return Err(error.context(format!("it is not ready after {LONGEST_START:?}")));
            }
            std::thread::sleep(BETWEEN_QUESTIONS);
        }
        Ok(())
    }

    fn require_running(&mut self, said: &Receiver<String>) -> anyhow::Result<()> {
        let ended = self.process.as_mut().map(Process::ended).transpose()?.flatten();
        if let Some(status) = ended {
            while said.recv_timeout(LONGEST_PAUSE).is_ok() {}
            bail!("it ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // What it says ends with the last of its processes.
        drop(self.process.take());
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }
}

/// Reads all that a program says. Once it is ready, nobody listens, and its last words are kept all the same.
fn listen(
    output: impl Read + Send + 'static,
    last_words: Arc<Mutex<LastWords>>,
    sender: Sender<String>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            last_words.lock().unwrap_or_else(PoisonError::into_inner).hear(&line);
            drop(sender.send(line));
        }
    })
}

/// A URL that ends a line.
fn url_in(line: &str) -> Option<&str> {
    line.split(' ').next_back().filter(|word| word.starts_with("http://"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_ends_is_told_with_what_it_said() {
        // `false` takes any arguments, says nothing and fails.
        let error = Served::with_model(Path::new("false"), Path::new("x.gguf"), 1).err().unwrap();
        let text = format!("{error:#}");
        assert!(text.contains("did not start") && text.contains("it ended with exit status: 1"), "{text}");
    }

    #[test]
    fn whatever_a_program_left_behind_ends_with_it() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & echo broken; exit 3"]);
        let error = Served::start("the program", &mut command).err().unwrap();
        let text = format!("{error:#}");
        assert!(text.contains("it said: broken") && text.contains("exit status: 3"), "{text}");
    }

    #[test]
    fn a_url_is_found_where_a_line_ends_with_it() {
        assert_eq!(url_in("listening on http://127.0.0.1:1/v1"), Some("http://127.0.0.1:1/v1"));
        assert_eq!(url_in("listening on http://127.0.0.1:1/v1 soon"), None);
        assert_eq!(url_in(""), None);
    }
}
