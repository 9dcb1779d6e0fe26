//! The program as a server, started for a measurement and ended with it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::http::{BaseUrl, get_json};

/// Until it listens, and then until its model is loaded.
const LONGEST_START: Duration = Duration::from_secs(120);
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(50);

/// A server on a port of its own. Dropping it ends it.
pub(crate) struct Served {
    child: Child,
    /// Reads what it says on stderr, to the end, so that it can always say it.
    reader: Option<JoinHandle<()>>,
    url: String,
}

impl Served {
    /// Starts `interference serve`, and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started, ends, or is not ready in two minutes; with what it said.
    pub(crate) fn start(program: &Path, model: &Path, threads: usize) -> anyhow::Result<Served> {
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--threads", &threads.to_string(), "--model"]);
        command.arg(model).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let stderr = child.stderr.take();
        // From here on whatever fails ends the child.
        let mut served = Served { child, reader: None, url: String::new() };
        let (sender, said) = channel();
        let stderr = stderr.context("its stderr is not piped")?;
        served.reader = Some(std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Once it is ready, nobody listens.
                drop(sender.send(line));
            }
        }));
        let mut heard = Vec::new();
        served
            .wait_until_ready(&said, &mut heard)
            .with_context(|| format!("`interference serve` did not start; it said: {}", heard.join(" / ")))?;
        Ok(served)
    }

    /// Its base URL, as an SDK takes it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn wait_until_ready(&mut self, said: &Receiver<String>, heard: &mut Vec<String>) -> anyhow::Result<()> {
        let deadline = Instant::now() + LONGEST_START;
        while self.url.is_empty() {
            match said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(url) = line.strip_prefix("listening on ") {
                        url.clone_into(&mut self.url);
                    }
                    heard.push(line);
                }
                Err(RecvTimeoutError::Timeout) => bail!("it does not listen after {LONGEST_START:?}"),
                Err(RecvTimeoutError::Disconnected) => bail!("it ended with {}", self.child.wait()?),
            }
        }
        let base = BaseUrl::parse(&self.url)?;
        while let Err(error) = get_json(&base, "/health") {
            if let Some(status) = self.child.try_wait()? {
                heard.extend(said.try_iter());
                bail!("it ended with {status}");
            }
            if Instant::now() > deadline {
                return Err(error.context(format!("it is not ready after {LONGEST_START:?}")));
            }
            std::thread::sleep(BETWEEN_QUESTIONS);
        }
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_ends_is_told_with_what_it_said() {
        // `false` takes any arguments, says nothing and fails.
        let error = Served::start(Path::new("false"), Path::new("x.gguf"), 1).err().unwrap();
        let text = format!("{error:#}");
        assert!(text.contains("did not start") && text.contains("it ended with exit status: 1"), "{text}");
    }
}
