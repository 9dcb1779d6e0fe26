//! How near the engine comes to the model as it is written: a test over a thousand tokens of English.
//!
//! The engine rounds on its way: activations to eight bits, keys and values to half precision. [`PlainLlama`] is the
//! same model with none of that, in plain single precision over the whole text at once. It is written to be
//! read; of the engine it uses what reads the model file and unpacks a row of weights, and nothing that computes.

use std::array::from_fn;
use std::thread::available_parallelism;

use super::weights::Tensors;
use super::{Hyperparameters, Input, Machine, Model, Workspace};
use crate::generation::TokenId;
use crate::gguf::GgufFile;
use crate::kernels::InstructionSet;
use crate::kernels::packed_matrix::PackedMatrix;
use crate::kernels::thread_pool::ThreadPool;
use crate::kv_cache::{KvCache, Sequence};
use crate::tokenizer::Tokenizer;

const TEXT: &str = include_str!("../../../../fixtures/english.txt");
const TOKENS: usize = 1_000;
/// Tokens that the engine computes together, and whose logits are compared together.
const STEP: usize = 200;

/// The values of one token.
type Column = Vec<f32>;

#[test]
#[ignore = "needs the default model: `cargo xtask test` fetches it, and runs this"]
fn the_engine_stays_near_the_plain_model() {
    let variable = "INTERFERENCE_TEST_MODEL";
    let path =
        std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set: run `cargo xtask test`"));
    let file = GgufFile::open(path.as_ref()).unwrap();
    let mut tokens = Vec::new();
    Tokenizer::from_metadata(&file.metadata).unwrap().encode_plain(TEXT, &mut tokens);
    tokens.truncate(TOKENS);
    assert_eq!(tokens.len(), TOKENS, "the text is long enough");

    let plain = PlainLlama::load(&file);
    let columns = plain.run(&tokens);
    let mut engine = EngineRun::new(&file);
    let mut positions = Vec::new();
    for (step, columns) in columns.chunks(STEP).enumerate() {
        let engine_logits = engine.step(&tokens[step * STEP..][..columns.len()]);
        let plain_logits = product(plain.output(), columns);
        positions.extend(on_all_threads(columns.len(), |index| {
            let next = tokens.get(step * STEP + index + 1);
            Position::compare(&plain_logits[index], &engine_logits[index], next.copied())
        }));
    }

    let mean_divergence = mean(positions.iter().map(|position| position.divergence));
    let largest_divergence = positions.iter().map(|position| position.divergence).fold(0.0, f64::max);
    let surprise = mean(positions.iter().filter_map(|position| position.surprise));
    let clear = positions.iter().filter(|position| position.is_clear).count();
    let agreeing = positions.iter().filter(|position| position.is_clear && position.agrees).count();
    let figures = format!(
        "divergence {mean_divergence:.5} in the mean, {largest_divergence:.5} at most; \
         {agreeing} of {clear} clear top tokens agree; the text surprises the plain model by {surprise:.3} a token"
    );
    // A model that both compute wrongly would be surprised by every word.
    assert!(surprise < 4.0, "the plain model does not know English: {figures}");
    assert!(mean_divergence < 0.01, "the engine's distributions are off: {figures}");
    assert!(clear >= TOKENS / 2, "too few positions to judge by: {figures}");
    assert!(agreeing * 100 >= clear * 99, "the engine's top tokens are others: {figures}");
}

/// What is seen at one position of the text.
struct Position {
    /// The Kullback-Leibler divergence of the engine's distribution from the plain model's, in nats.
    divergence: f64,
    /// Whether the plain model's largest logit is 0.2 or more above its second.
    is_clear: bool,
    /// Whether both have the same largest logit.
    agrees: bool,
    /// The negative logarithm of the plain model's probability of the token that follows, in nats.
    surprise: Option<f64>,
}

