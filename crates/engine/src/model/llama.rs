//! The architecture `llama`: layers of grouped-query attention and a gated feed-forward network, each behind a
//! root-mean-square norm and added to a residual stream.
//!
//! A step takes any number of tokens of any sequences, a column each. No column sees another but through the cache,
//! so a step of many gives each what a step of its own would. That holds for failures too: a column in which a value
//! becomes infinite or not a number is marked and set to zero, and its neighbours do not notice.

use super::weight_totals::WeightTotals;
use super::weights::Tensors;
use super::{Hyperparameters, Machine, ModelError};
use crate::generation::TokenId;
use crate::gguf::{GgufFile, Metadata};
use crate::kernels::InstructionSet;
use crate::kernels::activations::{Activations, Columns, NotFinite};
use crate::kernels::attention::{Attention, Partials, Query};
use crate::kernels::elementwise::{add, all_finite, gated_sigmoid_unit, root_mean_square_norm};
use crate::kernels::matmul::multiply;
use crate::kernels::packed_matrix::PackedMatrix;
use crate::kernels::rotary::{Angles, Rotary};
use crate::kv_cache::{CacheShape, KvCache, PageId, Slot};

/// The largest magnitude that half precision holds.
const LARGEST_HALF: f32 = 65_504.0;

/// A model's weights.
pub(crate) struct Llama {
    pub(crate) hyperparameters: Hyperparameters,
    /// Also the output matrix, where the file has none.
    embedding: PackedMatrix,
    output: Option<PackedMatrix>,
    output_norm: Vec<f32>,
    layers: Vec<Layer>,
    rotary: Rotary,
}

struct Layer {
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

/// One token to be computed.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) token: TokenId,
    pub(crate) position: usize,
    /// The pages of its sequence; the position is in them.
    pub(crate) pages: &'a [PageId],
    /// Where its keys and values go.
    pub(crate) slot: Slot,
}

/// Nobody wants the step any more: it was left between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cancelled;

/// The columns between two operations, kept from step to step for their memory.
#[derive(Default)]
pub(crate) struct Workspace {
    residual: Columns,
    /// What the next product takes.
    activations: Activations,
    /// Queries, keys and values; or gates and ups; or what is added to the residual stream.
    products: Columns,
    partials: Partials,
    logits: Columns,
    angles: Vec<Angles>,
    final_state: Vec<f32>,
    failed: Vec<bool>,
    failed_logits: Vec<bool>,
}

impl Workspace {
    /// Whether a value of this column of the last step became infinite or not a number.
    pub(crate) fn has_failed(&self, column: usize) -> bool {
        self.failed[column]
    }

    /// The logits of each column that [`Llama::compute_logits`] was asked for, all of them finite.
    pub(crate) fn logits(&mut self) -> impl Iterator<Item = Result<&mut [f32], NotFinite>> {
        let columns = self.logits.iter_mut().zip(&self.failed_logits);
        columns.map(|(logits, failed)| if *failed { Err(NotFinite) } else { Ok(logits) })
    }
}

impl Llama {
    /// Reads the weights from a file of this architecture.
    pub(super) fn load(file: &GgufFile) -> Result<Llama, ModelError> {
        let hyperparameters = Hyperparameters::from_metadata(&file.metadata)?;
        let vocabulary = file.metadata.strings("tokenizer.ggml.tokens")?.len();
        if let Some(claimed) = file.metadata.optional("llama.vocab_size", Metadata::u32)?
            && claimed as usize != vocabulary
        {
            let problem = "differs from the number of tokens";
            return Err(ModelError::Absurd {
                key: "llama.vocab_size".to_owned(),
                value: claimed.into(),
                problem,
            });
        }
        let mut tensors = Tensors::new(file)?;
        let Hyperparameters { width, .. } = hyperparameters;
        let embedding = tensors.matrix("token_embd.weight", vocabulary, width)?;
        let output = match tensors.has("output.weight") {
            true => Some(tensors.matrix("output.weight", vocabulary, width)?),
            false => None,
        };
        let output_norm = tensors.vector("output_norm.weight", width)?;
        let layers =
            (0..hyperparameters.layers).map(|layer| Layer::load(&mut tensors, &hyperparameters, layer));
        let layers = layers.collect::<Result<_, _>>()?;
        tensors.finish()?;
        let rotary = Rotary::new(hyperparameters.rotary_dimensions, hyperparameters.rotary_base);
        Ok(Llama { hyperparameters, embedding, output, output_norm, layers, rotary })
    }

