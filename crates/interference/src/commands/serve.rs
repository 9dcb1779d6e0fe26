//! `interference serve`: a local OpenAI server with a real model inside, or a script, or somebody else behind it.

mod bounds;
mod elsewhere;
mod lanes;
mod local_first;
mod models;
mod script_first;
mod state;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::Context;
use interference_backend::{Backend, Strictness};
use interference_backend_local::LocalOptions;
use interference_server::{
    AllowedOrigin, BindError, HeaderFaults, ListenAddresses, ServeOptions, ServeOutcome, Server,
};
use tokio::runtime::Handle;

use crate::failure::{Failure, TOOL_FAILED, WRONG_USAGE};
use crate::interrupt::{asked_to_end, end_at_ctrl_c_after, outlive_file_limits, stdin_ended};
use crate::local_server::{LocalModel, LocalServer, unknown_model};
use crate::log::LogFormat;
use crate::settings;
use crate::talk::say;
use bounds::BoundArguments;
use elsewhere::{Elsewhere, ElsewhereArguments};
use lanes::Lanes;
use local_first::LocalFirst;
use script_first::Scripted;
use state::{ResponsesFront, StateArguments};

/// What `interference serve` takes.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct ServeArguments {
    /// Where to listen; `localhost` is 127.0.0.1 and ::1, port 0 a free one
    #[arg(long, value_name = "ADDR:PORT", default_value_t = format!("localhost:{}", settings::DEFAULT_PORT))]
    listen: String,
    /// The model: a name that `interference models` lists, or the path of a GGUF file
    #[arg(short, long, value_name = "NAME|PATH")]
    model: Option<String>,
    /// Answer from this script instead of a model, or, with `-m`, before it; it is read again when it changes
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// What goes wrong with answers: a plan in one line, or the path of a file
    #[arg(long, value_name = "PLAN|FILE")]
    faults: Option<String>,
    /// Let requests ask for faults in the header `x-interference`
    #[arg(long)]
    allow_faults: bool,
    /// End when stdin ends, as SIGTERM would: for programs that start a server and hold its stdin
    #[arg(long)]
    end_with_stdin: bool,
    /// A key that opens the server (repeatable); `env:NAME` and `@FILE` may hold several, off the command line
    #[arg(long, value_name = "KEY")]
    api_key: Vec<String>,
    /// Refuse what is not honoured, instead of naming it in `x-interference-ignored`
    #[arg(long)]
    strict: bool,
    /// The seed of requests that have none
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The same id and time in every answer, so that whole answers can be compared
    #[arg(long)]
    fixed_ids: bool,
    /// Let any model name reach the model
    #[arg(long)]
    any_model: bool,
    /// A host that requests may name in their Host header, beside this machine's own names (repeatable)
    #[arg(long, value_name = "HOST", value_parser = host)]
    allow_host: Vec<String>,
    /// An origin whose pages may use the server from a browser, such as `http://localhost:3000`, or `*` (repeatable)
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<AllowedOrigin>,
    #[command(flatten)]
    elsewhere: ElsewhereArguments,
    #[command(flatten)]
    state: StateArguments,
    /// Requests that may wait; one more is answered 429
    #[arg(long, value_name = "N", env = "INTERFERENCE_QUEUE")]
    queue: Option<usize>,
    /// Requests that run at the same time [default: 32]
    #[arg(long, value_name = "N", env = "INTERFERENCE_STREAMS", value_parser = settings::count)]
    streams: Option<NonZeroUsize>,
    /// Threads that compute; by default one for each processor
    #[arg(long, value_name = "N", env = "INTERFERENCE_THREADS", value_parser = settings::count)]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    bounds: BoundArguments,
    /// The form of the log on stderr; `-v` logs a line for each request
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

impl ServeArguments {
    /// The form of the log.
    pub(crate) fn log_format(&self) -> LogFormat {
        self.log_format
    }
}

