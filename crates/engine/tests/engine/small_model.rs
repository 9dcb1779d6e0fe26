//! A sound model file of a few kilobytes, made here, so that it can be damaged anywhere.

/// A metadata value as it is written.
#[derive(Clone)]
pub(crate) enum Value {
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    Numbers(Vec<i32>),
    /// A type's number and the bytes behind it.
    Raw(u32, Vec<u8>),
}

/// A tensor as it is written.
#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dimensions: Vec<u64>,
    pub(crate) kind: u32,
    /// Where it lies behind the table; by default behind the one before.
    pub(crate) offset: Option<u64>,
    pub(crate) bytes: Vec<u8>,
}

/// What a file is made of. Counts are those of what is there, unless they are given.
#[derive(Clone)]
pub(crate) struct SmallModel {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u32,
    pub(crate) tensor_count: Option<u64>,
    pub(crate) value_count: Option<u64>,
    pub(crate) metadata: Vec<(String, Value)>,
    pub(crate) tensors: Vec<Tensor>,
}

pub(crate) const TEMPLATE: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + \
     message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{{ '<|im_start|>assistant\n' }}";

const WIDTH: u64 = 32;
const KEY_VALUE_WIDTH: u64 = 16;
const Q4_0: u32 = 2;

impl SmallModel {
    /// One layer, 32 wide, four heads; a vocabulary of a few letters.
    pub(crate) fn new() -> SmallModel {
        let texts = |texts: &[&str]| Value::Texts(texts.iter().map(|text| (*text).to_owned()).collect());
        let tokens = [
            "<|endoftext|>",
            "<|im_start|>",
            "<|im_end|>",
            "a",
            "b",
            "t",
            "r",
            "e",
            "Ġ",
            "Ċ",
            "tr",
            "ee",
            "tree",
        ];
        let mut kinds = vec![1; tokens.len()];
        kinds[..3].fill(3);
        let metadata = [
            ("general.architecture", Value::Text("llama".to_owned())),
            ("general.name", Value::Text("small".to_owned())),
            ("llama.block_count", Value::U32(1)),
            ("llama.context_length", Value::U32(64)),
            ("llama.embedding_length", Value::U32(WIDTH as u32)),
            ("llama.feed_forward_length", Value::U32(WIDTH as u32)),
            ("llama.attention.head_count", Value::U32(4)),
            ("llama.attention.head_count_kv", Value::U32(2)),
            ("llama.rope.dimension_count", Value::U32(8)),
            ("llama.rope.freq_base", Value::F32(10_000.0)),
            ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
            ("llama.vocab_size", Value::U32(tokens.len() as u32)),
            ("tokenizer.ggml.model", Value::Text("gpt2".to_owned())),
            ("tokenizer.ggml.pre", Value::Text("smollm".to_owned())),
            ("tokenizer.ggml.tokens", texts(&tokens)),
            ("tokenizer.ggml.token_type", Value::Numbers(kinds)),
            ("tokenizer.ggml.merges", texts(&["t r", "e e", "tr ee"])),
            ("tokenizer.ggml.bos_token_id", Value::U32(1)),
            ("tokenizer.ggml.eos_token_id", Value::U32(2)),
            ("tokenizer.ggml.add_bos_token", Value::Bool(false)),
            ("tokenizer.chat_template", Value::Text(TEMPLATE.to_owned())),
        ];
        let matrix = |name: &str, columns: u64, rows: u64| Tensor {
            name: name.to_owned(),
            dimensions: vec![columns, rows],
            kind: Q4_0,
            offset: None,
            // A scale of 1/64, and nibbles that differ.
            bytes: (0..columns * rows / 32)
                .flat_map(|block| {
                    [0, 0x24].into_iter().chain((0..16).map(move |i| (block * 7 + i * 29) as u8))
                })
                .collect(),
        };
        let vector = |name: &str| Tensor {
            name: name.to_owned(),
            dimensions: vec![WIDTH],
            kind: 0,
            offset: None,
            bytes: 1_f32.to_le_bytes().repeat(WIDTH as usize),
        };
        SmallModel {
            magic: *b"GGUF",
            version: 3,
            tensor_count: None,
            value_count: None,
            metadata: metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            tensors: vec![
                matrix("token_embd.weight", WIDTH, tokens.len() as u64),
                vector("output_norm.weight"),
                vector("blk.0.attn_norm.weight"),
                matrix("blk.0.attn_q.weight", WIDTH, WIDTH),
                matrix("blk.0.attn_k.weight", WIDTH, KEY_VALUE_WIDTH),
                matrix("blk.0.attn_v.weight", WIDTH, KEY_VALUE_WIDTH),
                matrix("blk.0.attn_output.weight", WIDTH, WIDTH),
                vector("blk.0.ffn_norm.weight"),
                matrix("blk.0.ffn_gate.weight", WIDTH, WIDTH),
                matrix("blk.0.ffn_up.weight", WIDTH, WIDTH),
                matrix("blk.0.ffn_down.weight", WIDTH, WIDTH),
            ],
        }
    }