impl Position {
    fn compare(plain: &[f32], engine: &[f32], next: Option<TokenId>) -> Position {
        let (plain_top, engine_top) = (largest(plain), largest(engine));
        let distance =
            |logits: &[f32], top: usize, index: usize| f64::from(logits[index]) - f64::from(logits[top]);
        let (mut plain_mass, mut engine_mass, mut difference) = (0.0, 0.0, 0.0);
        let mut second = f64::NEG_INFINITY;
        for index in 0..plain.len() {
            let a = distance(plain, plain_top, index);
            let b = distance(engine, engine_top, index);
            let weight = libm::exp(a);
            plain_mass += weight;
            engine_mass += libm::exp(b);
            difference += weight * (a - b);
            if index != plain_top {
                second = second.max(a);
            }
        }
        Position {
            divergence: difference / plain_mass - libm::log(plain_mass) + libm::log(engine_mass),
            is_clear: second <= -0.2,
            agrees: plain_top == engine_top,
            surprise: next.map(|next| libm::log(plain_mass) - distance(plain, plain_top, next as usize)),
        }
    }
}

/// The engine, reading a text step by step.
struct EngineRun {
    model: Model,
    machine: Machine,
    workspace: Workspace,
    cache: KvCache,
    sequence: Sequence,
}

impl EngineRun {
    fn new(file: &GgufFile) -> EngineRun {
        let model = super::load(file).unwrap();
        let pool = ThreadPool::new(available_parallelism().unwrap()).unwrap();
        let cache = KvCache::new(model.cache_shape(), TOKENS);
        EngineRun {
            model,
            machine: Machine { pool, set: InstructionSet::detect() },
            workspace: Workspace::default(),
            cache,
            sequence: Sequence::default(),
        }
    }

    /// Reads more tokens, and gives the logits of each.
    fn step(&mut self, tokens: &[TokenId]) -> Vec<Column> {
        let EngineRun { model, machine, workspace, cache, sequence } = self;
        let start = sequence.length();
        cache.extend(sequence, tokens.len()).unwrap();
        let inputs = (start..).zip(tokens).map(|(position, token)| Input {
            token: *token,
            position,
            pages: sequence.pages(),
            slot: KvCache::slot(sequence, position),
        });
        let inputs: Vec<_> = inputs.collect();
        model.step(machine, workspace, cache, &inputs, &|| false).unwrap();
        let columns: Vec<usize> = (0..tokens.len()).collect();
        model.compute_logits(machine, workspace, &columns);
        workspace.logits().map(|logits| logits.unwrap().to_vec()).collect()
    }
}

/// A model of architecture `llama`, as plainly as it can be written.
struct PlainLlama {
    hyperparameters: Hyperparameters,
    embedding: PackedMatrix,
    output: Option<PackedMatrix>,
    output_norm: Vec<f32>,
    layers: Vec<PlainLayer>,
}

struct PlainLayer {
    attention_norm: Vec<f32>,
    query: PackedMatrix,
    key: PackedMatrix,
    value: PackedMatrix,
    attention_output: PackedMatrix,
    feed_forward_norm: Vec<f32>,
    gate: PackedMatrix,
    up: PackedMatrix,
    down: PackedMatrix,
}

impl PlainLlama {
    fn load(file: &GgufFile) -> PlainLlama {
        let hyperparameters = Hyperparameters::from_metadata(&file.metadata).unwrap();
        let vocabulary = file.metadata.strings("tokenizer.ggml.tokens").unwrap().len();
        let Hyperparameters { width, feed_forward_width, heads, key_value_heads, head_size, .. } =
            hyperparameters;
        let mut tensors = Tensors::new(file).unwrap();
        let output = tensors.has("output.weight");
        let layers = (0..hyperparameters.layers).map(|layer| {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            let mut matrix = |part, rows, columns| tensors.matrix(&name(part), rows, columns).unwrap();
            PlainLayer {
                query: matrix("attn_q", heads * head_size, width),
                key: matrix("attn_k", key_value_heads * head_size, width),
                value: matrix("attn_v", key_value_heads * head_size, width),
                attention_output: matrix("attn_output", width, heads * head_size),
                gate: matrix("ffn_gate", feed_forward_width, width),
                up: matrix("ffn_up", feed_forward_width, width),
                down: matrix("ffn_down", width, feed_forward_width),
                attention_norm: tensors.vector(&name("attn_norm"), width).unwrap(),
                feed_forward_norm: tensors.vector(&name("ffn_norm"), width).unwrap(),
            }
        });
        let model = PlainLlama {
            layers: layers.collect(),
            embedding: tensors.matrix("token_embd.weight", vocabulary, width).unwrap(),
            output: output.then(|| tensors.matrix("output.weight", vocabulary, width).unwrap()),
            output_norm: tensors.vector("output_norm.weight", width).unwrap(),
            hyperparameters,
        };
        tensors.finish().unwrap();
        model
    }

