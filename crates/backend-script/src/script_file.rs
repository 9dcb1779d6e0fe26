//! A script in a file, and what becomes of it when the file changes.
//!
//! Owns reading the file and looking for changes. The file is read again and again, and compared: it is small, and
//! notifications of the operating system would miss what matters here. Editors put a new file in the old one's place,
//! and mounts of other machines and of containers notify nobody. It refuses to know how a script is read, and who is
//! told what.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::ScriptError;
use crate::script::{LONGEST_SCRIPT, Script, digest_of};
use crate::script_backend::ScriptBackend;

/// How often the file is looked at.
pub const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// A file that holds a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptFile {
    /// Where it is.
    pub path: PathBuf,
}

/// What was seen of a file that is watched. Each is told once, when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The file has changed, and is served as it is now.
    Reloaded {
        /// How many rules it has.
        rules: usize,
    },
    /// The file cannot be served as it is now; the last good one is served on.
    Broken(ScriptError),
    /// The file is gone; the last good one is served on.
    Vanished,
    /// The file is there again. If it is another one than before, a further report says what becomes of it.
    BackAgain,
}

impl ScriptFile {
    /// The file at this path.
    pub fn new(path: impl Into<PathBuf>) -> ScriptFile {
        ScriptFile { path: path.into() }
    }

    /// Reads the script. It blocks while the file is read and checked.
    ///
    /// # Errors
    /// The file cannot be read, is larger than [`LONGEST_SCRIPT`], or says what no script can say.
    pub fn load(&self) -> Result<Script, ScriptError> {
        let name = self.file_name();
        let bytes = match look(&self.path) {
            Look::Bytes(bytes) => bytes,
            // Where nothing is found, where it was looked for tells why.
            Look::Gone => return Err(unreadable(&self.place(), "there is no such file".to_owned())),
            Look::Unreadable(reason) => return Err(unreadable(&self.place(), reason)),
        };
        parse(&bytes, &name)
    }

    /// Reads the file every [`BETWEEN_LOOKS`]; when it has changed, and stayed as it is for two looks in a row, its
    /// script takes the place of that of the backend. A file that is just being written is seen half only once.
    ///
    /// Does not end by itself.
    ///
    /// # Cancellation
    /// Safe: a script takes the other's place as a whole or not at all.
    pub async fn watch(self, backend: Arc<ScriptBackend>, tell: impl Fn(Report)) {
        let mut watcher = Some(Watcher::new(self, &backend));
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while let Some(mut current) = watcher.take() {
            looks.tick().await;
            let seen_by = Arc::clone(&backend);
            // Reading and checking a large script takes longer than a task may keep others waiting.
            let looked = tokio::task::spawn_blocking(move || {
                let reports = current.look(&seen_by);
                (current, reports)
            });
            // An error means that the runtime ends, or a bug; there is nothing to watch with any more.
            match looked.await {
                Ok((current, reports)) => {
                    reports.into_iter().for_each(&tell);
                    watcher = Some(current);
                }
                Err(error) => tracing::error!(%error, "watching the script has ended"),
            }
        }
    }

    fn file_name(&self) -> String {
        self.path.file_name().map_or_else(|| self.place(), |name| name.to_string_lossy().into_owned())
    }

    fn place(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}

/// What there is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Look {
    /// At most one byte more than a script may have.
    Bytes(Vec<u8>),
    Gone,
    Unreadable(String),
}

fn look(path: &Path) -> Look {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST_SCRIPT as u64 + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => Look::Bytes(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => Look::Gone,
        Err(error) => Look::Unreadable(error.to_string()),
    }
}

fn parse(bytes: &[u8], file_name: &str) -> Result<Script, ScriptError> {
    if bytes.len() > LONGEST_SCRIPT {
        return Err(ScriptError::TooLarge { file_name: file_name.to_owned(), bytes_max: LONGEST_SCRIPT });
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Script::parse(text, file_name),
        Err(error) => {
            Err(unreadable(file_name, format!("it is not UTF-8 (at byte {})", error.valid_up_to())))
        }
    }
}

fn unreadable(file_name: &str, reason: String) -> ScriptError {
    ScriptError::Unreadable { file_name: file_name.to_owned(), reason }
}

/// Looks at a file, and remembers what it saw.
struct Watcher {
    file: ScriptFile,
    /// What was seen last, by its digest.
    last: Seen,
    /// What has been reported, or is served.
    settled: Seen,
    is_gone: bool,
}

/// What was seen, short enough to be remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Content([u8; 32]),
    Gone,
    Unreadable(String),
}

impl Watcher {
    fn new(file: ScriptFile, backend: &ScriptBackend) -> Watcher {
        let served = Seen::Content(backend.script().digest);
        Watcher { file, last: served.clone(), settled: served, is_gone: false }
    }

    /// Looks once, and serves what it sees if that is new, settled and sound.
    fn look(&mut self, backend: &ScriptBackend) -> Vec<Report> {
        let look = look(&self.file.path);
        let seen = match &look {
            Look::Bytes(bytes) => Seen::Content(digest_of(bytes)),
            Look::Gone => Seen::Gone,
            Look::Unreadable(reason) => Seen::Unreadable(reason.clone()),
        };
        let was_seen_before = seen == self.last;
        self.last = seen.clone();
        let mut reports = Vec::new();
        if !was_seen_before {
            return reports;
        }
        if seen == Seen::Gone {
            if !self.is_gone {
                self.is_gone = true;
                reports.push(Report::Vanished);
            }
            return reports;
        }
        if std::mem::take(&mut self.is_gone) {
            reports.push(Report::BackAgain);
        }
        if seen != self.settled {
            self.settled = seen;
            reports.push(self.take(look, backend));
        }
        reports
    }