    /// The sizes that a cache for this model needs.
    pub(crate) fn cache_shape(&self) -> CacheShape {
        let Hyperparameters { layers, key_value_heads, head_size, .. } = self.hyperparameters;
        CacheShape { layers, key_value_heads, head_size }
    }

    /// The number of tokens.
    pub(crate) fn vocabulary_size(&self) -> usize {
        self.embedding.rows()
    }

    /// What a step reads, and what a column multiplies.
    pub(crate) fn weight_totals(&self) -> WeightTotals {
        let layers: Vec<_> = self.layers.iter().flat_map(Layer::matrices).collect();
        WeightTotals::of(&layers, self.output.as_ref().unwrap_or(&self.embedding))
    }

    /// Computes the inputs, stores their keys and values, and leaves the residual stream in the workspace.
    ///
    /// Inputs of one sequence come in ascending position. `cancelled` is asked between layers.
    pub(crate) fn step(
        &self,
        machine: &mut Machine,
        workspace: &mut Workspace,
        cache: &mut KvCache,
        inputs: &[Input<'_>],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), Cancelled> {
        workspace.residual.reshape(inputs.len(), self.hyperparameters.width);
        workspace.failed.clear();
        workspace.failed.resize(inputs.len(), false);
        workspace.angles.clear();
        for (input, column) in inputs.iter().zip(workspace.residual.iter_mut()) {
            self.embedding.unpack_row(input.token as usize, column);
            workspace.angles.push(self.rotary.angles(input.position));
        }
        for (index, layer) in self.layers.iter().enumerate() {
            if cancelled() {
                return Err(Cancelled);
            }
            self.attend(machine, workspace, cache, inputs, index, layer);
            self.feed_forward(machine, workspace, layer);
        }
        Ok(())
    }

    /// Computes the logits of some columns of the last step: [`Workspace::logits`] has them.
    pub(crate) fn compute_logits(&self, machine: &mut Machine, workspace: &mut Workspace, columns: &[usize]) {
        let Workspace { residual, activations, logits, failed, failed_logits, .. } = workspace;
        failed_logits.clear();
        failed_logits.extend(columns.iter().map(|column| failed[*column]));
        let matrix = self.output.as_ref().unwrap_or(&self.embedding);
        let norm = |index: usize| (residual.column(columns[index]), self.output_norm.as_slice());
        self.fill_with_norm(machine, activations, &[matrix], failed_logits, &norm);
        multiply(&mut machine.pool, machine.set, &[matrix], activations, logits);
        let set = machine.set;
        let mut columns: Vec<_> = logits.iter().zip(failed_logits).collect();
        machine.pool.run_on_each(&mut columns, &|_, (logits, failed)| {
            **failed |= !all_finite(set, logits);
        });
    }

    /// The final state of a column of the last step: its residual stream behind the last norm, as the output matrix
    /// takes it.
    ///
    /// # Errors
    /// When a value of it is not finite.
    pub(crate) fn final_state<'w>(
        &self,
        set: InstructionSet,
        workspace: &'w mut Workspace,
        column: usize,
    ) -> Result<&'w [f32], NotFinite> {
        let Workspace { residual, final_state, .. } = workspace;
        let Hyperparameters { width, norm_epsilon, .. } = self.hyperparameters;
        final_state.resize(width, 0.0);
        root_mean_square_norm(set, residual.column(column), &self.output_norm, norm_epsilon, final_state)?;
        if all_finite(set, final_state) { Ok(final_state) } else { Err(NotFinite) }
    }

    fn attend(
        &self,
        machine: &mut Machine,
        workspace: &mut Workspace,
        cache: &mut KvCache,
        inputs: &[Input<'_>],
        index: usize,
        layer: &Layer,
    ) {
        let Workspace { residual, activations, products, partials, angles, failed, .. } = workspace;
        let Hyperparameters { heads, key_value_heads, head_size, .. } = self.hyperparameters;
        let matrices = [&layer.query, &layer.key, &layer.value];
        let norm = |column: usize| (residual.column(column), layer.attention_norm.as_slice());
        self.fill_with_norm(machine, activations, &matrices, failed, &norm);
        multiply(&mut machine.pool, machine.set, &matrices, activations, products);
        let set = machine.set;
        let mut columns: Vec<_> = products.iter_mut().zip(&*angles).zip(&mut *failed).collect();
        machine.pool.run_on_each(&mut columns, &|_, ((column, angles), failed)| {
            let (turned, values) = column.split_at_mut((heads + key_value_heads) * head_size);
            turned.chunks_exact_mut(head_size).for_each(|head| angles.turn(set, head));
            let (queries, keys) = turned.split_at(heads * head_size);
            let is_storable = keys.iter().chain(&*values).all(|value| value.abs() <= LARGEST_HALF);
            if !is_storable || !all_finite(set, queries) {
                **failed = true;
                column.fill(0.0);
            }
        });
        for (input, column) in inputs.iter().zip(products.iter()) {
            let (keys, values) = column[heads * head_size..].split_at(key_value_heads * head_size);
            let pairs = keys.chunks_exact(head_size).zip(values.chunks_exact(head_size));
            for (head, (key, value)) in pairs.enumerate() {
                cache.store(set, input.slot, index, head, key, value);
            }
        }
        let queries: Vec<Query<'_>> =
            inputs.iter().map(|input| Query { pages: input.pages, position: input.position }).collect();
        let attention = Attention { cache, layer: index, heads };
        let attended = attention.compute(&mut machine.pool, set, &queries, products, partials);
        let matrix = &layer.attention_output;
        let is_quantized = matrix.format().is_quantized();
        activations.fill(
            &mut machine.pool,
            set,
            heads * head_size,
            is_quantized,
            failed,
            &|column, target| {
                attended.column(column, target);
                Ok(())
            },
        );
        Self::add_product(machine, matrix, activations, products, residual);
    }

    fn feed_forward(&self, machine: &mut Machine, workspace: &mut Workspace, layer: &Layer) {
        let Workspace { residual, activations, products, failed, .. } = workspace;
        let matrices = [&layer.gate, &layer.up];
        let norm = |column: usize| (residual.column(column), layer.feed_forward_norm.as_slice());
        self.fill_with_norm(machine, activations, &matrices, failed, &norm);
        multiply(&mut machine.pool, machine.set, &matrices, activations, products);
        let (set, width) = (machine.set, self.hyperparameters.feed_forward_width);
        let is_quantized = layer.down.format().is_quantized();
        activations.fill(&mut machine.pool, set, width, is_quantized, failed, &|column, target| {
            let (gate, up) = products.column(column).split_at(width);
            gated_sigmoid_unit(set, gate, up, target);
            Ok(())
        });
        Self::add_product(machine, &layer.down, activations, products, residual);
    }

    /// The norms of some columns, for a product with the matrices. `source` gives a column and the norm's weights.
    fn fill_with_norm<'a>(
        &self,
        machine: &mut Machine,
        activations: &mut Activations,
        matrices: &[&PackedMatrix],
        failed: &mut [bool],
        source: &(dyn Fn(usize) -> (&'a [f32], &'a [f32]) + Sync),
    ) {
        let Hyperparameters { width, norm_epsilon, .. } = self.hyperparameters;
        let set = machine.set;
        let is_quantized = matrices.iter().any(|matrix| matrix.format().is_quantized());
        activations.fill(&mut machine.pool, set, width, is_quantized, failed, &|index, target| {
            let (column, weight) = source(index);
            root_mean_square_norm(set, column, weight, norm_epsilon, target)
        });
    }

    /// Multiplies the activations by a matrix, and adds that to the residual stream.
    fn add_product(
        machine: &mut Machine,
        matrix: &PackedMatrix,
        activations: &Activations,
        products: &mut Columns,
        residual: &mut Columns,
    ) {
        multiply(&mut machine.pool, machine.set, &[matrix], activations, products);
        for (target, source) in residual.iter_mut().zip(products.iter()) {
            add(machine.set, target, source);
        }
    }
}