    /// The matrix that makes logits.
    fn output(&self) -> &PackedMatrix {
        self.output.as_ref().unwrap_or(&self.embedding)
    }

    /// What the output matrix takes, for every token of a text.
    fn run(&self, tokens: &[TokenId]) -> Vec<Column> {
        let mut residual: Vec<Column> =
            tokens.iter().map(|token| row(&self.embedding, *token as usize)).collect();
        for layer in &self.layers {
            let normal = self.norm(&residual, &layer.attention_norm);
            let queries = self.turn(product(&layer.query, &normal));
            let keys = self.turn(product(&layer.key, &normal));
            let values = product(&layer.value, &normal);
            let attended = self.attend(&queries, &keys, &values);
            add(&mut residual, &product(&layer.attention_output, &attended));

            let normal = self.norm(&residual, &layer.feed_forward_norm);
            let (gates, ups) = (product(&layer.gate, &normal), product(&layer.up, &normal));
            let gated = on_all_threads(tokens.len(), |token| {
                let pairs = gates[token].iter().zip(&ups[token]);
                pairs.map(|(gate, up)| gate / (1.0 + libm::expf(-gate)) * up).collect()
            });
            add(&mut residual, &product(&layer.down, &gated));
        }
        self.norm(&residual, &self.output_norm)
    }

    fn norm(&self, columns: &[Column], weight: &[f32]) -> Vec<Column> {
        let norm = |column: &Column| {
            let square = mean(column.iter().map(|value| f64::from(*value) * f64::from(*value)));
            let root = (square + f64::from(self.hyperparameters.norm_epsilon)).sqrt() as f32;
            column.iter().zip(weight).map(|(value, weight)| value / root * weight).collect()
        };
        columns.iter().map(norm).collect()
    }

    /// Turns each pair of values of each head by an angle that grows with the position.
    fn turn(&self, mut columns: Vec<Column>) -> Vec<Column> {
        let Hyperparameters { head_size, rotary_dimensions, rotary_base, .. } = self.hyperparameters;
        for (position, column) in columns.iter_mut().enumerate() {
            for pair in 0..rotary_dimensions / 2 {
                let exponent = (2 * pair) as f64 / rotary_dimensions as f64;
                let angle = position as f64 / libm::pow(f64::from(rotary_base), exponent);
                let (sine, cosine) = (libm::sin(angle) as f32, libm::cos(angle) as f32);
                for head in column.chunks_exact_mut(head_size) {
                    let (a, b) = (head[2 * pair], head[2 * pair + 1]);
                    head[2 * pair] = a * cosine - b * sine;
                    head[2 * pair + 1] = a * sine + b * cosine;
                }
            }
        }
        columns
    }

