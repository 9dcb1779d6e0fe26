//! The architecture `llama`: layers of grouped-query attention and a gated feed-forward network, each behind a
//! root-mean-square norm and added to a residual stream.
//!
//! A step takes any number of tokens of any sequences, a column each. No column sees another but through the cache,
//! so a step of many gives each what a step of its own would.

use super::weights::Tensors;
use super::{Hyperparameters, Machine, ModelError};
use crate::generation::TokenId;
use crate::gguf::{GgufFile, Metadata};
use crate::kernels::activations::{Columns, QuantizedColumns};
use crate::kernels::attention::{Attention, Partials, Query};
use crate::kernels::elementwise::{add, gated_sigmoid_unit, root_mean_square_norm};
use crate::kernels::matmul::{Inputs, multiply};
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

/// Why a step gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepError {
    /// The caller did not want it any more.
    Cancelled,
    /// A value of this column became infinite or not a number.
    NotFinite { column: usize },
}

/// The columns between two operations, kept from step to step for their memory.
#[derive(Default)]
pub(crate) struct Workspace {
    residual: Columns,
    normed: Columns,
    quantized: QuantizedColumns,
    projections: Columns,
    partials: Partials,
    attended: Columns,
    gate_and_up: Columns,
    logits: Columns,
    angles: Vec<Angles>,
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
        let mut tensors = Tensors::new(file);
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
        tensors.refuse_others()?;
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
    ) -> Result<(), StepError> {
        workspace.residual.reshape(inputs.len(), self.hyperparameters.width);
        workspace.angles.clear();
        for (index, input) in inputs.iter().enumerate() {
            self.embedding.unpack_row(input.token as usize, workspace.residual.column_mut(index));
            workspace.angles.push(self.rotary.angles(input.position));
        }
        for (index, layer) in self.layers.iter().enumerate() {
            if cancelled() {
                return Err(StepError::Cancelled);
            }
            self.attend(machine, workspace, cache, inputs, index, layer)?;
            self.feed_forward(machine, workspace, layer)?;
        }
        Ok(())
    }

    /// The logits of one column of the last step.
    pub(crate) fn logits<'a>(
        &self,
        machine: &mut Machine,
        workspace: &'a mut Workspace,
        column: usize,
    ) -> Result<&'a [f32], StepError> {
        workspace.normed.reshape(1, self.hyperparameters.width);
        let source = workspace.residual.column(column);
        let target = workspace.normed.column_mut(0);
        root_mean_square_norm(
            machine.set,
            source,
            &self.output_norm,
            self.hyperparameters.norm_epsilon,
            target,
        )
        .map_err(|_| StepError::NotFinite { column })?;
        let matrix = self.output.as_ref().unwrap_or(&self.embedding);
        workspace
            .quantized
            .quantize(machine.set, &workspace.normed)
            .map_err(|_| StepError::NotFinite { column })?;
        let inputs = Inputs { floats: &workspace.normed, quantized: &workspace.quantized };
        multiply(&mut machine.pool, machine.set, &[matrix], inputs, &mut workspace.logits);
        let logits = workspace.logits.column(0);
        if logits.iter().all(|logit| logit.is_finite()) {
            Ok(logits)
        } else {
            Err(StepError::NotFinite { column })
        }
    }

    fn attend(
        &self,
        machine: &mut Machine,
        workspace: &mut Workspace,
        cache: &mut KvCache,
        inputs: &[Input<'_>],
        index: usize,
        layer: &Layer,
    ) -> Result<(), StepError> {
        self.norm_and_quantize(machine, workspace, &layer.attention_norm)?;
        multiply(
            &mut machine.pool,
            machine.set,
            &[&layer.query, &layer.key, &layer.value],
            Inputs { floats: &workspace.normed, quantized: &workspace.quantized },
            &mut workspace.projections,
        );
        for (column, input) in inputs.iter().enumerate() {
            let projections = workspace.projections.column_mut(column);
            self.turn_and_store(machine, cache, index, input.slot, &workspace.angles[column], projections)
                .map_err(|NotStorable| StepError::NotFinite { column })?;
        }
        let queries: Vec<Query<'_>> =
            inputs.iter().map(|input| Query { pages: input.pages, position: input.position }).collect();
        Attention { cache, layer: index, heads: self.hyperparameters.heads }.compute(
            &mut machine.pool,
            machine.set,
            &queries,
            &workspace.projections,
            &mut workspace.partials,
            &mut workspace.attended,
        );
        Self::add_product(machine, workspace, &layer.attention_output)
    }

    /// Turns the heads of a column by its position, and stores its keys and values.
    fn turn_and_store(
        &self,
        machine: &Machine,
        cache: &mut KvCache,
        layer: usize,
        slot: Slot,
        angles: &Angles,
        projections: &mut [f32],
    ) -> Result<(), NotStorable> {
        let Hyperparameters { heads, key_value_heads, head_size, .. } = self.hyperparameters;
        let (turned, values) = projections.split_at_mut((heads + key_value_heads) * head_size);
        for head in turned.chunks_exact_mut(head_size) {
            angles.turn(machine.set, head);
        }
        let (queries, keys) = turned.split_at(heads * head_size);
        let storable = keys.iter().chain(&*values).all(|value| value.abs() <= LARGEST_HALF);
        if !storable || !queries.iter().all(|value| value.is_finite()) {
            return Err(NotStorable);
        }
        let pairs = keys.chunks_exact(head_size).zip(values.chunks_exact(head_size));
        for (head, (key, value)) in pairs.enumerate() {
            cache.store(machine.set, slot, layer, head, key, value);
        }
        Ok(())
    }

    fn feed_forward(
        &self,
        machine: &mut Machine,
        workspace: &mut Workspace,
        layer: &Layer,
    ) -> Result<(), StepError> {
        self.norm_and_quantize(machine, workspace, &layer.feed_forward_norm)?;
        let inputs = Inputs { floats: &workspace.normed, quantized: &workspace.quantized };
        let matrices = [&layer.gate, &layer.up];
        multiply(&mut machine.pool, machine.set, &matrices, inputs, &mut workspace.gate_and_up);
        let width = self.hyperparameters.feed_forward_width;
        workspace.attended.reshape(workspace.gate_and_up.count(), width);
        for column in 0..workspace.gate_and_up.count() {
            let (gate, up) = workspace.gate_and_up.column(column).split_at(width);
            gated_sigmoid_unit(machine.set, gate, up, workspace.attended.column_mut(column));
        }
        Self::add_product(machine, workspace, &layer.down)
    }

    /// The norm of every column of the residual stream, also in eight bits.
    fn norm_and_quantize(
        &self,
        machine: &Machine,
        workspace: &mut Workspace,
        weight: &[f32],
    ) -> Result<(), StepError> {
        let epsilon = self.hyperparameters.norm_epsilon;
        workspace.normed.reshape(workspace.residual.count(), self.hyperparameters.width);
        for column in 0..workspace.residual.count() {
            let target = workspace.normed.column_mut(column);
            root_mean_square_norm(machine.set, workspace.residual.column(column), weight, epsilon, target)
                .map_err(|_| StepError::NotFinite { column })?;
        }
        let quantized = workspace.quantized.quantize(machine.set, &workspace.normed);
        quantized.map_err(|column| StepError::NotFinite { column })
    }

    /// Multiplies what `attended` holds by a matrix, and adds it to the residual stream.
    fn add_product(
        machine: &mut Machine,
        workspace: &mut Workspace,
        matrix: &PackedMatrix,
    ) -> Result<(), StepError> {
        let quantized = workspace.quantized.quantize(machine.set, &workspace.attended);
        quantized.map_err(|column| StepError::NotFinite { column })?;
        let inputs = Inputs { floats: &workspace.attended, quantized: &workspace.quantized };
        multiply(&mut machine.pool, machine.set, &[matrix], inputs, &mut workspace.normed);
        for column in 0..workspace.normed.count() {
            add(machine.set, workspace.residual.column_mut(column), workspace.normed.column(column));
        }
        Ok(())
    }
}

/// A query is not finite, or a key or a value is too large for half precision.
struct NotStorable;

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
}