/// Serves until SIGTERM or Ctrl-C.
///
/// # Errors
/// When the address cannot be had, or the model cannot be loaded.
pub(crate) fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    // Signals are seen and sockets accepted here, and connections served on the lanes.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let lanes = Lanes::start()?;
    let outcome = runtime.block_on(serve(arguments, lanes.runtimes()));
    // A download or a load that was cut off is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn serve(arguments: ServeArguments, lanes: Vec<Handle>) -> anyhow::Result<()> {
    let started = Instant::now();
    let terminated = asked_to_end()?;
    let end_with_stdin = arguments.end_with_stdin;
    let terminated = async move {
        tokio::select! {
            () = terminated => {}
            () = stdin_ended(), if end_with_stdin => {}
        }
    };
    let sources = Arc::new(OnceLock::new());
    let opened = Arc::clone(&sources);
    end_at_ctrl_c_after(async move {
        if let Some(sources) = opened.get() {
            Sources::finish(sources).await;
        }
    })?;
    outlive_file_limits()?;
    let addresses: ListenAddresses = arguments.listen.parse().map_err(|error| {
        Failure::new(WRONG_USAGE, format!("{error}"), "the default is `--listen localhost:1337`")
    })?;
    let options = ServeOptions { lanes, ..serve_options(&arguments)? };
    let script =
        arguments.script.as_deref().map(|path| Scripted::load(path, arguments.fixed_ids)).transpose()?;
    let elsewhere = arguments.elsewhere.open(&options.api_keys)?;
    let sources = sources.get_or_init(|| Sources { script, elsewhere });
    let served = if arguments.model.is_none() && !sources.are_none() {
        serve_without_model(&arguments, &addresses, sources, options, started, terminated).await
    } else {
        serve_model(&arguments, &addresses, sources, options, started, terminated).await
    };
    sources.finish().await;
    served
}

/// What answers beside a model, or in its place.
struct Sources {
    script: Option<Scripted>,
    elsewhere: Option<Elsewhere>,
}

impl Sources {
    fn are_none(&self) -> bool {
        self.script.is_none() && self.elsewhere.is_none()
    }

    /// For the line that says what is served, the model's part last.
    fn summary(&self, model: Option<String>) -> String {
        let parts = [self.script.as_ref().map(Scripted::summary), model]
            .into_iter()
            .chain([self.elsewhere.as_ref().map(Elsewhere::summary)]);
        parts.flatten().collect::<Vec<_>>().join(", then ")
    }

    /// All of them in their order, without a model. A script alone gets the Responses API as models have it; an upstream
    /// has its own.
    fn alone(&self, front: ResponsesFront) -> Option<Arc<dyn Backend>> {
        match (&self.script, &self.elsewhere) {
            (None, None) => None,
            (Some(script), None) => Some(front.before(script.backend())),
            (None, Some(elsewhere)) => Some(elsewhere.backend()),
            (Some(script), Some(elsewhere)) => Some(script.before(elsewhere.backend())),
        }
    }

    /// All of them around a model.
    fn around(&self, model: Arc<dyn Backend>, front: ResponsesFront) -> Arc<dyn Backend> {
        match (&self.script, &self.elsewhere) {
            (None, None) => front.before(model),
            (Some(script), None) => front.before(script.before(model)),
            (None, Some(elsewhere)) => LocalFirst::before(front.before(model), elsewhere.backend()),
            (Some(script), Some(elsewhere)) => {
                script.before(LocalFirst::before(front.before(model), elsewhere.backend()))
            }
        }
    }

    /// Waits for what is still to be kept of answers that have ended, within a bound of time.
    async fn finish(&self) {
        if let Some(elsewhere) = &self.elsewhere {
            elsewhere.written().await;
        }
    }

    /// Takes over what changes in files. Never ends.
    async fn watch(&self) -> Infallible {
        match &self.script {
            Some(script) => script.watch().await,
            None => std::future::pending().await,
        }
    }
}