    /// Sets a metadata value, in its place if it has one.
    pub(crate) fn set(&mut self, key: &str, value: Value) {
        match self.metadata.iter_mut().find(|(known, _)| known == key) {
            Some((_, place)) => *place = value,
            None => self.metadata.push((key.to_owned(), value)),
        }
    }

    /// Takes a metadata value away.
    pub(crate) fn remove(&mut self, key: &str) {
        let before = self.metadata.len();
        self.metadata.retain(|(known, _)| known != key);
        assert_eq!(self.metadata.len() + 1, before, "{key} was there");
    }

    /// The tensor of that name.
    pub(crate) fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors.iter_mut().find(|tensor| tensor.name == name).expect("it is there")
    }

    /// The file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        bytes.extend(self.value_count.unwrap_or(self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            text(&mut bytes, key);
            value.encode(&mut bytes);
        }
        let mut data = Vec::new();
        for tensor in &self.tensors {
            data.resize(data.len().next_multiple_of(32), 0);
            text(&mut bytes, &tensor.name);
            bytes.extend((tensor.dimensions.len() as u32).to_le_bytes());
            bytes.extend(tensor.dimensions.iter().flat_map(|size| size.to_le_bytes()));
            bytes.extend(tensor.kind.to_le_bytes());
            bytes.extend(tensor.offset.unwrap_or(data.len() as u64).to_le_bytes());
            data.extend(&tensor.bytes);
        }
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend(data);
        bytes
    }
}

impl Value {
    fn encode(&self, bytes: &mut Vec<u8>) {
        let kind: u32 = match self {
            Value::U32(_) => 4,
            Value::I32(_) => 5,
            Value::F32(_) => 6,
            Value::Bool(_) => 7,
            Value::Text(_) => 8,
            Value::Texts(_) | Value::Numbers(_) => 9,
            Value::Raw(kind, _) => *kind,
        };
        bytes.extend(kind.to_le_bytes());
        match self {
            Value::U32(number) => bytes.extend(number.to_le_bytes()),
            Value::I32(number) => bytes.extend(number.to_le_bytes()),
            Value::F32(number) => bytes.extend(number.to_le_bytes()),
            Value::Bool(truth) => bytes.push(u8::from(*truth)),
            Value::Text(value) => text(bytes, value),
            Value::Texts(texts) => {
                bytes.extend(8_u32.to_le_bytes());
                bytes.extend((texts.len() as u64).to_le_bytes());
                texts.iter().for_each(|value| text(bytes, value));
            }
            Value::Numbers(numbers) => {
                bytes.extend(5_u32.to_le_bytes());
                bytes.extend((numbers.len() as u64).to_le_bytes());
                bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            }
            Value::Raw(_, raw) => bytes.extend(raw),
        }
    }
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}
