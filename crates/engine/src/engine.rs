//! A loaded model, ready to generate: what callers of this crate hold.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

use crate::ARITHMETIC_VERSION;
use crate::chat_template::{ChatTemplate, TemplateError};
use crate::constraint::{Constraint, ConstraintError, ConstraintSource, LazyVocabulary};
use crate::generation::{ChatMessage, ChatTool, GenerationRequest, SubmitError, TokenId};
use crate::gguf::{GgufError, GgufFile, Metadata};
use crate::kernels::InstructionSet;
use crate::kernels::thread_pool::ThreadPool;
use crate::kernels::weight_memory::give_back_free_memory;
use crate::kv_cache::{KvCache, PAGE_POSITIONS};
use crate::model::{self, Machine, ModelError, WeightTotals};
use crate::scheduler::{CancelHandle, EmbeddingSink, Policy, Queue, Scheduler, Sink, Task};
use crate::statistics::{Counters, EngineStatistics};
use crate::tokenizer::{Tokenizer, TokenizerError};

/// Generations that may wait, unless the options say otherwise.
const DEFAULT_QUEUE_BOUND: usize = 64;
/// Generations that run at a time, unless the options say otherwise.
const DEFAULT_STREAMS: usize = 32;
/// Tokens of prompts that are computed together, unless the options say otherwise.
const DEFAULT_PREFILL_TOKENS: usize = 64;
/// The cache of keys and values takes this unless the options say otherwise, or more where one context needs it: 46,603
/// positions of the default model. Memory is taken as pages are first written.
const DEFAULT_CACHE_BYTES: usize = 1 << 30;
/// The cache takes no more than this by itself; a model that was trained for a longer context gets a shorter one.
const LARGEST_CACHE_BYTES: usize = 4 << 30;

/// How a model is run. None of it changes an answer.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Threads that compute; by default as many as the machine offers.
    pub threads: Option<NonZeroUsize>,
    /// The form of the kernels; by default the best that the processor has.
    pub kernels: Option<InstructionSet>,
    /// Generations that may wait for a place; one more is refused. Default 64.
    pub queue_bound: usize,
    /// Generations that run at a time. Default 32.
    pub streams: NonZeroUsize,
    /// Bytes of the cache of keys and values; by default 1 GiB, or what one context of the model needs.
    pub cache_bytes: Option<usize>,
    /// Tokens of prompts that a step computes; half of it beside generations that are past their prompt. Default 64.
    pub prefill_tokens: NonZeroUsize,
    /// Whether what prompts have in common is computed once. Default true.
    pub prefix_cache: bool,
    /// Whether the next tokens of a lone generation are guessed from what it repeats. Default true.
    pub speculation: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        let number = |number| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
        EngineOptions {
            threads: None,
            kernels: None,
            queue_bound: DEFAULT_QUEUE_BOUND,
            streams: number(DEFAULT_STREAMS),
            cache_bytes: None,
            prefill_tokens: number(DEFAULT_PREFILL_TOKENS),
            prefix_cache: true,
            speculation: true,
        }
    }
}

/// Why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
#[error("the model file {} {kind}", path.display())]
pub struct LoadError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: LoadErrorKind,
}

/// What is wrong with a model file, or with the machine; reads on from the file's name.
#[derive(Debug, thiserror::Error)]
pub enum LoadErrorKind {
    /// The file is no sound GGUF file.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The model in it is not one that the engine can run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The tokenizer in it is not one that the engine knows.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The chat template in it cannot be used.
    #[error("cannot be used: {0}")]
    Template(#[from] TemplateError),
    /// The operating system gives no threads.
    #[error("could not be started: {0}")]
    Threads(std::io::Error),
}

impl LoadErrorKind {
    /// Whether the file may well be sound, and asks for something that this engine does not have: another program may
    /// run it.
    pub fn is_unsupported(&self) -> bool {
        match self {
            LoadErrorKind::Gguf(error) => matches!(error, GgufError::UnsupportedVersion { .. }),
            LoadErrorKind::Model(error) => matches!(
                error,
                ModelError::UnsupportedArchitecture { .. }
                    | ModelError::Unsupported { .. }
                    | ModelError::UnsupportedType { .. }
            ),
            LoadErrorKind::Tokenizer(error) => matches!(
                error,
                TokenizerError::UnsupportedKind { .. } | TokenizerError::UnsupportedPreTokenizer { .. }
            ),
            LoadErrorKind::Template(_) | LoadErrorKind::Threads(_) => false,
        }
    }
}

/// What is known of a loaded model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// `general.name`, or the name of the file.
    pub name: String,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Positions that a prompt and its answer can take together.
    pub context_length: usize,
    /// The number of tokens.
    pub vocabulary_size: usize,
    /// The dimensions of an embedding.
    pub embedding_length: usize,
    /// What its matrices weigh.
    pub weights: WeightTotals,
}