/// Serves a script, upstreams or recordings: no model is looked for.
async fn serve_without_model(
    arguments: &ServeArguments,
    addresses: &ListenAddresses,
    sources: &Sources,
    options: ServeOptions,
    started: Instant,
    terminated: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let front = ResponsesFront::open(&arguments.state, arguments.fixed_ids).await?;
    let backend = sources.alone(front).context("there is nothing to serve")?;
    let server = Server::bind(addresses).await.map_err(not_bound)?;
    tell_addresses(server.local_addresses());
    say(&format!("ready after {:.2} s: {}", started.elapsed().as_secs_f64(), sources.summary(None)));
    tokio::select! {
        outcome = server.serve(backend, options, terminated) => tell(outcome),
        never = sources.watch() => match never {},
    }
    Ok(())
}

async fn serve_model(
    arguments: &ServeArguments,
    addresses: &ListenAddresses,
    sources: &Sources,
    options: ServeOptions,
    started: Instant,
    terminated: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let front = ResponsesFront::open(&arguments.state, arguments.fixed_ids).await?;
    let name = arguments.model.as_deref();
    let model = LocalModel::from_argument(name).ok_or_else(|| unknown_model(name.unwrap_or_default()))?;
    let engine = settings::engine_options(arguments.threads, arguments.queue, arguments.streams)?;
    let local =
        LocalOptions { seed: arguments.seed, fixed_ids: arguments.fixed_ids, any_model: arguments.any_model };
    let server = LocalServer::bind(addresses, model.clone(), local, engine).await.map_err(not_bound)?;
    tell_addresses(&server.addresses());
    let (loading, serving) = server.serve(options, terminated, |model| sources.around(model, front));
    let mut serving = std::pin::pin!(serving);
    let mut watching = std::pin::pin!(sources.watch());
    let loaded = tokio::select! {
        loaded = loading => loaded,
        outcome = &mut serving => {
            tell(outcome);
            return Ok(());
        }
        never = &mut watching => match never {},
    };
    let cache = loaded?;
    say(&format!(
        "ready after {:.2} s: {}; the cache holds up to {} positions, {} MiB when full",
        started.elapsed().as_secs_f64(),
        sources.summary(Some(model.name())),
        cache.cache_positions,
        cache.cache_bytes >> 20
    ));
    tokio::select! {
        outcome = serving => tell(outcome),
        never = watching => match never {},
    }
    Ok(())
}

fn tell_addresses(addresses: &[SocketAddr]) {
    for address in addresses {
        say(&format!("listening on http://{address}/v1"));
    }
}

fn serve_options(arguments: &ServeArguments) -> anyhow::Result<ServeOptions> {
    let (bounds, defaults) = (&arguments.bounds, ServeOptions::default());
    Ok(ServeOptions {
        strictness: if arguments.strict { Strictness::RefuseIgnored } else { Strictness::NameIgnored },
        api_keys: settings::server_keys(&arguments.api_key)?,
        allowed_hosts: arguments.allow_host.clone(),
        allowed_origins: arguments.allow_origin.clone(),
        drain: bounds.drain.unwrap_or(defaults.drain),
        faults: arguments.faults.as_deref().map(settings::fault_plan).transpose()?,
        header_faults: if arguments.allow_faults { HeaderFaults::Allowed } else { HeaderFaults::Refused },
        ping: bounds.ping.unwrap_or(defaults.ping),
        limits: bounds.limits(),
        lanes: defaults.lanes,
    })
}

/// A host as a Host header has it, perhaps with a port (RFC 9110, section 7.2).
fn host(given: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if given.is_empty() || !given.bytes().all(fits) {
        return Err("expected a host, such as test.example or test.example:8080".to_owned());
    }
    Ok(given.to_owned())
}

fn not_bound(error: BindError) -> Failure {
    let hint = match &error {
        BindError::AddressInUse { .. } => {
            "stop what listens there, or take another port: `--listen localhost:0` finds a free one"
        }
        BindError::Failed { .. } => "`--listen localhost:1337` is the default",
    };
    Failure::new(TOOL_FAILED, error.to_string(), hint)
}

fn tell(outcome: ServeOutcome) {
    match outcome {
        ServeOutcome::Drained => say("stopped"),
        ServeOutcome::CutOff { connections } => {
            say(&format!("stopped; {connections} connections had requests that did not finish in time"));
        }
    }
}