    /// Attention of every token to itself and those before it.
    fn attend(&self, queries: &[Column], keys: &[Column], values: &[Column]) -> Vec<Column> {
        let Hyperparameters { heads, key_value_heads, head_size, .. } = self.hyperparameters;
        let height = key_value_heads * head_size;
        // Dimension by dimension, so that the scores of all positions are computed side by side.
        let keys: Vec<Column> = (0..height).map(|row| keys.iter().map(|key| key[row]).collect()).collect();
        on_all_threads(queries.len(), |token| {
            let mut attended = vec![0.0; heads * head_size];
            for (head, target) in attended.chunks_exact_mut(head_size).enumerate() {
                let query = &queries[token][head * head_size..][..head_size];
                let start = head / (heads / key_value_heads) * head_size;
                let mut scores = vec![0.0; token + 1];
                for (query, keys) in query.iter().zip(&keys[start..]) {
                    add_scaled(&mut scores, keys, query / (head_size as f32).sqrt());
                }
                let most = scores[largest(&scores)];
                scores.iter_mut().for_each(|score| *score = libm::expf(*score - most));
                let total = scores.iter().map(|weight| f64::from(*weight)).sum::<f64>() as f32;
                for (weight, values) in scores.iter().zip(values) {
                    add_scaled(target, &values[start..start + head_size], weight / total);
                }
            }
            attended
        })
    }
}

/// A row of a matrix.
fn row(matrix: &PackedMatrix, row: usize) -> Vec<f32> {
    let mut values = vec![0.0; matrix.columns()];
    matrix.unpack_row(row, &mut values);
    values
}

/// Rows, and columns, whose products are summed up side by side.
const ROWS: usize = 4;
const WIDTH: usize = 8;

/// The product of a matrix with each column. Its rows are dealt to all threads.
fn product(matrix: &PackedMatrix, columns: &[Column]) -> Vec<Column> {
    let height = matrix.columns();
    let tile = |columns: &[Column]| -> Vec<[f32; WIDTH]> {
        (0..height).map(|k| from_fn(|index| columns.get(index).map_or(0.0, |column| column[k]))).collect()
    };
    let tiles: Vec<_> = columns.chunks(WIDTH).map(tile).collect();
    let bands = on_all_threads(matrix.rows().div_ceil(ROWS), |band| {
        let rows: [_; ROWS] = from_fn(|index| row(matrix, (band * ROWS + index).min(matrix.rows() - 1)));
        let weights: Vec<[f32; ROWS]> = (0..height).map(|k| from_fn(|index| rows[index][k])).collect();
        tiles.iter().map(|tile| tile_product(&weights, tile)).collect::<Vec<_>>()
    });
    on_all_threads(columns.len(), |column| {
        let value = |row: usize| bands[row / ROWS][column / WIDTH][row % ROWS][column % WIDTH];
        (0..matrix.rows()).map(value).collect()
    })
}

fn tile_product(weights: &[[f32; ROWS]], inputs: &[[f32; WIDTH]]) -> [[f32; WIDTH]; ROWS] {
    let mut sums = [[0.0; WIDTH]; ROWS];
    for (weights, inputs) in weights.iter().zip(inputs) {
        for (sums, weight) in sums.iter_mut().zip(weights) {
            for (sum, input) in sums.iter_mut().zip(inputs) {
                *sum += weight * input;
            }
        }
    }
    sums
}

fn add(targets: &mut [Column], sources: &[Column]) {
    for (target, source) in targets.iter_mut().zip(sources) {
        add_scaled(target, source, 1.0);
    }
}

fn add_scaled(target: &mut [f32], source: &[f32], factor: f32) {
    for (target, source) in target.iter_mut().zip(source) {
        *target += factor * source;
    }
}

/// Where the largest value is; the first of several.
fn largest(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, index| if values[index] > values[best] { index } else { best })
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}

/// Calls `work` for every number below `count`, and gives the results in order. Threads take turns, so that work
/// that grows with the number is dealt out evenly.
fn on_all_threads<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = available_parallelism().unwrap().get();
    let work = &work;
    std::thread::scope(|scope| {
        let deal =
            |thread| scope.spawn(move || (thread..count).step_by(threads).map(work).collect::<Vec<_>>());
        let handles: Vec<_> = (0..threads).map(deal).collect();
        let mut dealt: Vec<_> =
            handles.into_iter().map(|handle| handle.join().unwrap().into_iter()).collect();
        (0..count).map(|index| dealt[index % threads].next().unwrap()).collect()
    })
}