impl ModelInfo {
    /// Names what decides an answer beside the request: the model's file and the version of the arithmetic.
    pub fn fingerprint(&self) -> String {
        format!("fp_{}_a{ARITHMETIC_VERSION}", &self.sha256[..12])
    }
}

/// A loaded model and the thread that runs it. Dropping it ends both; what still runs fails.
pub struct Engine {
    info: ModelInfo,
    tokenizer: Arc<Tokenizer>,
    vocabulary: LazyVocabulary,
    template: Option<ChatTemplate>,
    longest_token_bytes: usize,
    page_bytes: usize,
    counters: Arc<Counters>,
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Loads a model file in the GGUF format: checks it, packs its weights (its pages are released afterwards), and
    /// starts the threads. Takes some 300 ms for 100 MB; blocks meanwhile.
    ///
    /// # Errors
    /// A [`LoadError`] that names the file and what in it is wrong or not supported.
    pub fn load(path: &Path, options: &EngineOptions) -> Result<Engine, LoadError> {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let engine = GgufFile::open(path).map_err(LoadErrorKind::from);
        let engine = engine.and_then(|file| Engine::start(&file, stem, options));
        // The file is closed, and all that was read of it is dropped.
        give_back_free_memory();
        engine.map_err(|kind| LoadError { path: path.to_owned(), kind })
    }

