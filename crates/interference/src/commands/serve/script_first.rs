//! A script that answers, alone or before a model or somebody else.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use interference_backend::{Backend, Measurement, ModelCard, Readiness, Refusal, Reply, Request, Scope};
use interference_backend_script::{Report, ScriptBackend, ScriptFile, ScriptOptions};

use super::models;
use crate::failure::{Failure, WRONG_USAGE};
use crate::talk::{counted, say};

/// A script that was loaded, and its file.
pub(super) struct Scripted {
    file: ScriptFile,
    backend: Arc<ScriptBackend>,
}

impl Scripted {
    /// Reads the script.
    ///
    /// # Errors
    /// It cannot be read, or has mistakes; all of them are told.
    pub(super) fn load(path: &Path, fixed_ids: bool) -> anyhow::Result<Scripted> {
        let file = ScriptFile::new(path);
        let script = file.load().map_err(|error| {
            let hint = "docs/script.md tells what a script can have; a first one is:  [[rule]]  answer.text = \"Hello.\"";
            Failure::new(WRONG_USAGE, error.to_string(), hint)
        })?;
        let backend = Arc::new(ScriptBackend::new(script, ScriptOptions { fixed_ids }));
        Ok(Scripted { file, backend })
    }

    /// For the line that says what is served.
    pub(super) fn summary(&self) -> String {
        format!("{}, {}", self.file.path.display(), counted(self.backend.script().rule_count(), "rule"))
    }

    /// The script alone.
    pub(super) fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend) as Arc<dyn Backend>
    }

    /// The script, and another for what no rule matches.
    pub(super) fn before(&self, next: Arc<dyn Backend>) -> Arc<dyn Backend> {
        Arc::new(ScriptFirst { script: Arc::clone(&self.backend), next })
    }

    /// Takes over what changes in the file, and says so. Never ends.
    pub(super) async fn watch(&self) -> Infallible {
        let name = self.file.path.display();
        let tell = |report| match report {
            Report::Reloaded { rules } => say(&format!("read again: {name}, {}", counted(rules, "rule"))),
            Report::Vanished => tell_problem(&format!("{name} is gone")),
            Report::BackAgain => say(&format!("{name} is back")),
            Report::Broken(error) => tell_problem(&error.to_string()),
        };
        self.file.clone().watch(Arc::clone(&self.backend), tell).await;
        // Only a bug ends it. What is served does not depend on it.
        tell_problem(&format!("{name} is not watched any more: looking at it met a bug"));
        std::future::pending().await
    }
}

/// What is wrong with the file now; it goes on with what it had.
fn tell_problem(problem: &str) {
    say(&format!("warning: {problem}\nthe last good script goes on serving"));
}

/// A script before another backend.
struct ScriptFirst {
    script: Arc<ScriptBackend>,
    next: Arc<dyn Backend>,
}

#[async_trait::async_trait]
impl Backend for ScriptFirst {
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        if self.scope() == Scope::Everything {
            let here = self.script.models();
            if models::is_list(&request) {
                return models::listed_before(here, self.next.as_ref(), request).await;
            }
            if let Some(reply) = models::one_of(&here, &request)? {
                return Ok(reply);
            }
        }
        match self.script.answer(request.clone()).await {
            Err(Refusal::NothingFits { .. } | Refusal::UnknownModel { .. }) => {
                self.next.answer(request).await
            }
            // What is wrong here may be right elsewhere; it is the script's to refuse where a rule matches.
            Err(Refusal::InvalidRequest { .. }) if !self.script.matches(&request) => {
                self.next.answer(request).await
            }
            answered => answered,
        }
    }

    fn models(&self) -> Vec<ModelCard> {
        let mut models = self.script.models();
        models.extend(self.next.models());
        models
    }

    fn readiness(&self) -> Readiness {
        self.next.readiness()
    }

    fn scope(&self) -> Scope {
        self.next.scope()
    }

    fn measurements(&self) -> Vec<Measurement> {
        self.next.measurements()
    }
}
