//! Which server answers: the one that was named, the one on port 1337, or one of our own.

use anyhow::Context;
use interference_backend_local::LocalOptions;
use interference_backend_responses::{ResponsesBackend, ResponsesOptions, State, StateLimits};
use interference_client::{Client, ClientError, ClientTimeouts, Target};
use interference_server::{BindError, ListenAddresses, ServeOptions, ServeOutcome};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::ChatArguments;
use crate::failure::{Failure, TEST_FAILED, TOOL_FAILED};
use crate::local_server::{LocalModel, LocalServer, unknown_model};
use crate::settings::{self, DEFAULT_BASE_URL, DEFAULT_PORT};
use crate::talk::say;

/// How long whoever holds our port may be silent before it counts as a stranger.
const LONGEST_PROBE: Duration = Duration::from_secs(5);

/// A server that answers, and the name of the model to ask for.
pub(super) struct Reached {
    pub(super) client: Client,
    pub(super) model: String,
    own: Option<OwnServer>,
}

/// A server in this process.
struct OwnServer {
    stop: oneshot::Sender<()>,
    serving: JoinHandle<ServeOutcome>,
}

impl Reached {
    /// Ends a server of our own; requests of others that it still has are let finish.
    pub(super) async fn leave(self) {
        if let Some(own) = self.own {
            // It may have ended by itself.
            let _ = own.stop.send(());
            if let Err(error) = own.serving.await {
                tracing::error!(%error, "the server in this process failed");
            }
        }
    }
}

/// Finds or starts the server.
pub(super) async fn reach(arguments: &ChatArguments) -> anyhow::Result<Reached> {
    let base_url = arguments.base_url.as_deref().filter(|url| !url.is_empty());
    let client = client_for(arguments, base_url, arguments.timeout)?;
    if base_url.is_some() {
        let model = match &arguments.model {
            Some(model) => model.clone(),
            None => first_model(client.models().await?)?,
        };
        return Ok(Reached { client, model, own: None });
    }
    let probe = client_for(arguments, None, LONGEST_PROBE.min(arguments.timeout))?;
    let file = arguments.model.as_deref().and_then(|argument| LocalModel::from_argument(Some(argument)));
    let is_listed = |models: &[String]| models.iter().any(|model| Some(model) == arguments.model.as_ref());
    match probe.models().await {
        Ok(models) if matches!(file, Some(LocalModel::File(_))) && !is_listed(&models) => {
            let message =
                format!("a server already listens on port {DEFAULT_PORT}, and serves models of its own");
            let hint = "stop it, or serve the file elsewhere: `interference serve -m PATH --listen localhost:1338`, \
                        then `interference chat --base-url http://localhost:1338/v1`";
            Err(Failure::new(TOOL_FAILED, message, hint).into())
        }
        Ok(models) => {
            let model = match &arguments.model {
                Some(model) => model.clone(),
                None => first_model(models)?,
            };
            Ok(Reached { client, model, own: None })
        }
        Err(error) if error.nothing_listens() => start(arguments, client).await,
        Err(error) => Err(describe_stranger(error)),
    }
}

fn client_for(arguments: &ChatArguments, base_url: Option<&str>, idle: Duration) -> anyhow::Result<Client> {
    let key = match &arguments.api_key {
        Some(given) => Some(settings::api_key(given)?),
        // The key of the environment is for the server that somebody named, not for whoever holds our port.
        None if base_url.is_none() => None,
        None => std::env::var("OPENAI_API_KEY").ok().filter(|key| !key.is_empty()).map(Into::into),
    };
    let timeouts = ClientTimeouts { idle, ..ClientTimeouts::default() };
    Ok(Client::new(Target::parse(base_url.unwrap_or(DEFAULT_BASE_URL), key)?, timeouts)?)
}

fn first_model(models: Vec<String>) -> Result<String, Failure> {
    let message = "the server lists no model";
    models.into_iter().next().ok_or_else(|| Failure::new(TEST_FAILED, message, "name one with `-m MODEL`"))
}

/// Something listens on our port. An error of the API comes from an OpenAI server; anything else does not.
fn describe_stranger(error: ClientError) -> anyhow::Error {
    if matches!(error, ClientError::Api(_)) {
        return error.into();
    }
    let message = format!("what listens on port {DEFAULT_PORT} is no OpenAI server: {error}");
    let hint = format!(
        "stop it, or name another server: `--base-url URL`, or `interference serve --listen localhost:0` and its URL \
         (`ss -ltnp 'sport = :{DEFAULT_PORT}'` tells what listens)"
    );
    Failure::new(TOOL_FAILED, message, hint).into()
}

/// Starts the server in this process, and waits until its model is there.
async fn start(arguments: &ChatArguments, client: Client) -> anyhow::Result<Reached> {
    let name = arguments.model.as_deref();
    // A name that is no local model may be an alias; the server will say.
    let model = match LocalModel::from_argument(name) {
        Some(model) => model,
        None if name.is_some_and(interference_backend_local::is_habitual_name) => {
            LocalModel::from_argument(None).context("there is a default model")?
        }
        None => return Err(unknown_model(name.unwrap_or_default()).into()),
    };
    let model_name = model.name();
    let engine = settings::engine_options(arguments.threads, None, None)?;
    let addresses = ListenAddresses::Localhost(DEFAULT_PORT);
    let server = match LocalServer::bind(&addresses, model, LocalOptions::default(), engine).await {
        Ok(server) => server,
        Err(error @ BindError::AddressInUse { .. }) => {
            let hint = "stop what listens there, or name a server with `--base-url URL`";
            return Err(Failure::new(TOOL_FAILED, error.to_string(), hint).into());
        }
        Err(error) => {
            return Err(
                Failure::new(TOOL_FAILED, error.to_string(), "name a server with `--base-url URL`").into()
            );
        }
    };
    say(&format!("nothing listens on port {DEFAULT_PORT}: serving {model_name} from this process"));
    let state = State::in_memory(StateLimits::IN_MEMORY).await?;
    let (stop, stopped) = oneshot::channel();
    // Also when the sender is dropped: then the command has ended.
    let stopped = async { drop(stopped.await) };
    let (loading, serving) = server.serve(ServeOptions::default(), stopped, |model| {
        Arc::new(ResponsesBackend::new(model, state, ResponsesOptions::default()))
    });
    let serving = tokio::spawn(serving);
    loading.await?;
    Ok(Reached { client, model: model_name, own: Some(OwnServer { stop, serving }) })
}