    /// Loads the model of a file; `stem` is its name where the file has none.
    pub(crate) fn start(
        file: &GgufFile,
        stem: String,
        options: &EngineOptions,
    ) -> Result<Engine, LoadErrorKind> {
        let (sha256, tokenizer, model) = std::thread::scope(|scope| {
            let tokenizer = scope.spawn(|| {
                let sha256 = hexadecimal(&Sha256::digest(file.bytes()));
                Tokenizer::from_metadata(&file.metadata).map(|tokenizer| (sha256, tokenizer))
            });
            let model = model::load(file);
            let (sha256, tokenizer) =
                tokenizer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok::<_, LoadErrorKind>((sha256, tokenizer, model?))
        })?;
        let template = ChatTemplate::from_metadata(&file.metadata)?;
        let name = file.metadata.optional("general.name", Metadata::string)?.map_or(stem, str::to_owned);
        let shape = model.cache_shape();
        let trained = model.hyperparameters.context_length;
        let cache_bytes = options.cache_bytes.unwrap_or(LARGEST_CACHE_BYTES);
        let context_length = trained.min(shape.positions_in(cache_bytes));
        if context_length == 0 {
            let what = format!("a cache of more than {cache_bytes} bytes for {PAGE_POSITIONS} positions");
            return Err(ModelError::Unsupported { what }.into());
        }
        if context_length < trained {
            tracing::warn!(trained, context_length, "the context is cut, to bound the memory of the cache");
        }
        let cache_bytes = options.cache_bytes.unwrap_or(DEFAULT_CACHE_BYTES);
        let cache = KvCache::new(shape, context_length.max(shape.positions_in(cache_bytes)));
        let info = ModelInfo {
            name,
            sha256,
            context_length,
            vocabulary_size: model.vocabulary_size(),
            embedding_length: model.hyperparameters.width,
            weights: model.weight_totals(),
        };
        let threads = options.threads.or_else(|| std::thread::available_parallelism().ok());
        let pool = ThreadPool::new(threads.unwrap_or(NonZeroUsize::MIN)).map_err(LoadErrorKind::Threads)?;
        let set = options.kernels.filter(|set| set.is_available()).unwrap_or_else(InstructionSet::detect);
        let (tokenizer, counters) = (Arc::new(tokenizer), Arc::new(Counters::default()));
        let queue = Arc::new(Queue::new(options.queue_bound, options.streams.get()));
        let policy = Policy {
            places: options.streams.get(),
            prefill_tokens: options.prefill_tokens.get(),
            prefix_cache: options.prefix_cache,
            speculation: options.speculation,
        };
        let machine = Machine { pool, set };
        let scheduler =
            Scheduler::new(queue.clone(), counters.clone(), model, tokenizer.clone(), machine, cache, policy);
        let thread = std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || scheduler.run())
            .map_err(LoadErrorKind::Threads)?;
        let longest_token_bytes = tokenizer.longest_token_bytes();
        let page_bytes = shape.page_bytes();
        let (vocabulary, thread) = (LazyVocabulary::default(), Some(thread));
        Ok(Engine {
            info,
            tokenizer,
            vocabulary,
            template,
            longest_token_bytes,
            page_bytes,
            counters,
            queue,
            thread,
        })
    }

    /// Whether it can generate no more: it is shutting down, or its thread has died of a bug.
    pub fn is_stopped(&self) -> bool {
        self.queue.is_stopped()
    }

    /// The length of the longest token's bytes: a text has at least its length divided by this in tokens.
    pub fn longest_token_bytes(&self) -> usize {
        self.longest_token_bytes
    }

    /// Counters since the start, and how things stand.
    pub fn statistics(&self) -> EngineStatistics {
        self.counters.read(self.queue.waiting(), self.page_bytes)
    }

    /// What is known of the model.
    pub fn model(&self) -> &ModelInfo {
        &self.info
    }

    /// Asks for a generation: puts it in the queue, or refuses at once.
    ///
    /// `sink` is called on the engine's thread for every [`Progress`](crate::Progress), the last being `Finished` or
    /// `Failed`; it must not block. Dropping the handle cancels the generation, and the sink is then called no more
    /// than once.
    ///
    /// # Errors
    /// A [`SubmitError`]: the prompt is empty or too long, or the queue is full.
    pub fn submit(&self, request: GenerationRequest, sink: Sink) -> Result<CancelHandle, SubmitError> {
        self.queue.push(self.generation(request, sink)?)
    }

    /// Asks for several generations at once, as a rule for several answers to one prompt: all of them find a place in
    /// the queue, one each, in order, or none does. What their prompts have in common is computed once.
    ///
    /// Each is as one of [`Engine::submit`], with a handle of its own, and its answer is the same as alone. No more than
    /// [`Engine::most_at_once`] can ever be admitted.
    ///
    /// # Errors
    /// A [`SubmitError`]: a prompt is empty or too long, or the queue has not enough places.
    pub fn submit_choices(
        &self,
        choices: Vec<(GenerationRequest, Sink)>,
    ) -> Result<Vec<CancelHandle>, SubmitError> {
        let tasks = choices.into_iter().map(|(request, sink)| self.generation(request, sink));
        self.queue.push_all(tasks.collect::<Result<_, _>>()?)
    }

    /// Asks for the vector of a text of at least one token, no longer than the context: puts it in the queue, or refuses
    /// at once.
    ///
    /// The vector has [`ModelInfo::embedding_length`] dimensions and the length 1: it is the mean of the states of all
    /// positions behind the last norm, divided by its Euclidean norm. Like an answer, it depends on the text and the
    /// model alone.
    ///
    /// `sink` is called once, on the engine's thread; it must not block. It gets a failure where a state is not finite,
    /// or where all states add up to zero, which has no direction. Dropping the handle cancels the embedding, and the
    /// sink may then never be called.
    ///
    /// # Errors
    /// A [`SubmitError`]: the text is empty or too long, or the queue is full.
    pub fn submit_embedding(
        &self,
        tokens: Vec<TokenId>,
        sink: EmbeddingSink,
    ) -> Result<CancelHandle, SubmitError> {
        self.check_prompt(&tokens, self.info.context_length)?;
        self.queue.push(Task::embedding(tokens, sink))
    }

    /// How many generations and embeddings find a place when there are no others: more are never admitted together.
    pub fn most_at_once(&self) -> usize {
        self.queue.capacity()
    }

    fn generation(&self, request: GenerationRequest, sink: Sink) -> Result<Task, SubmitError> {
        let context_length = self.info.context_length;
        self.check_prompt(&request.prompt, context_length - 1)?;
        self.check_known(request.adjustments.bias.iter().map(|(id, _)| *id))?;
        if request.constraint.as_ref().is_some_and(|constraint| !self.vocabulary.is_of(constraint)) {
            return Err(SubmitError::ForeignConstraint);
        }
        Ok(Task::generation(request, sink, context_length))
    }

    fn check_prompt(&self, tokens: &[TokenId], longest: usize) -> Result<(), SubmitError> {
        let (prompt_tokens, context_length) = (tokens.len(), self.info.context_length);
        if prompt_tokens == 0 {
            return Err(SubmitError::EmptyPrompt);
        }
        if prompt_tokens > longest {
            return Err(SubmitError::PromptTooLong { prompt_tokens, context_length });
        }
        self.check_known(tokens.iter().copied())
    }

    fn check_known(&self, mut tokens: impl Iterator<Item = TokenId>) -> Result<(), SubmitError> {
        match tokens.find(|id| *id as usize >= self.info.vocabulary_size) {
            Some(token) => Err(SubmitError::UnknownToken { token }),
            None => Ok(()),
        }
    }

    /// The prompt that asks for the next message of a conversation, by the model's own template, which is told of
    /// `tools` if there are any. Ordinary text in messages, calls and tools never becomes a control token, whatever it
    /// spells.
    ///
    /// # Errors
    /// When the model has no template, the template refuses the messages, or a tool is nested too deep.
    pub fn render_chat(
        &self,
        messages: &[ChatMessage],
        tools: &[ChatTool],
    ) -> Result<Vec<TokenId>, TemplateError> {
        let prompt = self.template.as_ref().ok_or(TemplateError::Missing)?.render(messages, tools)?;
        Ok(self.tokenizer.encode_prompt(&prompt.text, &prompt.from_messages))
    }

    /// Whether the model's template tells the model of tools; without a template it does not.
    pub fn template_reads_tools(&self) -> bool {
        self.template.as_ref().is_some_and(ChatTemplate::reads_tools)
    }

    /// The source of the model's template, if it has one: how its authors write calls can be read off it.
    pub fn template_source(&self) -> Option<&str> {
        self.template.as_ref().map(ChatTemplate::source)
    }

    /// Compiles what answers must read like, for any number of generations. Mostly takes a few milliseconds, some
    /// tens more for the first one, and seconds at most; blocks meanwhile. Generations go on beside it.
    ///
    /// # Errors
    /// A [`ConstraintError`] that says what in the source is wrong, not supported, or too much.
    pub fn compile_constraint(&self, source: ConstraintSource) -> Result<Constraint, ConstraintError> {
        Constraint::compile(source, || self.vocabulary.get(&self.tokenizer))
    }

    /// The tokens of a text in which nothing is a control token.
    pub fn encode(&self, text: &str) -> Vec<TokenId> {
        let mut tokens = Vec::new();
        self.tokenizer.encode_plain(text, &mut tokens);
        tokens
    }

    /// The tokens of a text that stands alone, in which nothing is a control token. The token that begins a text comes
    /// first where the model wants it, and, in any model that has it, stands for an empty text.
    pub fn encode_document(&self, text: &str) -> Vec<TokenId> {
        self.tokenizer.encode_document(text)
    }

    /// What a token stands for: part of a text, perhaps cut inside a character; nothing for control tokens.
    pub fn token_bytes(&self, id: TokenId) -> &[u8] {
        self.tokenizer.token_bytes(id)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Engine").field("model", &self.info).finish_non_exhaustive()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.queue.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the engine's thread had panicked");
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
