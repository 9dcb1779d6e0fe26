//! A program and all that it starts, ended together.
//!
//! The program becomes the leader of a process group of its own, and a small shell in the same group waits for the end
//! of its standard input, whose other side this process holds: when the pipe closes, the shell kills the group. So
//! nothing is left behind, whatever becomes of this process. Unix alone has what this needs.

use std::ffi::OsStr;
use std::fs::File;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// Waits for the end of standard input in the background; the program takes the shell's place.
const GUARDED: &str = r#"exec 3<&0 </dev/null
{ read -r _ <&3; kill -s KILL 0; } &
exec "$@" 3<&-"#;

/// Between looks at whether it has ended.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// A running program. Dropping it ends it, with its whole process group.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Closing it kills the group.
    guard: Option<ChildStdin>,
}

impl Process {
    /// Starts a program; what it says goes into the file. Of the command, program, arguments, variables and folder are
    /// used.
    ///
    /// # Errors
    /// When there is no shell. A program that is not there ends at once, with what the shell says of it.
    pub(crate) fn start(command: &Command, log: File) -> anyhow::Result<Process> {
        Process::start_with(command, log.try_clone()?, log)
    }

    /// The same, with two places for what it says. They are held open until the whole group has ended.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub(crate) fn start_with(
        command: &Command,
        stdout: impl Into<Stdio>,
        stderr: impl Into<Stdio>,
    ) -> anyhow::Result<Process> {
        let mut guarded = Command::new("sh");
        guarded.args([OsStr::new("-c"), OsStr::new(GUARDED), OsStr::new("sh"), command.get_program()]);
        guarded.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => guarded.env(name, value),
                None => guarded.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            guarded.current_dir(folder);
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut guarded, 0);
        guarded.stdin(Stdio::piped()).stdout(stdout).stderr(stderr);
        let mut child = guarded.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let guard = child.stdin.take();
        Ok(Process { child, guard })
    }

    /// The number of the program's process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until it ends; `None` when it runs for longer than that.
    pub(crate) fn wait(&mut self, longest: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + longest;
        while Instant::now() < deadline {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
        Ok(None)
    }

    /// Waits until it ends, however long that takes.
    pub(crate) fn wait_forever(&mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.guard.take());
        // Whatever became of the shell that watches. It may also have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;

    use super::*;

    /// A pipe's reading end, and a file that writes into it.
    fn pipe() -> std::io::Result<(std::io::PipeReader, File)> {
        let (reader, writer) = std::io::pipe()?;
        Ok((reader, File::from(OwnedFd::from(writer))))
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_a_program_started_ends_with_it() {
        let (mut reader, log) = pipe().unwrap();
        let process = Process::start(&shell("sleep 1000 & echo started; sleep 1000"), log).unwrap();
        let mut started = [0; 8];
        reader.read_exact(&mut started).unwrap();
        drop(process);
        // The pipe ends when the last one that could write into it is gone.
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!((&started, rest.as_str()), (b"started\n", ""));
    }

    #[test]
    fn output_variables_and_the_status_are_the_programs_own() {
        let (mut reader, log) = pipe().unwrap();
        let mut command = shell("echo \"$NAME\"; echo error >&2; read -r line; exit 7");
        let mut process = Process::start(command.env("NAME", "a tree"), log).unwrap();
        assert_eq!(process.wait_forever().unwrap().code(), Some(7));
        drop(process);
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        assert_eq!(said, "a tree\nerror\n");
    }
}