impl Layer {
    fn load(
        tensors: &mut Tensors<'_>,
        hyperparameters: &Hyperparameters,
        layer: usize,
    ) -> Result<Layer, ModelError> {
        let Hyperparameters { width, feed_forward_width, heads, key_value_heads, head_size, .. } =
            *hyperparameters;
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        Ok(Layer {
            attention_norm: tensors.vector(&name("attn_norm"), width)?,
            query: tensors.matrix(&name("attn_q"), heads * head_size, width)?,
            key: tensors.matrix(&name("attn_k"), key_value_heads * head_size, width)?,
            value: tensors.matrix(&name("attn_v"), key_value_heads * head_size, width)?,
            attention_output: tensors.matrix(&name("attn_output"), width, heads * head_size)?,
            feed_forward_norm: tensors.vector(&name("ffn_norm"), width)?,
            gate: tensors.matrix(&name("ffn_gate"), feed_forward_width, width)?,
            up: tensors.matrix(&name("ffn_up"), feed_forward_width, width)?,
            down: tensors.matrix(&name("ffn_down"), width, feed_forward_width)?,
        })
    }

    fn matrices(&self) -> [&PackedMatrix; 7] {
        let Layer { query, key, value, attention_output, gate, up, down, .. } = self;
        [query, key, value, attention_output, gate, up, down]
    }
}