    fn take(&self, look: Look, backend: &ScriptBackend) -> Report {
        let name = self.file.file_name();
        let parsed = match look {
            Look::Bytes(bytes) => parse(&bytes, &name),
            Look::Gone => Err(unreadable(&name, "there is no such file".to_owned())),
            Look::Unreadable(reason) => Err(unreadable(&name, reason)),
        };
        match parsed {
            Ok(script) => {
                let rules = script.rule_count();
                backend.replace(script);
                Report::Reloaded { rules }
            }
            Err(error) => Report::Broken(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script_backend::ScriptOptions;

    const ONE: &str = "[[rule]]\nanswer = { text = \"one\" }\n";
    const TWO: &str =
        "[[rule]]\nwhen.text = \"a\"\nanswer = { text = \"two\" }\n[[rule]]\nanswer = { text = \"b\" }\n";

    struct Scene {
        _directory: tempfile::TempDir,
        backend: ScriptBackend,
        watcher: Watcher,
    }

    fn scene() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let file = ScriptFile::new(directory.path().join("a.toml"));
        std::fs::write(&file.path, ONE).unwrap();
        let backend = ScriptBackend::new(file.load().unwrap(), ScriptOptions::default());
        let watcher = Watcher::new(file, &backend);
        Scene { _directory: directory, backend, watcher }
    }

    impl Scene {
        fn write(&self, text: &str) {
            std::fs::write(&self.watcher.file.path, text).unwrap();
        }

        fn look(&mut self) -> Vec<Report> {
            self.watcher.look(&self.backend)
        }

        fn rules(&self) -> usize {
            self.backend.script().rule_count()
        }
    }

    #[test]
    fn a_change_is_taken_once_it_has_settled() {
        let mut scene = scene();
        assert_eq!(scene.look(), []);
        scene.write(&TWO[..20]);
        assert_eq!(scene.look(), []);
        scene.write(TWO);
        assert_eq!(scene.look(), []);
        assert_eq!(scene.look(), [Report::Reloaded { rules: 2 }]);
        assert_eq!(scene.look(), []);
        assert_eq!(scene.rules(), 2);
    }

    #[test]
    fn the_last_good_one_is_served_while_the_file_is_broken() {
        let mut scene = scene();
        scene.write("[[rule]]\nanswer = 7\n");
        assert_eq!(scene.look(), []);
        let reports = scene.look();
        let [Report::Broken(error)] = reports.as_slice() else { panic!("{reports:?}") };
        assert!(error.to_string().starts_with("a.toml:2:10: "), "{error}");
        assert_eq!((scene.look(), scene.rules()), (vec![], 1));
        // Another mistake is told, too; so is that all is well again.
        scene.write("[[rule]]\n");
        assert_eq!(scene.look(), []);
        assert!(matches!(scene.look().as_slice(), [Report::Broken(_)]));
        scene.write(ONE);
        assert_eq!(scene.look(), []);
        assert_eq!(scene.look(), [Report::Reloaded { rules: 1 }]);
    }

    #[test]
    fn a_file_may_go_and_come_back() {
        let mut scene = scene();
        std::fs::remove_file(&scene.watcher.file.path).unwrap();
        assert_eq!(scene.look(), []);
        assert_eq!(scene.look(), [Report::Vanished]);
        assert_eq!((scene.look(), scene.rules()), (vec![], 1));
        scene.write(ONE);
        assert_eq!(scene.look(), []);
        assert_eq!(scene.look(), [Report::BackAgain]);
        std::fs::remove_file(&scene.watcher.file.path).unwrap();
        assert_eq!(scene.look(), []);
        assert_eq!(scene.look(), [Report::Vanished]);
        scene.write(TWO);
        assert_eq!(scene.look(), []);
        assert_eq!(scene.look(), [Report::BackAgain, Report::Reloaded { rules: 2 }]);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let missing = ScriptFile::new(directory.path().join("no.toml"));
        assert_eq!(
            missing.load().unwrap_err().to_string(),
            format!("{}: the script cannot be read: there is no such file", missing.path.display())
        );
        let file = ScriptFile::new(directory.path().join("a.toml"));
        std::fs::write(&file.path, b"a = \"\xff\"").unwrap();
        assert_eq!(
            file.load().unwrap_err().to_string(),
            "a.toml: the script cannot be read: it is not UTF-8 (at byte 5)"
        );
        std::fs::write(&file.path, vec![b' '; LONGEST_SCRIPT + 1]).unwrap();
        assert_eq!(file.load().unwrap_err().to_string(), "a.toml: the script is larger than 4194304 bytes");
    }

    #[tokio::test(start_paused = true)]
    async fn watching_goes_on_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let file = ScriptFile::new(directory.path().join("a.toml"));
        std::fs::write(&file.path, ONE).unwrap();
        let backend = Arc::new(ScriptBackend::new(file.load().unwrap(), ScriptOptions::default()));
        std::fs::write(&file.path, TWO).unwrap();
        let (sender, mut reports) = tokio::sync::mpsc::unbounded_channel();
        let tell = move |report| sender.send(report).unwrap();
        let watching = file.watch(Arc::clone(&backend), tell);
        let first = tokio::select! {
            report = reports.recv() => report,
            () = watching => None,
        };
        assert_eq!(first, Some(Report::Reloaded { rules: 2 }));
        assert_eq!(backend.script().rule_count(), 2);
        assert_eq!(reports.recv().await, None);
    }
}
