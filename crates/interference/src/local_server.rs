//! A server with the local model inside, in this process: what `serve` runs, and `chat` when nothing listens.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use interference_backend::Backend;
use interference_backend_local::{LocalBackend, LocalOptions};
use interference_engine::{Engine, EngineOptions, EngineStatistics, LoadError, LoadErrorKind};
use interference_model_store::{ModelDirectory, ModelEntry, default_model, ensure, find};
use interference_server::{BindError, ListenAddresses, ServeOptions, ServeOutcome, Server};

use crate::failure::{Failure, TOOL_FAILED, WRONG_USAGE};
use crate::fetch_progress::StderrProgress;

/// A model that can be loaded here.
#[derive(Debug, Clone)]
pub(crate) enum LocalModel {
    /// One that has a name; it is fetched if need be.
    Named(&'static ModelEntry),
    /// A file that the user brought.
    File(PathBuf),
}

impl LocalModel {
    /// What `-m` means to this machine: a name, or the path of a file. Nothing: the default model.
    pub(crate) fn from_argument(argument: Option<&str>) -> Option<LocalModel> {
        match argument {
            None => Some(LocalModel::Named(default_model())),
            Some(name) if find(name).is_some() => find(name).map(LocalModel::Named),
            Some(path) if looks_like_a_path(path) => Some(LocalModel::File(path.into())),
            Some(_) => None,
        }
    }

    /// The name under which it is served.
    pub(crate) fn name(&self) -> String {
        match self {
            LocalModel::Named(entry) => entry.name.to_owned(),
            LocalModel::File(path) => path
                .file_stem()
                .map_or_else(|| path.display().to_string(), |stem| stem.to_string_lossy().to_lowercase()),
        }
    }

    /// Its file, fetched if need be. Blocks meanwhile.
    fn file(&self) -> anyhow::Result<PathBuf> {
        match self {
            LocalModel::File(path) => Ok(path.clone()),
            LocalModel::Named(entry) => {
                Ok(ensure(entry, &ModelDirectory::from_environment()?, &mut StderrProgress::default())?)
            }
        }
    }
}

fn looks_like_a_path(argument: &str) -> bool {
    let path = Path::new(argument);
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
        || argument.contains(std::path::MAIN_SEPARATOR)
        || path.is_file()
}

/// The error for a name that means nothing here.
pub(crate) fn unknown_model(name: &str) -> Failure {
    let message = format!("there is no model `{name}` here, and no such file");
    Failure::new(
        WRONG_USAGE,
        message,
        "`interference models` lists the names; a file is named by its path: `-m ./model.gguf`",
    )
}

/// The error for a file that cannot be run: the user's is replaced by another, our own is fetched anew.
fn not_loaded(model: &LocalModel, error: &LoadError) -> Failure {
    let hint = match model {
        _ if matches!(error.kind, LoadErrorKind::Threads(_)) => {
            "the system gives no more threads or memory: `--threads` asks for fewer".to_owned()
        }
        LocalModel::File(_) if error.kind.is_unsupported() => {
            "serve this model with a program that runs it, and talk to that: `interference chat --base-url URL`"
                .to_owned()
        }
        LocalModel::File(_) => {
            "name another GGUF file with `-m PATH`, or leave `-m` out: the default model is fetched by itself"
                .to_owned()
        }
        LocalModel::Named(_) => format!(
            "the file was whole when it was fetched: delete {}, and it is fetched anew",
            error.path.display()
        ),
    };
    Failure::new(TOOL_FAILED, error.to_string(), hint)
}

/// A server that is bound, and not yet serving.
pub(crate) struct LocalServer {
    server: Server,
    backend: Arc<LocalBackend>,
    model: LocalModel,
    engine: EngineOptions,
}

impl LocalServer {
    /// Takes the addresses; whoever connects waits until [`LocalServer::serve`] runs.
    ///
    /// # Errors
    /// When an address cannot be had.
    pub(crate) async fn bind(
        addresses: &ListenAddresses,
        model: LocalModel,
        options: LocalOptions,
        engine: EngineOptions,
    ) -> Result<LocalServer, BindError> {
        let server = Server::bind(addresses).await?;
        let backend = Arc::new(LocalBackend::loading(model.name(), options));
        Ok(LocalServer { server, backend, model, engine })
    }

    /// Where it listens.
    pub(crate) fn addresses(&self) -> Vec<std::net::SocketAddr> {
        self.server.local_addresses().to_vec()
    }

    /// Begins to load the model, which resolves the first future, and serves until `shutdown` resolves, which resolves
    /// the second. The first tells what the engine has. Both must be polled; requests are refused as unavailable until
    /// the model is there. `front` puts something before the model, or gives it back as it is.
    pub(crate) fn serve(
        self,
        options: ServeOptions,
        shutdown: impl Future<Output = ()>,
        front: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>,
    ) -> (impl Future<Output = anyhow::Result<EngineStatistics>>, impl Future<Output = ServeOutcome>) {
        let (model, engine) = (self.model, self.engine);
        // A thread that nobody waits for on Ctrl-C: fetching and loading can be cut off at any point.
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let loaded = model.file().and_then(|path| {
                Engine::load(&path, &engine).map_err(|error| not_loaded(&model, &error).into())
            });
            // Nobody listens when the command has ended.
            drop(sender.send(loaded));
        });
        let backend = self.backend.clone();
        let loading = async move {
            let loaded = receiver.await.unwrap_or_else(|_| {
                let hint = "please report it, with the backtrace above";
                Err(Failure::new(TOOL_FAILED, "loading the model panicked", hint).into())
            });
            match loaded {
                Ok(engine) => {
                    let statistics = engine.statistics();
                    backend.ready(engine);
                    Ok(statistics)
                }
                Err(error) => {
                    backend.failed(error.to_string());
                    Err(error)
                }
            }
        };
        (loading, self.server.serve(front(self.backend), options, shutdown))
    }
}
